use std::{fs, os::unix::ffi::OsStringExt, os::unix::fs::PermissionsExt, path::PathBuf};

use super::*;
use crate::config::ServiceName;

const KEY: &str = "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff";

/// A folder with a configuration file in it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(toml: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(place.file(), toml).unwrap();
        fs::set_permissions(place.file(), fs::Permissions::from_mode(0o640)).unwrap();
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("lucid.toml")
    }

    /// With the file as the one of an installed node.
    fn examine(
        &self,
        environment: &[(&str, &str)],
        arguments: &Overrides,
    ) -> (Config, Vec<String>) {
        let environment =
            environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let (config, errors) = examine(arguments, environment, &self.file());
        (config, errors.iter().map(|error| format!("{error}\n{error:?}")).collect())
    }
}

fn shown(config: &Config, name: &str) -> (Option<String>, Origin) {
    let setting = config.settings.iter().find(|setting| setting.name == name).unwrap();
    (setting.value.clone(), setting.origin)
}

#[test]
fn command_line_over_environment_over_file_over_defaults() {
    let environment = [("LUCID_WORKERS", "3"), ("LUCID_OWNER", "env"), ("HOME", "/root")];
    let arguments = Overrides { workers: Some("2".into()), ..Overrides::default() };
    let place = Place::new("workers = 4\nowner = \"file\"\nzstd_level = 9\n");
    let (config, errors) = place.examine(&environment, &arguments);
    assert_eq!(errors, [""; 0]);
    let check = |name, value: &str, origin| {
        assert_eq!(shown(&config, name), (Some(value.to_owned()), origin), "{name}");
    };
    check("workers", "2", Origin::CommandLine);
    check("owner", "env", Origin::Environment);
    check("zstd_level", "9", Origin::File);
    check("chunk_bytes", "8388608", Origin::Default);
    assert_eq!(config.workers.get(), 2);
    assert_eq!(config.owner.as_str(), "env");
    assert_eq!((config.zstd_level, config.chunk_bytes), (9, 8 << 20));
    assert_eq!((config.suite, config.flush_after), (None, Duration::from_secs(10)));
    assert_eq!(config.data, Path::new("/var/lib/lucid"), "an installed node's");
}

#[test]
fn without_a_file_there_are_defaults() {
    let arguments = Overrides::default();
    let (config, errors) = examine(&arguments, Vec::new(), Path::new("/no/such/file"));
    assert!(errors.is_empty());
    assert_eq!(config.data, Path::new("lucid-data"));
    assert_eq!(shown(&config, "config"), (None, Origin::Default));
    assert!(config.workers.get() <= WORKERS_MAX);
    // One that is named must be there.
    for environment in [vec![("LUCID_CONFIG".into(), "/no/such".into())], Vec::new()] {
        let config = environment.is_empty().then(|| "/no/such".to_owned());
        let arguments = Overrides { config, ..Overrides::default() };
        let (_, errors) = examine(&arguments, environment, Path::new("/no/such/file"));
        assert!(matches!(&errors[..], [ConfigError::Unreadable { .. }]), "{errors:?}");
    }
}

#[test]
fn a_named_file_replaces_the_installed_one() {
    let (installed, named) = (Place::new("owner = \"a\"\n"), Place::new("zstd_level = 5\n"));
    let file = named.file().display().to_string();
    let (config, errors) = installed.examine(&[("LUCID_CONFIG", &file)], &Overrides::default());
    assert_eq!(errors, [""; 0]);
    assert_eq!((config.owner.as_str(), config.zstd_level), ("local", 5));
    assert_eq!(config.data, Path::new("lucid-data"));
}

#[test]
fn every_setting_can_be_given_everywhere() {
    let recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let place = Place::new(&format!(
        "data = \"d\"\nowner = \"o\"\nchunk_bytes = 65_536\nzstd_level = 1\n\
         suite = \"chacha20-poly1305\"\nworkers = 1\nage_recipients = [\"{recipient}\"]\n\
         write_only = false\nmaster_key = \"{KEY}\"\nreserve_bytes = \"1GiB\"\n\
         flush_after = \"500ms\"\nlog_level = \"warn,lucid_store=debug\"\n\
         listen = \"127.0.0.1:8123\"\n"
    ));
    let (by_file, errors) = place.examine(&[], &Overrides::default());
    assert_eq!(errors, [""; 0]);
    let arguments = Overrides {
        data: Some("d".into()),
        config: None,
        owner: Some("o".into()),
        chunk_bytes: Some("64KiB".into()),
        zstd_level: Some("1".into()),
        suite: Some("chacha20-poly1305".into()),
        workers: Some("1".into()),
        age_recipients: vec![recipient.into()],
        write_only: Some(false),
        master_key_file: None,
        reserve_bytes: Some("1024MiB".into()),
        flush_after: Some("500ms".into()),
        log_level: Some("warn,lucid_store=debug".into()),
        listen: Some("127.0.0.1:8123".into()),
    };
    let (by_flags, errors) = Place::new("").examine(&[("MASTER_ENCRYPTION_KEY", KEY)], &arguments);
    assert_eq!(errors, [""; 0]);
    let names =
        by_file.settings.iter().filter_map(|setting| setting.value.as_ref().map(|_| setting.name));
    let variables: Vec<_> = names
        .filter(|name| *name != "config")
        .map(|name| {
            let value =
                if name == "master_key" { KEY.into() } else { shown(&by_file, name).0.unwrap() };
            (format!("LUCID_{}", name.to_uppercase()), value)
        })
        .collect();
    assert_eq!(variables.len(), 51);
    let variables: Vec<_> = variables.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let (by_variables, errors) = Place::new("").examine(&variables, &Overrides::default());
    assert_eq!(errors, [""; 0]);
    for config in [&by_file, &by_flags, &by_variables] {
        assert_eq!(config.chunk_bytes, 65_536);
        assert_eq!(config.suite, Some(Suite::ChaCha20Poly1305));
        assert_eq!(config.age_recipients[0].to_string(), recipient);
        assert_eq!(config.reserve_bytes, Some(1 << 30));
        assert_eq!(config.flush_after, Duration::from_millis(500));
        assert_eq!(config.master_key.as_ref().unwrap().to_hex().as_str(), KEY.to_lowercase());
        assert_eq!(shown(config, "master_key").0.as_deref(), Some(MASK));
        let values = |config: &Config| -> Vec<_> {
            let of = |setting: &Setting| (setting.name, setting.value.clone());
            config.settings.iter().map(of).filter(|(name, _)| *name != "config").collect()
        };
        assert_eq!(values(config), values(&by_file));
    }
}

#[test]
fn settings_of_services() {
    let secret = "0123456789abcdef0123456789abcdef";
    let toml = format!(
        "listen = \"[::1]:9\"\ntls_certificate = \"c\"\ntls_key = \"k\"\npublic_name = \"Archive 1\"\n\
         admins = [\"TJRabPrwbZy45sbavfcjinPJC18kjpRTv8\"]\n\
         trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\ncors_origins = [\"https://a.example:8443\"]\n\
         jwt_secret = \"{secret}\"\nservice_secret = \"{secret}\"\nrequests_per_minute = 7\n\
         upload_expires_after = \"2h\"\nshutdown_grace_ms = 50\nlog_format = \"json\"\n\
         api_server_url = \"http://127.0.0.1:81/\"\n"
    );
    let (config, errors) = Place::new(&toml).examine(&[], &Overrides::default());
    assert_eq!(errors, [""; 0]);
    let services = &config.services;
    assert_eq!(services.listen.unwrap().to_string(), "[::1]:9");
    assert_eq!(services.admins[0].as_str(), "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8");
    let proxies: Vec<_> = services.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(services.jwt_secret.as_ref().unwrap().expose(), secret);
    assert_eq!(services.requests_per_minute.get(), 7);
    assert_eq!(services.upload_expires_after, Duration::from_hours(2));
    assert_eq!(services.shutdown_grace, Duration::from_millis(50));
    assert_eq!(services.url(ServiceName::ApiServer), "http://127.0.0.1:81");
    assert_eq!(services.url(ServiceName::MerkleBuilder), "http://merkle-builder:8090");
    for name in ["jwt_secret", "service_secret"] {
        assert_eq!(shown(&config, name).0.as_deref(), Some(MASK));
    }
    for (toml, says) in [
        ("listen = \"8080\"", "127.0.0.1:8080"),
        ("jwt_secret = \"short\"", "32 to 1024"),
        ("service_secret = 12345678901234567890123456789012", "a text in quotes"),
        ("trusted_proxies = [\"10.0.0.0/33\"]", "10.0.0.0/8"),
        ("cors_origins = [\"*\"]", "https://console.example"),
        ("admins = [\"not an address\"]", "TRON address"),
        ("public_name = \"two\\nlines\"", "printable"),
        ("session_chunker_url = \"https://x:1\"", "http://HOST:PORT"),
        ("session_chunker_url = \"http://x:1/path\"", "http://HOST:PORT"),
        ("session_chunker_url = \"http://user@x:1\"", "http://HOST:PORT"),
        ("requests_per_minute = 0", "1 to 1000000"),
        ("upload_expires_after = \"31d\"", "720h"),
        ("log_format = \"xml\"", "text or json"),
        // Longer than the vote is open.
        ("governance_voting_period = \"1h\"\ngovernance_vote_extension = \"2h\"", "1h"),
    ] {
        let (_, errors) = Place::new(toml).examine(&[], &Overrides::default());
        assert!(errors.len() == 1 && errors[0].contains(says), "{toml}: {errors:?}");
    }
}

#[test]
fn witnesses_and_witnessed_logs() {
    use lucid_core::note::{CosigningKey, SigningKey};
    let name = |text: &str| text.parse().unwrap();
    let witness_of =
        |text, seed| CosigningKey::from_seed(name(text), &[seed; 32]).verifier_key().to_string();
    let witness = witness_of("witness.example/w1", 1);
    let another = witness_of("witness.example/w2", 3);
    let renamed = witness_of("witness.example/w3", 1);
    let log = SigningKey::from_seed(name("example.com/log"), &[2; 32]);
    let log = log.verifier_key().to_string();
    let toml = format!(
        "public_log = true\nwitnesses = [\"{witness} https://witness.example/a/\", \"{another} \
         http://127.0.0.1:9\"]\nwitness_quorum = 1\nwitness_interval_ms = 250\n\
         witnessed_logs = [\"{log}\"]\n"
    );
    let (config, errors) = Place::new(&toml).examine(&[], &Overrides::default());
    assert_eq!(errors, [""; 0]);
    let services = &config.services;
    let found: Vec<_> = services.witnesses.iter().map(ToString::to_string).collect();
    let expected = [(&witness, "https://witness.example/a"), (&another, "http://127.0.0.1:9")];
    assert_eq!(found, expected.map(|(key, url)| format!("{key} {url}")));
    assert_eq!((services.public_log, services.quorum()), (true, 1));
    assert_eq!(services.witness_interval, Duration::from_millis(250));
    assert_eq!(services.witnessed_logs[0].to_string(), log);
    let all = toml.replace("witness_quorum = 1\n", "");
    let (config, _) = Place::new(&all).examine(&[], &Overrides::default());
    assert_eq!(config.services.quorum(), 2, "all of them, unless it is said");
    let one = |text: &str| format!("witnesses = [\"{text}\"]");
    for (toml, says) in [
        (one(&witness), "where it is"),
        (one(&format!("{log} https://a")), "where it is"),
        (one(&format!("{witness} ftp://a")), "where it is"),
        (one(&format!("{witness} https://")), "where it is"),
        (one(&format!("{witness} https://user@a")), "where it is"),
        (one("x https://a"), "where it is"),
        (one(&format!("{witness} https://a")) + "\nwitness_quorum = 2", "1 to 1"),
        (one(&format!("{witness} https://a\", \"{witness} https://b")), "w1 twice"),
        (one(&format!("{witness} https://a\", \"{renamed} https://b")), "w3 twice"),
        (format!("witnessed_logs = [\"{log}\", \"{log}\"]"), "example.com/log twice"),
        ("witness_quorum = 1".to_owned(), "there are no witnesses"),
        ("witness_interval_ms = 1".to_owned(), "50 to"),
        (format!("witnessed_logs = [\"{witness}\"]"), "the key of a log"),
        ("public_log = \"maybe\"".to_owned(), "true or false"),
    ] {
        let (_, errors) = Place::new(&toml).examine(&[], &Overrides::default());
        assert!(errors.len() == 1 && errors[0].contains(says), "{toml}: {errors:?}");
    }
}

#[test]
fn unknown_names_are_errors_that_name_the_nearest() {
    let check = |toml: &str, environment: &[(&str, &str)], parts: &[&str]| {
        let (_, errors) = Place::new(toml).examine(environment, &Overrides::default());
        assert_eq!(errors.len(), 1, "{errors:?}");
        for part in parts {
            assert!(errors[0].contains(part), "{part:?} in {errors:?}");
        }
    };
    check(
        "owner = \"a\"\nchunk_byte = 5\n",
        &[],
        &["lucid.toml, line 2", "chunk_byte", "is chunk_bytes"],
    );
    check("[lucid]\nowner = \"a\"\n", &[], &["line 1", "lucid"]);
    check("Owner = \"a\"\n", &[], &["nearest is owner"]);
    check("", &[("LUCID_WORKER", "5")], &["LUCID_WORKER", "is LUCID_WORKERS"]);
    check("", &[("LUCID_workers", "5")], &["LUCID_workers"]);
    check("", &[("LUCID_", "5")], &["LUCID_"]);
    let tests = [("LUCID_TEST_X", "1"), ("LUCID_ETHEREUM_TESTS", "/x"), ("LUCIDITY", "1")];
    let (_, errors) = Place::new("").examine(&tests, &Overrides::default());
    assert_eq!(errors, [""; 0]);
}

#[test]
fn values_out_of_bounds_are_refused_with_what_is_allowed() {
    let check = |name: &str, value: &str, good: bool| {
        let variable = format!("LUCID_{}", name.to_uppercase());
        let (config, errors) = Place::new("").examine(&[(&variable, value)], &Overrides::default());
        assert_eq!(errors.is_empty(), good, "{name}={value}: {errors:?}");
        if !good {
            assert!(errors[0].contains(&variable) && errors[0].contains(name), "{errors:?}");
            assert_eq!(shown(&config, name), (None, Origin::Environment));
        }
    };
    for (value, good) in [
        ("65536", true),
        ("64KiB", true),
        ("16MiB", true),
        ("65535", false),
        ("16777217", false),
        ("17MiB", false),
        ("8MB", false),
        ("8 MiB", false),
        ("-8MiB", false),
        ("+8MiB", false),
        ("MiB", false),
        ("", false),
        ("99999999999999999999", false),
        ("18014398509481984KiB", false),
    ] {
        check("chunk_bytes", value, good);
    }
    for (name, good, bad) in [
        ("zstd_level", ["1", "9"], ["0", "10"]),
        ("workers", ["1", "64"], ["0", "65"]),
        ("suite", ["auto", "aes-256-gcm"], ["AES", ""]),
        ("flush_after", ["10ms", "60m"], ["9ms", "61m"]),
        ("flush_after", ["2m", "1h"], ["10", "2h"]),
        ("write_only", ["true", "0"], ["yes", ""]),
        ("owner", ["a:b@c", "local"], ["a b", ""]),
        ("reserve_bytes", ["0", "1TiB"], ["1.5GiB", "all"]),
        ("log_level", ["info", "warn,lucid_store=debug"], ["", "lucid=loud=er"]),
        ("data", ["x", "/x/y"], ["", ""]),
        ("age_recipients", ["", ","], ["age1x", "AGE-SECRET-KEY-1X"]),
        (
            "master_key",
            [KEY, "  00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff\n"],
            ["", "ab"],
        ),
    ] {
        for value in good {
            check(name, value, true);
        }
        for value in bad {
            check(name, value, false);
        }
    }
}

#[test]
fn all_that_is_wrong_is_found_at_once() {
    let arguments = Overrides { workers: Some("0".into()), ..Overrides::default() };
    let place = Place::new("owner = 1.5\nnonsense = 1\n");
    let (_, errors) = place.examine(&[("LUCID_ZSTD_LEVEL", "99")], &arguments);
    assert_eq!(errors.len(), 4, "{errors:?}");
}

#[test]
fn no_error_repeats_a_secret() {
    let exposed =
        |text: &str| ["00112233", "aabbccdd"].iter().any(|part| text.to_lowercase().contains(part));
    for toml in [
        format!("master_key = {}\n", KEY.replace(char::is_alphabetic, "")),
        format!("master_key = {KEY}\n"),
        format!("master_key = \"{KEY}\n"),
        format!("master_key = \"{KEY}0\"\n"),
        format!("master_key = [\"{KEY}\"]\n"),
        format!("master_key = {{ a = \"{KEY}\" }}\n"),
        format!("master_key = 0x{}\n", &KEY[..12]),
        format!("age_recipients = [\"AGE-SECRET-KEY-1{KEY}\"]\n"),
    ] {
        let (config, errors) = Place::new(&toml).examine(&[], &Overrides::default());
        assert_eq!(errors.len(), 1, "{toml}: {errors:?}");
        assert!(!exposed(&errors[0]), "{errors:?}");
        assert!(!exposed(&format!("{:?}", config.settings)));
    }
    let bad = format!("{KEY}{KEY}");
    for name in ["LUCID_MASTER_KEY", "MASTER_ENCRYPTION_KEY"] {
        let (config, errors) = Place::new("").examine(&[(name, &bad)], &Overrides::default());
        assert!(errors[0].contains(name) && !exposed(&errors[0]), "{errors:?}");
        assert!(config.master_key.is_none() && !exposed(&format!("{:?}", config.settings)));
    }
}

#[test]
fn a_secret_has_one_source() {
    let place = Place::new("");
    let file = place.folder.path().join("kek");
    fs::write(&file, format!("\n {KEY} \n")).unwrap();
    let file = file.to_str().unwrap();
    let key_of = |place: &Place, environment: &[(&str, &str)], argument: Option<&str>| {
        let master_key_file = argument.map(str::to_owned);
        let arguments = Overrides { master_key_file, ..Overrides::default() };
        let (config, errors) = place.examine(environment, &arguments);
        assert_eq!(errors, [""; 0]);
        config.master_key.unwrap().to_hex()[..4].to_owned()
    };
    let other = "ff".repeat(32);
    assert_eq!(key_of(&place, &[("LUCID_MASTER_KEY_FILE", file)], None), "0011");
    assert_eq!(key_of(&place, &[("MASTER_ENCRYPTION_KEY_FILE", file)], None), "0011");
    // What is above hides both names of what is below.
    assert_eq!(key_of(&place, &[("LUCID_MASTER_KEY", &other)], Some(file)), "0011");
    let ours_and_older =
        [("LUCID_MASTER_KEY", other.as_str()), ("MASTER_ENCRYPTION_KEY_FILE", file)];
    assert_eq!(key_of(&place, &ours_and_older, None), "ffff");
    let with_key = Place::new(&format!("master_key = \"{other}\"\n"));
    assert_eq!(key_of(&with_key, &[("MASTER_ENCRYPTION_KEY_FILE", file)], None), "0011");

    let both = [("LUCID_MASTER_KEY", KEY), ("LUCID_MASTER_KEY_FILE", file)];
    let (_, errors) = place.examine(&both, &Overrides::default());
    assert!(errors[0].contains("LUCID_MASTER_KEY and LUCID_MASTER_KEY_FILE"), "{errors:?}");
    for (name, content) in
        [("missing", None), ("long", Some(KEY.repeat(3))), ("empty", Some(String::new()))]
    {
        let path = place.folder.path().join(name);
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let path = path.to_str().unwrap();
        let (config, errors) =
            place.examine(&[("LUCID_MASTER_KEY_FILE", path)], &Overrides::default());
        assert!(errors[0].contains(path) && !errors[0].contains("0011"), "{errors:?}");
        assert!(config.master_key.is_none());
    }
}

#[test]
fn a_file_with_a_key_is_private() {
    let place = Place::new(&format!("master_key = \"{KEY}\"\n"));
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o644)).unwrap();
    let (_, errors) = place.examine(&[], &Overrides::default());
    assert!(errors[0].contains("mode 644") && errors[0].contains("chmod o-rwx"), "{errors:?}");
    fs::write(place.file(), "owner = \"a\"\n").unwrap();
    assert!(place.examine(&[], &Overrides::default()).1.is_empty(), "there is nothing to hide");
}

#[test]
fn contradictions_and_texts_that_are_none() {
    let arguments = || Overrides { write_only: Some(true), ..Overrides::default() };
    let (_, errors) = Place::new("").examine(&[("MASTER_ENCRYPTION_KEY", KEY)], &arguments());
    assert!(errors[0].contains("MASTER_ENCRYPTION_KEY"), "{errors:?}");
    let broken = std::ffi::OsString::from_vec(vec![0xff]);
    let environment = vec![("LUCID_OWNER".into(), broken.clone()), (broken, "1".into())];
    let (_, errors) = examine(&Overrides::default(), environment, Path::new("/no/such/file"));
    assert!(matches!(&errors[..], [ConfigError::NotText { .. }]), "{errors:?}");
}
