//! Logs: to journald where systemd reads our standard error, else to standard error; with
//! `log_format = "json"` one object a line to standard output, as container engines collect them.

use std::io::IsTerminal;

use tracing_subscriber::{
    EnvFilter, filter::LevelFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::config::{Config, LogFormat, Origin, ServiceName};

/// What is logged where nothing is configured: what serves has nobody else to tell.
const SERVING_LEVEL: &str = "info";

/// Begins logging at the configured level.
pub(crate) fn start(config: &Config, serves: bool) {
    let text = match config.origin("log_level") {
        Origin::Default if serves => SERVING_LEVEL,
        _ => config.log_level.as_str(),
    };
    // It was found to be sound when the configuration was read.
    let filter = filter(text).unwrap_or_else(|_| EnvFilter::new(SERVING_LEVEL));
    let registry = tracing_subscriber::registry().with(filter);
    if config.services.log_format == LogFormat::Json {
        registry.with(fmt::layer().json().with_writer(std::io::stdout)).init();
        return;
    }
    // systemd sets JOURNAL_STREAM for a service whose standard error goes to the journal.
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    match journal {
        Some(journal) => registry.with(journal).init(),
        None => {
            let color = std::io::stderr().is_terminal();
            let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(color);
            registry.with(layer).init();
        }
    }
}

/// The filter that a text describes: levels, of everything or of a service or module.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, String> {
    let directive = |part: &str| {
        let (name, level) = part.trim().rsplit_once('=').unwrap_or(("", part.trim()));
        // The filter itself would take an unknown level for the name of a module.
        if level.parse::<LevelFilter>().is_err() {
            return Err(format!("{level:?} is no level"));
        }
        Ok(match name.parse().map(modules) {
            Ok(module) => format!("{module}={level}"),
            Err(_) if name.is_empty() => level.to_owned(),
            Err(_) => format!("{name}={level}"),
        })
    };
    let directives: Vec<_> = text.split(',').map(directive).collect::<Result<_, _>>()?;
    EnvFilter::try_new(directives.join(",")).map_err(|error| error.to_string())
}

/// Where a service's log lines come from.
fn modules(service: ServiceName) -> &'static str {
    match service {
        ServiceName::ApiGateway => "lucid_api::gateway",
        ServiceName::ApiServer => "lucid_api::rest",
        ServiceName::SessionChunker => "lucid_node::services::chunker",
        ServiceName::SessionEncryptor => "lucid_node::services::encryptor",
        ServiceName::MerkleBuilder => "lucid_node::services::merkle_builder",
        ServiceName::SessionOrchestrator => "lucid_node::services::orchestrator",
        ServiceName::Authentication => "lucid_auth",
        ServiceName::BlockchainLedger => "lucid_node::services::ledger",
        ServiceName::BlockchainVm => "lucid_node::services::vm",
        ServiceName::BlockchainApi => "lucid_node::services::chain_api",
        ServiceName::BlockchainSessionsData => "lucid_node::services::sessions_data",
        ServiceName::BlockchainGovernance => "lucid_node::services::governance",
        ServiceName::TorProxy => "lucid_tunnel",
        ServiceName::TunnelTools => "lucid_node::services::tor::tools",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_levels_of_their_own() {
        for (text, expected) in [
            ("info", "info"),
            ("warn,session-chunker=debug", "lucid_node::services::chunker=debug,warn"),
            ("authentication=off,info", "lucid_auth=off,info"),
            ("warn,lucid_store=trace", "lucid_store=trace,warn"),
        ] {
            assert_eq!(filter(text).unwrap().to_string(), expected);
        }
        for text in ["loud", "session-chunker=loud", "a=b=c"] {
            assert!(filter(text).is_err(), "{text}");
        }
        for service in ServiceName::ALL {
            let path = modules(service).replace("lucid_node::", "src/").replace("::", "/");
            let path = path.replace("lucid_api/", "crates/api/src/");
            let path = path.replace("lucid_auth", "crates/auth/src");
            let path = path.replace("lucid_tunnel", "crates/tunnel/src");
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            assert!(path.is_dir() || path.with_extension("rs").is_file(), "{path:?} is no module");
        }
    }
}
