//! A log in memory, a disk that outlives crashes, and a node that can be killed at each of its calls.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use lucid_core::{
    EntryIndex, Hash, SessionId, Timestamp,
    entry::{AnchorTron, Entry, SessionErased},
    merkle,
    note::{Checkpoint, KeyName, SignedNote, SigningKey},
    tron::{
        Address, BlockId, BlockNumber, Header, Sun, Transaction, TransactionId,
        anchor::{AnchorPins, AnchorRecord},
        message::Envelope,
    },
};
use lucid_tron::{
    Account, Asked, Backoff, Block, Broadcast, ChainParameters, Client, ClientError, ClientOptions,
    ConstantCall, DeployedContract, Energy, Info, Key, Network, Resources, Tron,
    anchoring::{
        Anchoring, AnchoringOptions, Pauses, Progress,
        due::Rhythm,
        ports::{Head, Log, Memory, Unavailable},
        state::State,
    },
};
use lucid_tron_server::{Rules, SUN, Server};
use tokio::sync::Notify;

pub(crate) const KEY: &str = "da146374a75310b9666e834ee4ad0866d6f4035967bfc76217c5a495fff9f0d0";
const MS: Duration = Duration::from_millis(1);

/// Kills whoever makes a call: the one after so many, before it does anything or after all that it does.
#[derive(Default)]
pub(crate) struct Fuse {
    left: AtomicI64,
    pub(crate) blown: Notify,
}

impl Fuse {
    /// Kills at half-call `at`, counted from 1; 0 kills nobody.
    pub(crate) fn set(&self, at: i64) {
        self.left.store(at, Ordering::SeqCst);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.left.load(Ordering::SeqCst) > 0
    }

    async fn burn(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.blown.notify_one();
            std::future::pending::<()>().await;
        }
    }

    async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        self.burn().await;
        let done = call.await;
        self.burn().await;
        done
    }
}

/// What outlives the node: its log, its disk.
pub(crate) struct Disk {
    entries: Mutex<Vec<Entry>>,
    pub(crate) state: Mutex<State>,
    pub(crate) records: Mutex<Vec<AnchorRecord>>,
    pub(crate) rhythm: Mutex<Rhythm>,
    pub(crate) fuse: Fuse,
    key: SigningKey,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl Disk {
    pub(crate) fn new() -> Arc<Self> {
        let name = KeyName::new("lucid/0123456789abcdef").unwrap();
        Arc::new(Self {
            entries: Mutex::default(),
            state: Mutex::default(),
            records: Mutex::default(),
            rhythm: Mutex::new(Rhythm { interval_seconds: 3600, sessions_max: 1 }),
            fuse: Fuse::default(),
            key: SigningKey::from_seed(name, &[7; 32]),
        })
    }

    /// A session comes to its end.
    pub(crate) fn session_ends(&self) {
        let mut entries = lock(&self.entries);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(entries.len() as u64).to_be_bytes());
        (id[6], id[8]) = (0x40, 0x80);
        let (kind, v) = Default::default();
        let session_id = SessionId::from_bytes(id).unwrap();
        entries.push(Entry::SessionErased(SessionErased { at: now(), kind, session_id, v }));
    }

    pub(crate) fn anchors(&self) -> Vec<AnchorTron> {
        let anchor = |entry: &Entry| match entry {
            Entry::AnchorTron(anchor) => Some(anchor.clone()),
            _ => None,
        };
        lock(&self.entries).iter().filter_map(anchor).collect()
    }

    fn head_of(&self, entries: &[Entry]) -> Head {
        let leaves: Vec<Hash> = entries
            .iter()
            .map(|entry| lucid_core::entry::leaf(&entry.to_bytes().unwrap()))
            .collect();
        let (size, root) = (leaves.len() as u64, merkle::root(&leaves));
        let origin = self.key.name().clone();
        let checkpoint = Checkpoint { origin, size, root };
        let note = SignedNote::sign(checkpoint.to_body(), &self.key).unwrap();
        Head { checkpoint: note.to_string(), size, root }
    }

    /// Holds what is kept and what is in the log against each other and against the key that anchors.
    pub(crate) fn check(&self, world: &World) {
        let (anchors, records) = (self.anchors(), lock(&self.records).clone());
        assert_eq!(anchors.len(), records.len(), "each anchor is kept, and in the log once");
        let mut before = 0;
        for (anchor, record) in anchors.iter().zip(&records) {
            assert!(anchor.log_size > before, "each is of more of the log");
            before = anchor.log_size;
            let pins = AnchorPins {
                address: Some(World::account()),
                contract: world.contract,
                network: Some(anchor.genesis),
            };
            let (checkpoint, claims) = record.verify(self.key.verifier_key(), &pins).unwrap();
            assert_eq!((checkpoint.size, checkpoint.root), (anchor.log_size, anchor.log_root));
            assert_eq!(claims.transaction, anchor.tx_id);
            assert_eq!((claims.block, claims.block_number), (anchor.block_id, anchor.block_number));
            let payload = world.payload(&checkpoint);
            let journal = world.server.journal();
            let done = journal.by_payload(&payload).filter(|entry| entry.included().is_some());
            let done: Vec<_> = done.map(|entry| entry.id.clone()).collect();
            assert_eq!(done, [anchor.tx_id.to_string()], "one transaction for one anchor");
        }
    }
}

pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_unix_millis(u64::try_from(since.as_millis()).unwrap())
}

#[async_trait]
impl Log for Disk {
    async fn head(&self) -> Result<Head, Unavailable> {
        Ok(self.head_of(&lock(&self.entries)))
    }

    async fn entries(&self, from: EntryIndex) -> Result<Vec<(EntryIndex, Entry)>, Unavailable> {
        let entries = lock(&self.entries);
        let from = usize::try_from(from.0).unwrap();
        let page = entries.iter().enumerate().skip(from).take(3);
        Ok(page.map(|(index, entry)| (EntryIndex(index as u64), entry.clone())).collect())
    }

    async fn anchored_size(&self) -> Result<u64, Unavailable> {
        Ok(self.anchors().last().map_or(0, |anchor| anchor.log_size))
    }

    async fn rhythm(&self) -> Result<Rhythm, Unavailable> {
        Ok(*lock(&self.rhythm))
    }

    async fn enter(&self, anchor: AnchorTron) -> Result<(), Unavailable> {
        let entering = async {
            assert!(anchor.log_size > self.anchors().last().map_or(0, |last| last.log_size));
            let mut entries = lock(&self.entries);
            let then = self.head_of(&entries[..usize::try_from(anchor.log_size).unwrap()]);
            assert_eq!(then.root, anchor.log_root, "it is a root that the log had");
            entries.push(Entry::AnchorTron(anchor));
        };
        self.fuse.around(entering).await;
        Ok(())
    }
}

#[async_trait]
impl Memory for Disk {
    async fn load(&self) -> Result<State, Unavailable> {
        Ok(lock(&self.state).clone())
    }

    async fn save(&self, state: State) -> Result<(), Unavailable> {
        // As on a disk: what is read is what was written.
        let text = serde_json::to_string(&state).unwrap();
        let saving = async {
            *lock(&self.state) = serde_json::from_str(&text).unwrap();
        };
        self.fuse.around(saving).await;
        Ok(())
    }

    async fn keep(&self, record: AnchorRecord) -> Result<(), Unavailable> {
        let keeping = async {
            let mut records = lock(&self.records);
            let size = record.checkpoint().size;
            if records.iter().all(|kept| kept.checkpoint().size != size) {
                records.push(AnchorRecord::parse(&record.to_bytes()).unwrap());
            }
        };
        self.fuse.around(keeping).await;
        Ok(())
    }
}

/// TRON over HTTP, where the node can be killed before and after a transaction is sent.
struct Killing {
    client: Client,
    disk: Arc<Disk>,
}

macro_rules! pass {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Tron for Killing {
            async fn broadcast(&self, transaction: &Transaction) -> Result<Broadcast, ClientError> {
                self.disk.fuse.around(self.client.broadcast(transaction)).await
            }
            $(async fn $name(&self, $($argument: $kind),*) -> Result<$answer, ClientError> {
                self.client.$name($($argument),*).await
            })*
        }
    };
}

pass! {
    genesis() -> BlockId;
    head() -> Header;
    solid_head() -> Header;
    block(number: BlockNumber) -> Option<Block>;
    account(address: Address) -> Option<Account>;
    resources(address: Address) -> Resources;
    parameters() -> ChainParameters;
    contract(address: Address) -> Option<DeployedContract>;
    constant_call(asked: &Asked) -> ConstantCall;
    energy(asked: &Asked) -> Energy;
    transaction(id: TransactionId) -> Option<Envelope>;
    solid_transaction(id: TransactionId) -> Option<Envelope>;
    info(id: TransactionId) -> Option<Info>;
    solid_info(id: TransactionId) -> Option<Info>;
}

/// A TRON network, and a node that anchors on it.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) disk: Arc<Disk>,
    pub(crate) contract: Option<Address>,
    pub(crate) options: AnchoringOptions,
}

impl World {
    pub(crate) fn new(with_contract: bool, rules: Rules) -> Self {
        let server = Server::start(rules).unwrap();
        let key = Arc::new(Key::parse(KEY).unwrap());
        server.fund(key.address().to_string().parse().unwrap(), 1000 * SUN);
        // Whom memos' sun goes to has an account on every network.
        server.fund("T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb".parse().unwrap(), 1);
        let contract = with_contract.then(|| server.put_anchors().to_string().parse().unwrap());
        let short = Backoff { first: 20 * MS, longest: 100 * MS };
        let options = AnchoringOptions {
            network: Network::custom(server.url().parse().unwrap()),
            key: Some(key),
            contract,
            fee_per_day_max: Sun::new(1000 * Sun::PER_TRX),
            look_every: 5 * MS,
            poll_every: 10 * MS,
            resend_after: 100 * MS,
            pauses: Pauses { soon: short, later: short },
        };
        Self { server, disk: Disk::new(), contract, options }
    }

    pub(crate) fn account() -> Address {
        Key::parse(KEY).unwrap().address()
    }

    pub(crate) fn theirs() -> lucid_tron_server::Address {
        Self::account().to_string().parse().unwrap()
    }

    /// What a transaction carries that anchors this.
    pub(crate) fn payload(&self, checkpoint: &Checkpoint) -> Vec<u8> {
        match self.contract {
            None => checkpoint.to_body().into_bytes(),
            // anchor(bytes32,uint64): selector, root, size.
            Some(_) => {
                let mut data = hex::decode("db2c4aca").unwrap();
                data.extend_from_slice(checkpoint.root.as_bytes());
                data.extend_from_slice(&[0; 24]);
                data.extend_from_slice(&checkpoint.size.to_be_bytes());
                data
            }
        }
    }

    /// A client of the network.
    pub(crate) fn client(&self) -> Client {
        let time = Duration::from_millis(400);
        let asking = ClientOptions { connect_time: time, answer_time: time, ..Default::default() };
        Client::new(self.options.network.endpoint.clone(), asking).unwrap()
    }

    /// A process of the node.
    pub(crate) fn node(&self) -> Anchoring {
        let client = self.client();
        let disk = Arc::clone(&self.disk);
        let tron = Arc::new(Killing { client, disk: disk.clone() });
        Anchoring::new(tron, disk.clone(), disk, self.options.clone(), Arc::new(now))
    }

    /// Lets a process run until `done` says so; in what state it was then.
    pub(crate) async fn until(
        &self,
        node: &Anchoring,
        done: impl Fn(&Progress) -> bool,
    ) -> Progress {
        let waiting = async {
            loop {
                let progress = node.progress();
                if done(&progress) {
                    break progress;
                }
                tokio::time::sleep(2 * MS).await;
            }
        };
        let waiting = tokio::time::timeout(Duration::from_mins(1), waiting);
        tokio::select! {
            () = node.run() => unreachable!("it runs for ever"),
            progress = waiting => progress.unwrap_or_else(|_| {
                let state = lock(&self.disk.state).clone();
                panic!("it takes for ever: {:?} {state:?} {:?}", node.progress(), self.server.refusals())
            }),
        }
    }

    /// Lets a process run until so many anchors are in the log and none is on its way.
    pub(crate) async fn anchored(&self, node: &Anchoring, count: usize) -> Progress {
        let done = |progress: &Progress| {
            let anchors = self.disk.anchors();
            anchors.len() == count
                && progress.anchored_size == anchors.last().map_or(0, |last| last.log_size)
                && progress.job.is_none()
                && progress.hindrance.is_none()
        };
        self.until(node, done).await
    }

    /// Transactions of the node that are in blocks.
    pub(crate) fn included(&self) -> usize {
        let journal = self.server.journal();
        journal.by_owner(Self::theirs()).filter(|entry| entry.included().is_some()).count()
    }
}
