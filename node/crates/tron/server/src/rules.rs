//! What a test may set.

use std::time::Duration;

/// SUN in a TRX.
pub const SUN: i64 = 1_000_000;

/// How the server behaves. The defaults are mainnet's prices and limits, with a block every 20 ms.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The time between two blocks, as the one who waits has it; `None`: only [`Server::make_blocks`] makes
    /// them. On the chain they are three seconds apart in any case, so that its minutes pass in
    /// milliseconds.
    ///
    /// [`Server::make_blocks`]: crate::Handle::make_blocks
    pub block_every: Option<Duration>,
    /// What the chain's clock is off by at its start, in milliseconds: positive is ahead.
    pub clock_off_ms: i64,
    /// The number of blocks on a block after which it is solid; `None`: when 19 of the 27 witnesses built
    /// on it, which is 18 blocks.
    pub solid_after: Option<u64>,
    /// The port to listen on, on 127.0.0.1; `None`: a free one below 32,768, which no outgoing connection
    /// takes.
    pub port: Option<u16>,
    /// What `TRON-PRO-API-KEY` must say; `None`: nothing.
    pub api_key: Option<String>,
    /// Whether `POST /control/…` scripts the server, for tests in other processes.
    pub control: bool,
    /// Whether `wallet/estimateenergy` is on; on many nodes it is not.
    pub estimate_energy: bool,
    /// Prices.
    pub fees: Fees,
    /// What calls take.
    pub energy: Energy,
}

/// Prices in SUN, by the names of `wallet/getchainparameters`, as they stood on mainnet in 2025.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fees {
    /// A byte of bandwidth (`getTransactionFee`).
    pub byte: i64,
    /// A unit of energy (`getEnergyFee`).
    pub energy: i64,
    /// A memo (`getMemoFee`).
    pub memo: i64,
    /// A new account's bandwidth (`getCreateAccountFee`).
    pub create_account: i64,
    /// A new account by a transfer, beside it (`getCreateNewAccountFeeInSystemContract`).
    pub create_account_in_transfer: i64,
    /// More than one signature (`getMultiSignFee`).
    pub multi_sign: i64,
    /// The highest fee limit (`getMaxFeeLimit`).
    pub limit_max: i64,
    /// Bandwidth each account has a day, in bytes (`getFreeNetLimit`).
    pub free_net: i64,
}

/// The energy that executions take, since none are executed here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Energy {
    /// `LucidAnchors.anchor`.
    pub anchor: i64,
    /// A question that changes nothing, and a call that reverts.
    pub view: i64,
    /// A TRC-20 transfer to who has some.
    pub transfer: i64,
    /// A TRC-20 transfer to who has none.
    pub transfer_to_new: i64,
    /// A creation, beside its code.
    pub create: i64,
    /// A byte of the code created.
    pub create_byte: i64,
}

impl Energy {
    /// What a creation takes whose code has so many bytes.
    pub(crate) fn creation(&self, code_bytes: usize) -> i64 {
        let code = i64::try_from(code_bytes).unwrap_or(i64::MAX);
        self.create.saturating_add(self.create_byte.saturating_mul(code))
    }
}

impl Fees {
    /// What energy costs: java-tron's 100 where nothing else is said (`VMConstant.SUN_PER_ENERGY`).
    pub(crate) fn energy_price(&self) -> i64 {
        if self.energy > 0 { self.energy } else { 100 }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            block_every: Some(Duration::from_millis(20)),
            clock_off_ms: 0,
            solid_after: None,
            port: None,
            api_key: None,
            control: false,
            estimate_energy: true,
            fees: Fees::default(),
            energy: Energy::default(),
        }
    }
}

impl Default for Fees {
    fn default() -> Self {
        Self {
            byte: 1_000,
            energy: 100,
            memo: SUN,
            create_account: 100_000,
            create_account_in_transfer: SUN,
            multi_sign: SUN,
            limit_max: 15_000 * SUN,
            free_net: 600,
        }
    }
}

impl Default for Energy {
    fn default() -> Self {
        Self {
            // About 0.21 TRX at today's price of energy.
            anchor: 2_100,
            view: 500,
            // What wallets say of USDT on mainnet.
            transfer: 64_285,
            transfer_to_new: 130_285,
            // The Yellow Paper's costs of a creation and of a byte of code, which java-tron kept.
            create: 32_000,
            create_byte: 200,
        }
    }
}
