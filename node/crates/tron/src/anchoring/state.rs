//! What anchoring remembers from one start to the next: the anchor on its way, and what anchors cost.

use lucid_core::{
    Timestamp,
    tron::{Sun, TransactionId},
};
use serde::{Deserialize, Serialize};

use super::job::Job;

/// What costs are summed over, in milliseconds.
const DAY_MS: u64 = 24 * 3600 * 1000;

/// What a transaction cost.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// When it was known, by the node's clock.
    pub at: Timestamp,
    /// The transaction.
    pub tx_id: TransactionId,
    /// What it cost.
    pub fee: Sun,
}

/// What anchoring remembers. JSON, one file, replaced as a whole.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The anchor on its way. There is one at a time.
    pub job: Option<Job>,
    /// What the last day's transactions cost.
    pub spent: Vec<Spent>,
}

impl State {
    /// Takes up what a transaction cost, once, and forgets what is older than a day.
    pub fn spend(&mut self, spent: Spent) {
        let day = spent.at.unix_millis().saturating_sub(DAY_MS);
        self.spent.retain(|earlier| earlier.at.unix_millis() >= day);
        if self.spent.iter().all(|earlier| earlier.tx_id != spent.tx_id) {
            self.spent.push(spent);
        }
    }

    /// What the transactions of the 24 hours before `now` cost. A clock that went back forgets none: what is
    /// in the future counts too.
    #[must_use]
    pub fn spent_since_yesterday(&self, now: Timestamp) -> Sun {
        let day = now.unix_millis().saturating_sub(DAY_MS);
        let counted = self.spent.iter().filter(|spent| spent.at.unix_millis() >= day);
        counted.fold(Sun::ZERO, |sum, spent| sum.plus(spent.fee))
    }
}

#[cfg(test)]
mod tests {
    use lucid_core::Hash;

    use super::*;

    #[test]
    fn a_transaction_costs_once_and_for_a_day() {
        let spent = |hour: u64, name: &[u8], fee: u64| Spent {
            at: Timestamp::from_unix_millis(hour * 3_600_000),
            tx_id: TransactionId(Hash::of(name)),
            fee: Sun::new(fee),
        };
        let now = |hour: u64| Timestamp::from_unix_millis(hour * 3_600_000);
        let mut state = State::default();
        state.spend(spent(100, b"a", 5));
        state.spend(spent(110, b"b", 7));
        state.spend(spent(111, b"b", 7));
        assert_eq!(state.spent_since_yesterday(now(111)), Sun::new(12));
        assert_eq!(state.spent_since_yesterday(now(124)), Sun::new(12));
        assert_eq!(state.spent_since_yesterday(now(125)), Sun::new(7));
        assert_eq!(state.spent_since_yesterday(now(1)), Sun::new(12), "the clock went back");
        state.spend(spent(130, b"c", 1));
        assert_eq!(state.spent.len(), 2, "the oldest is forgotten");
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
    }
}
