//! A node in memory: a log, manifests, a key; and cursors that outlive a sync.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use lucid_core::{
    ChunkIndex, EntryIndex, Hash, NodeId, Policy, SessionId, Timestamp,
    access::Role,
    block::{BlockNumber, Header},
    chunk::{Codec, Suite},
    entry::{
        Entry, EvmBlock, SessionErased, SessionOpened, SessionSealed, SessionVoided, UserChanged,
        leaf,
    },
    json,
    manifest::{Manifest, ManifestChunk, Totals},
    merkle::{CompactRange, TreeHead},
    note::{Checkpoint, KeyName, SigningKey},
};
use lucid_mongo::{
    Collection, Cursor, Cursors, Identity, ManifestHead, Page, PortError, Source, head_of,
};

/// Id of block 0 of TRON's Nile network.
const NILE: &str = "0000000000000000d698d4192c56cb6be724a558448e2684802de4d6cd8690dc";

/// A node.
pub(crate) struct Node {
    identity: Identity,
    key: SigningKey,
    inner: Mutex<Inner>,
    is_recording: AtomicBool,
}

#[derive(Default)]
struct Inner {
    entries: Vec<Vec<u8>>,
    range: CompactRange,
    manifests: HashMap<SessionId, Option<Manifest>>,
    /// Manifests that were asked for.
    asked: u64,
    blocks: u64,
}

impl Node {
    pub(crate) fn new(seed: u8) -> Arc<Self> {
        let public = |name: &str| {
            let name = KeyName::new(name).unwrap();
            *SigningKey::from_seed(name, &[seed; 32]).verifier_key().public_key()
        };
        let node_id = NodeId::of_public_key(&public("any"));
        let key = SigningKey::from_seed(KeyName::new(node_id.log_origin()).unwrap(), &[seed; 32]);
        let verifier = key.verifier_key().clone();
        let identity = Identity { node_id, key: verifier, software: "lucid-node test".into() };
        let (inner, is_recording) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { identity, key, inner, is_recording })
    }

    /// As if recordings were taken in from now on, or not any more.
    pub(crate) fn records(&self, does: bool) {
        self.is_recording.store(does, Ordering::Relaxed);
    }

    pub(crate) fn id(&self) -> NodeId {
        self.identity.node_id
    }

    pub(crate) fn size(&self) -> u64 {
        self.inner.lock().unwrap().entries.len() as u64
    }

    pub(crate) fn entry(&self, index: u64) -> Vec<u8> {
        self.inner.lock().unwrap().entries[index as usize].clone()
    }

    pub(crate) fn asked(&self) -> u64 {
        self.inner.lock().unwrap().asked
    }

    pub(crate) fn manifest_bytes(&self, session: SessionId) -> Vec<u8> {
        json::to_canonical(self.inner.lock().unwrap().manifests[&session].as_ref().unwrap())
    }

    /// As if the manifest's file could not be read any more.
    pub(crate) fn lose_manifest(&self, session: SessionId) {
        self.inner.lock().unwrap().manifests.insert(session, None);
    }

    fn append(&self, entry: &Entry) -> u64 {
        self.append_bytes(entry.to_bytes().unwrap())
    }

    fn append_bytes(&self, bytes: Vec<u8>) -> u64 {
        let mut inner = self.inner.lock().unwrap();
        inner.range.push(leaf(&bytes));
        inner.entries.push(bytes);
        inner.entries.len() as u64 - 1
    }

    pub(crate) fn session(number: u64) -> SessionId {
        let random: [u8; 32] = Hash::of(&number.to_be_bytes()).0;
        SessionId::from_random(random[..16].try_into().unwrap())
    }

    pub(crate) fn open(&self, session: SessionId) -> u64 {
        let policy = Policy::with_suite(Suite::Aes256Gcm);
        self.append(&Entry::SessionOpened(SessionOpened {
            at: at(self.size()),
            kind: Default::default(),
            media_type: "application/octet-stream".parse().unwrap(),
            owner: "local".parse().unwrap(),
            policy,
            session_id: session,
            v: Default::default(),
        }))
    }

    pub(crate) fn seal(&self, session: SessionId, chunks: u32) -> u64 {
        let manifest = self.manifest_of(session, chunks);
        let sealed = SessionSealed {
            at: at(self.size()),
            chunk_count: chunks,
            kind: Default::default(),
            manifest_hash: Hash::of(&json::to_canonical(&manifest)),
            merkle_root: manifest.merkle_root,
            owner: manifest.owner.clone(),
            plain_bytes: manifest.plain_bytes,
            policy_hash: manifest.policy_hash,
            session_id: session,
            v: Default::default(),
        };
        self.inner.lock().unwrap().manifests.insert(session, Some(manifest));
        self.append(&Entry::SessionSealed(sealed))
    }

    fn manifest_of(&self, session: SessionId, chunks: u32) -> Manifest {
        let chunk = |index: u32| ManifestChunk {
            chunk_root: Hash::of_parts(&[session.as_bytes(), &index.to_be_bytes()]),
            codec: Codec::Stored,
            index: ChunkIndex(index),
            payload_bytes: 65_536,
            plain_bytes: 65_536,
        };
        let chunks: Vec<_> = (0..chunks).map(chunk).collect();
        let mut totals = Totals::default();
        for chunk in &chunks {
            totals.add(&chunk.header(session, Suite::Aes256Gcm)).unwrap();
        }
        Manifest {
            chunk_count: totals.chunk_count,
            chunks,
            complete: true,
            created_at: at(self.size()),
            media_type: "application/octet-stream".parse().unwrap(),
            merkle_root: Hash::of(session.as_bytes()),
            node_id: self.id(),
            owner: "local".parse().unwrap(),
            plain_bytes: totals.plain_bytes,
            policy_hash: Policy::with_suite(Suite::Aes256Gcm).hash(),
            sealed_at: at(self.size()),
            segment_bytes: 16_384,
            session_id: session,
            software: "lucid-node test".into(),
            stored_bytes: totals.stored_bytes,
            suite: Suite::Aes256Gcm,
            version: 1,
        }
    }

    pub(crate) fn void(&self, session: SessionId) -> u64 {
        self.append(&Entry::SessionVoided(SessionVoided {
            at: at(self.size()),
            kind: Default::default(),
            reason: "given up".into(),
            session_id: session,
            v: Default::default(),
        }))
    }

    pub(crate) fn erase(&self, session: SessionId) -> u64 {
        self.append(&Entry::SessionErased(SessionErased {
            at: at(self.size()),
            kind: Default::default(),
            session_id: session,
            v: Default::default(),
        }))
    }

    pub(crate) fn user(&self, name: &str, role: Role) -> u64 {
        self.append(&Entry::UserChanged(UserChanged {
            at: at(self.size()),
            by: "local".parse().unwrap(),
            kind: Default::default(),
            revoked: false,
            role,
            user: name.parse().unwrap(),
            v: Default::default(),
        }))
    }

    pub(crate) fn block(&self) -> u64 {
        let number = {
            let mut inner = self.inner.lock().unwrap();
            inner.blocks += 1;
            inner.blocks
        };
        let hash = Hash::of(&number.to_be_bytes());
        let header = Header {
            gas_used: 21_000,
            log_root: hash,
            log_size: self.size(),
            number: BlockNumber(number),
            parent: hash,
            receipts_root: hash,
            state_root: hash,
            time: at(self.size()),
            tx_root: hash,
        };
        let hash = header.hash();
        let (kind, v) = Default::default();
        self.append(&Entry::EvmBlock(EvmBlock {
            at: at(self.size()),
            hash,
            header,
            kind,
            parts: 1,
            v,
        }))
    }

    pub(crate) fn anchor(&self, log_size: u64) -> u64 {
        let hash = Hash::of(&log_size.to_be_bytes()).to_string();
        // A block's id begins with its number.
        let block_id = format!("{:016x}{}", 77, &hash[16..]);
        let at = at(self.size());
        self.append_bytes(
            format!(
                r#"{{"at":"{at}","block_id":"{block_id}","block_number":77,"contract":"TJRabPrwbZy45sbavfcjinPJC18kjpRTv8","form":"contract","genesis":"{NILE}","kind":"anchor.tron","log_root":"{hash}","log_size":{log_size},"network":"nile","tx_id":"{hash}","v":1}}"#
            )
            .into_bytes(),
        )
    }

    /// Sessions with so many chunks, opened and sealed, from the given number on.
    pub(crate) fn sessions(&self, from: u64, count: u64, chunks: u32) {
        for number in from..from + count {
            self.open(Self::session(number));
            self.seal(Self::session(number), chunks);
        }
    }

    /// Some of everything: 6 sessions in all states, 2 accounts, 3 blocks, 2 anchors.
    pub(crate) fn some_of_everything(&self) {
        self.user("local", Role::Admin);
        self.user("alice", Role::User);
        self.sessions(0, 2, 3);
        self.block();
        self.open(Self::session(2));
        self.open(Self::session(3));
        self.void(Self::session(3));
        self.anchor(self.size());
        self.open(Self::session(4));
        self.seal(Self::session(4), 0);
        self.user("alice", Role::Operator);
        self.block();
        self.erase(Self::session(1));
        self.anchor(self.size());
        self.open(Self::session(5));
        self.seal(Self::session(5), 2);
        self.block();
    }
}

fn at(index: u64) -> Timestamp {
    Timestamp::from_unix_millis(1_770_000_000_000 + index)
}

#[async_trait]
impl Source for Node {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn is_recording(&self) -> bool {
        self.is_recording.load(Ordering::Relaxed)
    }

    async fn head(&self) -> Result<TreeHead, PortError> {
        let inner = self.inner.lock().unwrap();
        Ok(TreeHead { size: inner.entries.len() as u64, root: inner.range.root() })
    }

    async fn checkpoint(&self) -> Result<String, PortError> {
        let TreeHead { size, root } = self.head().await?;
        let origin = self.key.name().clone();
        Ok(Checkpoint { origin, size, root }.sign(&self.key).unwrap())
    }

    async fn entries(&self, from: EntryIndex, page: Page) -> Result<Vec<Vec<u8>>, PortError> {
        let inner = self.inner.lock().unwrap();
        let some = inner.entries.iter().skip(from.0 as usize).take(page.count_max as usize);
        Ok(some.cloned().collect())
    }

    async fn manifest(&self, session: SessionId) -> Result<Option<ManifestHead>, PortError> {
        let mut inner = self.inner.lock().unwrap();
        inner.asked += 1;
        Ok(inner.manifests.get(&session).and_then(Option::as_ref).map(head_of))
    }

    async fn chunks(
        &self,
        session: SessionId,
        from: ChunkIndex,
        count_max: u32,
    ) -> Result<Vec<ManifestChunk>, PortError> {
        let inner = self.inner.lock().unwrap();
        let manifest = inner.manifests[&session].as_ref().unwrap();
        let some = manifest.chunks.iter().skip(from.0 as usize).take(count_max as usize);
        Ok(some.copied().collect())
    }
}

/// Cursors that outlive a sync.
#[derive(Default)]
pub(crate) struct Kept(Mutex<HashMap<Collection, Cursor>>);

#[async_trait]
impl Cursors for Kept {
    async fn get(&self, of: Collection) -> Result<Cursor, PortError> {
        Ok(self.0.lock().unwrap().get(&of).copied().unwrap_or_default())
    }

    async fn put(&self, of: Collection, cursor: Cursor) -> Result<(), PortError> {
        self.0.lock().unwrap().insert(of, cursor);
        Ok(())
    }
}
