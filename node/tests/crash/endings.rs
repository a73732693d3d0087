//! Killed while a session ends, or while the ledger is made anew.

use std::time::{Duration, Instant};

use crate::{rig::Rig, support::Node};

/// Kills `words` at a random moment of its run, so often that it was cut short `kills` times.
/// `prepare` makes the session and gives its id; `check` gets the state that is found then.
fn kill_each(
    test: &str,
    kills: u32,
    words: &str,
    prepare: impl Fn(&mut Rig) -> String,
    check: impl Fn(&mut Rig, &str, &str),
) {
    // On a disk: its syncs are what the time goes into, so that kills fall between any two steps.
    let mut rig = Rig::new(test, Node::on_disk());
    // Once undisturbed: for how long there is something to hit.
    let id = prepare(&mut rig);
    let started = Instant::now();
    rig.node.run(&words.replace("ID", &id)).ok();
    let within = started.elapsed() * 5 / 4 + Duration::from_micros(200);
    let mut rounds = 0;
    while rig.kills < kills {
        rounds += 1;
        assert!(rounds < 20 * kills, "only {} of {rounds} rounds were killed in time", rig.kills);
        let id = prepare(&mut rig);
        let ran = rig.kill(&words.replace("ID", &id), within);
        let before = rig.kills;
        rig.kill_a_repair();
        // Only those of the command itself count.
        rig.kills = before;
        rig.check_list(None);
        let state = rig.check_session(&id);
        check(&mut rig, &id, &state);
        if ran.status.success() {
            assert_ne!(state, "open", "{words}: what was said to be done is done");
        }
        rig.check_log();
    }
    rig.check_everything();
}

#[test]
fn killed_while_sealing() {
    kill_each("killed_while_sealing", 25, "seal ID --json", Rig::open, |rig, id, state| {
        assert!(["open", "sealed"].contains(&state), "{state}");
        if state == "open" {
            rig.node.run(&format!("seal {id}")).ok();
            assert_eq!(rig.check_session(id), "sealed");
        }
    });
}

#[test]
fn killed_while_voiding() {
    kill_each("killed_while_voiding", 25, "void ID --yes", Rig::open, |rig, id, state| {
        assert!(["open", "voided"].contains(&state), "{state}");
        if state == "open" {
            rig.node.run(&format!("void {id} --yes")).ok();
            assert_eq!(rig.check_session(id), "voided");
        }
        assert!(!rig.node.data().join("sessions").join(id).exists());
    });
}

#[test]
fn killed_while_erasing() {
    let prepare = |rig: &mut Rig| rig.sealed(1_500_000);
    let prepare = |rig: &mut Rig| {
        let id = prepare(rig);
        rig.sessions.get_mut(&id).unwrap().ended = None;
        id
    };
    kill_each("killed_while_erasing", 25, "erase ID --yes", prepare, |rig, id, state| {
        assert!(["sealed", "erased"].contains(&state), "{state}");
        if state == "sealed" {
            rig.sessions.get_mut(id).unwrap().ended = None;
            rig.node.run(&format!("erase {id} --yes")).ok();
            assert_eq!(rig.check_session(id), "erased");
        }
        assert!(rig.node.data().join("sessions").join(id).join("manifest.json").exists());
    });
}

#[test]
fn killed_while_rebuilding() {
    let prepare = |rig: &mut Rig| rig.sealed(100_000);
    kill_each("killed_while_rebuilding", 25, "ledger rebuild", prepare, |rig, _, state| {
        assert_eq!(state, "sealed");
        let rebuilt = rig.node.run("ledger rebuild --json").ok().json();
        assert_eq!(rebuilt["tiles_rewritten"], 0);
    });
}
