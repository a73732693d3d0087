//! A whole ingest: a generated stream into a data folder of its own, to the durable end mark.

use std::{
    fs, io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use lucid_core::MediaType;
use lucid_pipeline::source::{Filled, Source};
use lucid_store::{CreateOptions, Disk, KekSource, Store};

use super::{
    generated,
    measure::{Figure, PIECE},
};
use crate::{
    commands::session::OpenSession,
    context::{Context, now},
    failure::Outcome,
    ports::PipelineCiphers,
    progress::{Mode, Unit},
};

/// Ingests that are measured.
const TIMES: usize = 3;

/// How long each goes on taking more. What was taken then is still stored: on a slow card that is most of
/// the time, and why this is short.
const TAKES: Duration = Duration::from_millis(1500);

/// Bytes of each, at most.
const BYTES_MAX: u64 = 128 << 20;

/// Ingests a stream of which half shrinks, with as many workers as the configuration says; MB/s.
pub(super) fn ingest(context: &Context, folder: &Path) -> Outcome<Figure> {
    let pieces = [generated::noise(PIECE), generated::lines(PIECE)];
    let mut rates = Vec::new();
    for _ in 0..TIMES {
        let data = folder.join("data");
        let own = own(context, &data);
        let options = CreateOptions {
            kek: KekSource::Folder,
            at: now(),
            reserve_bytes: Some(0),
            disk: Disk::default(),
            ciphers: Arc::new(PipelineCiphers { recipients: Vec::new() }),
        };
        let store = Store::create(&data, options)?;
        let start = Instant::now();
        let mut stream = Stream { pieces: &pieces, taken: 0, start };
        let session = OpenSession::begin(&own, &store, MediaType::octets())?;
        let progress = own.progress("measured", Unit::Bytes, None);
        let filled = session.fill(&own, &mut stream, &progress)?;
        let recorded = session.seal(filled, true)?;
        rates.push(recorded.plain_bytes as f64 / start.elapsed().as_secs_f64() / 1e6);
        drop(store);
        fs::remove_dir_all(&data)?;
    }
    Ok(Figure::of("ingest, half of it text, to the end mark", "MB/s", rates))
}

/// The same settings for another folder, whose keys are its own.
fn own(context: &Context, data: &Path) -> Context {
    let mut config = context.config.clone();
    data.clone_into(&mut config.data);
    config.master_key = None;
    config.write_only = false;
    config.age_recipients = Vec::new();
    Context {
        config,
        output: context.output,
        progress: Mode::None,
        cancel: Arc::clone(&context.cancel),
        waits: Arc::clone(&context.waits),
    }
}

/// Pieces by turns, until there was time or room enough.
struct Stream<'a> {
    pieces: &'a [Vec<u8>; 2],
    taken: u64,
    start: Instant,
}

impl Source for Stream<'_> {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        if self.taken > 0 && (self.taken >= BYTES_MAX || self.start.elapsed() >= TAKES) {
            return Ok(Filled::End(0));
        }
        let mut at = 0;
        while at < buffer.len() {
            let (number, place) = (self.taken / PIECE as u64, (self.taken % PIECE as u64) as usize);
            let piece = &self.pieces[(number % 2) as usize][place..];
            let count = piece.len().min(buffer.len() - at);
            buffer[at..at + count].copy_from_slice(&piece[..count]);
            (at, self.taken) = (at + count, self.taken + count as u64);
        }
        Ok(Filled::Full)
    }
}
