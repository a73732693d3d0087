//! What lies in a file is read where it lies, and becomes what it would become as a stream.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::{
    fs::File,
    io::{self, Read, Write},
    sync::Mutex,
};

use lucid_core::{
    ChunkIndex, Policy,
    chunk::{Codec, Salt, Suite},
    merkle,
};
use lucid_pipeline::{
    PortError,
    ingest::{self, End, IngestError, Report},
    open::ChunkOpener,
    pages::ChunkBuffer,
    ports::{ChunkFile, ChunkShelf},
    seal::{ChunkSealer, SealContext},
    source::{Extent, FileSource, Filled, ReadSource, Source},
};
use support::{MemoryStore, Sink, noise, text, with_control};

/// Longer than what is simply tried: the probe decides.
const LARGE: usize = 256 << 10;

const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];

fn large(suite: Suite) -> SealContext {
    let policy = Policy::new(LARGE as u32, 3, suite).unwrap();
    SealContext { policy, ..support::context(suite) }
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn record(source: &mut dyn Source, suite: Suite, workers: usize) -> (MemoryStore, Report) {
    let store = MemoryStore::default();
    let report = with_control(workers, |control| {
        ingest::ingest(source, &large(suite), &Sink(&store), ChunkIndex(0), 0, control)
    });
    (store, report)
}

fn plain_of(store: &MemoryStore, suite: Suite) -> Vec<u8> {
    let (context, mut plain) = (large(suite), Vec::new());
    for chunk in store.acknowledged.lock().unwrap().iter() {
        let index = chunk.header.index;
        let (mut reader, bytes) = store.open(index).unwrap();
        let key = |_: &_| context.dek.chunk_key(&context.session, index);
        let mut opener = ChunkOpener::new();
        let (found, part) = opener.open(&mut reader, bytes, Some(&chunk.header), key).unwrap();
        assert_eq!(found.chunk_root, chunk.chunk_root);
        plain.extend_from_slice(part);
    }
    plain
}

/// Chunks of every kind: noise, text, text whose samples are noise and the other way round, and an end.
fn every_kind(end: usize) -> Vec<u8> {
    let mut plain = noise(LARGE, 1);
    plain.extend(text(LARGE));
    let (mut rare, mut often) = (text(LARGE), noise(LARGE, 2));
    for place in (0..LARGE).step_by(LARGE / 8) {
        rare[place..place + 4096].copy_from_slice(&noise(4096, place as u64 + 9));
        often[place..place + 4096].fill(0);
    }
    plain.extend(rare);
    plain.extend(often);
    plain.extend(noise(2 * LARGE, 3));
    plain.extend(text(end));
    plain
}

#[test]
fn a_file_becomes_what_it_would_become_as_a_stream() {
    for (suite, end) in
        [(SUITES[0], 0), (SUITES[1], 1), (SUITES[0], LARGE - 1), (SUITES[1], 70_000)]
    {
        let plain = every_kind(end);
        let (stream, report) = record(&mut ReadSource(&plain[..]), suite, 1);
        assert_eq!(report.outcome.unwrap(), End::Complete);
        let headers = |store: &MemoryStore| {
            store.acknowledged.lock().unwrap().iter().map(|chunk| chunk.header).collect::<Vec<_>>()
        };
        let codecs: Vec<_> = headers(&stream).iter().map(|header| header.codec).collect();
        assert!(codecs[..4].contains(&Codec::Zstd) && codecs[0] == Codec::Stored, "{codecs:?}");
        for workers in [1, 2, 5] {
            let (store, report) =
                record(&mut FileSource::new(file_of(&plain)).unwrap(), suite, workers);
            assert_eq!(report.outcome.unwrap(), End::Complete);
            assert_eq!(report.plain_bytes, plain.len() as u64);
            assert_eq!(headers(&store), headers(&stream));
            assert!(plain_of(&store, suite) == plain, "{workers} workers");
        }
    }
}

/// A chunk file in memory.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl ChunkFile for Bytes {
    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn commit(self) -> Result<(), PortError> {
        Ok(())
    }
}

#[test]
fn under_one_salt_every_byte_is_the_same() {
    for suite in SUITES {
        let (context, plain) = (large(suite), every_kind(0));
        let mut source = FileSource::new(file_of(&plain)).unwrap();
        for (index, part) in plain.chunks(LARGE).enumerate() {
            let (index, salt) = (ChunkIndex(index as u32), Salt([index as u8; 24]));
            let extent = source.extent(LARGE as u64).unwrap().unwrap();
            let (mut whole, mut lying) = (Bytes::default(), Bytes::default());
            let mut sealer = ChunkSealer::new(&context.policy);
            let first = sealer.seal(&context, index, part, salt, &mut whole).unwrap();
            let mut buffer = ChunkBuffer::zeroed(LARGE);
            let to = &mut lying;
            let second =
                sealer.seal_extent(&context, index, &extent, &mut buffer, salt, to).unwrap();
            assert_eq!(first, second);
            assert!(whole.0 == lying.0, "chunk {index}");
            let leaves: Vec<_> = whole.0[104..].chunks(16_400).map(merkle::leaf_hash).collect();
            assert_eq!(merkle::root(&leaves), first.chunk_root);
        }
        assert!(source.extent(1).unwrap().is_none());
    }
}

/// A file to which something happens before chunk `at` is taken from it.
struct Touched<F> {
    source: FileSource,
    at: usize,
    happens: F,
}

impl<F: FnMut() + Send> Touched<F> {
    fn count(&mut self) {
        if self.at == 0 {
            (self.happens)();
        }
        self.at = self.at.wrapping_sub(1);
    }
}

impl<F: FnMut() + Send> Source for Touched<F> {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        self.source.fill(buffer)
    }

    fn extent(&mut self, count: u64) -> io::Result<Option<Extent>> {
        let extent = self.source.extent(count);
        self.count();
        extent
    }
}

#[test]
fn a_file_that_becomes_shorter_is_said_to_and_what_came_before_stays() {
    for (workers, cut) in [(1, 0), (1, LARGE), (1, 2 * LARGE + 50_000), (3, 2 * LARGE)] {
        let plain = noise(6 * LARGE, 5);
        let file = file_of(&plain);
        let other = file.try_clone().unwrap();
        let happens = || other.set_len(cut as u64).unwrap();
        let mut source = Touched { source: FileSource::new(file).unwrap(), at: 3, happens };
        let (store, report) = record(&mut source, SUITES[0], workers);
        let error = report.outcome.unwrap_err();
        assert!(matches!(&error, IngestError::Source(_)), "{error}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("became shorter"), "{cause}");
        let kept = plain_of(&store, SUITES[0]);
        assert_eq!(kept.len() as u64, report.plain_bytes);
        assert!(plain.starts_with(&kept));
        if workers == 1 {
            assert_eq!(report.chunk_count, 3);
        }
    }
}

#[test]
fn what_is_appended_meanwhile_is_taken_too() {
    let plain = noise(3 * LARGE + 10, 6);
    let file = file_of(&plain[..LARGE + 5]);
    let other = Mutex::new(file.try_clone().unwrap());
    let happens = || other.lock().unwrap().write_all(&plain[LARGE + 5..]).unwrap();
    let mut source = Touched { source: FileSource::new(file).unwrap(), at: 1, happens };
    let (store, report) = record(&mut source, SUITES[0], 2);
    assert_eq!(report.outcome.unwrap(), End::Complete);
    assert!(plain_of(&store, SUITES[0]) == plain);
}

#[test]
fn a_file_is_taken_from_its_first_byte_and_left_where_it_stood() {
    let mut file = file_of(b"abcdef");
    let mut twin = file.try_clone().unwrap();
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "the cursor is at the end");
    let mut source = FileSource::new(file).unwrap();
    assert!(source.extent(7).unwrap().is_none(), "no more is promised than there is");
    let mut buffer = [0; 4];
    assert_eq!(source.fill(&mut buffer).unwrap(), Filled::Full);
    assert_eq!(&buffer, b"abcd");
    let extent = source.extent(2).unwrap().unwrap();
    extent.read(&mut buffer[..1], 1).unwrap();
    assert_eq!(buffer[0], b'f');
    assert_eq!(source.fill(&mut buffer).unwrap(), Filled::End(0));
    twin.write_all(b"g").unwrap();
    assert_eq!(source.fill(&mut buffer).unwrap(), Filled::End(1));
    assert_eq!(buffer[0], b'g');
}

#[test]
fn an_end_that_comes_too_early_is_no_end() {
    for cut in [0, 4, 9] {
        let file = file_of(b"0123456789");
        let other = file.try_clone().unwrap();
        let mut source = FileSource::new(file).unwrap();
        assert_eq!(source.fill(&mut [0; 4]).unwrap(), Filled::Full);
        other.set_len(cut).unwrap();
        let error = source.fill(&mut [0; 8]).unwrap_err();
        assert!(error.to_string().contains("became shorter"), "{error}");
    }
}

/// A file of the kernel's has bytes and no length.
#[test]
fn what_has_no_length_is_read_to_its_end() {
    let file = File::open("/proc/self/limits").unwrap();
    assert_eq!(file.metadata().unwrap().len(), 0);
    let (store, report) = record(&mut FileSource::new(file).unwrap(), SUITES[0], 1);
    assert_eq!(report.outcome.unwrap(), End::Complete);
    assert!(plain_of(&store, SUITES[0]).starts_with(b"Limit "));
}
