//! What a transaction costs, from the chain's live parameters and the account's own resources.
//!
//! The rules are java-tron's (`BandwidthProcessor`, `Manager.consumeMemoFee`, `VMActuator`): bandwidth is paid
//! by staked bandwidth, else by the free one, else all of it by burning TRX; energy by staked energy as far as
//! it goes, the rest by burning TRX; a memo and a new account have fees of their own.

use lucid_core::tron::{Body, Contract, Signature, Sun, message::Envelope};
use prost::Message;

/// Bytes that a transaction is charged for its result, before it has one (`MAX_RESULT_SIZE_IN_TX`).
const RESULT_BYTES: u64 = 64;
/// The unit of [`ChainParameters::energy_growth`].
const GROWTH_UNIT: u64 = 10_000;

/// Prices, as the chain's witnesses voted them. Live: nothing here is known beforehand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChainParameters {
    /// A byte of bandwidth, `getTransactionFee`.
    pub byte: Sun,
    /// A unit of energy, `getEnergyFee`.
    pub energy: Sun,
    /// A memo, `getMemoFee`.
    pub memo: Sun,
    /// Bandwidth of a transfer that creates its receiver's account, `getCreateAccountFee`.
    pub account_bandwidth: Sun,
    /// The account that it creates, `getCreateNewAccountFeeInSystemContract`.
    pub account: Sun,
    /// How many times as much staked bandwidth such a transfer takes, `getCreateNewAccountBandwidthRate`.
    pub account_bandwidth_rate: u64,
    /// The highest fee limit that a transaction may have, `getMaxFeeLimit`.
    pub fee_limit_max: Sun,
    /// How much more energy a busy contract may take in the next cycle of maintenance, in parts of
    /// 10,000, `getDynamicEnergyIncreaseFactor`.
    pub energy_growth: u64,
}

/// What an account has besides TRX.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Resources {
    /// Bandwidth that is left of the free one, bytes.
    pub free_bandwidth: u64,
    /// Bandwidth that is left of the staked one, bytes.
    pub staked_bandwidth: u64,
    /// Energy that is left of the staked one.
    pub energy: u64,
}

/// What a transaction takes, and what is burned for it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Cost {
    /// Bandwidth that it takes, bytes.
    pub bandwidth: u64,
    /// Energy that it takes.
    pub energy: u64,
    /// Burned for bandwidth; nothing where the account's own covers it.
    pub for_bandwidth: Sun,
    /// Burned for energy that the account does not have.
    pub for_energy: Sun,
    /// Burned for its memo.
    pub for_memo: Sun,
    /// Burned for the account that it creates.
    pub for_account: Sun,
}

impl Cost {
    /// All that is burned.
    #[must_use]
    pub fn total(&self) -> Sun {
        self.for_bandwidth.plus(self.for_energy).plus(self.for_memo).plus(self.for_account)
    }
}

/// A transaction would cost more than it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "its energy may cost {needed}, and it may cost {cap} at most: raise the cap, or stake TRX for energy"
)]
pub struct AboveCap {
    /// What it may need.
    pub needed: Sun,
    /// What it may cost.
    pub cap: Sun,
}

/// Bytes of bandwidth that a transaction takes once it is signed.
#[must_use]
pub fn bandwidth(body: &Body) -> u64 {
    let signed = Envelope {
        raw_data: body.encode(),
        signature: vec![vec![0; Signature::BYTES]],
        ret: Vec::new(),
    };
    signed.encoded_len() as u64 + RESULT_BYTES
}

/// What `body` costs an account with `resources`. `energy` is what it takes, 0 for transfers;
/// `creates_account` says that it is a transfer to an address that has no account.
///
/// What others have burned, staked or voted in the meantime is not known: it is an estimate. A contract's
/// owner may pay a part of the energy: then it costs less.
#[must_use]
pub fn cost(
    body: &Body,
    energy: u64,
    creates_account: bool,
    parameters: &ChainParameters,
    resources: &Resources,
) -> Cost {
    let bytes = bandwidth(body);
    let creates_account = creates_account && matches!(body.contract, Contract::Transfer(_));
    let for_bandwidth = if creates_account {
        // The free bandwidth does not count here.
        match bytes.saturating_mul(parameters.account_bandwidth_rate) <= resources.staked_bandwidth
        {
            true => Sun::ZERO,
            false => parameters.account_bandwidth,
        }
    } else if bytes <= resources.staked_bandwidth || bytes <= resources.free_bandwidth {
        Sun::ZERO
    } else {
        parameters.byte.times(bytes)
    };
    Cost {
        bandwidth: bytes,
        energy,
        for_bandwidth,
        for_energy: parameters.energy.times(energy.saturating_sub(resources.energy)),
        for_memo: if body.memo.is_empty() { Sun::ZERO } else { parameters.memo },
        for_account: if creates_account { parameters.account } else { Sun::ZERO },
    }
}

/// The fee limit for a call that takes `energy`, at most `cap`.
///
/// The limit counts staked energy too, at its price in TRX. It has room for what the contract may take more
/// by the time that the call is in a block.
///
/// # Errors
/// [`AboveCap`] where the call as it is now takes more than `cap`, or more than the chain allows.
pub fn fee_limit(energy: u64, cap: Sun, parameters: &ChainParameters) -> Result<Sun, AboveCap> {
    let cap = cap.min(parameters.fee_limit_max);
    let needed = parameters.energy.times(energy);
    if needed > cap {
        return Err(AboveCap { needed, cap });
    }
    let more = energy.saturating_mul(parameters.energy_growth).div_ceil(GROWTH_UNIT);
    Ok(parameters.energy.times(energy.saturating_add(more)).min(cap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ADDRESS, OTHER, key, terms};

    /// Prices like mainnet's.
    const PARAMETERS: ChainParameters = ChainParameters {
        byte: Sun::new(1000),
        energy: Sun::new(100),
        memo: Sun::new(1_000_000),
        account_bandwidth: Sun::new(100_000),
        account: Sun::new(1_000_000),
        account_bandwidth_rate: 1,
        fee_limit_max: Sun::new(15_000_000_000),
        energy_growth: 2000,
    };
    const NOTHING: Resources = Resources { free_bandwidth: 0, staked_bandwidth: 0, energy: 0 };

    #[test]
    fn bandwidth_is_the_signed_bytes_and_a_result() {
        let body = terms().transfer(OTHER.parse().unwrap(), Sun::new(1), b"lucid v1");
        let signed = key().sign(&body).unwrap().encode().len() as u64;
        assert_eq!(bandwidth(&body), signed + 64);
    }

    #[test]
    fn what_the_account_has_comes_first() {
        let to = OTHER.parse().unwrap();
        let plain = terms().transfer(to, Sun::new(1), b"");
        let with_memo = terms().transfer(to, Sun::new(1), b"x");
        let call = terms().call(ADDRESS.parse().unwrap(), Sun::ZERO, vec![0; 4]);
        let bytes = bandwidth(&plain);
        let all = |energy| Resources { free_bandwidth: 600, staked_bandwidth: 0, energy };
        let staked = Resources { staked_bandwidth: bytes, ..NOTHING };
        let short = Resources { staked_bandwidth: bytes - 1, free_bandwidth: bytes - 1, energy: 0 };
        let rows = [
            ("burned", &plain, 0, false, NOTHING, 1000 * bytes),
            ("free", &plain, 0, false, all(0), 0),
            ("staked", &plain, 0, false, staked, 0),
            ("both short: none is used", &plain, 0, false, short, 1000 * bytes),
            ("memo", &with_memo, 0, false, all(0), 1_000_000),
            ("new account", &plain, 0, true, all(0), 1_100_000),
            ("new account, staked", &plain, 0, true, staked, 1_000_000),
            ("energy", &call, 2000, false, all(0), 200_000),
            ("energy in part", &call, 2000, false, all(1500), 50_000),
            ("energy staked", &call, 2000, false, all(2000), 0),
            ("a call creates no account", &call, 0, true, all(0), 0),
            ("beyond all numbers", &call, u64::MAX, false, all(0), i64::MAX as u64),
        ];
        for (what, body, energy, creates, resources, wanted) in rows {
            let cost = cost(body, energy, creates, &PARAMETERS, &resources);
            assert_eq!(cost.total(), Sun::new(wanted), "{what}");
        }
    }

    #[test]
    fn limits_have_room_and_an_end() {
        let trx = |trx: u64| Sun::new(trx * Sun::PER_TRX);
        for (energy, cap, wanted) in [
            (2000, trx(1), Ok(Sun::new(240_000))),
            (1, trx(1), Ok(Sun::new(200))),
            (0, trx(1), Ok(Sun::ZERO)),
            (9000, trx(1), Ok(trx(1))),
            (10_000, trx(1), Ok(trx(1))),
            (10_001, trx(1), Err(AboveCap { needed: Sun::new(1_000_100), cap: trx(1) })),
            (200_000_000, trx(1_000_000), Err(AboveCap { needed: trx(20_000), cap: trx(15_000) })),
            (u64::MAX, Sun::MAX, Err(AboveCap { needed: Sun::MAX, cap: trx(15_000) })),
        ] {
            assert_eq!(fee_limit(energy, cap, &PARAMETERS), wanted, "{energy}");
        }
    }
}
