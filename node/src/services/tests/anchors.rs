//! Anchoring over a real log: what comes of it for sessions, proofs and whoever asks.

use std::{num::NonZeroUsize, path::Path, sync::Arc, time::Duration};

use lucid_api::{
    Code,
    internal::{self, RemoteAnchors, RemoteMerkleBuilder},
    ports::{
        Anchors, Encryptor, Ledger, ListOrder, ListSessions, MerkleBuilder, ProofRequest,
        SessionState, Sessions, Subject, TransparencyLog,
    },
};
use lucid_core::{
    EntryIndex, Hash, SessionId, Timestamp,
    entry::AnchorTron,
    evidence::Evidence,
    tron::{
        BlockNumber, Sun, TransactionId,
        anchor::{AnchorForm, AnchorPins, Genesis},
    },
};
use lucid_store::{AnchorFolder, Disk};
use lucid_tron::{Key, Network};
use lucid_tron_server::{Rules, SUN, Server};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        anchors::{AnchorsOptions, LocalAnchors},
        cpu::Pool,
        merkle_builder::LocalMerkleBuilder,
    },
    Node, Reach, code, sample,
    servers::{Servers, Task},
};
use crate::config::{OutsideConfig, TronConfig};

const KEY: &str = "da146374a75310b9666e834ee4ad0866d6f4035967bfc76217c5a495fff9f0d0";

/// Nothing outside the node.
fn nothing() -> OutsideConfig {
    let anchor_fee_per_day_max = Sun::new(100 * Sun::PER_TRX);
    let egress = lucid_tunnel::Egress::new(None, false, 0);
    OutsideConfig { anchoring: true, tron: None, anchor_fee_per_day_max, mongo: None, egress }
}

/// What anchors a log as `outside` has it, with its folder in `data`.
fn local(
    data: &Path,
    log: Arc<dyn TransparencyLog>,
    ledger: Arc<dyn Ledger>,
    outside: OutsideConfig,
) -> Arc<LocalAnchors> {
    let every = Duration::from_millis(10);
    let options = AnchorsOptions { outside, look_every: every, poll_every: Some(every) };
    let folder = AnchorFolder::of(data, &Disk::default());
    let pool = Pool::new(NonZeroUsize::MIN);
    Arc::new(LocalAnchors::new(folder, log, ledger, pool, options).unwrap())
}

/// What anchors nothing, and answers from the folder that others put anchors into.
pub(super) fn idle(
    data: &Path,
    log: Arc<dyn TransparencyLog>,
    ledger: Arc<dyn Ledger>,
) -> Arc<LocalAnchors> {
    local(data, log, ledger, nothing())
}

/// The same, however it is reached.
pub(super) async fn reached(
    local: Arc<LocalAnchors>,
    reach: Reach,
    servers: &Servers,
) -> Arc<dyn Anchors> {
    match reach {
        Reach::Local => local,
        Reach::Http => {
            let router = internal::anchors(local);
            Arc::new(RemoteAnchors(servers.serve("blockchain-ledger", router).await))
        }
    }
}

struct Anchoring {
    port: Arc<dyn Anchors>,
    task: Task,
}

/// What proofs are made of.
type Proved = (Arc<dyn Sessions>, Arc<dyn Encryptor>, Arc<dyn TransparencyLog>, Arc<dyn Ledger>);

impl Node {
    /// What proves, and what answers about the anchors in a folder.
    pub(super) async fn proving(
        (sessions, encryptor, log, ledger): Proved,
        (folder, pool): (&Path, Pool),
        reach: Reach,
        servers: &Servers,
    ) -> (Arc<dyn MerkleBuilder>, Arc<dyn Anchors>) {
        let anchors = idle(folder, log.clone(), ledger);
        let anchors = reached(anchors, reach, servers).await;
        let local = LocalMerkleBuilder::new(sessions, encryptor, log, anchors.clone(), pool);
        let merkle: Arc<dyn MerkleBuilder> = match reach {
            Reach::Local => Arc::new(local),
            Reach::Http => {
                let router = internal::merkle_builder(Arc::new(local));
                Arc::new(RemoteMerkleBuilder(servers.serve("merkle-builder", router).await))
            }
        };
        (merkle, anchors)
    }

    async fn anchoring(&self, outside: OutsideConfig) -> Anchoring {
        let data = self.folder.path();
        let local = local(data, self.log.clone(), self.ledger.clone(), outside);
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&local).run(stop.clone()));
        let port = reached(local, self.reach, &self.servers).await;
        Anchoring { port, task: Task { stop, task } }
    }

    async fn evidence(&self, request: ProofRequest) -> Evidence {
        let proof = self.merkle.prove(request).await.unwrap().0;
        Evidence::parse(std::str::from_utf8(&proof).unwrap()).unwrap()
    }

    async fn state(&self, session: SessionId) -> SessionState {
        self.sessions.session(session).await.unwrap().state
    }

    async fn states(&self, state: SessionState) -> usize {
        let (owner, after, order) = (None, None, ListOrder::Newest);
        let list = ListSessions { owner, state: Some(state), after, order, limit: 10 };
        self.sessions.list(list).await.unwrap().len()
    }
}

fn network(with_contract: bool) -> (Server, OutsideConfig) {
    let rules = Rules {
        block_every: Some(Duration::from_millis(50)),
        solid_after: Some(6),
        ..Rules::default()
    };
    let server = Server::start(rules).unwrap();
    let key = Arc::new(Key::parse(KEY).unwrap());
    server.fund(key.address().to_string().parse().unwrap(), 100 * SUN);
    server.fund("T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb".parse().unwrap(), 1);
    let contract = with_contract.then(|| server.put_anchors().to_string().parse().unwrap());
    let network = Network::custom(server.url().parse().unwrap());
    let tron = TronConfig { network, api_key: None, key: Some(key), contract, proxy: None };
    (server, OutsideConfig { tron: Some(tron), ..nothing() })
}

async fn within_a_minute(mut done: impl AsyncFnMut() -> bool) {
    let start = std::time::Instant::now();
    while !done().await {
        assert!(start.elapsed() < Duration::from_mins(1), "it takes for ever");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn an_anchor_makes_sessions_anchored(reach: Reach, with_contract: bool) {
    let node = Node::new(reach).await;
    let (_server, outside) = network(with_contract);
    let first = node.sealed(&sample(200_000)).await.session_id;
    let second = node.sealed(b"").await.session_id;
    let entry = node.sessions.session(second).await.unwrap().sealed.unwrap().log_index;
    assert_eq!(code(node.anchors.covering(EntryIndex(entry)).await), Code::NotFound);
    assert_eq!(code(node.anchors.anchor_now().await), Code::Conflict, "there is no network");
    assert!(node.anchors.anchoring().await.unwrap().network.is_none());

    let anchoring = node.anchoring(outside.clone()).await;
    within_a_minute(async || anchoring.port.anchoring().await.unwrap().waiting_sessions == 2).await;
    // Nobody waits an hour here.
    assert_eq!(node.states(SessionState::Sealed).await, 2);
    let told = anchoring.port.anchor_now().await.unwrap();
    assert_eq!(told.network.as_deref(), Some("custom"));
    within_a_minute(async || node.state(first).await == SessionState::Anchored).await;
    assert_eq!(node.states(SessionState::Anchored).await, 2);
    assert_eq!(node.states(SessionState::Sealed).await, 0);

    // What is in the log, what is kept and what is proved agree.
    let logged = node.ledger.anchors(None, 10).await.unwrap();
    let [anchor] = &logged[..] else { panic!("{logged:?}") };
    let form = if with_contract { AnchorForm::Contract } else { AnchorForm::Memo };
    assert_eq!(anchor.entry.form, form);
    let kept = node.anchors.covering(EntryIndex(entry)).await.unwrap().read().unwrap();
    assert_eq!(kept.checkpoint().size, anchor.entry.log_size);
    let subject = Subject::Chunk { chunk: lucid_core::ChunkIndex(1) };
    let request =
        ProofRequest { session_id: first, subject, disclose: true, attach: true, anchored: true };
    let evidence = node.evidence(request.clone()).await;
    let found = evidence.anchor.as_ref().expect("the evidence has its anchor");
    let pins = AnchorPins {
        address: Some(Key::parse(KEY).unwrap().address()),
        contract: outside.tron.as_ref().unwrap().contract,
        network: Some(anchor.entry.genesis),
    };
    let claims = found.verify(kept.checkpoint(), &pins).unwrap();
    assert_eq!(claims.transaction, anchor.entry.tx_id);
    let without = node.evidence(ProofRequest { anchored: false, ..request.clone() }).await;
    assert!(without.anchor.is_none() && without.proof.index() == evidence.proof.index());
    // The entry is there a moment before the job is put away, and that before what waits is counted anew.
    within_a_minute(async || {
        let now = anchoring.port.anchoring().await.unwrap();
        now.under_way.is_none() && now.waiting_sessions == 0
    })
    .await;
    let nothing_new = code(anchoring.port.anchor_now().await);
    assert_eq!(nothing_new, Code::Conflict, "but the anchor itself");

    // One that comes later is not anchored, and its evidence has none yet.
    let third = node.sealed(b"later").await.session_id;
    assert_eq!(node.state(third).await, SessionState::Sealed);
    let (session_id, subject) = (third, Subject::Session);
    let request = ProofRequest { session_id, subject, disclose: false, attach: false, ..request };
    assert!(node.evidence(request).await.anchor.is_none());

    // Killed and begun again, it goes on where it was.
    anchoring.task.kill().await;
    let anchoring = node.anchoring(outside).await;
    within_a_minute(async || anchoring.port.anchoring().await.unwrap().waiting_sessions == 1).await;
    anchoring.port.anchor_now().await.unwrap();
    within_a_minute(async || node.state(third).await == SessionState::Anchored).await;
    node.sessions.erase(first).await.unwrap();
    assert_eq!(node.state(first).await, SessionState::Erased);
    anchoring.task.stop().await;
}

#[tokio::test]
async fn an_anchor_makes_sessions_anchored_in_one_process() {
    an_anchor_makes_sessions_anchored(Reach::Local, true).await;
}

#[tokio::test]
async fn an_anchor_makes_sessions_anchored_in_a_process_each() {
    an_anchor_makes_sessions_anchored(Reach::Http, false).await;
}

/// The log takes no anchor of another history, and none twice.
#[tokio::test]
async fn the_log_takes_only_anchors_of_its_own() {
    let node = Node::new(Reach::Http).await;
    node.sealed(b"a").await;
    let head = node.log.head().await.unwrap();
    let genesis: Genesis = "nile".parse().unwrap();
    let mut id = [7; 32];
    id[..8].copy_from_slice(&9_u64.to_be_bytes());
    let (kind, v) = Default::default();
    let anchor = AnchorTron {
        at: Timestamp::from_unix_millis(1),
        block_id: lucid_core::tron::BlockId::from_bytes(id),
        block_number: BlockNumber(9),
        contract: None,
        form: AnchorForm::Memo,
        genesis,
        kind,
        log_root: head.root,
        log_size: head.size,
        network: "nile".to_owned(),
        tx_id: TransactionId(Hash([1; 32])),
        v,
    };
    let refused = async |anchor: AnchorTron| code(node.ledger.anchored(anchor).await);
    let other = AnchorTron { log_root: Hash([2; 32]), ..anchor.clone() };
    assert_eq!(refused(other).await, Code::Conflict, "a root that it never had");
    let beyond = AnchorTron { log_size: head.size + 1, ..anchor.clone() };
    assert_eq!(refused(beyond).await, Code::Conflict, "more than it has");
    node.ledger.anchored(anchor.clone()).await.unwrap();
    assert_eq!(refused(anchor.clone()).await, Code::Conflict, "the same once more");
    assert_eq!(node.ledger.anchors(None, 9).await.unwrap().len(), 1);
    let place = node.ledger.anchors(None, 9).await.unwrap()[0].index;
    assert!(node.ledger.anchors(Some(place), 9).await.unwrap().is_empty());
}
