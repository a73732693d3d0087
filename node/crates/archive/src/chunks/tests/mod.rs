//! Chunks to a folder and back, and to a real S3 server (`s3`).

mod elsewhere;
mod proxy;
mod s3;

use std::{fs, path::Path};

use lucid_core::ChunkIndex;
use lucid_store::Disk;

use super::*;
use crate::{
    ArchiveError,
    testing::{Script, create, files, fill, folder, node, open, seal, session, verifies},
};

fn run<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap().block_on(work)
}

fn place(folder: &Path) -> Place {
    let url = format!("file://{}", folder.display());
    Place::open(&url, &|_| None, None, Limits::default()).unwrap()
}

fn sent(data: &Path, place: &Place) -> Result<Report, ArchiveError> {
    run(export(data, place, &mut |_| ()))
}

fn fetched(data: &Path, place: &Place, deep: bool) -> Result<Report, ArchiveError> {
    run(import(data, place, deep, &Disk::default(), &mut |_| ()))
}

fn read_back(data: &Path, place: &Place) -> Result<Report, ArchiveError> {
    run(verify(data, place, &mut |_| ()))
}

/// The file of a chunk in the data folder.
fn chunk_file(data: &Path, seed: u8, index: u32) -> std::path::PathBuf {
    data.join("chunks").join(session(seed).to_string()).join(format!("{index:08}.lck"))
}

/// The one object of a chunk in a folder of objects.
fn object(root: &Path, seed: u8, index: u32) -> std::path::PathBuf {
    let folder = root.join("chunks").join(session(seed).to_string());
    let mut names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let begin = format!("{index:08}-");
    names.find(|path| path.file_name().unwrap().to_string_lossy().starts_with(&begin)).unwrap()
}

/// A node, an empty folder for objects, and all chunk files' bytes together. Sessions 1 to 3 and the open 5 have 1 + 2 + 3
/// + 2 chunks; of the erased 4 there are none.
fn places() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf, u64) {
    let place = folder();
    let (data, objects) = (place.path().join("data"), place.path().join("objects"));
    drop(node(&data));
    fs::create_dir(&objects).unwrap();
    let chunks = files(&data.join("chunks"));
    assert_eq!(chunks.len(), 8);
    let bytes =
        chunks.iter().map(|name| fs::metadata(data.join("chunks").join(name)).unwrap().len());
    let bytes = bytes.sum();
    (place, data, objects, bytes)
}

#[test]
fn out_and_back_again() {
    let (_keep, data, objects, bytes) = places();
    let place = place(&objects);
    let (mut last, mut told) = (Progress::default(), 0);
    let report = run(export(&data, &place, &mut |progress| {
        assert!(progress.chunks >= last.chunks && progress.sessions >= last.sessions);
        (last, told) = (progress, told + 1);
    }))
    .unwrap();
    assert!(told >= 12 && last.bytes_per_second > 0, "{told} {last:?}");
    assert_eq!((last.sessions, last.sessions_total, last.chunks, last.bytes), (4, 4, 8, bytes));
    assert_eq!(
        (report.sessions_whole, report.chunks, report.bytes, report.losses_count),
        (4, 8, bytes, 0)
    );
    assert_eq!(files(&objects).len(), 8 + 3, "a mark for each sealed session");
    // Again: nothing is sent.
    let again = sent(&data, &place).unwrap();
    assert_eq!((again.chunks, again.chunks_there, again.sessions_whole), (0, 8, 4));
    let read = read_back(&data, &place).unwrap();
    assert_eq!((read.chunks, read.bytes, read.sessions_whole), (8, bytes, 4));

    let before: Vec<_> =
        (0..3).map(|index| fs::read(chunk_file(&data, 3, index)).unwrap()).collect();
    fs::remove_dir_all(data.join("chunks")).unwrap();
    fs::create_dir(data.join("chunks")).unwrap();
    let report = fetched(&data, &place, false).unwrap();
    assert_eq!((report.sessions_whole, report.chunks, report.bytes), (4, 8, bytes));
    for (index, bytes) in (0..3).zip(before) {
        assert_eq!(fs::read(chunk_file(&data, 3, index)).unwrap(), bytes);
    }
    let again = fetched(&data, &place, false).unwrap();
    assert_eq!((again.chunks, again.chunks_there), (0, 8));
    let (store, recovery) = open(&data);
    assert!(recovery.is_clean(), "{recovery:?}");
    assert!((1..=3).all(|seed| verifies(&store, seed)));
    // The open session goes on.
    seal(&store, 5);
    assert!(verifies(&store, 5));
}

#[test]
fn only_what_is_missing_is_sent() {
    let (_keep, data, objects, _) = places();
    let place = place(&objects);
    sent(&data, &place).unwrap();
    let gone = object(&objects, 3, 1);
    let bytes = fs::metadata(&gone).unwrap().len();
    fs::remove_file(&gone).unwrap();
    // The mark is believed until somebody looks.
    assert_eq!(sent(&data, &place).unwrap().chunks, 0);
    let read = read_back(&data, &place).unwrap();
    assert_eq!((read.losses_count, read.losses[0].index), (1, Some(ChunkIndex(1))));
    fs::remove_dir_all(objects.join("whole")).unwrap();
    let report = sent(&data, &place).unwrap();
    assert_eq!((report.chunks, report.bytes, report.chunks_there), (1, bytes, 7));
    // A shorter one is sent again, and one with a name of nothing is left alone.
    fs::write(object(&objects, 2, 0), "short").unwrap();
    fs::write(objects.join("chunks").join(session(2).to_string()).join("letter.txt"), "dear")
        .unwrap();
    fs::remove_dir_all(objects.join("whole")).unwrap();
    assert_eq!(sent(&data, &place).unwrap().chunks, 1);
    assert_eq!(read_back(&data, &place).unwrap().losses_count, 0);
    // What was sealed since.
    let (store, _) = open(&data);
    fill(&store, 6, 2);
    seal(&store, 6);
    drop(store);
    assert_eq!(sent(&data, &place).unwrap().chunks, 2);
}

#[test]
fn what_is_damaged_here_is_not_sent() {
    let (_keep, data, objects, _) = places();
    let place = place(&objects);
    let mut bytes = fs::read(chunk_file(&data, 3, 1)).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(chunk_file(&data, 3, 1), bytes).unwrap();
    fs::remove_file(chunk_file(&data, 2, 0)).unwrap();
    fs::write(chunk_file(&data, 1, 0), "short").unwrap();
    let report = sent(&data, &place).unwrap();
    assert_eq!(
        (report.chunks, report.sessions, report.sessions_whole, report.losses_count),
        (5, 4, 1, 3)
    );
    let named: Vec<_> = report.losses.iter().map(|loss| (loss.session, loss.index)).collect();
    for (seed, index) in [(1, 0), (2, 0), (3, 1)] {
        assert!(named.contains(&(session(seed), Some(ChunkIndex(index)))), "{named:?}");
    }
    assert!(!objects.join("whole").exists(), "no session was whole but the open one");
    // An index that is not the one that was sealed.
    let index = data.join("sessions").join(session(3).to_string()).join("index");
    let whole = fs::read(&index).unwrap();
    fs::write(&index, &whole[..whole.len() - 140]).unwrap();
    let report = sent(&data, &place).unwrap();
    assert!(report.losses.iter().any(|loss| loss.index.is_none() && loss.reason.contains("index")));
    fs::remove_file(&index).unwrap();
    assert!(sent(&data, &place).unwrap().losses.iter().any(|loss| loss.reason.contains("missing")));
}

#[test]
fn what_was_altered_there_is_not_taken() {
    let (_keep, data, objects, _) = places();
    let place = place(&objects);
    sent(&data, &place).unwrap();
    let chunks = data.join("chunks");
    fs::remove_dir_all(&chunks).unwrap();
    fs::create_dir(&chunks).unwrap();
    let path = object(&objects, 3, 2);
    let whole = fs::read(&path).unwrap();
    for place_of in [0, 20, 50, 90, 200, whole.len() - 1] {
        let mut altered = whole.clone();
        altered[place_of] ^= 1;
        fs::write(&path, altered).unwrap();
        let report = fetched(&data, &place, false).unwrap();
        assert_eq!((report.losses_count, report.sessions_whole), (1, 3), "{place_of}");
        assert_eq!(report.losses[0].index, Some(ChunkIndex(2)));
        assert!(!chunk_file(&data, 3, 2).exists(), "{place_of}");
    }
    for cut in [0, 47, 104, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(fetched(&data, &place, false).unwrap().losses_count, 1, "{cut}");
    }
    // Another chunk of the same session under its name.
    fs::copy(object(&objects, 3, 1), &path).unwrap();
    assert_eq!(fetched(&data, &place, false).unwrap().losses_count, 1);
    fs::remove_file(&path).unwrap();
    let report = fetched(&data, &place, false).unwrap();
    assert!(report.losses[0].reason.contains("not at file://"), "{report:?}");
    fs::write(&path, whole).unwrap();
    let report = fetched(&data, &place, false).unwrap();
    assert_eq!((report.chunks, report.losses_count, report.sessions_whole), (1, 0, 4));
}

#[test]
fn what_is_altered_here_is_found_by_looking_deep() {
    let (_keep, data, objects, _) = places();
    let place = place(&objects);
    sent(&data, &place).unwrap();
    let path = chunk_file(&data, 2, 1);
    let whole = fs::read(&path).unwrap();
    let mut altered = whole.clone();
    altered[5000] ^= 1;
    fs::write(&path, &altered).unwrap();
    assert_eq!(fetched(&data, &place, false).unwrap().chunks, 0);
    assert_eq!(fetched(&data, &place, true).unwrap().chunks, 1);
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn a_crash_in_an_import_leaves_whole_chunks_only() {
    let (_keep, data, objects, _) = places();
    let place = place(&objects);
    sent(&data, &place).unwrap();
    let chunks = data.join("chunks");
    let clear = || {
        fs::remove_dir_all(&chunks).unwrap();
        fs::create_dir(&chunks).unwrap();
    };
    let attempt = |disk: &Disk| run(import(&data, &place, false, disk, &mut |_| ()));
    clear();
    let counted = std::sync::Arc::new(Script::default());
    attempt(&Disk::with_faults(counted.clone())).unwrap();
    let operations = counted.count();
    assert!(operations >= 8 * 4, "{operations}");
    for nth in 0..operations {
        clear();
        let cut = attempt(&Disk::with_faults(Script::dead_from(nth)));
        assert!(cut.is_err(), "operation {nth} of {operations} failed and nobody said so");
        let there = files(&chunks).len() as u64;
        let report = attempt(&Disk::default()).unwrap();
        // Each named file is whole: none of them is fetched again, and none is refused.
        assert_eq!((report.chunks + report.chunks_there, report.losses_count), (8, 0), "{nth}");
        assert!(report.chunks_there <= there, "{nth}");
        assert_eq!(read_all_deep(&data, &place), 0, "{nth}");
    }
}

/// Chunks that a deep look finds wrong.
fn read_all_deep(data: &Path, place: &Place) -> u64 {
    fetched(data, place, true).unwrap().chunks
}

#[test]
fn a_folder_in_use_or_of_another_kind_is_named() {
    let (_keep, data, objects, _) = places();
    let place = place(&objects);
    let (store, _) = open(&data);
    // Export goes beside a node that runs.
    assert_eq!(sent(&data, &place).unwrap().losses_count, 0);
    let error = fetched(&data, &place, false).unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
    drop(store);
    assert!(sent(&data.join("nothing"), &place).is_err());
}

#[test]
fn places_that_are_none() {
    let folder = folder();
    let file = folder.path().join("secret");
    fs::write(&file, "from a file\nwith two lines").unwrap();
    let file = file.display().to_string();
    let both = |name: &str| match name {
        "AWS_ACCESS_KEY_ID" => Some("AKIDEXAMPLE".to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some("wJalrXUtnFEMI".to_owned()),
        _ => None,
    };
    let with = |name: &'static str, value: &str| {
        let value = value.to_owned();
        move |asked: &str| if asked == name { Some(value.clone()) } else { both(asked) }
    };
    let check = |url: &str, setting: &dyn Fn(&str) -> Option<String>, word: &str| {
        let error = Place::open(url, setting, None, Limits::default()).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(word), "{shown}");
        assert!(!shown.contains("wJalrX") && !shown.contains("AKID"), "{shown}");
    };
    Place::open("s3://bucket/some/prefix", &both, None, Limits::default()).unwrap();
    Place::open("s3://bucket", &both, Some("socks5h://127.0.0.1:9050"), Limits::default()).unwrap();
    check("https://bucket", &both, "s3://BUCKET");
    check("s3://AKIDEXAMPLE:wJalrXUtnFEMI@bucket/x", &both, "AWS_ACCESS_KEY_ID");
    check("s3://bucket/a//b", &both, "prefix");
    check("s3://bucket/../b", &both, "prefix");
    check("s3://bucket/a b", &both, "prefix");
    check("s3://bucket", &|_| None, "AWS_ACCESS_KEY_ID is not set");
    check("s3://bucket", &with("AWS_SECRET_ACCESS_KEY", ""), "AWS_SECRET_ACCESS_KEY is empty");
    check("s3://bucket", &with("AWS_SECRET_ACCESS_KEY_FILE", &file), "both set");
    check("s3://bucket", &with("AWS_SESSION_TOKEN_FILE", &file), "a space");
    check("s3://bucket", &with("AWS_SESSION_TOKEN_FILE", "/nowhere/x"), "/nowhere/x");
    check("s3://bucket", &with("AWS_ENDPOINT_URL", "ftp://x"), "https://HOST");
    check("s3://bucket", &with("AWS_ENDPOINT_URL", "http://AKID:wJalrX@x"), "no user");
    check("file://relative", &both, "from the root");
    check("file:///nowhere/at/all", &both, "does not exist");
    for at_once in [0, 65] {
        let limits = Limits { at_once, ..Limits::default() };
        assert!(Place::open("s3://bucket", &both, None, limits).is_err());
    }
}

#[test]
fn a_session_of_no_chunks_is_whole() {
    let place_of = folder();
    let (data, objects) = (place_of.path().join("data"), place_of.path().join("objects"));
    let store = create(&data);
    fill(&store, 1, 0);
    seal(&store, 1);
    drop(store);
    fs::create_dir(&objects).unwrap();
    let place = place(&objects);
    let report = sent(&data, &place).unwrap();
    assert_eq!((report.sessions_whole, report.chunks), (1, 0));
    assert_eq!(fetched(&data, &place, false).unwrap().sessions_whole, 1);
}
