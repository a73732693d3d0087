//! Killed while a session is recorded: at the start, among acknowledgements, while it is sealed.

use std::{
    io::Write,
    process::ChildStdin,
    thread,
    time::{Duration, Instant},
};

use crate::{
    rig::Rig,
    support::{Live, Node, Ran, Rng, text},
};

/// Chunks as small as they may be, and a pause that real ones fall below.
pub(crate) const INGEST: &str = "ingest - --json --progress json --workers 2 --chunk-bytes 64KiB \
                                 --flush-after 10ms";

/// The longest input: some chunks for each of the two workers.
const INPUT_BYTES_MAX: u64 = 12 << 16;

/// When an ingest is killed. Each is followed by a random time.
enum Moment {
    /// After it was started.
    Start,
    /// After so many acknowledgements.
    Acknowledged(u64),
    /// After the last acknowledgement, when its input has ended.
    Sealing,
}

impl Moment {
    fn random(rng: &mut Rng) -> Self {
        match rng.below(4) {
            0 => Self::Start,
            1 | 2 => Self::Acknowledged(rng.below(12)),
            _ => Self::Sealing,
        }
    }

    /// Ended well within these: most kills hit something.
    fn doze(&self) -> Duration {
        match self {
            Self::Start => Duration::from_millis(12),
            Self::Acknowledged(_) => Duration::from_micros(1500),
            Self::Sealing => Duration::from_millis(2),
        }
    }
}

/// Writes `input` in pieces, with pauses among them.
fn trickle(mut stdin: ChildStdin, input: &[u8], mut rng: Rng) {
    let mut rest = input;
    while !rest.is_empty() {
        let count = (rng.below(100_000) as usize + 1).min(rest.len());
        let (piece, more) = rest.split_at(count);
        if stdin.write_all(piece).is_err() {
            // It was killed.
            return;
        }
        rest = more;
        if rng.one_in(6) {
            thread::sleep(Duration::from_millis(rng.below(15)));
        }
    }
}

/// Runs an ingest of `input`, kills it, and notes what it announced.
fn kill_ingest(rig: &mut Rig, resume: Option<&str>, input: &[u8]) -> (Option<String>, Ran) {
    let moment = Moment::random(&mut rig.rng);
    let words = resume.map_or(INGEST.to_owned(), |id| format!("{INGEST} --resume {id}"));
    let mut live = Live::start(rig.node.command(&words));
    let (stdin, pace) = (live.stdin.take().unwrap(), Rng::new(rig.rng.next()));
    let ran = thread::scope(|scope| {
        scope.spawn(|| trickle(stdin, input, pace));
        let mut left = match moment {
            Moment::Start => 0,
            Moment::Acknowledged(count) => count + 1,
            Moment::Sealing => u64::MAX,
        };
        while left > 0 && live.event().is_some_and(|it| it["done"] != input.len() as u64) {
            left -= 1;
        }
        rig.doze(moment.doze());
        live.kill()
    });
    rig.kills += u32::from(ran.was_killed());
    let events = ran.stderr.lines().filter_map(|line| serde_json::from_str(line).ok());
    let events: Vec<serde_json::Value> = events.collect();
    let opened = events.iter().find(|event| event["event"] == "opened");
    let id = opened.map(|event| text(&event["session_id"]));
    if let Some(id) = &id {
        let done = events.iter().filter_map(|event| event["done"].as_u64()).max().unwrap_or(0);
        let known = rig.know(id, input);
        known.acknowledged = known.acknowledged.max(done);
    }
    // A result that came through whole is a promise like any other.
    if let Ok(result) = serde_json::from_slice::<serde_json::Value>(&ran.stdout) {
        rig.see(&text(&result["checkpoint"]));
        rig.sessions.get_mut(&text(&result["session_id"])).unwrap().ended = Some("sealed".into());
    }
    (id, ran)
}

/// One ingest, killed, and what becomes of its session: sealed as it is, voided, or gone on with
/// and perhaps killed again.
fn round(rig: &mut Rig) {
    let bytes = match rig.rng.below(5) {
        0 => rig.rng.below(3) << 16,
        _ => rig.rng.below(INPUT_BYTES_MAX),
    };
    let input = rig.rng.bytes(bytes as usize);
    let (announced, _) = kill_ingest(rig, None, &input);
    rig.kill_a_repair();
    let found = rig.check_list(Some(&input));
    let Some(id) = announced.or(found) else {
        rig.check_log();
        return;
    };
    while rig.check_session(&id) == "open" {
        rig.check_log();
        let ran = match rig.rng.below(6) {
            0 => rig.node.run(&format!("seal {id}")).ok(),
            1 => rig.node.run(&format!("void {id} --yes")).ok(),
            2 | 3 => kill_ingest(rig, Some(&id), &input).1,
            _ => rig.node.feed(&format!("{INGEST} --resume {id}"), &input).ok(),
        };
        if ran.status.success() && ran.command.contains("resume") {
            let known = rig.sessions.get_mut(&id).unwrap();
            known.acknowledged = input.len() as u64;
        }
        rig.kill_a_repair();
    }
    rig.check_log();
}

fn kill_until(test: &str, node: Node, kills: u32) {
    let mut rig = Rig::new(test, node);
    let mut rounds = 0;
    while rig.kills < kills {
        rounds += 1;
        assert!(rounds < 5 * kills, "only {} of {rounds} rounds were killed in time", rig.kills);
        round(&mut rig);
    }
    rig.check_everything();
    assert!(rig.kills >= kills);
    // Where nothing was ever cut short, the kills came too late or too early to show anything.
    assert!(!rig.repairs.is_empty(), "{kills} kills left nothing to repair");
}

#[test]
fn nothing_acknowledged_is_lost_by_240_kills() {
    kill_until("nothing_acknowledged_is_lost_by_240_kills", Node::new(), 240);
}

#[test]
fn nothing_acknowledged_is_lost_on_a_disk() {
    kill_until("nothing_acknowledged_is_lost_on_a_disk", Node::on_disk(), 25);
}

#[test]
fn a_session_is_finished_through_many_kills() {
    let mut rig = Rig::new("a_session_is_finished_through_many_kills", Node::new());
    let input = rig.rng.bytes(40 << 16);
    let mut id = None;
    let began = Instant::now();
    loop {
        let (announced, _) = kill_ingest(&mut rig, id.as_deref(), &input);
        let found = rig.check_list(id.is_none().then_some(&input));
        id = id.or(announced).or(found);
        let Some(id) = &id else { continue };
        if rig.check_session(id) != "open" {
            break;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "it does not get on: {}", rig.kills);
    }
    let shown = rig.node.run(&format!("show {} --json", id.unwrap())).ok().json();
    assert_eq!(shown["manifest"]["complete"], true, "{shown}");
    rig.check_everything();
}
