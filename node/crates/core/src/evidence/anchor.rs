//! The TRON part of an evidence file, between the tlog-proof and `end`.
//!
//! ```text
//! anchor tron/v1
//! network <name> <id of its block 0, hex>
//! transaction <the whole transaction as it is in its block, hex>
//! header <the block's header with its witness's signature, hex>
//! signer <address>                              whose signature that is
//! path <count>                                  block's tree, leaf to root; then one hash a line,
//! left <hash>                                   with the side on which it stands
//! ```

use super::{EvidenceError, parse::Lines, write::put};
use crate::{
    hash::parse_lower_hex_bytes,
    tron::anchor::{
        AnchorProof, Genesis, HEADER_BYTES_MAX, PATH_STEPS_MAX, Step, TRANSACTION_BYTES_MAX,
    },
};

/// What the line `anchor` says of a part of this version.
const FORM: &str = "tron/v1";

/// The tlog-proof in `rest`, and what follows it from the line `anchor` on, where there is one. No line of a
/// tlog-proof begins with that word and a space: those that have a space at all begin with `extra`,
/// `index` or a dash.
pub(super) fn split(rest: &str) -> (&str, Option<&str>) {
    match rest.find("\nanchor ") {
        Some(before) => {
            let (proof, part) = rest.split_at(before + 1);
            (proof, Some(part))
        }
        None => (rest, None),
    }
}

/// Reads the part, from the line `anchor` to the one before `end`.
pub(super) fn parse(lines: &mut Lines<'_>) -> Result<AnchorProof, EvidenceError> {
    match lines.field("anchor")? {
        FORM => {}
        other => return Err(EvidenceError::AnchorForm(other.chars().take(32).collect())),
    }
    let genesis = network(lines)?;
    let transaction = bytes(lines, "transaction", TRANSACTION_BYTES_MAX)?;
    let header = bytes(lines, "header", HEADER_BYTES_MAX)?;
    let signer = lines.field("signer")?;
    let signer = signer.parse().map_err(|_| lines.error("signer and a TRON address"))?;
    let path = path(lines)?;
    Ok(AnchorProof { genesis, transaction, header, signer, path })
}

fn network(lines: &mut Lines<'_>) -> Result<Genesis, EvidenceError> {
    let wanted = "network, its name, and the id of its block 0 that goes with the name";
    let parts = lines.field("network")?.split_once(' ');
    let genesis = parts.and_then(|(name, id)| {
        let genesis: Genesis = id.parse().ok()?;
        (genesis.name() == name).then_some(genesis)
    });
    genesis.ok_or_else(|| lines.error(wanted))
}

fn bytes(
    lines: &mut Lines<'_>,
    name: &'static str,
    bytes_max: usize,
) -> Result<Vec<u8>, EvidenceError> {
    let bytes = parse_lower_hex_bytes(lines.field(name)?, bytes_max);
    bytes.filter(|bytes| !bytes.is_empty()).ok_or_else(|| lines.error(name))
}

fn path(lines: &mut Lines<'_>) -> Result<Vec<Step>, EvidenceError> {
    let count = lines.count(PATH_STEPS_MAX)?;
    let step = |_| {
        let wanted = "left or right, and a hash";
        let parts = lines.next(wanted)?.split_once(' ');
        let step = parts.and_then(|(side, hash)| match (side, hash.parse().ok()?) {
            ("left", hash) => Some(Step::Left(hash)),
            ("right", hash) => Some(Step::Right(hash)),
            _ => None,
        });
        step.ok_or_else(|| lines.error(wanted))
    };
    (0..count).map(step).collect()
}

/// Writes the part.
pub(super) fn write(text: &mut String, anchor: &AnchorProof) {
    put(text, "anchor", FORM);
    put(text, "network", &format!("{} {}", anchor.genesis.name(), anchor.genesis));
    put(text, "transaction", &hex::encode(&anchor.transaction));
    put(text, "header", &hex::encode(&anchor.header));
    put(text, "signer", &anchor.signer.to_string());
    put(text, "path", &anchor.path.len().to_string());
    for step in &anchor.path {
        match step {
            Step::Left(hash) => put(text, "left", &hash.to_string()),
            Step::Right(hash) => put(text, "right", &hash.to_string()),
        }
    }
}
