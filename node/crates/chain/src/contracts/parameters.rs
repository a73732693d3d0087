//! The parameters that are decided on: how a chain declares them, and how a block changes them.

use alloy_primitives::{B256, Log};
use alloy_sol_types::SolEvent;
use lucid_core::{
    Parameters,
    parameters::{Bounds, ParameterError},
};

use super::{
    Contracts,
    abi::{Kept, Registry},
};
use crate::{At, CallError, Chain, ChainError, Receipt};

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

const fn parameter(bounds: Bounds, unit: Unit) -> Parameter {
    let Bounds { key, min, max, zero_is_none, default } = bounds;
    Parameter { key, unit, min, max, zero_is_none, value: default }
}

/// All of them, in the order of their declaration. Their bounds are the core's.
pub const PARAMETERS: [Parameter; 7] = [
    parameter(Bounds::CHUNK_BYTES, Unit::Bytes),
    parameter(Bounds::ZSTD_LEVEL, Unit::Level),
    parameter(Bounds::OPEN_SESSIONS_MAX, Unit::Count),
    parameter(Bounds::SESSION_BYTES_MAX, Unit::Bytes),
    parameter(Bounds::RETENTION_SECONDS, Unit::Seconds),
    parameter(Bounds::ANCHOR_INTERVAL_SECONDS, Unit::Seconds),
    parameter(Bounds::ANCHOR_SESSIONS_MAX, Unit::Count),
];

impl Parameter {
    /// Its name as the contract has it: ASCII, filled up with zeros.
    #[must_use]
    pub fn name(&self) -> B256 {
        B256::right_padding_from(self.key.as_bytes())
    }

    /// As it is declared, beginning with `value`.
    pub(super) fn declared(&self, value: u64) -> (B256, Kept) {
        let Self { min, max, zero_is_none, unit, .. } = *self;
        (self.name(), Kept { min, max, value, unit: unit as u8, zeroIsNone: zero_is_none })
    }

    /// Its value among others.
    pub(super) fn value_in(&self, parameters: &Parameters) -> u64 {
        let values = parameters.values();
        let found = values.iter().find(|(bounds, _)| bounds.key == self.key);
        found.map_or(self.value, |(_, value)| *value)
    }
}

/// What logs say of parameters: the values that they give, in their order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ParameterChanges(Vec<(&'static str, u64)>);

impl ParameterChanges {
    /// Whether they say nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `parameters` may be what is in force after them: each that changed has its last value.
    #[must_use]
    pub fn end_in(&self, parameters: &Parameters) -> bool {
        let values = parameters.values();
        values.iter().all(|(bounds, value)| {
            let last = self.0.iter().rev().find(|(key, _)| *key == bounds.key);
            last.is_none_or(|(_, last)| last == value)
        })
    }

    /// What `before` becomes by them.
    fn applied_to(&self, before: &Parameters) -> Result<Parameters, ParameterError> {
        let values = before.values();
        Parameters::read(|bounds| {
            let last = self.0.iter().rev().find(|(key, _)| *key == bounds.key);
            let before = values.iter().find(|(of, _)| of == bounds);
            Ok(last.map_or(before.map_or(bounds.default, |(_, value)| *value), |(_, last)| *last))
        })
    }
}

impl Contracts {
    /// What `ParamRegistry` said of parameters in these logs; others' logs are not looked at.
    ///
    /// # Errors
    /// [`ChainError::Answer`] where it said what it cannot say.
    pub fn parameter_changes<'a>(
        &self,
        logs: impl IntoIterator<Item = &'a Log>,
    ) -> Result<ParameterChanges, ChainError> {
        let own = logs.into_iter().filter(|log| log.address == self.parameters);
        let said = |log: &Log| {
            use Registry::{ParameterChanged, ParameterDeclared};
            let (key, value) = match log.topics().first()? {
                topic if *topic == ParameterChanged::SIGNATURE_HASH => {
                    let said = ParameterChanged::decode_log_data(&log.data).ok()?;
                    (said.key, said.to)
                }
                topic if *topic == ParameterDeclared::SIGNATURE_HASH => {
                    let said = ParameterDeclared::decode_log_data(&log.data).ok()?;
                    (said.key, said.value)
                }
                _ => return None,
            };
            let known = PARAMETERS.iter().find(|parameter| parameter.name() == key)?;
            Some((known.key, value.try_into().ok()?))
        };
        let wrong = || ChainError::Answer { contract: self.parameters };
        let changes = own.map(|log| said(log).ok_or_else(wrong));
        changes.collect::<Result<_, _>>().map(ParameterChanges)
    }

    /// The parameters in force, as of the head.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn parameters(&self, chain: &Chain) -> Result<Parameters, CallError> {
        let mut values = PARAMETERS.map(|parameter| (parameter.key, 0));
        for ((_, value), parameter) in values.iter_mut().zip(&PARAMETERS) {
            *value = self.parameter(chain, parameter)?;
        }
        ParameterChanges(values.into())
            .applied_to(&Parameters::default())
            .map_err(|_| CallError::from(ChainError::Answer { contract: self.parameters }))
    }

    /// What the parameters will be after a block with these receipts, which is not yet the head; `None`
    /// where it changes none.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn parameters_after(
        &self,
        chain: &Chain,
        receipts: &[Receipt],
    ) -> Result<Option<Parameters>, CallError> {
        let changes = self.parameter_changes(receipts.iter().flat_map(|receipt| &receipt.logs))?;
        if changes.is_empty() {
            return Ok(None);
        }
        let before = match chain.code(self.parameters, At::Latest)?.is_empty() {
            // The block declares all of them.
            true => Parameters::default(),
            false => self.parameters(chain)?,
        };
        let wrong = |_| CallError::from(ChainError::Answer { contract: self.parameters });
        changes.applied_to(&before).map(Some).map_err(wrong)
    }
}
