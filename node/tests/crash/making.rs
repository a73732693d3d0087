//! Killed while the data folder itself is made.

use std::{fs, time::Duration};

use crate::support::{Live, Node, Rng, text};

/// Whatever a kill leaves of a folder in the making, `init` finishes it, and it then works.
fn check(command: &str, kills: u32) {
    let mut rng = Rng::seeded(command);
    let node = Node::new();
    let (mut killed, mut rounds) = (0, 0);
    while killed < kills {
        rounds += 1;
        assert!(rounds < 20 * kills, "only {killed} of {rounds} rounds were killed in time");
        let live = Live::start(node.command(command));
        std::thread::sleep(Duration::from_micros(rng.below(12_000)));
        killed += u32::from(live.kill().was_killed());
        let key = |node: &Node| fs::read(node.data().join("secrets/master.key")).ok();
        let before = key(&node);
        let init = node.run("init");
        let code = init.status.code();
        let there = code == Some(64) && init.stderr.contains("is a node's data folder already");
        assert!(code == Some(0) || there, "{command}: {}", init.stderr);
        assert!(before.is_none() || before == key(&node), "a key that was made is kept");
        let sessions = node.run("list --json").ok().json();
        assert!(sessions["sessions"].as_array().unwrap().len() <= 1, "{sessions}");
        let result = node.feed("ingest - --json", b"works").ok().json();
        assert_eq!(node.restore(&text(&result["session_id"])), b"works");
        node.run("ledger check").ok();
        node.run("verify --all").ok();
        fs::remove_dir_all(node.data()).unwrap();
    }
}

#[test]
fn killed_while_a_folder_is_made() {
    check("init", 30);
}

#[test]
fn killed_while_the_first_session_makes_the_folder() {
    check("ingest -", 30);
}
