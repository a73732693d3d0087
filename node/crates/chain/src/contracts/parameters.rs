//! The parameters that are decided on.

use alloy_primitives::B256;

use super::Declared;

/// What a parameter is measured in. The numbers are those of `ParamRegistry`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Unit {
    /// A number of things.
    Count = 0,
    /// Bytes.
    Bytes = 1,
    /// Seconds.
    Seconds = 2,
    /// A level of compression.
    Level = 3,
}

/// A parameter as a chain declares it at its beginning; `node/contracts/parameters.json` has the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// Its name, at most 31 characters.
    pub key: &'static str,
    /// What it is measured in.
    pub unit: Unit,
    /// The least value.
    pub min: u64,
    /// The greatest value.
    pub max: u64,
    /// Whether 0 is a value too, and means none.
    pub zero_is_none: bool,
    /// The value at the beginning.
    pub value: u64,
}

const fn parameter(key: &'static str, unit: Unit, bounds: (u64, u64), value: u64) -> Parameter {
    let (min, max) = bounds;
    Parameter { key, unit, min, max, zero_is_none: false, value }
}

const fn or_none(parameter: Parameter) -> Parameter {
    Parameter { zero_is_none: true, ..parameter }
}

/// All of them, in the order of their declaration.
pub const PARAMETERS: [Parameter; 7] = [
    parameter("chunk_bytes", Unit::Bytes, (65_536, 16_777_216), 8_388_608),
    parameter("zstd_level", Unit::Level, (1, 9), 3),
    parameter("open_sessions_max", Unit::Count, (1, 1_000_000), 64),
    or_none(parameter("session_bytes_max", Unit::Bytes, (1_048_576, (1 << 53) - 1), 0)),
    or_none(parameter("retention_seconds", Unit::Seconds, (86_400, 3_155_760_000), 0)),
    parameter("anchor_interval_seconds", Unit::Seconds, (60, 604_800), 3_600),
    parameter("anchor_sessions_max", Unit::Count, (1, 1_000_000), 1_000),
];

impl Parameter {
    /// Its name as the contract has it: ASCII, filled up with zeros.
    #[must_use]
    pub fn name(&self) -> B256 {
        B256::right_padding_from(self.key.as_bytes())
    }

    pub(super) fn declared(&self) -> (B256, Declared) {
        let Self { min, max, value, zero_is_none, unit, .. } = *self;
        (self.name(), Declared { min, max, value, unit: unit as u8, zeroIsNone: zero_is_none })
    }
}
