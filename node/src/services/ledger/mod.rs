//! blockchain-ledger: the log as others see it.
//!
//! It serves the log, which the orchestrator writes (`docs/adr/0007-who-has-the-log.md`), asks witnesses
//! for cosignatures of its checkpoints ([`asking`]), and is a witness of other nodes' logs
//! ([`LocalWitness`]).
//!
//! Owns on disk: its witness key, and what it cosigned last of each log it witnesses.

pub mod asking;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lucid_api::{
    Code, Problem,
    ports::{Answer, Witness, WitnessReply, WitnessedLog, Witnessing},
};
use lucid_core::{Hash, note::AddCheckpoint};
use lucid_store::{Witness as Memory, WitnessError};

use self::asking::Asking;
use super::{cpu::Pool, problem::of_store};
use crate::context::now;

/// The witness half of blockchain-ledger, and what is known of the other half.
pub struct LocalWitness {
    memory: Arc<Memory>,
    /// For what reads and writes its memory.
    pool: Pool,
    asking: Arc<Asking>,
}

impl LocalWitness {
    /// A witness with this memory, in a process whose own log is witnessed by way of `asking`.
    #[must_use]
    pub fn new(memory: Memory, pool: Pool, asking: Arc<Asking>) -> Self {
        Self { memory: Arc::new(memory), pool, asking }
    }
}

fn add(memory: &Memory, body: &Bytes) -> Answer<WitnessReply> {
    let malformed = |why: String| WitnessReply { status: 400, body: why };
    let Ok(text) = std::str::from_utf8(body) else {
        return Ok(malformed("the request is no text".to_owned()));
    };
    let request = match AddCheckpoint::parse(text) {
        Ok(request) => request,
        Err(error) => return Ok(malformed(error.to_string())),
    };
    match memory.add_checkpoint(&request, now().unix_millis() / 1000) {
        Ok(line) => Ok(WitnessReply { status: 200, body: format!("{line}\n") }),
        Err(WitnessError::Store(error)) => Err(of_store(error)),
        Err(WitnessError::Refused(refusal)) => {
            let (status, conflict) = (refusal.status(), refusal.conflict());
            match status {
                // Signed by the log, and no continuation of what was cosigned.
                422 => tracing::warn!(status, %refusal, "a checkpoint is not cosigned"),
                _ => tracing::info!(status, %refusal, "a checkpoint is not cosigned"),
            }
            let body = conflict.map_or_else(|| refusal.to_string(), |size| format!("{size}\n"));
            Ok(WitnessReply { status, body })
        }
    }
}

#[async_trait]
impl Witness for LocalWitness {
    async fn add_checkpoint(&self, body: Bytes) -> Answer<WitnessReply> {
        let memory = Arc::clone(&self.memory);
        self.pool.run(move || add(&memory, &body)).await
    }

    async fn witnessed(&self, origin: Hash) -> Answer<String> {
        // A log's memory is locked while it is written.
        let memory = Arc::clone(&self.memory);
        self.pool
            .run(move || {
                let none =
                    || Problem::new(Code::NotFound, "nothing was cosigned here of such a log");
                memory.latest(origin).ok_or_else(none)
            })
            .await
    }

    async fn witnessing(&self) -> Answer<Witnessing> {
        let memory = Arc::clone(&self.memory);
        let logs = self.pool.run(move || Ok(memory.sizes())).await?.into_iter();
        let witnessed_logs = logs.map(|(origin, size)| WitnessedLog { origin, size }).collect();
        Ok(Witnessing {
            quorum: self.asking.quorum(),
            witnessed_size: self.asking.witnessed_size(),
            witnesses: self.asking.states(),
            witness_key: self.memory.key().to_string(),
            witnessed_logs,
        })
    }
}
