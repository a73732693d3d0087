//! What `verify` says of the cosignatures on an evidence file's checkpoint: by whom, and when.
//!
//! A witness signs what it saw and no other log of that name: where enough of them did, the node cannot show one log
//! to the owner and another to the auditor. Who counts as a witness, and how many are enough, the verifier knows and the file does not.

use lucid_core::{
    Timestamp, counted,
    note::{Checkpoint, SignedNote, VerifierKey},
};
use serde::Serialize;

use crate::failure::{Failure, Outcome};

/// The cosignatures on a checkpoint.
#[derive(Default, Serialize, Debug)]
pub struct WitnessReport {
    /// Witnesses that the verifier gave, and whose cosignatures hold.
    cosigned: Vec<Cosigned>,
    /// Cosignatures of others, of which nothing is known.
    unchecked: usize,
    /// How many the verifier wants.
    quorum: usize,
}

/// A cosignature that holds.
#[derive(Serialize, Debug)]
struct Cosigned {
    witness: String,
    /// By the witness's clock.
    at: Timestamp,
}

impl WitnessReport {
    /// Checks the cosignatures of `witnesses` on a checkpoint of `log`; `quorum` of them must be there, where it is
    /// not said all of them.
    ///
    /// # Errors
    /// Where too few are, or one that claims to be of a given witness does not hold; where a key is no witness's or is
    /// given twice, and where the quorum cannot be met.
    pub fn of(
        checkpoint: &SignedNote,
        log: &VerifierKey,
        witnesses: &[VerifierKey],
        quorum: Option<usize>,
    ) -> Outcome<Self> {
        let twice = witnesses.iter().enumerate().any(|(place, key)| {
            witnesses[..place].iter().any(|other| other.public_key() == key.public_key())
        });
        let quorum = quorum.unwrap_or(witnesses.len());
        if witnesses.iter().any(|key| key.public_key() == log.public_key()) {
            return Err(Failure::usage(
                "the log's own key is no witness's: it would vouch for itself",
            ));
        }
        if twice || quorum > witnesses.len() {
            let what = if twice { "a witness is given twice" } else { "there are fewer witnesses" };
            return Err(Failure::usage(format!(
                "{what}: --witness-quorum {quorum} cannot be counted"
            )));
        }
        let keys: Vec<_> = witnesses.iter().collect();
        let text = checkpoint.to_string();
        let (_, verified) = Checkpoint::verify_cosigned(&text, log, &keys)?;
        let cosigned: Vec<_> = verified
            .iter()
            .map(|by| Cosigned {
                witness: by.key.name().as_str().to_owned(),
                at: Timestamp::from_unix_millis(
                    by.seconds.unwrap_or_default().saturating_mul(1000),
                ),
            })
            .collect();
        if cosigned.len() < quorum {
            let missing = keys.iter().filter(|key| !verified.iter().any(|by| by.key == **key));
            let missing: Vec<_> = missing.map(|key| key.name().as_str()).collect();
            return Err(Failure::check(format!(
                "{} of {quorum} wanted witnesses cosigned the checkpoint; there is nothing of {}: ask the node for newer \
                 evidence, whose checkpoint they have seen",
                cosigned.len(),
                missing.join(", ")
            )));
        }
        // One signature is the log's.
        let others = checkpoint.signatures().len() - 1 - cosigned.len();
        Ok(Self { cosigned, unchecked: others, quorum })
    }

    /// For people.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let row = |by: &Cosigned| {
            ("witness", format!("{} saw this checkpoint at {}, by its clock", by.witness, by.at))
        };
        let mut rows: Vec<_> = self.cosigned.iter().map(row).collect();
        if self.unchecked > 0 {
            let others = counted(self.unchecked, "other cosignature");
            rows.push((
                "",
                format!("{others} NOT CHECKED: give the witnesses' keys with --witness"),
            ));
        }
        rows
    }
}
