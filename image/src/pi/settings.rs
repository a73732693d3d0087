//! What the card makes of a `lucid.toml`: tests of `image/pi/root/usr/lib/lucid/read-settings`, with a node that
//! refuses what has `wrong` in it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

const NODE: &str = "#!/bin/sh\n[ \"$1 $2 $3 $4\" = 'config check --config lucid.toml' ] || exit 70\n\
    ! grep -n wrong lucid.toml | sed 's/:.*//' | grep . || exit 64\n";

struct Card {
    folder: TempDir,
}

impl Card {
    fn with(name: &str, content: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for inner in ["fat", "run"] {
            fs::create_dir(folder.path().join(inner)).unwrap();
        }
        fs::write(folder.path().join("fat").join(name), content).unwrap();
        let node = folder.path().join("node");
        fs::write(&node, NODE).unwrap();
        fs::set_permissions(node, fs::Permissions::from_mode(0o755)).unwrap();
        let card = Self { folder };
        card.read();
        card
    }

    fn read(&self) {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("pi/root/usr/lib/lucid/read-settings");
        let at = |name: &str| self.folder.path().join(name);
        let said = Command::new("sh")
            .arg(script)
            .args([at("fat"), at("run"), at("node")])
            .output()
            .unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("run").join(name)
    }

    /// What came of it, but for lucid.toml itself, in the order of names.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("run")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

#[test]
fn a_whole_file_is_taken_over() {
    let text = format!(
        "listen = \"0.0.0.0:8080\" # all\n\n [ system ]  # the machine's\nhostname = \"lucid-attic\"\n\
         ssh_keys = [ \"{KEY} me@laptop\", '{KEY}', ]\nwifi_ssid = \"Café \\u\"\n"
    );
    // A backslash is refused: this one is put in single quotes.
    let text = text.replace("\"Café \\u\"", "'Café \"\\u'")
        + "wifi_passphrase = 'a\"b $c `d` \\'\nwifi_country=\"DE\"\n# the end\n";
    for text in [text.clone(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
        let card = Card::with("lucid.toml", text.as_bytes());
        assert_eq!(
            card.names(),
            ["authorized_keys", "hostname", "lucid.toml", "wpa_supplicant.conf"]
        );
        assert_eq!(card.text("hostname"), "lucid-attic\n");
        assert_eq!(card.text("authorized_keys"), format!("{KEY} me@laptop\n{KEY}\n"));
        assert_eq!(card.text("lucid.toml").trim_end(), "listen = \"0.0.0.0:8080\" # all");
        let wifi = card.text("wpa_supplicant.conf");
        assert!(wifi.contains("ssid=436166c3a920225c75\n"), "{wifi}");
        assert!(
            wifi.contains("psk=\"a\"b $c `d` \\\"\n") && wifi.contains("country=DE\n"),
            "{wifi}"
        );
        let mode = fs::metadata(card.path("wpa_supplicant.conf")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // Again, as at the next start.
        card.read();
        assert_eq!(card.text("hostname"), "lucid-attic\n");
    }
}

#[test]
fn lines_keep_their_numbers_for_the_node() {
    let card = Card::with("lucid.toml", b"\n\nwrong = 1\n[system]\nhostname = \"a\"\n");
    assert_eq!(card.names(), ["setup-mode"]);
    assert_eq!(card.text("setup-mode"), "3\n", "as the node says it");
}

#[test]
fn without_a_file_there_is_nothing_to_say() {
    let card = Card::with("config.txt", b"");
    assert!(card.names().is_empty());
    let card = Card::with("lucid.toml", b"");
    assert_eq!(card.names(), ["lucid.toml"]);
}

/// A row: what is in the file, and what the reason has in it.
#[test]
fn what_is_wrong_is_named_and_nothing_of_it_counts() {
    let keys = format!("ssh_keys = [{}]", vec![format!("\"{KEY}\""); 17].join(", "));
    let long = format!("hostname = \"{}\"", "a".repeat(64));
    let rows: &[(&str, &str)] = &[
        ("hostname", "line 2: this is no KEY"),
        ("host = \"a\"", "line 2: [system] has no host:"),
        ("hostname = \"a\"\nhostname = \"b\"", "line 3: hostname is there twice"),
        ("hostname = \"a\" b", "line 2: there is something behind"),
        ("hostname = \"a", "line 2: the quotes of hostname"),
        ("hostname = a", "line 2: hostname is to be a text"),
        ("hostname = \"a\\u0062\"", "line 2: hostname has a backslash"),
        ("hostname = \"A\"", "line 2: hostname is to be up to 63"),
        ("hostname = \"a-\"", "line 2: hostname is to be"),
        ("hostname = \"\"", "line 2: hostname is to be"),
        ("hostname = \"a.b\"", "line 2: hostname is to be"),
        (&long, "line 2: hostname is to be"),
        ("hostname = \"a\tb\"", "line 2: hostname has a character"),
        ("hostname = \"\"\"a\"\"\"", "line 2: there is something behind"),
        (
            "wifi_ssid = \"secret-net\"",
            "[system]: wifi_ssid, wifi_passphrase and wifi_country go together",
        ),
        (
            "wifi_ssid = \"0123456789012345678901234567890123\"",
            "line 2: wifi_ssid is to be 1 to 32",
        ),
        ("wifi_passphrase = \"secret\"", "line 2: wifi_passphrase is to be 8 to 63"),
        ("wifi_passphrase = \"secretsecretü\"", "line 2: wifi_passphrase is to be"),
        ("wifi_country = \"Germany\"", "line 2: wifi_country is to be two"),
        ("ssh_keys = \"ssh-ed25519 AAAA\"", "line 2: ssh_keys is to be ["),
        ("ssh_keys = [\"secret\"]", "line 2: ssh_keys: key 1 is no public key"),
        ("ssh_keys = [\"command=\\\"x\\\" ssh-ed25519 AAAA\"]", "line 2: ssh_keys has a backslash"),
        (
            "ssh_keys = ['command=\"x\" ssh-ed25519 AAAA']",
            "line 2: ssh_keys: key 1 is no public key",
        ),
        ("ssh_keys = [\n]", "line 2: ssh_keys is to be a text"),
        ("ssh_keys = [\"ssh-ed25519 AAAAB\" \"ssh-ed25519 AAAAB\"]", "line 2: ssh_keys is to be ["),
        (&keys, "line 2: ssh_keys has more than 16"),
        ("[log]", "line 2: [system] has to be the last table"),
        ("hostname.x = \"a\"", "line 2: this is no KEY"),
    ];
    for (text, why) in rows {
        let card = Card::with("lucid.toml", format!("[system]\n{text}\n").as_bytes());
        assert_eq!(card.names(), ["setup-mode"], "{text}");
        let said = card.text("setup-mode");
        assert!(said.starts_with(&format!("lucid.toml, {why}")), "{text}: {said}");
        assert!(!said.contains("secret"), "no value is said: {said}");
        assert_eq!(said.lines().count(), 1);
    }
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let long = vec![b'#'; 65537];
    for (name, content, why) in [
        ("lucid.toml", &b"a\0b"[..], "not plain text"),
        ("lucid.toml", b"\xff\xfel\0i\0", "not plain text"),
        ("lucid.toml", &long[..], "65537 bytes"),
        ("lucid.toml.txt", b"", "lucid.toml.txt"),
    ] {
        let card = Card::with(name, content);
        assert_eq!(card.names(), ["setup-mode"]);
        assert!(card.text("setup-mode").contains(why), "{}", card.text("setup-mode"));
    }
}

#[test]
fn what_was_in_force_ends_with_the_file() {
    let card = Card::with("lucid.toml", b"[system]\nhostname = \"a\"\n");
    assert_eq!(card.names(), ["hostname", "lucid.toml"]);
    fs::write(card.folder.path().join("fat/lucid.toml"), "[system]\nhostname = \"_\"\n").unwrap();
    card.read();
    assert_eq!(card.names(), ["setup-mode"]);
    fs::remove_file(card.folder.path().join("fat/lucid.toml")).unwrap();
    card.read();
    assert!(card.names().is_empty());
}
