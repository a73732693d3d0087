//! A node that is killed again and again, and all that is known of it from outside.

use std::{collections::BTreeMap, thread, time::Duration};

use lucid_core::{
    merkle::verify_consistency,
    note::{Checkpoint, VerifierKey},
};
use lucid_store::LogReader;
use serde_json::Value;

use crate::support::{Live, Node, Ran, Rng, text};

/// What is known of a session.
pub(crate) struct Known {
    /// All that it may come to hold.
    pub(crate) input: Vec<u8>,
    /// The most that was announced as acknowledged.
    pub(crate) acknowledged: u64,
    /// Once it was announced, or found, to have ended.
    pub(crate) ended: Option<String>,
}

/// The node and its history.
pub(crate) struct Rig {
    pub(crate) node: Node,
    pub(crate) rng: Rng,
    pub(crate) sessions: BTreeMap<String, Known>,
    pub(crate) kills: u32,
    /// What the starts after the kills repaired, as they said it, without ids and numbers.
    pub(crate) repairs: BTreeMap<String, u32>,
    key: VerifierKey,
    seen: Vec<Checkpoint>,
}

impl Rig {
    pub(crate) fn new(test: &str, node: Node) -> Self {
        let rng = Rng::seeded(test);
        node.run("init").ok();
        let key = node.log_key().parse().unwrap();
        let (sessions, repairs, seen) = Default::default();
        let mut rig = Self { node, rng, sessions, kills: 0, repairs, key, seen };
        rig.check_log();
        rig
    }

    /// Remembers a session whose id was said.
    pub(crate) fn know(&mut self, id: &str, input: &[u8]) -> &mut Known {
        let new = || Known { input: input.to_owned(), acknowledged: 0, ended: None };
        self.sessions.entry(id.to_owned()).or_insert_with(new)
    }

    /// Records a session of `bytes` bytes without disturbing it.
    pub(crate) fn sealed(&mut self, bytes: u64) -> String {
        let input = self.rng.bytes(bytes as usize);
        let id = self.node.ingest(&input);
        self.know(&id, &input).acknowledged = bytes;
        self.sessions.get_mut(&id).unwrap().ended = Some("sealed".into());
        id
    }

    /// A session that was interrupted after at least one chunk.
    pub(crate) fn open(&mut self) -> String {
        let input = self.rng.bytes(300_000);
        let mut live = Live::start(self.node.command(super::filling::INGEST));
        let id = live.opened();
        live.write(&input);
        live.acknowledged(65_536);
        live.kill();
        self.know(&id, &input).acknowledged = 65_536;
        id
    }

    /// Runs a command and kills it after a random time below `within`; says whether it was killed.
    pub(crate) fn kill(&mut self, words: &str, within: Duration) -> Ran {
        let live = Live::start(self.node.command(words));
        self.doze(within);
        let ran = live.kill();
        self.kills += u32::from(ran.was_killed());
        ran
    }

    /// Waits for a random time below `within`.
    pub(crate) fn doze(&mut self, within: Duration) {
        let within = u64::try_from(within.as_micros()).unwrap().max(1);
        thread::sleep(Duration::from_micros(self.rng.below(within)));
    }

    /// Sometimes the command that repairs is killed too.
    pub(crate) fn kill_a_repair(&mut self) {
        while self.rng.one_in(3) {
            self.kill("list", Duration::from_millis(5));
        }
    }

    /// Every session that is known is listed, and at most one more: one that was killed before it
    /// could say its id. Gives that one's.
    pub(crate) fn check_list(&mut self, unannounced: Option<&[u8]>) -> Option<String> {
        let ran = self.node.run("list --json --limit 1000000").ok();
        for line in ran.stderr.lines().filter_map(|line| line.strip_prefix("lucid-node: ")) {
            assert!(line.starts_with("repaired: "), "a kill damages nothing: {line}");
            let words = line.split_whitespace().skip(1);
            let kind = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
            *self.repairs.entry(kind.collect::<Vec<_>>().join(" ")).or_default() += 1;
        }
        let listed = ran.json();
        let listed: BTreeMap<String, String> = listed["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (text(&row["session_id"]), text(&row["state"])))
            .collect();
        for (id, known) in &self.sessions {
            let state = listed.get(id).unwrap_or_else(|| panic!("session {id} is lost"));
            if let Some(ended) = &known.ended {
                assert_eq!(state, ended, "session {id} stays as it ended");
            }
        }
        let new: Vec<_> = listed.keys().filter(|id| !self.sessions.contains_key(*id)).collect();
        assert!(new.len() <= usize::from(unannounced.is_some()), "nobody made {new:?}");
        let new = new.first().map(|id| (*id).clone())?;
        self.know(&new, unannounced?);
        Some(new)
    }

    /// What a session is now, which must agree with what is known. Gives its state.
    pub(crate) fn check_session(&mut self, id: &str) -> String {
        let shown = self.node.run(&format!("show {id} --json")).ok().json();
        assert_eq!(shown["problems"], Value::Array(Vec::new()), "{shown}");
        let verified = self.node.run(&format!("verify {id} --json")).ok().json();
        assert_eq!(verified["verified"], true, "{verified}");
        let state = text(&shown["state"]);
        let known = self.sessions.get_mut(id).unwrap();
        match state.as_str() {
            "open" => {
                let acknowledged = shown["acknowledged"]["plain_bytes"].as_u64().unwrap();
                let announced = known.acknowledged;
                assert!(acknowledged >= announced, "{id}: {announced} bytes were said: {shown}");
                assert_eq!(verified["plain_bytes"], acknowledged);
                known.acknowledged = acknowledged;
            }
            "sealed" => {
                let bytes = shown["plain_bytes"].as_u64().unwrap();
                assert!(bytes >= known.acknowledged, "{id}: {shown}");
                let complete = shown["manifest"]["complete"].as_bool().unwrap();
                let all = bytes == known.input.len() as u64;
                assert!(all || !complete, "{id}: only what had its end is complete: {shown}");
                let restored = self.node.restore(id);
                assert_eq!(restored.len() as u64, bytes);
                assert!(known.input.starts_with(&restored), "{id}: other bytes came back");
            }
            "erased" | "voided" => {
                assert!(!self.node.data().join("keys").join(format!("{id}.json")).exists());
                assert!(!self.node.data().join("chunks").join(id).exists());
            }
            other => panic!("session {id} is {other}"),
        }
        if state != "open" {
            known.ended = Some(state.clone());
        }
        state
    }

    /// The log is sound, and goes on from the checkpoint seen last and from one at random.
    pub(crate) fn check_log(&mut self) {
        self.node.run("ledger check").ok();
        let head = self.node.run("ledger head --json").ok().json();
        assert_eq!(head["log_key"], self.key.to_string(), "the node stays who it is");
        let checkpoint = text(&head["checkpoint"]);
        self.see(&checkpoint);
        let some = self.rng.below(self.seen.len() as u64) as usize;
        let last = self.seen.len().saturating_sub(2);
        self.check_consistency([some, last]);
    }

    /// Remembers a checkpoint that was given out.
    pub(crate) fn see(&mut self, checkpoint: &str) {
        self.seen.push(Checkpoint::verify(checkpoint, &self.key).unwrap());
    }

    fn check_consistency(&self, places: impl IntoIterator<Item = usize>) {
        let log = LogReader::open(&self.node.data().join("log"), &self.key).unwrap();
        let now = log.checkpoint();
        for place in places {
            let old = &self.seen[place];
            assert!(
                old.size <= now.size,
                "the log was {} entries long, it is {}",
                old.size,
                now.size
            );
            let proof = log.consistency_proof(old.size, now.size).unwrap();
            let proved = verify_consistency(old.size, old.root, now.size, now.root, &proof);
            proved.unwrap_or_else(|error| panic!("{} to {}: {error}", old.size, now.size));
        }
    }

    /// All that was ever known still holds.
    #[allow(clippy::print_stdout, reason = "what was hit, for whoever asks with --nocapture")]
    pub(crate) fn check_everything(&mut self) {
        println!(
            "{} kills of {} sessions, repaired: {:#?}",
            self.kills,
            self.sessions.len(),
            self.repairs
        );
        self.check_list(None);
        let ids: Vec<_> = self.sessions.keys().cloned().collect();
        for id in ids {
            self.check_session(&id);
        }
        self.node.run("verify --all --decrypt").ok();
        self.check_log();
        self.check_consistency(0..self.seen.len());
        // And once by the command that an operator has.
        let head = self.node.run("ledger head --json").ok().json();
        let older = self.node.file("older", text(&head["checkpoint"]).as_bytes());
        self.node.ingest(b"one more");
        let words = format!("ledger check --json --against {older}");
        let checked = self.node.run(&words).ok().json();
        assert_eq!(checked["against"]["consistent"], true);
        assert_eq!(checked["against"]["log_size"], head["log_size"]);
    }
}
