//! The settings of services: names, defaults and bounds.

use std::{num::NonZeroU32, time::Duration};

use lucid_core::parameters::Bounds;

use super::{Loader, some, values};
use crate::config::{LogFormat, SecretText, ServiceConfig, ServiceName};

const REQUESTS_PER_MINUTE: u64 = 600;
const SIGN_INS_PER_MINUTE: u64 = 30;
const CONNECTIONS: u64 = 4096;
/// A browser has six to one place, and a network behind one address many of them.
const CONNECTIONS_PER_ADDRESS: u64 = 256;
const UPLOAD_EXPIRES_AFTER: Duration = Duration::from_hours(24);
/// Shorter would close what a browser's tab in the background still goes on with.
const UPLOAD_EXPIRES_MIN: Duration = Duration::from_secs(1);
const UPLOAD_EXPIRES_MAX: Duration = Duration::from_hours(24 * 30);
/// Witnesses are asked about a log that grows this often.
const WITNESS_MS: u64 = 10_000;
const WITNESS_MS_MIN: u64 = 50;
const WITNESS_MS_MAX: u64 = 86_400_000;
const BLOCK_MS: u64 = 250;
/// More often would be a poll of the log for its own sake, less often a chain that nobody waits for.
const BLOCK_MS_MIN: u64 = 10;
const BLOCK_MS_MAX: u64 = 60_000;
/// What wallets and the signature's `v` (EIP-155) take.
const CHAIN_ID_MAX: u64 = 4_503_599_627_370_476;
const GRACE_MS: u64 = 10_000;
const GRACE_MS_MAX: u64 = 600_000;

impl Loader {
    /// What concerns the services.
    pub(super) fn services(&mut self) -> ServiceConfig {
        let listen = self.take("listen", None, values::listen, |address| {
            address.map(|address| address.to_string())
        });
        let file = |text: &str| values::path(text).map(Some);
        let shown = |path: &Option<std::path::PathBuf>| {
            path.as_ref().map(|path| path.display().to_string())
        };
        let tls_certificate = self.take("tls_certificate", None, file, shown);
        let tls_key = self.take("tls_key", None, file, shown);
        let public_name = self.take("public_name", None, values::public_name, Clone::clone);
        let admins = self.list("admins", "it is a TRON address, T…", |text| {
            text.parse::<lucid_auth::Address>().ok().map(|address| address.owner())
        });
        let form = "it is an address or a network, such as 10.0.0.0/8";
        let trusted_proxies = self.list("trusted_proxies", form, values::network);
        let form = "it is an origin, such as https://console.example";
        let cors_origins = self.list("cors_origins", form, values::origin);
        let jwt_secret = self.secret_text(["jwt_secret", "jwt_secret_file"]);
        let service_secret = self.secret_text(["service_secret", "service_secret_file"]);
        let requests_per_minute = self.rate("requests_per_minute", REQUESTS_PER_MINUTE);
        let sign_ins_per_minute = self.rate("sign_ins_per_minute", SIGN_INS_PER_MINUTE);
        let connections_max = self.count("connections_max", CONNECTIONS, 1_000_000);
        let connections_per_address_max =
            self.count("connections_per_address_max", CONNECTIONS_PER_ADDRESS, 1_000_000);
        let open_sessions_max = {
            let Bounds { default, max, .. } = Bounds::OPEN_SESSIONS_MAX;
            self.count("open_sessions_max", default, max)
        };
        let upload_expires_after = self.take(
            "upload_expires_after",
            UPLOAD_EXPIRES_AFTER,
            |text| values::duration(text, UPLOAD_EXPIRES_MIN..=UPLOAD_EXPIRES_MAX),
            |time| Some(values::duration_text(*time)),
        );
        let grace = |text: &str| values::number(text, 0..=GRACE_MS_MAX);
        let grace = self.take("shutdown_grace_ms", GRACE_MS, grace, some);
        let log_format = self.take("log_format", LogFormat::Text, log_format, |format| {
            let name = match format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            };
            Some(name.to_owned())
        });
        let chain = self.take("chain", false, values::flag, some);
        let id = |text: &str| values::number(text, 1..=CHAIN_ID_MAX).map(Some);
        let chain_id = self.take("chain_id", None, id, |id| id.map(|id| id.to_string()));
        let block_time = |text: &str| values::number(text, BLOCK_MS_MIN..=BLOCK_MS_MAX);
        let block_time = self.take("block_ms", BLOCK_MS, block_time, some);
        let governance = self.governance();
        let public_log = self.take("public_log", false, values::flag, some);
        let witnesses = self.list_that("witnesses", values::witnesses);
        let witness_quorum = self.quorum(witnesses.len());
        let interval = |text: &str| values::number(text, WITNESS_MS_MIN..=WITNESS_MS_MAX);
        let interval = self.take("witness_interval_ms", WITNESS_MS, interval, some);
        let witnessed_logs = self.list_that("witnessed_logs", values::log_keys);
        ServiceConfig {
            public_log,
            chain,
            chain_id,
            block_time: Duration::from_millis(block_time),
            governance,
            witnesses,
            witness_quorum,
            witness_interval: Duration::from_millis(interval),
            witnessed_logs,
            listen,
            tls_certificate,
            tls_key,
            public_name,
            admins,
            trusted_proxies,
            cors_origins,
            jwt_secret,
            service_secret,
            requests_per_minute,
            sign_ins_per_minute,
            connections_max,
            connections_per_address_max,
            open_sessions_max,
            upload_expires_after,
            shutdown_grace: Duration::from_millis(grace),
            log_format,
            urls: self.urls(),
        }
    }

    /// How many of the witnesses make a checkpoint count.
    fn quorum(&mut self, witnesses: usize) -> Option<u32> {
        let quorum = |text: &str| match values::number(text, 1..=witnesses as u64) {
            Ok(quorum) => Ok(u32::try_from(quorum).ok()),
            Err(_) if witnesses == 0 => Err("is given, and there are no witnesses".to_owned()),
            Err(why) => Err(why),
        };
        self.take("witness_quorum", None, quorum, |quorum| quorum.map(|quorum| quorum.to_string()))
    }

    /// Where each service is: by default under its name, as in the Layer 1 stack.
    fn urls(&mut self) -> Vec<(ServiceName, String)> {
        [
            (ServiceName::ApiServer, "api_server_url"),
            (ServiceName::Authentication, "authentication_url"),
            (ServiceName::SessionChunker, "session_chunker_url"),
            (ServiceName::SessionEncryptor, "session_encryptor_url"),
            (ServiceName::MerkleBuilder, "merkle_builder_url"),
            (ServiceName::SessionOrchestrator, "session_orchestrator_url"),
            (ServiceName::BlockchainLedger, "blockchain_ledger_url"),
            (ServiceName::BlockchainVm, "blockchain_vm_url"),
            (ServiceName::BlockchainApi, "blockchain_api_url"),
            (ServiceName::BlockchainSessionsData, "blockchain_sessions_data_url"),
            (ServiceName::BlockchainGovernance, "blockchain_governance_url"),
            (ServiceName::TorProxy, "tor_proxy_url"),
        ]
        .into_iter()
        .map(|(service, setting)| {
            let default = format!("http://{service}:{}", service.port());
            (service, self.take(setting, default, values::service_url, some))
        })
        .collect()
    }

    fn list<T: ToString>(
        &mut self,
        name: &'static str,
        form: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        self.list_that(name, |text| values::list(text, form, parse))
    }

    /// A list that is read as a whole.
    fn list_that<T: ToString>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<Vec<T>, String>,
    ) -> Vec<T> {
        self.take(name, Vec::new(), parse, |list: &Vec<T>| {
            let list: Vec<_> = list.iter().map(ToString::to_string).collect();
            (!list.is_empty()).then(|| list.join(","))
        })
    }

    fn secret_text(&mut self, names: [&'static str; 2]) -> Option<SecretText> {
        let given = |text: &str| values::secret(text)?.ok_or_else(|| "is empty".to_owned());
        self.secret(names, given, values::secret_file)
    }

    fn rate(&mut self, name: &'static str, default: u64) -> NonZeroU32 {
        let rate = self.count(name, default, 1_000_000);
        NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN)
    }

    fn count(&mut self, name: &'static str, default: u64, most: u64) -> u32 {
        let count = self.take(name, default, |text| values::number(text, 1..=most), some);
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("is {text:?}: it is text or json")),
    }
}
