//! The Ledger's side, twice: as packets written down byte by byte ([`script`]), and as a device that
//! holds a key, reads commands as the TRON app does and signs ([`signer`]).

mod framing;
mod script;
mod signer;
mod signing;

use super::*;
