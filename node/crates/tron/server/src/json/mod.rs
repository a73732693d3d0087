//! Messages as JSON, the way java-tron's HTTP has them (`JsonFormat`, `Util`): defaults are left out, bytes
//! are hex, and with `visible` addresses are base58check and some texts are themselves.

pub(crate) mod abi;
pub(crate) mod fields;
pub(crate) mod read;
pub(crate) mod write;
