//! The database's side of a comparison: one collection's documents of the node, in order.

use std::{collections::VecDeque, mem};

use futures_util::TryStreamExt;
use lucid_core::Hash;
use mongodb::bson::{self, Bson, Document, RawBsonRef, RawDocument, RawDocumentBuf, doc};

use super::{CollectionReport, Comparing, DifferenceKind, Progress, Report};
use crate::{Collection, Fault, FaultKind, document::Record, write::Link};

/// Documents that the database gives at once.
const PAGE: u32 = 1000;
/// Documents after which it is told how far it is.
const TELL_EVERY: u64 = 10_000;

/// A collection being compared.
pub(super) struct Side<'a> {
    comparing: &'a Comparing<'a>,
    of: Collection,
    /// Documents that were read, and the bound that the next ones are above.
    stored: VecDeque<RawDocumentBuf>,
    above: String,
    ahead: Option<RawDocumentBuf>,
    found: CollectionReport,
    /// What is to be put, and what is to be taken away.
    put: Vec<Record>,
    put_bytes: usize,
    taken: Vec<Bson>,
}

impl<'a> Side<'a> {
    pub(super) async fn open(comparing: &'a Comparing<'a>, of: Collection) -> Result<Self, Fault> {
        let found = CollectionReport {
            collection: of,
            expected: 0,
            stored: 0,
            expected_digest: Hash::of(b""),
            stored_digest: Hash::of(b""),
        };
        let mut side = Self {
            comparing,
            of,
            stored: VecDeque::new(),
            // Nothing is called just so: after the slash comes something.
            above: bounds(&comparing.shared.link).0,
            ahead: None,
            found,
            put: Vec::new(),
            put_bytes: 0,
            taken: Vec::new(),
        };
        side.advance().await?;
        Ok(side)
    }

    /// Reads on. Each page is asked for anew, so that neither a pause nor a primary that moves ends it.
    async fn advance(&mut self) -> Result<(), Fault> {
        if self.stored.is_empty() {
            let link = &self.comparing.shared.link;
            let handle = link.handle(self.of).await?;
            let filter = doc! { "_id": { "$gt": &self.above, "$lt": bounds(link).1 } };
            let find = async {
                let page = handle.find(filter).sort(doc! { "_id": 1 }).limit(PAGE.into());
                page.await?.try_collect::<VecDeque<_>>().await
            };
            self.stored = link.within("reading what is there", find).await?;
            if let Some(last) = self.stored.back().and_then(|last| last.get_str("_id").ok()) {
                last.clone_into(&mut self.above);
            }
        }
        self.ahead = self.stored.pop_front();
        Ok(())
    }

    fn ahead_id(&self) -> Option<&str> {
        self.ahead.as_ref().and_then(|document| document.get_str("_id").ok())
    }

    /// The next document that should be there, each after the one before in the order of ids. A field `but` is
    /// not compared.
    pub(super) async fn expect(
        &mut self,
        record: Record,
        but: Option<&str>,
        report: &mut Report,
    ) -> Result<(), Fault> {
        self.pass(|id| id < record.id.as_str(), report).await?;
        let wanted = digest(&record.document, but)?;
        self.found.expected += 1;
        self.found.expected_digest = chained(self.found.expected_digest, wanted);
        if self.found.expected.is_multiple_of(TELL_EVERY) {
            self.tell();
        }
        if self.ahead_id() != Some(record.id.as_str()) {
            report.differs(self.of, &record.id, DifferenceKind::Missing);
            return self.mend(record, report).await;
        }
        let Some(stored) = self.ahead.take() else { return Ok(()) };
        self.advance().await?;
        if !self.is_ours(&stored) {
            report.differs(self.of, &record.id, DifferenceKind::Foreign);
            return Ok(());
        }
        let is = match but {
            None if stored.as_bytes() == record.document.as_bytes() => wanted,
            _ => digest(&stored, but)?,
        };
        self.found.stored += 1;
        self.found.stored_digest = chained(self.found.stored_digest, is);
        if is == wanted {
            return Ok(());
        }
        report.differs(self.of, &record.id, DifferenceKind::Altered);
        // What this node cannot say any more is kept as it was found.
        let record = match but.and_then(|but| stored.get(but).ok().flatten().map(|v| (but, v))) {
            None => record,
            Some((but, value)) => with_field(record, but, value)?,
        };
        self.mend(record, report).await
    }

    /// Documents whose ids begin so are neither compared nor touched.
    pub(super) async fn leave(&mut self, prefix: &str, report: &mut Report) -> Result<(), Fault> {
        self.pass(|id| id < prefix, report).await?;
        while self.ahead_id().is_some_and(|id| id.starts_with(prefix)) {
            self.advance().await?;
        }
        Ok(())
    }

    /// What is there and was not expected.
    async fn pass(
        &mut self,
        is_passed: impl Fn(&str) -> bool,
        report: &mut Report,
    ) -> Result<(), Fault> {
        while self.ahead_id().is_some_and(&is_passed) {
            let Some(stored) = self.ahead.take() else { return Ok(()) };
            self.advance().await?;
            self.extra(&stored, report).await?;
        }
        Ok(())
    }

    async fn extra(&mut self, stored: &RawDocument, report: &mut Report) -> Result<(), Fault> {
        let id = stored.get("_id").ok().flatten();
        let shown = match id {
            Some(RawBsonRef::String(id)) => id.to_owned(),
            id => format!("{id:?}"),
        };
        if !self.is_ours(stored) {
            report.differs(self.of, &shown, DifferenceKind::Foreign);
            return Ok(());
        }
        self.found.stored += 1;
        self.found.stored_digest = chained(self.found.stored_digest, digest(stored, None)?);
        report.differs(self.of, &shown, DifferenceKind::Extra);
        let id = id.and_then(|id| Bson::try_from(id).ok());
        if let Some(id) = id.filter(|_| self.comparing.mends) {
            self.taken.push(id);
            if self.taken.len() >= PAGE as usize {
                self.flush(report).await?;
            }
        }
        Ok(())
    }

    fn is_ours(&self, stored: &RawDocument) -> bool {
        let node = self.comparing.shared.link.node.to_string();
        stored.get_str("node_id").is_ok_and(|of| of == node)
    }

    async fn mend(&mut self, record: Record, report: &mut Report) -> Result<(), Fault> {
        if !self.comparing.mends {
            return Ok(());
        }
        let limits = self.comparing.shared.link.options.batch;
        self.put_bytes += record.document.as_bytes().len();
        self.put.push(record);
        if self.put.len() >= limits.documents_max as usize || self.put_bytes >= limits.bytes_max {
            self.flush(report).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, report: &mut Report) -> Result<(), Fault> {
        let link = &self.comparing.shared.link;
        let (put, taken) = (mem::take(&mut self.put), mem::take(&mut self.taken));
        self.put_bytes = 0;
        link.put_whole(self.of, &put).await?;
        link.delete(self.of, &taken).await?;
        report.mended += (put.len() + taken.len()) as u64;
        Ok(())
    }

    /// The rest of what is there, and what says that it is this node's under an id that is not.
    pub(super) async fn end(mut self, report: &mut Report) -> Result<(), Fault> {
        self.pass(|_| true, report).await?;
        self.strays(report).await?;
        self.flush(report).await?;
        self.tell();
        report.collections.push(self.found);
        Ok(())
    }

    async fn strays(&mut self, report: &mut Report) -> Result<(), Fault> {
        let link = &self.comparing.shared.link;
        let (first, end) = bounds(link);
        let filter = doc! {
            "node_id": link.node.to_string(),
            "_id": { "$not": { "$gte": first, "$lt": end } },
        };
        let handle = link.handle(self.of).await?;
        let find = async { handle.find(filter).batch_size(PAGE).await };
        let mut strays = link.within("reading what is there", find).await?;
        while let Some(stray) = link.within("reading what is there", strays.try_next()).await? {
            self.extra(&stray, report).await?;
        }
        Ok(())
    }

    fn tell(&self) {
        let documents = self.found.expected;
        (self.comparing.tell)(Progress { collection: self.of, documents });
    }
}

/// The ids that begin with the node's id and a slash; `0` is the character after it.
fn bounds(link: &Link) -> (String, String) {
    (format!("{}/", link.node), format!("{}0", link.node))
}

fn chained(digest: Hash, next: Hash) -> Hash {
    Hash::of_parts(&[digest.as_bytes(), next.as_bytes()])
}

fn with_field(record: Record, name: &str, value: RawBsonRef<'_>) -> Result<Record, Fault> {
    let wrong = |text: String| Fault::new(FaultKind::Damaged, format!("{}: {text}", record.id));
    let mut document = Document::try_from(&record.document).map_err(|e| wrong(e.to_string()))?;
    document.insert(name, Bson::try_from(value).map_err(|e| wrong(e.to_string()))?);
    let document = RawDocumentBuf::try_from(&document).map_err(|e| wrong(e.to_string()))?;
    Ok(Record { id: record.id, document })
}

/// SHA-256 of the document with its fields sorted, at every depth: an update may have them in another order.
pub(super) fn digest(document: &RawDocument, but: Option<&str>) -> Result<Hash, Fault> {
    let wrong = |e: bson::error::Error| Fault::new(FaultKind::Damaged, format!("a document: {e}"));
    let mut document = Document::try_from(document).map_err(wrong)?;
    if let Some(but) = but {
        document.remove(but);
    }
    Ok(Hash::of(&sorted(document).to_vec().map_err(wrong)?))
}

fn sorted(document: Document) -> Document {
    let mut fields: Vec<(String, Bson)> = document.into_iter().collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    let inner = |value| match value {
        Bson::Document(inner) => Bson::Document(sorted(inner)),
        other => other,
    };
    fields.into_iter().map(|(name, value)| (name, inner(value))).collect()
}
