//! The settings of Tor: names, defaults and bounds.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use lucid_tunnel::control::{ControlAddress, Credentials, Password};

use super::{Loader, some, values};
use crate::config::TorConfig;

/// Where the distribution's tor has its control port once it has one.
const CONTROL: ControlAddress =
    ControlAddress::Tcp(SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9051));
const PASSWORD_BYTES_MAX: usize = 256;
/// Ten minutes: as often as tor gives what it does new circuits.
const CHECK_MS: u64 = 600_000;
/// A look costs relays some work.
const CHECK_MS_MIN: u64 = 1000;
const CHECK_MS_MAX: u64 = 86_400_000;
/// Where the distribution's tor writes its cookie: folders that nobody else can write to. A path that the control port's
/// own words name would be that of whoever listens there.
const COOKIES: [&str; 3] = [
    "/run/tor/control.authcookie",
    "/var/run/tor/control.authcookie",
    "/var/lib/tor/control_auth_cookie",
];

impl Loader {
    /// What is done with tor.
    pub(super) fn tor(&mut self) -> TorConfig {
        let is_named = self.given.contains_key("tor_control");
        let control = self.take("tor_control", CONTROL, control, some);
        let password = self.secret(["tor_password", "tor_password_file"], password, |path| {
            values::text_file(path, PASSWORD_BYTES_MAX, password)
        });
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let cookie = self.take("tor_cookie_file", None, cookie_file, path);
        let cookie =
            cookie.map_or_else(|| COOKIES.map(PathBuf::from).to_vec(), |cookie| vec![cookie]);
        let credentials = password.map_or(Credentials::CookieIn(cookie), Credentials::Password);
        let onion = self.take("onion", false, values::flag, some);
        let target = |address: &Option<SocketAddr>| address.map(|address| address.to_string());
        let onion_target = self.take("onion_target", None, onion_target, target);
        let onion_only = self.take("onion_only", false, values::flag, some);
        let interval = |text: &str| values::number(text, CHECK_MS_MIN..=CHECK_MS_MAX);
        let interval = self.take("onion_check_interval_ms", CHECK_MS, interval, some);
        let check_interval = Duration::from_millis(interval);
        TorConfig {
            control,
            is_named,
            credentials,
            onion,
            onion_target,
            onion_only,
            check_interval,
        }
    }
}

fn cookie_file(text: &str) -> Result<Option<PathBuf>, String> {
    let path = PathBuf::from(text);
    match path.is_absolute() {
        true => Ok(Some(path)),
        false => {
            Err(format!("is {text:?}: it is the whole path of the file, such as {}", COOKIES[0]))
        }
    }
}

fn control(text: &str) -> Result<ControlAddress, String> {
    text.parse().map_err(|error| format!("cannot be used: {error}"))
}

/// Errors do not repeat it.
fn password(text: &str) -> Result<Password, String> {
    let text = text.strip_suffix('\n').map_or(text, |text| text.trim_end_matches('\r'));
    Password::parse(text).map_err(|error| format!("cannot be used: {error}"))
}

/// Where tor reaches the gateway, which is no name: tor would look it up where nobody sees that.
fn onion_target(text: &str) -> Result<Option<SocketAddr>, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 && !address.ip().is_unspecified() => Ok(Some(address)),
        _ => Err(format!(
            "is {text:?}: it is where tor reaches the gateway, an address and a port such as 172.21.0.30:8080"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lucid_tunnel::control::Credentials;

    use super::super::examine;
    use crate::config::{Config, Overrides};

    fn given(environment: &[(&str, &str)]) -> (Config, Vec<String>) {
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
        let none = Path::new("/no/such/file");
        let (config, errors) = examine(&Overrides::default(), environment.collect(), none);
        (config, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn tor_is_left_alone_until_it_is_asked_for() {
        let (config, errors) = given(&[]);
        assert!(errors.is_empty() && !config.tor.is_wanted(), "{errors:?}");
        assert_eq!(config.tor.control.to_string(), "127.0.0.1:9051");
        let cookies = |config: &Config| match &config.tor.credentials {
            Credentials::CookieIn(places) => places.clone(),
            _ => panic!("no cookie"),
        };
        // Never where whoever listens at the port says.
        assert!(cookies(&config).len() > 1 && cookies(&config).iter().all(|at| at.is_absolute()));
        let (config, _) = given(&[("LUCID_TOR_COOKIE_FILE", "/srv/tor/cookie")]);
        assert_eq!(cookies(&config), [Path::new("/srv/tor/cookie")]);
        for (name, value) in
            [("LUCID_ONION", "true"), ("LUCID_TOR_CONTROL", "unix:/run/tor/control")]
        {
            let (config, errors) = given(&[(name, value)]);
            assert!(errors.is_empty() && config.tor.is_wanted(), "{errors:?}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_a_password_not_repeated() {
        for (name, value, says) in [
            ("LUCID_TOR_CONTROL", "localhost:9051", "IP:PORT"),
            ("LUCID_TOR_CONTROL", "unix:run/tor", "unix:/run/tor/control"),
            ("LUCID_TOR_COOKIE_FILE", "cookie", "/run/tor/control.authcookie"),
            ("LUCID_TOR_PASSWORD", "hush\u{7}hush", "control characters"),
            ("LUCID_TOR_PASSWORD", "", "1 to 256"),
            ("LUCID_ONION_TARGET", "gateway:8080", "172.21.0.30:8080"),
            ("LUCID_ONION_TARGET", "0.0.0.0:8080", "172.21.0.30:8080"),
            ("LUCID_ONION_TARGET", "127.0.0.1:0", "172.21.0.30:8080"),
            ("LUCID_ONION", "perhaps", "true or false"),
        ] {
            let (_, errors) = given(&[(name, value)]);
            assert!(errors.len() == 1 && errors[0].contains(says), "{name}={value:?}: {errors:?}");
            assert!(!errors[0].contains("hush"), "{errors:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "a \"quoted\\ word\n").unwrap();
        let (config, errors) = given(&[("LUCID_TOR_PASSWORD_FILE", file.to_str().unwrap())]);
        assert_eq!(errors, [""; 0]);
        assert!(matches!(config.tor.credentials, Credentials::Password(_)));
        let (config, _) = given(&[("LUCID_TOR_PASSWORD", "hushhush")]);
        let shown = config.settings.iter().filter_map(|setting| setting.value.as_deref());
        assert!(shown.into_iter().all(|value| !value.contains("hush")));
        assert_eq!(config.secrets.len(), 1);
    }

    #[test]
    fn a_gateway_for_tor_alone_listens_where_only_tor_is() {
        let rows = [
            ("127.0.0.1:9051", "127.0.0.1:8080", true),
            ("unix:/run/tor/control", "127.0.0.1:8080", true),
            ("unix:/run/tor/control", "192.0.2.1:8080", false),
            ("127.0.0.1:9051", "0.0.0.0:8080", false),
            ("172.21.0.40:9051", "172.21.0.30:8080", true),
        ];
        for (control, listen, good) in rows {
            let settings = [("LUCID_TOR_CONTROL", control), ("LUCID_ONION_ONLY", "true")];
            let (config, errors) = given(&settings);
            assert_eq!(errors, [""; 0]);
            let only = config.tor.only(listen.parse().unwrap());
            assert_eq!(only.is_ok_and(|only| only.is_some()), good, "{control} {listen}");
        }
        let (config, _) = given(&[]);
        assert!(config.tor.only("0.0.0.0:8080".parse().unwrap()).unwrap().is_none());
    }
}
