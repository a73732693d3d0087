//! What a crash leaves, what is missing, and what somebody altered.

use std::fs;

use super::{
    super::{Catalogue, CatalogueFilter, keys, runs},
    id,
    model::{Model, Step},
    open, read_chunks, take,
};
use crate::{
    disk::Disk,
    error::StoreError,
    testing::{copy_folder, folder_in_memory},
};

/// A history of some hundred entries.
fn history() -> Model {
    let mut model = Model::default();
    for number in 0..120_u64 {
        model.step(Step::Open { of: (number % 3) as u8, when: number * 1000, level: 1 });
        if number % 3 != 0 {
            model.step(Step::Seal { which: 0, when: number * 1000 + 1, chunks: 3 });
        }
        if number % 10 == 0 {
            model.step(Step::Erase { which: number as usize, when: number * 1000 + 2 });
        }
    }
    model
}

/// Everything that can be asked, as one text.
fn all(catalogue: &Catalogue) -> String {
    let sessions = catalogue.list(&CatalogueFilter::default(), None, 1000).unwrap();
    let runs = catalogue.runs.read().unwrap();
    let first = runs::scan(&catalogue.files, &runs, (&[0; 53], &[0xff; 53])).unwrap();
    let hashes: Vec<_> = first.map(Result::unwrap).collect();
    format!(
        "{:?} {sessions:?} {:?} {hashes:?}",
        catalogue.progress(),
        catalogue.totals(None).unwrap()
    )
}

#[test]
fn whatever_a_crash_leaves_is_gone_on_from() {
    let model = history();
    let place = folder_in_memory();
    let (whole, _) = open(&place.path().join("whole"));
    take(&whole, &model.log, 1000);
    read_chunks(&whole, |session| model.number_of(session), 10);
    let expected = all(&whole);
    let (running, _) = open(&place.path().join("running"));
    for (round, page) in model.log.chunks(17).enumerate() {
        running.take_entries(page.iter().map(Vec::as_slice)).unwrap();
        // Some of it was flushed, some of it written, and some of the chunks were read.
        if round % 3 == 0 {
            running.flush().unwrap();
        }
        if round % 4 == 1 {
            read_chunks(&running, |session| model.number_of(session), 2);
        }
        let left = place.path().join(format!("left-{round}"));
        copy_folder(&place.path().join("running"), &left);
        let (catalogue, anew) = open(&left);
        assert!(anew.is_none(), "{round}: {anew:?}");
        let size = usize::try_from(catalogue.progress().head.size).unwrap();
        assert!(size <= (round + 1) * 17, "{round}: no more than was there");
        take(&catalogue, &model.log[size..], 1000);
        read_chunks(&catalogue, |session| model.number_of(session), 10);
        assert_eq!(all(&catalogue), expected, "{round}");
    }
}

#[test]
fn an_entry_that_is_none_changes_nothing() {
    let model = history();
    let place = folder_in_memory();
    let (catalogue, _) = open(&place.path().join("c"));
    take(&catalogue, &model.log[..50], 50);
    let before = all(&catalogue);
    let bad = br#"{"at":"2026-02-01T00:00:00.000Z","kind":"session.erased","v":1}"#.to_vec();
    let page = [model.log[50].clone(), bad];
    let refused = catalogue.take_entries(page.iter().map(Vec::as_slice));
    assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{refused:?}");
    assert_eq!(all(&catalogue), before);
    take(&catalogue, &model.log[50..], 50);
    assert_eq!(catalogue.progress().head.size, model.log.len() as u64);
}

#[test]
fn entries_of_no_session_here_change_nothing_but_how_far_it_is() {
    let model = history();
    let place = folder_in_memory();
    let (catalogue, _) = open(&place.path().join("c"));
    take(&catalogue, &model.log, 1000);
    let before = (catalogue.totals(None).unwrap(), catalogue.progress().unread);
    // One again, of one that is not there, and of ones that are in another state.
    let is_open = |one: &&super::model::One| one.state == crate::db::State::Open;
    let open = model.sessions.iter().find(is_open).unwrap().number;
    let voided = super::voided(open, 1);
    let strange = [
        model.log[0].clone(),
        super::sealed(9999, 0, 1, 1),
        voided.clone(),
        voided,
        super::erased(open, 1),
    ];
    let totals =
        |catalogue: &Catalogue| (catalogue.totals(None).unwrap(), catalogue.progress().unread);
    take(&catalogue, &strange[..2], 5);
    assert_eq!(totals(&catalogue), before);
    take(&catalogue, &strange[2..], 5);
    let after = totals(&catalogue);
    assert_eq!((after.0.open, after.0.voided), (before.0.open - 1, before.0.voided + 1), "once");
    assert_eq!((after.0.erased, after.1), (before.0.erased, before.1));
}

/// Alters something about the session that was opened at a place.
type Alter = fn(&sled::Tree, u64);

/// Whether it was met and noticed.
type Notices = fn(&Catalogue) -> bool;

/// What is altered is noticed by whoever meets it, and the next one who opens it begins again.
#[test]
fn what_was_altered_is_noticed_and_made_anew() {
    let model = history();
    let first = model.sessions[0].place;
    let rows: [(&str, Alter, Notices); 5] = [
        (
            "a row that is cut",
            |tree, place| {
                let key = keys::row(lucid_core::EntryIndex(place));
                let row = tree.get(&key).unwrap().unwrap();
                tree.insert(key, &row[..row.len() - 1]).unwrap();
            },
            |catalogue| catalogue.list(&CatalogueFilter::default(), None, 1000).is_err(),
        ),
        (
            "a row that is gone",
            |tree, place| drop(tree.remove(keys::row(lucid_core::EntryIndex(place))).unwrap()),
            |catalogue| catalogue.session(id(0)).is_err(),
        ),
        (
            "a block of a length that none has",
            |tree, _| {
                let (key, block) = tree.scan_prefix(b"l").next().unwrap().unwrap();
                tree.insert(key, &block[1..]).unwrap();
            },
            |catalogue| catalogue.list(&CatalogueFilter::default(), None, 1000).is_err(),
        ),
        (
            "sums that are none",
            |tree, _| drop(tree.insert(keys::totals(keys::OwnerNumber::EVERYBODY), b"x").unwrap()),
            |catalogue| catalogue.totals(None).is_err(),
        ),
        (
            "no beginning of how far it is",
            |tree, _| drop(tree.insert(keys::PROGRESS, b"x").unwrap()),
            |_| true,
        ),
    ];
    for (what, alter, is_noticed) in rows {
        let place = folder_in_memory();
        let folder = place.path().join("sessions-data");
        let (catalogue, _) = open(&folder);
        take(&catalogue, &model.log, 1000);
        alter(&catalogue.files.tree, first);
        assert!(is_noticed(&catalogue), "{what}");
        catalogue.flush().unwrap();
        drop(catalogue);
        let (catalogue, anew) = open(&folder);
        assert!(anew.is_some_and(|anew| anew.aside.is_some()), "{what}");
        assert_eq!(catalogue.progress().head.size, 0, "{what}");
        take(&catalogue, &model.log, 1000);
        assert_eq!(catalogue.totals(None).unwrap(), model.totals(None), "{what}");
    }
}

#[test]
fn it_is_begun_anew_where_it_is_missing_or_told_to() {
    let model = history();
    let place = folder_in_memory();
    let folder = place.path().join("sessions-data");
    let (catalogue, made) = open(&folder);
    assert_eq!(made.map(|made| made.aside), Some(None), "it was missing");
    take(&catalogue, &model.log, 1000);
    catalogue.flush().unwrap();
    drop(catalogue);
    let (catalogue, made) = Catalogue::begin_anew(&folder, &Disk::default(), "why not").unwrap();
    let made = made.unwrap();
    assert!(made.reason == "why not" && made.aside.is_some(), "{made}");
    assert_eq!(catalogue.progress().head.size, 0);
    drop(catalogue);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(open(&folder).0.progress().head.size, 0);
}
