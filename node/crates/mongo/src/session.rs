//! A session's document: for each step what the first entry said that took it, and the state that follows.
//!
//! A step's part is written by one entry and never replaced by a later one, and the state is a function of which
//! parts are there. So entries may be taken in any order and any number of times: the document is the same, and
//! an old replay cannot take a session back.

use lucid_core::{
    EntryIndex, Hash, NodeId, SessionId, Timestamp,
    entry::{Entry, SessionSealed},
};
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc, raw::CString, raw::cstr, rawdoc};

use crate::{
    anchor::Anchor,
    document::{Record, date, long, session_id},
    fault::{Fault, FaultKind},
    manifest::{self, ManifestHead},
    write::Update,
};

/// A step in a session's life, in the order in which one outweighs another as the state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Step {
    Opened,
    Sealed,
    Anchored,
    Voided,
    Erased,
}

impl Step {
    pub(crate) const ALL: [Self; 5] =
        [Self::Opened, Self::Sealed, Self::Anchored, Self::Voided, Self::Erased];

    /// The part's name, which is the state's name too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Sealed => "sealed",
            Self::Anchored => "anchored",
            Self::Voided => "voided",
            Self::Erased => "erased",
        }
    }
}

/// What one entry says about a session.
#[derive(Clone, PartialEq, Debug)]
struct Part {
    log_index: u64,
    fields: RawDocumentBuf,
}

/// What entries said about a session, all of them or some.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    owner: Option<String>,
    parts: [Option<Part>; 5],
    manifest: Option<RawDocumentBuf>,
    pub(crate) sealed: Option<Sealed>,
}

/// What is needed of a session's `session.sealed` entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sealed {
    pub(crate) index: EntryIndex,
    pub(crate) chunk_count: u32,
    pub(crate) plain_bytes: u64,
    pub(crate) manifest_hash: Hash,
}

impl Session {
    pub(crate) fn new(session: SessionId) -> Self {
        Self { id: session, owner: None, parts: [const { None }; 5], manifest: None, sealed: None }
    }

    /// Takes up what an entry about this session says. `false` where it says nothing about its state.
    pub(crate) fn take(&mut self, index: EntryIndex, entry: &Entry) -> bool {
        match entry {
            Entry::SessionOpened(opened) => {
                self.owner.get_or_insert_with(|| opened.owner.to_string());
                let fields = rawdoc! {
                    "media_type": opened.media_type.to_string(),
                    "policy_hash": opened.policy.hash().to_string(),
                };
                self.put(Step::Opened, index, opened.at, &fields);
            }
            Entry::SessionSealed(sealed) => {
                self.owner.get_or_insert_with(|| sealed.owner.to_string());
                self.sealed.get_or_insert(Sealed {
                    index,
                    chunk_count: sealed.chunk_count,
                    plain_bytes: sealed.plain_bytes,
                    manifest_hash: sealed.manifest_hash,
                });
                self.put(Step::Sealed, index, sealed.at, &sealed_fields(sealed));
            }
            Entry::SessionVoided(voided) => {
                let fields = rawdoc! { "reason": voided.reason.as_str() };
                self.put(Step::Voided, index, voided.at, &fields);
            }
            Entry::SessionErased(erased) => {
                self.put(Step::Erased, index, erased.at, &RawDocumentBuf::new());
            }
            _ => return false,
        }
        true
    }

    /// Takes up that the anchor at `index` covers its `session.sealed` entry.
    pub(crate) fn take_anchor(&mut self, index: EntryIndex, anchor: &Anchor) {
        self.put(Step::Anchored, index, anchor.at, &anchored_fields(anchor));
    }

    /// Takes up its manifest, without the list.
    pub(crate) fn take_manifest(&mut self, head: &ManifestHead) -> Result<(), Fault> {
        let document = manifest::to_document(head).map_err(|error| {
            let session = self.id;
            Fault::new(FaultKind::Damaged, format!("the manifest of {session} as BSON: {error}"))
        })?;
        self.manifest = Some(document);
        Ok(())
    }

    /// Whether the entry that opened it is among what was taken up, so that nothing came before.
    pub(crate) fn is_whole(&self) -> bool {
        self.parts[Step::Opened as usize].is_some()
    }

    fn put(&mut self, step: Step, index: EntryIndex, at: Timestamp, fields: &RawDocumentBuf) {
        let part = &mut self.parts[step as usize];
        if part.is_some() {
            return;
        }
        let mut document = rawdoc! { "log_index": long(index.0), "at": date(at) };
        for (key, value) in fields.iter().flatten() {
            document.append(key, value);
        }
        *part = Some(Part { log_index: index.0, fields: document });
    }

    /// Whose it is, where an entry said so.
    pub(crate) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// The state that follows from what was taken up.
    pub(crate) fn state(&self) -> Step {
        let taken = |step: &Step| self.parts[*step as usize].is_some();
        Step::ALL.into_iter().rev().find(taken).unwrap_or(Step::Opened)
    }

    /// The whole document, for a session of which everything was taken up.
    pub(crate) fn record(&self, node: NodeId) -> Record {
        let id = session_id(node, self.id);
        let last = self.parts.iter().flatten().map(|part| part.log_index).max().unwrap_or(0);
        let mut document = rawdoc! {
            "_id": id.as_str(),
            "node_id": node.to_string(),
            "session_id": self.id.to_string(),
            "state": self.state().name(),
            "log_index": long(last),
        };
        if let Some(owner) = &self.owner {
            document.append(cstr!("owner"), owner.as_str());
        }
        for (step, part) in Step::ALL.into_iter().zip(&self.parts) {
            if let Some(part) = part {
                document.append(key(step), part.fields.clone());
            }
        }
        if let Some(manifest) = &self.manifest {
            document.append(cstr!("manifest"), manifest.clone());
        }
        Record { id, document }
    }

    /// The update that adds what was taken up, of which `record` was made, to a document that may have more, or
    /// less, or not be there.
    pub(crate) fn update(&self, record: &Record) -> Result<Update, Fault> {
        let (id, bytes) = (record.id.clone(), record.document.as_bytes().len());
        Ok(Update { id, pipeline: self.merge()?, bytes })
    }

    fn merge(&self) -> Result<Vec<Document>, Fault> {
        let mut set = doc! { "session_id": self.id.to_string() };
        if let Some(owner) = &self.owner {
            set.insert("owner", doc! { "$ifNull": ["$owner", { "$literal": owner }] });
        }
        for (step, part) in Step::ALL.into_iter().zip(&self.parts) {
            let Some(part) = part else { continue };
            set.insert(step.name(), first_of(step, part.log_index, bson(&part.fields)?));
        }
        if let Some(manifest) = &self.manifest {
            set.insert("manifest", doc! { "$literal": bson(manifest)? });
        }
        Ok(vec![doc! { "$set": set }, doc! { "$set": derived() }])
    }
}

/// The update that marks what an anchor covers.
pub(crate) fn merge_anchor(index: EntryIndex, anchor: &Anchor) -> Result<Vec<Document>, Fault> {
    let mut part = Session::new(SessionId::from_random([0; 16]));
    part.take_anchor(index, anchor);
    let Some(Part { fields, .. }) = &part.parts[Step::Anchored as usize] else {
        return Err(Fault::new(FaultKind::Damaged, format!("entry {} is no anchor", index.0)));
    };
    let value = first_of(Step::Anchored, index.0, bson(fields)?);
    Ok(vec![doc! { "$set": { "anchored": value } }, doc! { "$set": derived() }])
}

/// The part that is there, where it is of an earlier entry; else this one.
fn first_of(step: Step, index: u64, fields: Bson) -> Document {
    let name = step.name();
    // A part that is not there has no index, and what is missing is below every number.
    let there = doc! { "$gt": [format!("${name}.log_index"), Bson::Null] };
    let earlier = doc! { "$lt": [format!("${name}.log_index"), long(index)] };
    doc! { "$cond": [{ "$and": [there, earlier] }, format!("${name}"), { "$literal": fields }] }
}

/// State and last change, from the parts that are there.
fn derived() -> Document {
    let indexes: Vec<_> = Step::ALL.map(|step| format!("${}.log_index", step.name())).into();
    let branch = |step: Step| {
        let name = step.name();
        doc! { "case": { "$gt": [format!("${name}.log_index"), Bson::Null] }, "then": name }
    };
    let branches: Vec<_> = Step::ALL.into_iter().skip(1).rev().map(branch).collect();
    doc! {
        "log_index": { "$max": indexes },
        "state": { "$switch": { "branches": branches, "default": "opened" } },
    }
}

fn sealed_fields(sealed: &SessionSealed) -> RawDocumentBuf {
    rawdoc! {
        "chunk_count": i64::from(sealed.chunk_count),
        "manifest_hash": sealed.manifest_hash.to_string(),
        "merkle_root": sealed.merkle_root.to_string(),
        "plain_bytes": long(sealed.plain_bytes),
        "policy_hash": sealed.policy_hash.to_string(),
    }
}

fn anchored_fields(anchor: &Anchor) -> RawDocumentBuf {
    rawdoc! {
        "network": anchor.network.as_str(),
        "tx_id": anchor.tx_id.as_str(),
        "block_number": long(anchor.block_number),
        "log_size": long(anchor.log_size),
    }
}

fn key(step: Step) -> CString {
    match step {
        Step::Opened => cstr!("opened"),
        Step::Sealed => cstr!("sealed"),
        Step::Anchored => cstr!("anchored"),
        Step::Voided => cstr!("voided"),
        Step::Erased => cstr!("erased"),
    }
    .to_owned()
}

fn bson(raw: &RawDocumentBuf) -> Result<Bson, Fault> {
    let document = Document::try_from(raw);
    document.map(Bson::Document).map_err(|error| Fault::new(FaultKind::Damaged, error.to_string()))
}
