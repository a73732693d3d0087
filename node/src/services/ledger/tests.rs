//! What asks witnesses, with witnesses of every kind: those of other nodes, and such as no node has.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use async_trait::async_trait;
use lucid_api::{
    metrics::Metrics,
    ports::{ConsistencyProof, InclusionProof, LogEntry, LogHead, TransparencyLog},
};
use lucid_core::{
    EntryIndex,
    merkle::{self, TilePath},
    note::{Checkpoint, CosigningKey, SignedNote, SigningKey, VerifierKey},
};
use lucid_store::{DataFolder, Disk, FolderKind};
use std::{sync::Mutex, time::Duration};

use super::{
    asking::{Asked, AskingOptions, Reach},
    *,
};

/// A log in memory: as many leaves as it is told, of one branch of history.
struct TestLog {
    size: AtomicU64,
    branch: u8,
    cosigned: Mutex<Option<SignedNote>>,
}

fn log_key() -> SigningKey {
    SigningKey::from_seed("example.com/log".parse().unwrap(), &[3; 32])
}

impl TestLog {
    fn of(size: u64, branch: u8) -> Arc<Self> {
        Arc::new(Self { size: size.into(), branch, cosigned: Mutex::default() })
    }

    fn grow(&self, size: u64) {
        self.size.store(size, Ordering::SeqCst);
    }

    fn leaves(&self, size: u64) -> Vec<Hash> {
        (0..size)
            .map(|n| merkle::leaf_hash(&[if n == 0 { 0 } else { self.branch }, n as u8]))
            .collect()
    }

    fn cosigned(&self) -> Option<SignedNote> {
        self.cosigned.lock().unwrap().clone()
    }
}

#[async_trait]
impl TransparencyLog for TestLog {
    async fn head(&self) -> Answer<LogHead> {
        let size = self.size.load(Ordering::SeqCst);
        let root = merkle::root(&self.leaves(size));
        let checkpoint = Checkpoint { origin: log_key().name().clone(), size, root };
        let (key, checkpoint) =
            (log_key().verifier_key().to_string(), checkpoint.sign(&log_key()).unwrap());
        let cosigned = self.cosigned().map(|note| note.to_string());
        Ok(LogHead { key, size, root, checkpoint, cosigned })
    }

    async fn resource(&self, _: TilePath) -> Answer<Bytes> {
        Err(Problem::internal())
    }

    async fn entries(&self, _: EntryIndex, _: u32) -> Answer<Vec<LogEntry>> {
        Err(Problem::internal())
    }

    async fn inclusion(&self, _: EntryIndex, _: u64) -> Answer<InclusionProof> {
        Err(Problem::internal())
    }

    async fn consistency(&self, from: u64, to: u64) -> Answer<ConsistencyProof> {
        let path = merkle::consistency_proof(&self.leaves(to), from).unwrap();
        let [from_root, to_root] = [from, to].map(|size| merkle::root(&self.leaves(size)));
        Ok(ConsistencyProof { from_root, to_root, path })
    }

    async fn keep_cosignatures(&self, checkpoint: String, lines: Vec<String>) -> Answer<bool> {
        let mut kept = self.cosigned.lock().unwrap();
        let new = SignedNote::parse(&checkpoint).unwrap();
        let mut note = kept.take().filter(|kept| kept.text() == new.text()).unwrap_or(new);
        for line in lines {
            note.add(line.parse().unwrap()).unwrap();
        }
        *kept = Some(note);
        Ok(true)
    }
}

/// The witness of another node, in a folder of its own.
struct Other {
    witness: Arc<LocalWitness>,
    key: VerifierKey,
    _folder: tempfile::TempDir,
}

impl Other {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("data");
        DataFolder::create(&place, FolderKind::Witness, &Disk::default()).unwrap();
        let memory =
            Memory::open(&place, &[log_key().verifier_key().clone()], &Disk::default()).unwrap();
        let key = memory.key().clone();
        let asking = asking(TestLog::of(0, 0), vec![], 0);
        let pool = Pool::new(std::num::NonZeroUsize::MIN);
        Self { witness: Arc::new(LocalWitness::new(memory, pool, asking)), key, _folder: folder }
    }

    fn asked(&self) -> Asked {
        let reach = Box::new(Honest(self.witness.clone()));
        Asked { key: self.key.clone(), reach }
    }
}

struct Honest(Arc<LocalWitness>);

#[async_trait]
impl Reach for Honest {
    async fn add_checkpoint(&self, body: String) -> Result<(u16, String), String> {
        let reply = self.0.add_checkpoint(body.into()).await.map_err(|problem| problem.detail)?;
        Ok((reply.status, reply.body))
    }
}

/// A witness that answers by the book that it is given, and is counted.
struct Scripted<F>(Arc<AtomicU64>, F);

#[async_trait]
impl<F: Fn(String) -> Result<(u16, String), String> + Send + Sync> Reach for Scripted<F> {
    async fn add_checkpoint(&self, body: String) -> Result<(u16, String), String> {
        self.0.fetch_add(1, Ordering::SeqCst);
        (self.1)(body)
    }
}

fn asking(log: Arc<TestLog>, witnesses: Vec<Asked>, quorum: u32) -> Arc<Asking> {
    let interval = Duration::ZERO;
    let options = AskingOptions { witnesses, quorum, interval };
    Arc::new(Asking::new(log, options, Metrics::new("test", String::new())))
}

fn size_of(note: &SignedNote) -> u64 {
    Checkpoint::parse_body(note.text()).unwrap().size
}

#[tokio::test]
async fn a_log_that_grows_is_followed_by_a_quorum() {
    let (log, others) = (TestLog::of(1, 1), [Other::new(), Other::new(), Other::new()]);
    let asking = asking(log.clone(), others.iter().map(Other::asked).collect(), 2);
    for size in [1, 2, 9, 9, 100] {
        log.grow(size);
        asking.round().await.unwrap();
        let note = log.cosigned().unwrap();
        let keys: Vec<_> = others.iter().map(|other| &other.key).collect();
        assert_eq!(note.verify(&keys).unwrap().len(), 3);
        assert_eq!((size_of(&note), asking.witnessed_size()), (size, Some(size)));
        assert!(asking.states().iter().all(|state| state.size == Some(size)));
    }
    // A new process knows nothing of them but what was kept; one that lost even that asks for it.
    for kept in [true, false] {
        if !kept {
            *log.cosigned.lock().unwrap() = None;
        }
        log.grow(if kept { 120 } else { 130 });
        let again = self::asking(log.clone(), others.iter().map(Other::asked).collect(), 2);
        again.round().await.unwrap();
        assert_eq!(again.witnessed_size(), Some(if kept { 120 } else { 130 }));
    }
}

/// A witness behind a gate that opens and closes; counts who comes.
struct Gated(Arc<std::sync::atomic::AtomicBool>, Honest, Arc<AtomicU64>);
#[async_trait]
impl Reach for Gated {
    async fn add_checkpoint(&self, body: String) -> Result<(u16, String), String> {
        self.2.fetch_add(1, Ordering::SeqCst);
        match self.0.load(Ordering::SeqCst) {
            true => Err("nobody answers".to_owned()),
            false => self.1.add_checkpoint(body).await,
        }
    }
}

#[tokio::test]
async fn a_witness_that_is_down_takes_no_quorum_away() {
    let (log, up) = (TestLog::of(5, 1), Other::new());
    let (count, down) = (Arc::<AtomicU64>::default(), Other::new());
    let is_down = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (gate, inner) = (is_down.clone(), down.witness.clone());
    let gated = Gated(gate, Honest(inner), count.clone());
    let gated = Asked { key: down.key.clone(), reach: Box::new(gated) };
    let asking = asking(log.clone(), vec![up.asked(), gated], 2);
    asking.round().await.unwrap();
    assert_eq!(asking.witnessed_size(), Some(5));
    is_down.store(true, Ordering::SeqCst);
    log.grow(8);
    for _ in 0..3 {
        asking.round().await.unwrap();
    }
    assert_eq!(asking.witnessed_size(), Some(5), "what a quorum saw stays");
    assert_eq!(size_of(&log.cosigned().unwrap()), 5);
    let state = &asking.states()[1];
    assert_eq!((state.size, state.error.as_deref()), (Some(5), Some("nobody answers")));
    // It comes back, the log has not grown, and the one that was there is not asked again.
    is_down.store(false, Ordering::SeqCst);
    asking.round().await.unwrap();
    assert_eq!(asking.witnessed_size(), Some(8));
    assert_eq!(asking.states()[1].error, None);
}

#[tokio::test]
async fn a_witness_that_does_not_answer_is_asked_less_and_less() {
    let count = Arc::<AtomicU64>::default();
    let reach = Scripted(count.clone(), |_| Err("no answer in time".to_owned()));
    let key = Other::new().key.clone();
    let interval = Duration::from_millis(30);
    let witnesses = vec![Asked { key, reach: Box::new(reach) }];
    let options = AskingOptions { witnesses, quorum: 1, interval };
    let metrics = Metrics::new("test", String::new());
    let asking = Arc::new(Asking::new(TestLog::of(5, 1), options, metrics.clone()));
    let stop = tokio_util::sync::CancellationToken::new();
    let task = tokio::spawn(asking.clone().run(stop.clone()));
    let start = Instant::now();
    while count.load(Ordering::SeqCst) < 4 {
        assert!(start.elapsed() < Duration::from_secs(20), "it is asked again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Pauses of 1, 2 and 4 intervals.
    assert!(start.elapsed() >= 7 * interval, "{:?}", start.elapsed());
    stop.cancel();
    task.await.unwrap();
    assert_eq!(asking.witnessed_size(), None);
    assert!(metrics.text().contains("lucid_witness_requests_total{outcome=\"failed\"} 4"));
}

/// What a witness can do wrong, and what is then said of it.
/// What a witness answers to a body.
type Book = Box<dyn Fn(String) -> Result<(u16, String), String> + Send + Sync>;

#[tokio::test]
async fn what_is_no_cosignature_is_not_kept() {
    let name = "lucid-witness/test".parse::<lucid_core::note::KeyName>().unwrap();
    let own = CosigningKey::from_seed(name.clone(), &[7; 32]);
    let wrong = CosigningKey::from_seed(name, &[8; 32]);
    let sign = |key: CosigningKey, seconds: u64, change: fn(&mut Checkpoint)| {
        move |body: String| {
            let request = AddCheckpoint::parse(&body).unwrap();
            let mut checkpoint = request.claimed().unwrap();
            change(&mut checkpoint);
            Ok((200, format!("{}\n", key.cosign(&checkpoint, seconds).unwrap())))
        }
    };
    let same = |_: &mut Checkpoint| {};
    let reply = |status: u16, body: &str| {
        let body = body.to_owned();
        move |_: String| Ok((status, body.clone()))
    };
    let rows: Vec<(Book, &str)> = vec![
        (Box::new(sign(wrong, 9, same)), "has no cosignature by"),
        (Box::new(sign(own.clone(), 9, |it| it.size -= 1)), "does not verify"),
        (Box::new(sign(own.clone(), 0, same)), "has no time"),
        (Box::new(reply(200, "")), "has no cosignature by"),
        (Box::new(reply(200, "hello\n\u{2014} x AAAAAA==\n")), "has no cosignature by"),
        (Box::new(reply(200, &"\n".repeat(17))), "more than 16 lines"),
        (Box::new(reply(403, "no\u{1b}[31m")), "answers 403: no [31m"),
        (Box::new(reply(404, "unknown")), "answers 404: unknown"),
        (Box::new(reply(422, "fork")), "answers 422: fork"),
        (Box::new(reply(500, "")), "answers 500"),
        (Box::new(reply(409, "03\n")), "409 without its size"),
        (Box::new(reply(409, "")), "409 without its size"),
        // It has seen more than there is: the log was rolled back.
        (Box::new(reply(409, "6\n")), "older backup"),
        // It never takes what it says it wants.
        (Box::new(reply(409, "3\n")), "its size changes"),
    ];
    for (book, expected) in rows {
        let (log, count) = (TestLog::of(5, 1), Arc::<AtomicU64>::default());
        let reach = Box::new(Scripted(count.clone(), book));
        let witness = Asked { key: own.verifier_key().clone(), reach };
        let asking = asking(log.clone(), vec![witness], 1);
        asking.round().await.unwrap();
        let error = asking.states()[0].error.clone().unwrap();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(log.cosigned().is_none() && asking.witnessed_size().is_none(), "{expected}");
        assert!((1..=2).contains(&count.load(Ordering::SeqCst)), "{expected}");
    }
    // And one that is right is kept.
    let (log, count) = (TestLog::of(5, 1), Arc::<AtomicU64>::default());
    let reach = Box::new(Scripted(count, sign(own.clone(), 9, same)));
    let witness = Asked { key: own.verifier_key().clone(), reach };
    let asking = asking(log.clone(), vec![witness], 1);
    asking.round().await.unwrap();
    assert_eq!(asking.witnessed_size(), Some(5));
}

/// The log shows one witness one history, and goes on with another.
#[tokio::test]
async fn a_fork_is_refused_by_who_saw_the_other_branch() {
    let (log, fork, other) = (TestLog::of(5, 1), TestLog::of(5, 2), Other::new());
    let first = asking(log.clone(), vec![other.asked()], 1);
    first.round().await.unwrap();
    for size in [5, 9] {
        fork.grow(size);
        let forked = asking(fork.clone(), vec![other.asked()], 1);
        forked.round().await.unwrap();
        let error = forked.states()[0].error.clone().unwrap();
        assert!(error.contains("answers 422"), "{error}");
        assert!(fork.cosigned().is_none());
    }
    fork.grow(3);
    let rolled_back = asking(fork.clone(), vec![other.asked()], 1);
    rolled_back.round().await.unwrap();
    assert!(rolled_back.states()[0].error.clone().unwrap().contains("older backup"));
    log.grow(9);
    first.round().await.unwrap();
    assert_eq!(first.witnessed_size(), Some(9), "the true one is still followed");
}
