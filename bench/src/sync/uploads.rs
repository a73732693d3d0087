//! Uploads beside a backlog that is being sent, by turns with the same uploads while nothing is.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::json;

use super::{
    Bench, Running,
    database::{Database, Place},
};
use crate::{
    http::client::Connection,
    inputs::{self, ByteCount, Kind},
    machine,
    report::{Table, digits, spread},
    samples::Spread,
};

/// Uploads of each turn. The first of them makes the memory present, and does not count.
const UPLOADS: usize = 4;

/// What is uploaded, and how often.
pub(super) struct Uploads {
    /// Bytes of one.
    pub(super) size: ByteCount,
    /// Turns.
    pub(super) rounds: u32,
}

/// What uploads took with mongod in one place.
#[derive(Serialize)]
pub(super) struct Beside {
    place: Place,
    bytes: u64,
    /// Seconds of each, while nothing is sent.
    alone_s: Vec<f64>,
    /// While the backlog is sent.
    loaded_s: Vec<f64>,
    /// Documents a second that were sent meanwhile, in each turn.
    documents_s: Vec<f64>,
}

impl Uploads {
    /// Measures in all places.
    pub(super) fn measure(&self, bench: &Bench<'_>, folder: &Path) -> Result<Vec<Beside>> {
        if self.rounds == 0 {
            return Ok(Vec::new());
        }
        let plain = inputs::ensure(folder, Kind::Incompressible, self.size)?;
        let mut measured = Vec::new();
        for place in Place::ALL {
            let database = Database::start(folder, place)?;
            let mut beside = Beside {
                place,
                bytes: fs::metadata(&plain)?.len(),
                alone_s: Vec::new(),
                loaded_s: Vec::new(),
                documents_s: Vec::new(),
            };
            let [ours, _] = place.processors()?;
            let all = machine::processors()?;
            // The node inherits them, and the client is this thread.
            machine::pin(&ours)?;
            let rounds = (0..self.rounds).try_for_each(|_| beside.round(bench, &database, &plain));
            machine::pin(&all)?;
            rounds?;
            measured.push(beside);
        }
        Ok(measured)
    }
}

impl Beside {
    fn round(&mut self, bench: &Bench<'_>, database: &Database, plain: &Path) -> Result<()> {
        let running = bench.start(None)?;
        for _ in 0..UPLOADS {
            self.alone_s.push(running.upload(plain)?);
        }
        drop(running);
        let running = bench.start(Some(database))?;
        let before = running.wait_for_documents()?;
        let mut seconds = 0.0;
        for _ in 0..UPLOADS {
            let took = running.upload(plain)?;
            self.loaded_s.push(took);
            seconds += took;
        }
        let after = running.state()?;
        ensure!(!after.is_done, "the backlog is too short for the uploads: more --documents");
        self.documents_s.push((after.documents - before) as f64 / seconds);
        drop(running);
        database.forget("lucid")
    }

    /// How many times as long an upload takes beside the backlog.
    pub(super) fn slower(&self) -> f64 {
        let median = |seconds: &[f64]| Spread::of(counted(seconds)).map_or(f64::NAN, |s| s.median);
        median(&self.loaded_s) / median(&self.alone_s)
    }

    /// Where mongod was.
    pub(super) fn place(&self) -> &'static str {
        self.place.name()
    }
}

/// All but each turn's first.
fn counted(seconds: &[f64]) -> impl Iterator<Item = f64> {
    seconds.chunks(UPLOADS).flat_map(|turn| turn.iter().skip(1).copied())
}

impl Running {
    /// Uploads a file into a session that is given up afterwards; gives the seconds until it was acknowledged.
    fn upload(&self, plain: &Path) -> Result<f64> {
        let session = self.client.mint(&json!({}))?;
        let seconds = Connection::upload(&self.client, &session, plain)?;
        let path = format!("/api/v1/sessions/{session}/void");
        self.client.post(&path, &json!({"reason": "measured"}), 200)?;
        Ok(seconds)
    }
}

/// All of it.
pub(super) fn table(measured: &[Beside]) -> Table {
    let mut table = Table::new(&[
        "mongod",
        "an upload alone, GB/s, median (min to max)",
        "beside the backlog, GB/s",
        "takes times as long",
        "documents a second meanwhile",
    ]);
    for beside in measured {
        let rate = |seconds: f64| beside.bytes as f64 / seconds / 1e9;
        let rates = |seconds: &[f64]| spread(Spread::of(counted(seconds).map(rate)));
        table.row([
            beside.place().into(),
            rates(&beside.alone_s),
            rates(&beside.loaded_s),
            digits(beside.slower()),
            spread(Spread::of(beside.documents_s.iter().copied())),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_turn_does_not_count() {
        let beside = Beside {
            place: Place::Apart,
            bytes: 1,
            alone_s: vec![9.0, 1.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0],
            loaded_s: vec![0.0, 1.2, 1.2, 1.2],
            documents_s: vec![1.0],
        };
        assert_eq!(counted(&beside.alone_s).count(), 6);
        assert!((beside.slower() - 1.2).abs() < 1e-9);
    }
}
