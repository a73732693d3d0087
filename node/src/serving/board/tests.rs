use std::{future::pending, sync::atomic::AtomicBool};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use lucid_api::ports::{
    Chunker, NewSession, Session, SessionState, Sessions, TransparencyLog, UploadJob,
};
use lucid_core::{EntryIndex, MediaType, entry::Entry};
use lucid_hal::board::{MilliCelsius, scripted::Script, throttle::Throttling};
use tokio::task::JoinHandle;

use super::*;
use crate::{
    config::{Config, Overrides},
    context::Context,
    output::Output,
    progress::Mode,
    serving::{Running, local::Local},
};

/// A node with a scripted board.
struct Played {
    _folder: tempfile::TempDir,
    script: Script,
    running: Running,
    local: Local,
    followed: JoinHandle<Option<Attendance>>,
}

impl Played {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data").display().to_string();
        let overrides =
            Overrides { data: Some(data), workers: Some("4".to_owned()), ..Overrides::default() };
        let context = Context {
            config: Config::load(&overrides).unwrap(),
            output: Output { json: true },
            progress: Mode::None,
            cancel: Arc::new(AtomicBool::new(false)),
            waits: Arc::new(AtomicBool::new(false)),
        };
        let store = context.open_or_create_store().unwrap();
        let running = Running::new();
        let local = Local::new(&context, store, &running).await.unwrap();
        let script = Script::default();
        let opened = begin(script.board(), &context.config.board).unwrap();
        let followed = tokio::spawn(opened.follow(local.of_board(&running)));
        let played = Self { _folder: folder, script, running, local, followed };
        // What is held at the first look is no press.
        played.until("the first look", |played| played.script.state().fed > 0).await;
        played
    }

    async fn mint(&self) -> Session {
        let owner = "TOwner".parse().unwrap();
        let new = NewSession { owner, media_type: MediaType::octets(), length: None };
        self.local.sessions.mint(new).await.unwrap()
    }

    /// Presses the button for so long.
    async fn press(&self, time: Duration) {
        self.script.state().down = true;
        time::sleep(time).await;
        self.script.state().down = false;
    }

    /// Waits for a `node.event` of that name; gives its detail.
    async fn told(&self, event: &str) -> String {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(detail) = self.events(event).await.pop() {
                return detail;
            }
            assert!(Instant::now() < until, "{event} is not told");
            time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn events(&self, event: &str) -> Vec<String> {
        let entries = self.local.sessions.entries(EntryIndex(0), 1000).await.unwrap();
        let of = |entry: Entry| match entry {
            Entry::NodeEvent(told) if told.event == event => Some(told.detail),
            _ => None,
        };
        entries
            .iter()
            .filter_map(|entry| of(Entry::parse(entry.entry.as_bytes()).unwrap()))
            .collect()
    }

    /// Waits until `is` is true.
    async fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !is(self) {
            assert!(Instant::now() < end, "{what}");
            time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn end(self) {
        self.running.stop.cancel();
        let attendance = self.followed.await.unwrap();
        assert!(attendance.is_some());
        tokio::task::spawn_blocking(move || drop(attendance)).await.unwrap();
        let state = self.script.state();
        assert_eq!((state.light.last(), state.armed), (Some(&false), false));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_press_seals_what_is_open_with_what_it_has() {
    let played = Played::new().await;
    let (live, idle) = (played.mint().await, played.mint().await);
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let pieces = stream::iter([Ok(Bytes::from_static(b"kept"))]).chain(stream::once(async {
        sender.send(()).unwrap();
        pending().await
    }));
    let job =
        UploadJob { session_id: live.session_id, offset: 0, body_bytes: None, checksum: None };
    let chunker = Arc::clone(&played.local.chunker);
    let upload = tokio::spawn(async move { chunker.upload(job, pieces.boxed()).await });
    receiver.await.unwrap();
    played.press(Duration::from_millis(300)).await;
    assert_eq!(played.told("board.button").await, "pressed: open sessions sealed: 2");
    let refused = upload.await.unwrap().unwrap_err();
    assert!(refused.detail.starts_with("ended at the node"), "{}", refused.detail);
    for (session, bytes) in [(live, 4), (idle, 0)] {
        let session = played.local.sessions.session(session.session_id).await.unwrap();
        assert_eq!(session.state, SessionState::Sealed);
        assert_eq!(session.sealed.unwrap().plain_bytes, bytes);
    }
    // Sessions that come later are taken in as before.
    let next = played.mint().await;
    let body = stream::iter([Ok(Bytes::from_static(b"more"))]).boxed();
    let job =
        UploadJob { session_id: next.session_id, offset: 0, body_bytes: Some(4), checksum: None };
    assert_eq!(played.local.chunker.upload(job, body).await.unwrap().offset, 4);
    played.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_press_ends_the_node() {
    let played = Played::new().await;
    assert!(!played.running.leave.is_cancelled());
    played.press(Duration::from_millis(3_300)).await;
    let leave = played.running.leave.cancelled();
    time::timeout(Duration::from_secs(30), leave).await.expect("the node is asked to stop");
    assert_eq!(played.events("board.button").await, ["held: the node stops"]);
    played.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heat_and_supply_have_consequences() {
    let played = Played::new().await;
    let set = |milli, bits| {
        played.script.state().reading = Reading {
            temperature: Some(MilliCelsius(milli)),
            throttling: Some(Throttling::from_bits(bits)),
        };
    };
    set(81_500, 0x5_0005);
    assert_eq!(played.told("board.under_voltage").await, "the supply's voltage is too low");
    let measured = |played: &Played| played.local.board.get().unwrap_or_default();
    played.until("fewer workers", |played| measured(played).workers == 2).await;
    let expected = BoardMeasured {
        celsius: Some(81.5),
        slowed: Some(true),
        under_voltage: Some(true),
        under_voltages: 1,
        workers: 2,
    };
    assert_eq!(played.local.readiness().measure().await.board, Some(expected));
    set(60_000, 0x5_0000);
    played.until("all workers", |played| measured(played).workers == 4).await;
    assert_eq!(measured(&played).under_voltage, Some(false));
    // A supply that flickers is counted, and is not the log's only subject.
    set(60_000, 0x5_0001);
    played.until("the second time", |played| measured(played).under_voltages == 2).await;
    assert_eq!(played.events("board.under_voltage").await.len(), 1);
    played.end().await;
}

#[test]
fn what_the_light_says() {
    let check = |failed: bool, uploads, lag, expected: Signal| {
        let checks =
            if failed { vec![Check::failed("disk", "full")] } else { vec![Check::ok("disk")] };
        let measured = Measured { uploads, sync_lag_seconds: lag, ..Measured::default() };
        assert_eq!(signal(&checks, &measured), expected);
    };
    check(false, None, None, Signal::Healthy);
    check(false, Some(0), Some(300), Signal::Healthy);
    check(false, Some(0), Some(301), Signal::Behind);
    check(false, Some(1), Some(301), Signal::Recording);
    check(true, Some(1), Some(301), Signal::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_supply_that_flickers_is_one_entry_an_hour() {
    let mut supply = Supply::default();
    let first = supply.became(true, Instant::now()).unwrap();
    assert_eq!(first, ("board.under_voltage", "the supply's voltage is too low".to_owned()));
    for _ in 0..5 {
        assert_eq!(supply.became(false, Instant::now()), None);
        time::advance(Duration::from_mins(10)).await;
        assert_eq!(supply.became(true, Instant::now()), None);
    }
    time::advance(Duration::from_mins(10)).await;
    assert_eq!(supply.became(false, Instant::now()), None);
    let (_, detail) = supply.became(true, Instant::now()).unwrap();
    assert_eq!(detail, "the supply's voltage is too low, 6 times since it was told last");
}

#[test]
fn asking_for_the_machines_end_destroys_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("poweroff");
    ask_for_poweroff(&path).unwrap();
    assert!(path.exists());
    // What is there is not ours to write to, nor what a link leads to.
    let (precious, link) = (folder.path().join("precious"), folder.path().join("link"));
    std::fs::write(&precious, "kept").unwrap();
    std::os::unix::fs::symlink(&precious, &link).unwrap();
    ask_for_poweroff(&precious).unwrap();
    ask_for_poweroff(&link).unwrap();
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "kept");
    assert!(ask_for_poweroff(&folder.path().join("no/poweroff")).is_err());
}
