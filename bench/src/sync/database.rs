//! The real mongod, and where it runs beside the node.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use lucid_mongo_testing::{ReplicaSet, SetOptions};
use rustix::{
    io::Errno,
    process::{Pid, setpriority_process},
    thread::{CpuSet, sched_setaffinity},
};
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};

use crate::{machine, node::clear, quiet};

/// The lowest priority there is.
const LOWEST: i32 = 19;

/// Where mongod runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// On the processors of node and client, as one more program.
    Shared,
    /// There too, with the lowest priority (`nice -n 19`).
    Niced,
    /// On the last processor, where node and client never are: as on another machine.
    Apart,
}

impl Place {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Shared, Self::Niced, Self::Apart];

    /// Its name in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Shared => "on the same processors",
            Self::Niced => "the same, niced",
            Self::Apart => "on a processor of its own",
        }
    }

    /// The processors of node and client, and those of mongod.
    pub(super) fn processors(self) -> Result<[Vec<usize>; 2]> {
        let all = machine::processors()?;
        match (self, all.as_slice()) {
            (Self::Apart, [others @ .., last]) if !others.is_empty() => {
                Ok([others.to_vec(), vec![*last]])
            }
            _ => Ok([all.clone(), all]),
        }
    }
}

/// A replica set of one.
pub(super) struct Database {
    runtime: Runtime,
    set: ReplicaSet,
}

impl Database {
    /// Starts mongod, with its data in `folder`.
    pub(super) fn start(folder: &Path, place: Place) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let folder = folder.join(format!("mongod-{place:?}").to_lowercase());
        // One from an earlier run would be of a replica set with another port.
        clear(&folder)?;
        let options =
            SetOptions { cache_gib: Some("1"), folder: Some(folder), ..SetOptions::default() };
        let set = runtime.block_on(ReplicaSet::start(1, &options))?;
        let database = Self { runtime, set };
        database.put(place)?;
        Ok(database)
    }

    /// Its address.
    pub(super) fn url(&self) -> String {
        self.set.url()
    }

    /// Seconds of processor time that it used so far.
    pub(super) fn processor_s(&self) -> Result<f64> {
        quiet::processor_s(self.pid()?).map(|[user, system]| user + system)
    }

    /// Forgets what a run put there.
    pub(super) fn forget(&self, name: &str) -> Result<()> {
        Ok(self.runtime.block_on(self.set.drop_database(name))?)
    }

    fn pid(&self) -> Result<u32> {
        self.set.servers.first().and_then(lucid_mongo_testing::Server::pid).context("no mongod")
    }

    /// Every thread that it has goes there; those to come are started by one of them.
    fn put(&self, place: Place) -> Result<()> {
        let [_, processors] = place.processors()?;
        let mut set = CpuSet::new();
        for processor in processors {
            set.set(processor);
        }
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid()?))? {
            let id: i32 = thread?.file_name().to_string_lossy().parse()?;
            let thread = Pid::from_raw(id);
            let put = sched_setaffinity(thread, &set).and_then(|()| match place {
                Place::Niced => setpriority_process(thread, LOWEST),
                Place::Shared | Place::Apart => Ok(()),
            });
            match put {
                // It ended meanwhile.
                Err(Errno::SRCH) => {}
                put => put?,
            }
        }
        Ok(())
    }
}
