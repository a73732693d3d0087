//! The compiled contracts, as `node/contracts/build` wrote them.

use alloy_primitives::{Bytes, hex};
use serde::Deserialize;

use crate::ChainError;

macro_rules! artefact {
    ($constant:ident, $name:literal) => {
        pub(super) const $constant: (&str, &str) =
            ($name, include_str!(concat!("../../../../contracts/artefacts/", $name, ".json")));
    };
}

artefact!(ANCHORS, "LucidAnchors");
artefact!(NODES, "NodeRegistry");
artefact!(TIMELOCK, "TimelockController");
artefact!(PARAMETERS, "ParamRegistry");
artefact!(GOVERNOR, "LucidGovernor");

/// All of them, in the order of their creation.
pub(super) const ALL: [(&str, &str); 5] = [ANCHORS, NODES, TIMELOCK, PARAMETERS, GOVERNOR];

/// What is read of an artefact.
#[derive(Deserialize)]
struct Artefact<'a> {
    bytecode: &'a str,
}

/// `LucidAnchors` as it is put onto another chain than the node's own.
pub struct AnchorsArtefact {
    /// Its init code, without the constructor's argument.
    pub init_code: Vec<u8>,
    /// Its interface, as Solidity's compiler writes it.
    pub abi: String,
}

/// `LucidAnchors`, whose constructor takes the account that registers sessions: zero on TRON, where it is only
/// anchored.
///
/// # Errors
/// [`ChainError::Artefact`] where this build's is none.
pub fn anchors() -> Result<AnchorsArtefact, ChainError> {
    #[derive(Deserialize)]
    struct WithAbi<'a> {
        bytecode: &'a str,
        abi: serde_json::Value,
    }
    let (name, text) = ANCHORS;
    let wrong = || ChainError::Artefact { name };
    let artefact: WithAbi<'_> = serde_json::from_str(text).map_err(|_| wrong())?;
    let init_code = hex::decode(artefact.bytecode).map_err(|_| wrong())?;
    Ok(AnchorsArtefact { init_code, abi: artefact.abi.to_string() })
}

/// A contract's init code with its constructor's arguments behind it.
pub(super) fn creation(
    (name, text): (&'static str, &str),
    arguments: &[u8],
) -> Result<Bytes, ChainError> {
    let wrong = || ChainError::Artefact { name };
    let artefact: Artefact<'_> = serde_json::from_str(text).map_err(|_| wrong())?;
    let mut code = hex::decode(artefact.bytecode).map_err(|_| wrong())?;
    code.extend_from_slice(arguments);
    Ok(code.into())
}
