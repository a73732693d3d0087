//! What an entry of the log, and a session's chunks, do to the catalogue.

use lucid_core::{
    EntryIndex, Hash, Owner, SessionId, Timestamp,
    entry::{self, Entry, SessionErased, SessionOpened, SessionSealed, SessionVoided},
};

use super::{
    ReadChunks,
    keys::{self, HashKind, HashRecord, IdRecord, OwnerNumber},
    progress::Progress,
    row::CatalogueRow,
    stage::Stage,
    totals::{Day, Totals},
};
use crate::{
    db::{SessionRow, State},
    error::{StoreError, damaged},
};

/// Every entry about a session has the first in its bytes, every anchor the second, and few others have
/// either.
const TAKEN_UP: [&[u8]; 2] = [b"\"kind\":\"session.", b"\"kind\":\"anchor."];

/// Takes up the next entry.
pub(super) fn entry(
    stage: &mut Stage<'_>,
    progress: &mut Progress,
    bytes: &[u8],
) -> Result<(), StoreError> {
    let (at, leaf) = (EntryIndex(progress.log.len()), entry::leaf(bytes));
    progress.log.push(leaf);
    // Blocks of the chain are long and many, and need not be understood.
    let has = |part: &&[u8]| bytes.windows(part.len()).any(|window| window == *part);
    if !TAKEN_UP.iter().any(has) {
        return Ok(());
    }
    let parsed = Entry::parse(bytes).map_err(|error| {
        damaged(stage.files.projection.path(), format!("entry {} of the log: {error}", at.0))
    })?;
    let taken = match &parsed {
        Entry::SessionOpened(entry) => opened(stage, progress, at, entry)?,
        Entry::SessionSealed(entry) => sealed(stage, progress, at, entry)?,
        Entry::SessionVoided(SessionVoided { at: when, session_id, .. }) => {
            ended(stage, at, *when, *session_id, State::Open)?
        }
        Entry::SessionErased(SessionErased { at: when, session_id, .. }) => {
            ended(stage, at, *when, *session_id, State::Sealed)?
        }
        Entry::AnchorTron(anchor) => {
            progress.anchored = progress.anchored.max(anchor.log_size);
            None
        }
        Entry::UserChanged(_)
        | Entry::NodeEvent(_)
        | Entry::EvmBody(_)
        | Entry::EvmBlock(_)
        | Entry::ParametersChanged(_)
        | Entry::Other(_) => None,
    };
    if let Some(row) = taken {
        hash(stage, &row, leaf, HashKind::Entry, at.0);
    }
    Ok(())
}

/// A session begins. Gives its row; nothing where the id was used before, which the store lets nobody do.
fn opened(
    stage: &mut Stage<'_>,
    progress: &mut Progress,
    at: EntryIndex,
    entry: &SessionOpened,
) -> Result<Option<CatalogueRow>, StoreError> {
    if place_of(stage, entry.session_id)?.is_some() {
        return Ok(None);
    }
    let row = CatalogueRow {
        session: SessionRow::opened(at, entry),
        policy_hash: entry.policy.hash(),
        stored_bytes: None,
        owner: number_of(stage, progress, &entry.owner)?,
    };
    keys::ids().insert(stage, &IdRecord::bytes(entry.session_id, at))?;
    for owner in [OwnerNumber::EVERYBODY, row.owner] {
        keys::list(owner, None).insert(stage, &row.moment().bytes())?;
    }
    hash(stage, &row, row.policy_hash, HashKind::PolicyHash, at.0);
    enter(stage, &row, State::Open, |_| {})?;
    Ok(Some(row))
}

/// A session is sealed.
fn sealed(
    stage: &mut Stage<'_>,
    progress: &mut Progress,
    at: EntryIndex,
    entry: &SessionSealed,
) -> Result<Option<CatalogueRow>, StoreError> {
    let Some(mut row) = row_in(stage, entry.session_id, State::Open)? else { return Ok(None) };
    leave(stage, &row, |_| {})?;
    row.session.seal(at, entry);
    let (chunks, plain) = (u64::from(entry.chunk_count), entry.plain_bytes);
    if chunks == 0 {
        row.stored_bytes = Some(0);
    } else {
        stage.set(keys::unread(at), row.session.opened.0.to_be_bytes().to_vec());
        progress.unread += 1;
    }
    enter(stage, &row, State::Sealed, |totals| {
        totals.chunks += chunks;
        totals.plain_bytes += plain;
    })?;
    for owner in [OwnerNumber::EVERYBODY, row.owner] {
        let key = keys::day(owner, Day::of(entry.at).0);
        let count = stage.get(&key)?.map(|count| number(stage, &count)).transpose()?;
        stage.set(key, (count.unwrap_or(0) + 1).to_be_bytes().to_vec());
    }
    hash(stage, &row, entry.merkle_root, HashKind::MerkleRoot, at.0);
    hash(stage, &row, entry.manifest_hash, HashKind::ManifestHash, at.0);
    Ok(Some(row))
}

/// A session that was in the state `from` is voided or erased.
fn ended(
    stage: &mut Stage<'_>,
    at: EntryIndex,
    when: Timestamp,
    session: SessionId,
    from: State,
) -> Result<Option<CatalogueRow>, StoreError> {
    let Some(mut row) = row_in(stage, session, from)? else { return Ok(None) };
    let (chunks, plain) =
        row.session.sealed.map_or((0, 0), |sealed| (sealed.chunk_count.into(), sealed.plain_bytes));
    let stored = row.stored_bytes.unwrap_or(0);
    leave(stage, &row, |totals| {
        totals.chunks = totals.chunks.saturating_sub(chunks);
        totals.plain_bytes = totals.plain_bytes.saturating_sub(plain);
        totals.stored_bytes = totals.stored_bytes.saturating_sub(stored);
    })?;
    row.session.ended = Some((at, when));
    enter(stage, &row, row.session.state(), |_| {})?;
    Ok(Some(row))
}

/// Takes up roots of a session's chunks.
pub(super) fn chunks(
    stage: &mut Stage<'_>,
    progress: &mut Progress,
    ReadChunks { of, first, roots, stored_bytes }: &ReadChunks,
) -> Result<(), StoreError> {
    let mut row = row_at(stage, of.place)?;
    for (index, root) in (u64::from(*first)..).zip(roots) {
        hash(stage, &row, *root, HashKind::ChunkRoot, index);
    }
    let key = keys::unread(of.sealed);
    if let Some(stored) = *stored_bytes
        && stage.get(&key)?.is_some()
    {
        stage.remove(key);
        progress.unread = progress.unread.saturating_sub(1);
        row.stored_bytes = Some(stored);
        stage.set(keys::row(of.place), row.to_bytes());
        if row.session.state() == State::Sealed {
            sum(stage, &row, |totals| totals.stored_bytes += stored)?;
        }
    }
    Ok(())
}

/// A session that is in `state`; nothing where it is in another, or is not known: an entry that a foreign
/// program put there is about no session of this node.
fn row_in(
    stage: &Stage<'_>,
    session: SessionId,
    state: State,
) -> Result<Option<CatalogueRow>, StoreError> {
    let row = place_of(stage, session)?.map(|place| row_at(stage, place)).transpose()?;
    Ok(row.filter(|row| row.session.state() == state))
}

fn row_at(stage: &Stage<'_>, place: EntryIndex) -> Result<CatalogueRow, StoreError> {
    let row = stage.get(&keys::row(place))?;
    let row = row.and_then(|row| CatalogueRow::parse(place, &row));
    row.ok_or_else(|| stage.files.unsound("a session's row is none"))
}

fn place_of(stage: &Stage<'_>, session: SessionId) -> Result<Option<EntryIndex>, StoreError> {
    let ids = keys::ids();
    let last = [ids.prefix.as_slice(), &IdRecord::bytes(session, EntryIndex(u64::MAX))].concat();
    let block = stage.floor(&ids.prefix, &last)?;
    let (_, block) = block.unwrap_or_default();
    let mut records = block.chunks(IdRecord::BYTES);
    let found = records.find(|record| record.starts_with(session.as_bytes()));
    found
        .map(|record| {
            keys::place_in(&record[session.as_bytes().len()..])
                .ok_or_else(|| stage.files.unsound("a block of ids is none"))
        })
        .transpose()
}

/// An owner's number; a new owner gets the next one.
fn number_of(
    stage: &mut Stage<'_>,
    progress: &mut Progress,
    owner: &Owner,
) -> Result<OwnerNumber, StoreError> {
    let key = keys::owner(owner);
    if let Some(number) = stage.get(&key)? {
        return super::query::owner_number(stage.files, &number);
    }
    progress.owners += 1;
    stage.set(key, progress.owners.to_be_bytes().to_vec());
    Ok(OwnerNumber(progress.owners))
}

/// Writes a session's row, and puts it where those in `state` are.
fn enter(
    stage: &mut Stage<'_>,
    row: &CatalogueRow,
    state: State,
    and: impl Fn(&mut Totals),
) -> Result<(), StoreError> {
    stage.set(keys::row(row.session.opened), row.to_bytes());
    for owner in [OwnerNumber::EVERYBODY, row.owner] {
        keys::list(owner, Some(state)).insert(stage, &row.moment().bytes())?;
    }
    sum(stage, row, |totals| {
        *totals.count(state) += 1;
        and(totals);
    })
}

/// Takes a session out of where those in its state are.
fn leave(
    stage: &mut Stage<'_>,
    row: &CatalogueRow,
    and: impl Fn(&mut Totals),
) -> Result<(), StoreError> {
    let state = row.session.state();
    for owner in [OwnerNumber::EVERYBODY, row.owner] {
        keys::list(owner, Some(state)).remove(stage, &row.moment().bytes())?;
    }
    sum(stage, row, |totals| {
        let count = totals.count(state);
        *count = count.saturating_sub(1);
        and(totals);
    })
}

/// Changes the sums that a session counts in.
fn sum(
    stage: &mut Stage<'_>,
    row: &CatalogueRow,
    change: impl Fn(&mut Totals),
) -> Result<(), StoreError> {
    for owner in [OwnerNumber::EVERYBODY, row.owner] {
        let key = keys::totals(owner);
        let mut totals = match stage.get(&key)? {
            None => Totals::default(),
            Some(bytes) => {
                Totals::parse(&bytes).ok_or_else(|| stage.files.unsound("sums are none"))?
            }
        };
        change(&mut totals);
        stage.set(key, totals.to_bytes());
    }
    Ok(())
}

fn hash(stage: &mut Stage<'_>, row: &CatalogueRow, hash: Hash, kind: HashKind, number: u64) {
    let (owner, place) = (row.owner, row.session.opened);
    stage.hashes.push(HashRecord { hash, owner, kind, place, number }.bytes());
}

fn number(stage: &Stage<'_>, bytes: &[u8]) -> Result<u64, StoreError> {
    let number = bytes.try_into().map(u64::from_be_bytes);
    number.map_err(|_| stage.files.unsound("a count is none"))
}
