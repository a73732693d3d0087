//! Bodies of transactions, byte for byte those that tronweb makes of the same.

use alloy_primitives::U256;
use alloy_sol_types::SolCall;
use lucid_core::{
    Hash, Timestamp,
    tron::{
        Address, BlockId, Body, Call, Contract, Creation, Header, Reference, Sun, Transfer,
        message::Abi,
    },
};

/// What the node calls: `LucidAnchors` and TRC-20 tokens.
pub mod calls {
    alloy_sol_types::sol! {
        /// `LucidAnchors`: writes a checkpoint's root.
        function anchor(bytes32 root, uint64 size) external;
        /// TRC-20: sends tokens.
        function transfer(address to, uint256 amount) external returns (bool);
        /// TRC-20: how many somebody has.
        function balanceOf(address account) external view returns (uint256);
        /// TRC-20: digits behind the point.
        function decimals() external view returns (uint8);
        /// TRC-20: what it is called.
        function symbol() external view returns (string);
    }
}

/// What every transaction says beside what it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Whose it is.
    pub owner: Address,
    /// A recent block, better a solid one: on a chain without it, the transaction is in no block. TRON's nodes
    /// know the last 65,536.
    pub reference: BlockId,
    /// When it is made.
    pub at: Timestamp,
    /// After this it is in no block: at most a day after the newest block.
    pub expires: Timestamp,
    /// The most that energy may cost. Transfers need none and have none.
    pub fee_limit: Sun,
}

/// A contract to create.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewContract {
    /// Its name for explorers, at most 32 bytes.
    pub name: String,
    /// Its interface for explorers, see [`read_abi`](crate::read_abi).
    pub abi: Abi,
    /// Init code.
    pub bytecode: Vec<u8>,
    /// The constructor's arguments, encoded.
    pub arguments: Vec<u8>,
    /// 0 to 100: the part of a call's energy that the caller pays.
    pub caller_percent: u8,
    /// The most energy that the owner pays of one call.
    pub owner_energy_max: u32,
}

impl Terms {
    /// What a transaction can be in a block for, by TRON's clock, after the newest block when it is made. It is
    /// what wallets give theirs.
    const LIFETIME_MS: u64 = 60_000;

    /// Terms of now, with no energy: TRON's clock counts, for this machine's may be wrong.
    #[must_use]
    pub fn of_now(owner: Address, head: &Header, solid: &Header) -> Self {
        let time = head.body().timestamp_ms;
        let expires = time.saturating_add(Self::LIFETIME_MS);
        Self {
            owner,
            reference: solid.id(),
            at: Timestamp::from_unix_millis(time),
            expires: Timestamp::from_unix_millis(expires),
            fee_limit: Sun::ZERO,
        }
    }

    /// TRX to an account, with a memo or an empty one.
    #[must_use]
    pub fn transfer(&self, to: Address, amount: Sun, memo: &[u8]) -> Body {
        let transfer = Transfer { owner: self.owner, to, amount };
        let body = self.body(Contract::Transfer(transfer));
        Body { memo: memo.to_vec(), fee_limit: Sun::ZERO, ..body }
    }

    /// A call of a contract with encoded calldata, and TRX sent along.
    #[must_use]
    pub fn call(&self, contract: Address, value: Sun, data: Vec<u8>) -> Body {
        self.body(Contract::Call(Call { owner: self.owner, contract, value, data }))
    }

    /// Tokens of a TRC-20 contract to an account, counted in their smallest unit.
    #[must_use]
    pub fn trc20_transfer(&self, token: Address, to: Address, amount: U256) -> Body {
        let call = calls::transferCall { to: to.evm().into(), amount };
        self.call(token, Sun::ZERO, call.abi_encode())
    }

    /// A checkpoint's root into `LucidAnchors`.
    #[must_use]
    pub fn anchor(&self, anchors: Address, root: Hash, size: u64) -> Body {
        let call = calls::anchorCall { root: root.0.into(), size };
        self.call(anchors, Sun::ZERO, call.abi_encode())
    }

    /// A new contract. [`Body::creates`] says where it will be.
    #[must_use]
    pub fn create(&self, new: NewContract) -> Body {
        let mut bytecode = new.bytecode;
        bytecode.extend_from_slice(&new.arguments);
        self.body(Contract::Create(Creation {
            owner: self.owner,
            name: new.name,
            abi: Some(new.abi),
            bytecode,
            value: Sun::ZERO,
            caller_percent: new.caller_percent,
            owner_energy_max: new.owner_energy_max,
        }))
    }

    fn body(&self, contract: Contract) -> Body {
        Body {
            reference: Reference::to(&self.reference),
            expiration_ms: self.expires.unix_millis(),
            timestamp_ms: self.at.unix_millis(),
            memo: Vec::new(),
            fee_limit: self.fee_limit,
            contract,
        }
    }
}
