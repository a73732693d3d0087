//! The catalogue against a naive one, through crashes, and over what somebody altered.

mod crash;
mod model;
mod property;
mod searching;

use std::path::Path;

use lucid_core::{
    Hash, Owner, Policy, SessionId, Timestamp,
    chunk::Suite,
    entry::{Entry, SessionErased, SessionOpened, SessionSealed, SessionVoided},
};

use super::{Catalogue, ReadChunks};
use crate::{disk::Disk, sled_folder::Rebuilt};

fn open(folder: &Path) -> (Catalogue, Option<Rebuilt>) {
    Catalogue::open(folder, &Disk::default()).unwrap()
}

/// Takes entries up in pages of so many.
fn take(catalogue: &Catalogue, entries: &[Vec<u8>], page: usize) {
    for page in entries.chunks(page) {
        catalogue.take_entries(page.iter().map(Vec::as_slice)).unwrap();
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

fn id(number: u32) -> SessionId {
    let hash = Hash::of(&number.to_be_bytes());
    SessionId::from_random(*hash.0.first_chunk().unwrap())
}

fn owner(number: u8) -> Owner {
    format!("T{number}").parse().unwrap()
}

fn policy(zstd_level: u8) -> Policy {
    Policy::new(65_536, zstd_level, Suite::Aes256Gcm).unwrap()
}

fn bytes(entry: &Entry) -> Vec<u8> {
    entry.to_bytes().unwrap()
}

fn opened(number: u32, of: u8, when: u64, level: u8) -> Vec<u8> {
    let (kind, v) = Default::default();
    bytes(&Entry::SessionOpened(SessionOpened {
        at: at(when),
        kind,
        media_type: "text/plain".parse().unwrap(),
        owner: owner(of),
        policy: policy(level),
        session_id: id(number),
        v,
    }))
}

/// The root that a session of these tests is sealed with.
fn root(number: u32) -> Hash {
    Hash::of_parts(&[b"root", &number.to_be_bytes()])
}

fn manifest(number: u32) -> Hash {
    Hash::of_parts(&[b"manifest", &number.to_be_bytes()])
}

fn chunk_root(number: u32, index: u32) -> Hash {
    Hash::of_parts(&[b"chunk", &number.to_be_bytes(), &index.to_be_bytes()])
}

fn sealed(number: u32, of: u8, when: u64, chunk_count: u32) -> Vec<u8> {
    let (kind, v) = Default::default();
    bytes(&Entry::SessionSealed(SessionSealed {
        at: at(when),
        chunk_count,
        kind,
        manifest_hash: manifest(number),
        merkle_root: root(number),
        owner: owner(of),
        plain_bytes: u64::from(chunk_count) * 10,
        policy_hash: policy(1).hash(),
        session_id: id(number),
        v,
    }))
}

fn voided(number: u32, when: u64) -> Vec<u8> {
    let (kind, v) = Default::default();
    let (at, reason, session_id) = (at(when), String::new(), id(number));
    bytes(&Entry::SessionVoided(SessionVoided { at, kind, reason, session_id, v }))
}

fn erased(number: u32, when: u64) -> Vec<u8> {
    let (kind, v) = Default::default();
    bytes(&Entry::SessionErased(SessionErased { at: at(when), kind, session_id: id(number), v }))
}

/// Takes up the chunks of every session that is unread, `page` of them at a time, each with 100 stored bytes.
fn read_chunks(catalogue: &Catalogue, number_of: impl Fn(SessionId) -> u32, page: u32) {
    for of in catalogue.unread(Default::default(), 1_000_000).unwrap() {
        let number = number_of(of.session);
        for first in (0..of.chunk_count).step_by(page as usize) {
            let end = (first + page).min(of.chunk_count);
            let roots = (first..end).map(|index| chunk_root(number, index)).collect();
            let last = end == of.chunk_count;
            let stored_bytes = last.then_some(u64::from(of.chunk_count) * 100);
            catalogue.take_chunks(&[ReadChunks { of, first, roots, stored_bytes }]).unwrap();
        }
    }
}
