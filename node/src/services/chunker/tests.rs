use std::{collections::VecDeque, sync::Mutex};

use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};
use lucid_api::ports::{
    Checksum, ChecksumAlgorithm, Event, LeaseId, LedgerProof, ListSessions, NewSession, Payload,
    SealJob, SealedChunk, Session, SessionState, Summary, UploadState,
};
use lucid_core::{
    ChunkIndex, Hash, Policy, SessionId, Timestamp,
    chunk::{ChunkHeader, ChunkSummary, Codec, Commitment, Salt, Suite},
    keys::ChunkKey,
};
use lucid_pipeline::codec::Decompressor;
use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::*;

const CHUNK: usize = 256 << 10;

fn id() -> SessionId {
    SessionId::from_random([7; 16])
}

/// Orchestrator and encryptor of one session, strict: chunks come in order, under the hold, sealed.
struct Fake {
    length: Option<u64>,
    state: Mutex<State>,
    /// Chunks that may be sealed before sealing fails.
    seals: Option<u32>,
    /// Turns of sealing, for tests that hold it up.
    turns: Semaphore,
}

#[derive(Default)]
struct State {
    lease: u64,
    held: bool,
    sealed: Vec<(ChunkHeader, Vec<u8>)>,
    acknowledged: Vec<u8>,
    sizes: VecDeque<usize>,
    renewals: usize,
}

impl Fake {
    fn new(length: Option<u64>) -> Arc<Self> {
        let turns = Semaphore::new(Semaphore::MAX_PERMITS);
        Arc::new(Self { length, state: Mutex::default(), seals: None, turns })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn session() -> Session {
        Session {
            session_id: id(),
            owner: "local".parse().unwrap(),
            state: SessionState::Open,
            media_type: lucid_core::MediaType::octets(),
            created_at: Timestamp::default(),
            upload: None,
            sealed: None,
            ended_at: None,
        }
    }
}

#[async_trait]
impl Sessions for Fake {
    async fn begin_upload(&self, session: SessionId, offset: u64) -> Answer<Lease> {
        let mut state = self.state();
        assert_eq!((session, offset), (id(), state.acknowledged.len() as u64));
        assert!(!std::mem::replace(&mut state.held, true), "held twice");
        state.lease += 1;
        Ok(Lease {
            lease: LeaseId(state.lease),
            session_id: session,
            next: ChunkIndex(state.sizes.len() as u32),
            offset,
            length: self.length,
            policy: Policy::new(CHUNK as u32, 3, Suite::Aes256Gcm).unwrap(),
        })
    }

    async fn acknowledge(&self, lease: LeaseId, _: SessionId, chunks: Vec<Summary>) -> Answer<u64> {
        tokio::task::yield_now().await;
        let mut state = self.state();
        assert!(state.held && lease == LeaseId(state.lease));
        state.renewals += usize::from(chunks.is_empty());
        for Summary(chunk) in chunks {
            assert_eq!(chunk.header.index.0 as usize, state.sizes.len(), "in order");
            let place = state.sealed.iter().position(|(header, _)| *header == chunk.header);
            let (_, plain) = state.sealed.swap_remove(place.expect("sealed before"));
            state.sizes.push_back(plain.len());
            state.acknowledged.extend(plain);
        }
        Ok(state.acknowledged.len() as u64)
    }

    async fn end_upload(&self, lease: LeaseId, _: SessionId) -> Answer<Session> {
        let mut state = self.state();
        assert!(std::mem::replace(&mut state.held, false) && lease == LeaseId(state.lease));
        Ok(Self::session())
    }

    async fn mint(&self, _: NewSession) -> Answer<Session> {
        unreachable!("the chunker mints nothing")
    }
    async fn session(&self, _: SessionId) -> Answer<Session> {
        unreachable!("the chunker looks at nothing")
    }
    async fn list(&self, _: ListSessions) -> Answer<Vec<Session>> {
        unreachable!("the chunker lists nothing")
    }
    async fn set_length(&self, _: SessionId, _: u64) -> Answer<UploadState> {
        unreachable!("the chunker sets nothing")
    }
    async fn seal(&self, _: SessionId, _: bool) -> Answer<Session> {
        unreachable!("the chunker ends nothing")
    }
    async fn void(&self, _: SessionId, _: String) -> Answer<Session> {
        unreachable!("the chunker ends nothing")
    }
    async fn erase(&self, _: SessionId) -> Answer<Session> {
        unreachable!("the chunker ends nothing")
    }
    async fn manifest(&self, _: SessionId) -> Answer<Bytes> {
        unreachable!("the chunker reads nothing")
    }
    async fn chunks(&self, _: SessionId, _: ChunkIndex, _: u32) -> Answer<Vec<Summary>> {
        unreachable!("the chunker reads nothing")
    }
    async fn ledger_proof(&self, _: SessionId) -> Answer<LedgerProof> {
        unreachable!("the chunker proves nothing")
    }
    async fn events(&self) -> Answer<BoxStream<'static, Event>> {
        unreachable!("the chunker listens to nothing")
    }
}

#[async_trait]
impl Encryptor for Fake {
    async fn seal(&self, job: SealJob, payload: Payload) -> Answer<Summary> {
        let _turn = self.turns.acquire().await.unwrap();
        if self.seals.is_some_and(|count| job.index.0 >= count) {
            return Err(Problem::new(Code::DiskFull, "full"));
        }
        let mut plain = vec![0; job.plain_bytes as usize];
        match job.codec {
            Codec::Stored => plain.copy_from_slice(&payload.0),
            Codec::Zstd => Decompressor::default().decompress(&payload.0, &mut plain).unwrap(),
        }
        let header = ChunkHeader {
            suite: job.policy.suite,
            codec: job.codec,
            session: job.session_id,
            index: job.index,
            plain_bytes: job.plain_bytes,
            payload_bytes: payload.0.len() as u32,
        };
        self.state().sealed.push((header, plain));
        let (salt, commitment) = (Salt([1; 24]), Commitment([2; 32]));
        Ok(Summary(ChunkSummary { header, salt, commitment, chunk_root: Hash::of(b"") }))
    }

    async fn open(&self, _: SessionId, _: Summary) -> Answer<Payload> {
        unreachable!("the chunker opens nothing")
    }
    async fn sealed(&self, _: SessionId, _: Summary) -> Answer<SealedChunk> {
        unreachable!("the chunker reads nothing")
    }
    async fn chunk_keys(&self, _: SessionId, _: Vec<ChunkIndex>) -> Answer<Vec<ChunkKey>> {
        unreachable!("the chunker has no keys")
    }
}

fn chunker(fake: &Arc<Fake>, stop: &CancellationToken) -> LocalChunker {
    let options = ChunkerOptions {
        workers: NonZeroUsize::new(2).unwrap(),
        chunk_bytes: CHUNK as u32,
        flush_after: Duration::from_secs(10),
    };
    let pool = Pool::new(options.workers);
    let (sessions, encryptor) = (Arc::clone(fake), Arc::clone(fake));
    LocalChunker::new(sessions, encryptor, pool, options, stop.clone(), TaskTracker::new())
}

fn job(fake: &Fake, body_bytes: Option<u64>) -> UploadJob {
    let offset = fake.state().acknowledged.len() as u64;
    UploadJob { session_id: id(), offset, body_bytes, checksum: None }
}

fn body(pieces: Vec<Result<Vec<u8>, Problem>>) -> BodyStream {
    stream::iter(pieces.into_iter().map(|piece| piece.map(Bytes::from))).boxed()
}

/// Bytes of which some shrink and some do not.
fn sample(count: usize) -> Vec<u8> {
    let mut state = 1_u64;
    (0..count)
        .map(|place| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if (place / CHUNK).is_multiple_of(2) { (state >> 56) as u8 } else { b'a' }
        })
        .collect()
}

fn gone() -> Problem {
    Problem::new(Code::Timeout, "the client went away")
}

async fn check(total: usize, piece: usize) {
    let (fake, plain) = (Fake::new(None), sample(total));
    let pieces = plain.chunks(piece.max(1)).map(|piece| Ok(piece.to_vec())).collect();
    let chunker = chunker(&fake, &CancellationToken::new());
    let uploaded = chunker.upload(job(&fake, Some(total as u64)), body(pieces)).await.unwrap();
    assert_eq!(uploaded.offset, total as u64);
    let state = fake.state();
    assert!(state.acknowledged == plain && !state.held && state.sealed.is_empty());
    assert!(state.sizes.iter().all(|&size| size <= CHUNK));
    assert_eq!(chunker.active(), 0);
}

#[tokio::test]
async fn any_body_in_any_pieces_comes_out_in_order() {
    for total in [0, 1, 65_535, 65_536, 65_537, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 3] {
        for piece in [1 << 20, 65_536, 65_537, 1000] {
            check(total, piece).await;
        }
    }
    check(70_000, 1).await;
}

#[tokio::test]
async fn what_came_before_a_break_is_kept_and_a_retry_goes_on() {
    let (fake, plain) = (Fake::new(None), sample(3 * CHUNK + 99));
    let chunker = chunker(&fake, &CancellationToken::new());
    for cut in [10, 70_000, CHUNK, 2 * CHUNK + 5] {
        let from = fake.state().acknowledged.len();
        let pieces = vec![Ok(plain[from..from.max(cut)].to_vec()), Err(gone())];
        let problem = chunker.upload(job(&fake, None), body(pieces)).await.unwrap_err();
        assert_eq!(problem.code, Code::Timeout);
        assert_eq!(fake.state().acknowledged, plain[..from.max(cut)]);
    }
    let from = fake.state().acknowledged.len();
    let rest = body(vec![Ok(plain[from..].to_vec())]);
    chunker.upload(job(&fake, None), rest).await.unwrap();
    assert_eq!(fake.state().acknowledged, plain);
}

#[tokio::test]
async fn a_failing_encryptor_leaves_a_prefix_and_lets_go() {
    for seals in [0, 1, 3] {
        let mut fake = Fake::new(None);
        Arc::get_mut(&mut fake).unwrap().seals = Some(seals);
        let chunker = chunker(&fake, &CancellationToken::new());
        let plain = sample(8 * CHUNK);
        let problem = chunker.upload(job(&fake, None), body(vec![Ok(plain.clone())])).await;
        assert_eq!(problem.unwrap_err().code, Code::DiskFull);
        let state = fake.state();
        assert!(plain.starts_with(&state.acknowledged) && !state.held);
        assert!(state.sizes.len() <= seals as usize);
    }
}

#[tokio::test]
async fn nothing_goes_beyond_the_length() {
    for (announced, expected) in [(Some(11), 0), (None, 4)] {
        let fake = Fake::new(Some(10));
        let chunker = chunker(&fake, &CancellationToken::new());
        let pieces = vec![Ok(vec![1; 4]), Ok(vec![2; 7])];
        let problem = chunker.upload(job(&fake, announced), body(pieces)).await.unwrap_err();
        assert_eq!(problem.code, Code::TooLarge);
        assert_eq!(fake.state().acknowledged.len(), expected, "what fits is kept");
        assert!(!fake.state().held);
    }
}

#[tokio::test]
async fn a_checksum_counts_for_all_or_nothing() {
    let fake = Fake::new(None);
    let chunker = chunker(&fake, &CancellationToken::new());
    let plain = sample(2 * CHUNK);
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&plain));
    let checksum = Some(Checksum { algorithm: ChecksumAlgorithm::Sha256, digest });
    let with = |checksum| UploadJob { checksum, ..job(&fake, Some(plain.len() as u64)) };
    let mut altered = plain.clone();
    altered[CHUNK] ^= 1;
    let problem = chunker.upload(with(checksum.clone()), body(vec![Ok(altered)])).await;
    assert_eq!(problem.unwrap_err().code, Code::ChecksumMismatch);
    let cut = body(vec![Ok(plain[..CHUNK].to_vec()), Err(gone())]);
    let problem = chunker.upload(with(checksum.clone()), cut).await.unwrap_err();
    assert_eq!(problem.code, Code::Timeout);
    assert!(fake.state().acknowledged.is_empty() && !fake.state().held);
    chunker.upload(with(checksum), body(vec![Ok(plain.clone())])).await.unwrap();
    assert_eq!(fake.state().acknowledged, plain);
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_acknowledged_in_time_and_keeps_its_hold() {
    let fake = Fake::new(None);
    let chunker = chunker(&fake, &CancellationToken::new());
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let receiver =
        stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    let job = job(&fake, None);
    let upload = tokio::spawn(async move { chunker.upload(job, receiver.boxed()).await });
    for second in 0..12 {
        sender.send(Ok(Bytes::from_static(b"x"))).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        if second < 8 {
            assert!(fake.state().acknowledged.is_empty());
        }
    }
    // The compressor works on a real thread, which paused time does not wait for.
    while fake.state().acknowledged.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(fake.state().renewals >= 3, "{}", fake.state().renewals);
    drop(sender);
    assert_eq!(upload.await.unwrap().unwrap().offset, 12);
}

#[tokio::test]
async fn a_stop_ends_uploads_with_what_they_have() {
    let (fake, stop) = (Fake::new(None), CancellationToken::new());
    let chunker = chunker(&fake, &stop);
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let pieces = stream::iter([Ok(Bytes::from_static(b"kept"))]).chain(stream::once(async {
        sender.send(()).unwrap();
        std::future::pending().await
    }));
    let job = job(&fake, None);
    let upload = tokio::spawn(async move { chunker.upload(job, pieces.boxed()).await });
    receiver.await.unwrap();
    stop.cancel();
    assert_eq!(upload.await.unwrap().unwrap_err().code, Code::Unavailable);
    assert_eq!(fake.state().acknowledged, b"kept");
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_take_the_upload_with_it() {
    let fake = Fake::new(None);
    let chunker = Arc::new(chunker(&fake, &CancellationToken::new()));
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let receiver =
        stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    let (job, caller) = (job(&fake, None), Arc::clone(&chunker));
    let upload = tokio::spawn(async move { caller.upload(job, receiver.boxed()).await });
    sender.send(Ok(Bytes::from_static(b"kept"))).await.unwrap();
    sender.reserve().await.unwrap().send(Err(gone()));
    upload.abort();
    while chunker.active() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fake.state().acknowledged, b"kept");
    assert!(!fake.state().held);
}

#[tokio::test]
async fn few_are_sealed_at_once_and_the_body_waits() {
    let mut fake = Fake::new(None);
    Arc::get_mut(&mut fake).unwrap().turns = Semaphore::new(0);
    let chunker = chunker(&fake, &CancellationToken::new());
    let taken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let pieces = stream::iter(0..64).map(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(Bytes::from(sample(CHUNK)))
    });
    let job = job(&fake, None);
    let upload = tokio::spawn(async move { chunker.upload(job, pieces.boxed()).await });
    let mut seen = 0;
    // Until nothing more is taken for a good while.
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        seen = taken.load(Ordering::SeqCst);
    }
    assert!((1..=6).contains(&seen), "{seen} chunks were taken while none could be sealed");
    fake.turns.add_permits(1);
    assert_eq!(upload.await.unwrap().unwrap().offset, (64 * CHUNK) as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_stream(sizes in proptest::collection::vec(0_usize..200_000, 0..12), cut in any::<bool>()) {
        let plain = sample(sizes.iter().sum());
        let mut rest = plain.as_slice();
        let mut pieces = Vec::new();
        for size in sizes {
            let (piece, after) = rest.split_at(size);
            pieces.push(Ok(piece.to_vec()));
            rest = after;
        }
        if cut {
            pieces.push(Err(gone()));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let fake = Fake::new(None);
            let chunker = chunker(&fake, &CancellationToken::new());
            let answer = chunker.upload(job(&fake, None), body(pieces)).await;
            assert_eq!(answer.is_err(), cut);
            assert!(fake.state().acknowledged == plain);
        });
    }
}
