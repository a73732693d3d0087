//! Building an anchor's transaction: what it says, what it may cost, and that the account has it.

use lucid_core::{
    Timestamp,
    note::{Checkpoint, SignedNote},
    tron::{
        Address, Body, Contract, Sun,
        anchor::{AnchorFinding, AnchorPayload, AnchorTarget, Genesis},
    },
};

use super::{
    hindrance::Hindrance,
    job::{Attempt, Job, Target},
};
use crate::{
    Asked, Key, Terms, Tron,
    fees::{self, ChainParameters},
};

/// Who signs, where, how, and what it may cost.
pub(super) struct Order<'a> {
    pub(super) key: &'a Key,
    pub(super) genesis: Genesis,
    pub(super) contract: Option<Address>,
    /// What the last day's anchors cost.
    pub(super) spent: Sun,
    /// What a day's may cost.
    pub(super) cap: Sun,
}

impl Order<'_> {
    /// Builds and signs the transaction that anchors `job`'s checkpoint.
    ///
    /// # Errors
    /// [`Hindrance`]. Nothing was then sent.
    pub(super) async fn attempt(
        &self,
        tron: &dyn Tron,
        job: &Job,
        now: Timestamp,
    ) -> Result<Attempt, Hindrance> {
        let owner = self.key.address();
        let asked = tokio::try_join!(
            tron.head(),
            tron.solid_head(),
            tron.parameters(),
            tron.resources(owner),
            tron.account(owner)
        );
        let (head, solid, parameters, resources, account) = asked?;
        let note = SignedNote::parse(&job.checkpoint)?;
        let checkpoint = Checkpoint::parse_body(note.text())?;
        let terms = Terms::of_now(owner, &head, &solid);
        let (body, energy) = self.body(tron, &terms, &checkpoint, &parameters).await?;
        let cost = fees::cost(&body, energy, false, &parameters, &resources);
        let moved = match &body.contract {
            Contract::Transfer(transfer) => transfer.amount,
            Contract::Call(_) | Contract::Create(_) => Sun::ZERO,
        };
        let needed = cost.total().plus(moved);
        // A call may take up to its limit.
        let fee_max = needed.minus(cost.for_energy).plus(cost.for_energy.max(body.fee_limit));
        self.check_cap(fee_max)?;
        let balance = account.map_or(Sun::ZERO, |account| account.balance);
        if balance < needed {
            return Err(Hindrance::OutOfTrx { account: owner, balance, needed });
        }
        let transaction = self.key.sign(&body)?;
        Ok(Attempt {
            transaction: hex::encode(transaction.encode()),
            tx_id: transaction.id(),
            target: Target { genesis: self.genesis, from: owner, contract: self.contract },
            built_at: now,
            expires_at: terms.expires,
            fee_max,
            sends: 0,
        })
    }

    /// What is signed, and the energy that it takes.
    async fn body(
        &self,
        tron: &dyn Tron,
        terms: &Terms,
        checkpoint: &Checkpoint,
        parameters: &ChainParameters,
    ) -> Result<(Body, u64), Hindrance> {
        let target = self.contract.map_or(AnchorTarget::Memo(MEMO_TO), AnchorTarget::Contract);
        let (contract, memo) = AnchorPayload::of(checkpoint, target).to_parts(terms.owner);
        let call = match contract {
            Contract::Transfer(to) => return Ok((terms.transfer(to.to, to.amount, &memo), 0)),
            Contract::Call(call) => call,
            Contract::Create(_) => Err(AnchorFinding::NotAnAnchor("it creates a contract"))?,
        };
        // A transaction to an address without code would succeed, cost nothing and anchor nothing.
        if tron.contract(call.contract).await?.is_none() {
            return Err(Hindrance::NoContract(call.contract));
        }
        let energy = tron.energy(&Asked::from(&call)).await?.units;
        let room = self.cap.minus(self.spent);
        let fee_limit = fees::fee_limit(energy, room, parameters).map_err(|above| {
            match self.spent == Sun::ZERO {
                true => Hindrance::AboveCap(above),
                false => {
                    let (spent, cap) = (self.spent, self.cap);
                    Hindrance::DailyCap { needed: above.needed, spent, cap }
                }
            }
        })?;
        let terms = Terms { fee_limit, ..*terms };
        Ok((terms.call(call.contract, call.value, call.data), energy))
    }

    fn check_cap(&self, needed: Sun) -> Result<(), Hindrance> {
        let (spent, cap) = (self.spent, self.cap);
        match spent.plus(needed) > cap {
            true => Err(Hindrance::DailyCap { needed, spent, cap }),
            false => Ok(()),
        }
    }
}

/// Whom memos' sun goes to: the address of 20 zero bytes, `T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb`, which nobody
/// has the key of and which is an account on every network. TRON refuses a transfer to oneself.
const MEMO_TO: Address = Address::from_evm([0; 20]);
