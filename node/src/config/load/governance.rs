//! The settings of a chain that is still to begin: who decides on it, and how.

use std::{ops::RangeInclusive, time::Duration};

use lucid_chain::{
    alloy_primitives::{Address, hex},
    contracts::Governance,
};
use lucid_core::Hash;

use super::{Loader, some, values};

/// How decisions are made unless a decision changes it. Long enough for people, and for a node that is
/// away for a night.
const VOTING_DELAY: Duration = Duration::from_mins(1);
const VOTING_PERIOD: Duration = Duration::from_hours(3 * 24);
const VOTE_EXTENSION: Duration = Duration::from_hours(24);
const QUORUM_PERCENT: u64 = 50;
const TIMELOCK_DELAY: Duration = Duration::from_hours(24);
/// A second will do for a node that is alone; the contract's own bound is 30 days.
const TIMES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(30 * 24);
/// So many are made members by one transaction, whose gas is bounded.
const NODES_MAX: usize = 64;

impl Loader {
    /// How decisions are made where the chain is still to begin, and who the other nodes are.
    pub(super) fn governance(&mut self) -> Governance {
        let show = |list: &Vec<(Address, Hash)>| {
            let list: Vec<_> =
                list.iter().map(|(account, key)| format!("{account} {key}")).collect();
            (!list.is_empty()).then(|| list.join(","))
        };
        let nodes = self.take("governance_nodes", Vec::new(), nodes, show);
        let quorum = |text: &str| values::number(text, 1..=100);
        let voting_period = self.seconds("governance_voting_period", VOTING_PERIOD, TIMES);
        // The contract takes no longer extension than the period, and could not be created with one.
        let period = Duration::from_secs(voting_period.into());
        let (extension, extensions) = (VOTE_EXTENSION.min(period), Duration::ZERO..=period);
        Governance {
            nodes,
            voting_delay: self.seconds("governance_voting_delay", VOTING_DELAY, TIMES),
            voting_period,
            vote_extension: self.seconds("governance_vote_extension", extension, extensions),
            quorum_percent: u8::try_from(self.take(
                "governance_quorum",
                QUORUM_PERCENT,
                quorum,
                some,
            ))
            .unwrap_or(u8::MAX),
            timelock_delay: self.seconds("governance_delay", TIMELOCK_DELAY, TIMES),
        }
    }

    /// A time in whole seconds.
    fn seconds(
        &mut self,
        name: &'static str,
        default: Duration,
        allowed: RangeInclusive<Duration>,
    ) -> u32 {
        let time = self.take(
            name,
            default,
            |text| values::seconds(text, allowed),
            |time| Some(values::duration_text(*time)),
        );
        u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
    }
}

/// Nodes, each with its chain's account and the hash of its log's key; none of either twice.
fn nodes(text: &str) -> Result<Vec<(Address, Hash)>, String> {
    let form = "it is a node's account and the SHA-256 of its log's key, such as \
                0x00000000000000000000000000000000000000A1 0123…cdef (64 hex digits)";
    let nodes = values::list(text, form, node)?;
    if nodes.len() > NODES_MAX {
        return Err(format!("has {} nodes: at most {NODES_MAX} begin a chain", nodes.len()));
    }
    for (place, (account, key)) in nodes.iter().enumerate() {
        if nodes[..place].iter().any(|(other, other_key)| other == account || other_key == key) {
            return Err(format!("has the account or the log key of {account} twice"));
        }
    }
    Ok(nodes)
}

fn node(text: &str) -> Option<(Address, Hash)> {
    let (account, key) = text.split_once(char::is_whitespace)?;
    let key: Hash = key.trim().parse().ok()?;
    let account = account_of(account)?;
    (account != Address::ZERO && key != Hash([0; 32])).then_some((account, key))
}

/// An account in hex: in lower case, or with the checksum of EIP-55.
fn account_of(text: &str) -> Option<Address> {
    let digits = text.strip_prefix("0x")?;
    let bytes: [u8; 20] = hex::decode(digits).ok()?.try_into().ok()?;
    let account = Address::from(bytes);
    let lower_case = digits.to_ascii_lowercase() == digits;
    (lower_case || account.to_checksum(None) == text).then_some(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "0x52908400098527886E0F7030069857D2E4169EE7";

    #[test]
    fn nodes_are_accounts_with_the_hash_of_a_log_key_and_none_is_there_twice() {
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let second = "0x00000000000000000000000000000000000000a1";
        let found = nodes(&format!("{FIRST} {one}, {second}   {two}")).unwrap();
        let keys = [Hash([0x11; 32]), Hash([0x22; 32])];
        assert_eq!(found.iter().map(|(_, key)| *key).collect::<Vec<_>>(), keys);
        assert_eq!(found[0].0.to_checksum(None), FIRST, "an example of EIP-55");
        assert_eq!(nodes(""), Ok(Vec::new()));
        let lower = FIRST.to_lowercase();
        for (text, says) in [
            (FIRST.to_owned(), "account and the SHA-256"),
            (format!("{FIRST} {}", "1".repeat(63)), "account and the SHA-256"),
            (format!("{FIRST} {}", "A".repeat(64)), "account and the SHA-256"),
            (format!("{} {one}", &FIRST[2..]), "account and the SHA-256"),
            // One digit in another case than the checksum has it.
            (format!("{} {one}", FIRST.replacen('E', "e", 1)), "account and the SHA-256"),
            (format!("0x{} {one}", "0".repeat(40)), "account and the SHA-256"),
            (format!("{FIRST} {}", "0".repeat(64)), "account and the SHA-256"),
            (format!("{FIRST} {one},{lower} {two}"), "twice"),
            (format!("{FIRST} {one},{second} {one}"), "twice"),
        ] {
            let message = nodes(&text).unwrap_err();
            assert!(message.contains(says), "{text}: {message}");
        }
        let many = (1..=65).map(|n| format!("0x{n:040x} {n:064x}")).collect::<Vec<_>>();
        assert!(nodes(&many.join(",")).unwrap_err().contains("at most 64"));
        assert_eq!(nodes(&many[1..].join(",")).map(|nodes| nodes.len()), Ok(64));
    }

    #[test]
    fn times_are_whole_seconds_with_or_without_a_unit() {
        for (text, seconds) in [("1", 1), ("60", 60), ("60s", 60), ("2m", 120), ("720h", 2_592_000)]
        {
            assert_eq!(values::seconds(text, TIMES), Ok(Duration::from_secs(seconds)), "{text}");
        }
        let or_none = Duration::ZERO..=Duration::from_secs(1);
        assert_eq!(values::seconds("0", or_none), Ok(Duration::ZERO));
        for bad in ["0", "", "1500ms", "-1", "721h", "3d", "2592001"] {
            assert!(values::seconds(bad, TIMES).is_err(), "{bad}");
        }
    }
}
