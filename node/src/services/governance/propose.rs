//! What can be proposed here: held against the rules as they are, before anything is on the chain.
//!
//! The contracts have the last word when a proposal is carried out. But then it has been voted on: what
//! cannot be carried out is refused at once, with the bounds.

use lucid_api::{
    Code, Problem,
    ports::{
        ACTIONS_MAX, Answer, DESCRIPTION_BYTES_MAX, GovernanceAction, NewProposal, TITLE_CHARS_MAX,
    },
};
use lucid_chain::{
    alloy_primitives::Address,
    contracts::{
        Contracts,
        governance::{Action, Bounded, DURATION_MAX, MEMBERS_MAX, Member, Proposed, Rules},
    },
};

use crate::output::steers;

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
}

fn conflict(detail: impl Into<String>) -> Problem {
    Problem::new(Code::Conflict, detail)
}

/// The proposal that somebody wants to make.
///
/// # Errors
/// `invalid_request` where it could never be carried out, `conflict` where it would change nothing as things
/// are.
pub fn proposed(new: &NewProposal, contracts: &Contracts, rules: &Rules) -> Answer<Proposed> {
    let NewProposal { title, description, actions } = new;
    let title = title.trim();
    let chars = title.chars().count();
    if !(1..=TITLE_CHARS_MAX).contains(&chars) || title.contains(steers) {
        let detail = format!(
            "title is one line of 1 to {TITLE_CHARS_MAX} characters, none of which is unseen or changes the \
             direction of writing"
        );
        return Err(invalid(detail));
    }
    if title.starts_with('#') {
        return Err(invalid("title begins with #, which is the mark of a heading: leave it out"));
    }
    let description = description.trim();
    let steers = |c: char| steers(c) && !matches!(c, '\n' | '\t');
    if description.len() > DESCRIPTION_BYTES_MAX || description.contains(steers) {
        let detail = format!(
            "description is a text of at most {DESCRIPTION_BYTES_MAX} bytes, with no character that is unseen \
             or changes the direction of writing"
        );
        return Err(invalid(detail));
    }
    if !(1..=ACTIONS_MAX).contains(&actions.len()) {
        return Err(invalid(format!("actions are 1 to {ACTIONS_MAX}")));
    }
    // What an action is held against is what those before it leave.
    let mut rules = rules.clone();
    let mut calls = Vec::with_capacity(actions.len());
    for (place, action) in actions.iter().enumerate() {
        let before = actions.get(..place).unwrap_or_default();
        if before.iter().any(|other| is_same_subject(other, action)) {
            return Err(invalid(format!("actions[{place}] is about what one before it decides")));
        }
        let named = |problem: Problem| {
            Problem::new(problem.code, format!("actions[{place}]: {}", problem.detail))
        };
        let action = held(action, &rules).map_err(named)?;
        carry_out(&action, &mut rules);
        calls.push(action.call(contracts).map_err(|why| named(invalid(why)))?);
    }
    Ok(Proposed::new(title, description, calls))
}

/// Whether two actions decide the same thing, of which the later would win.
fn is_same_subject(a: &GovernanceAction, b: &GovernanceAction) -> bool {
    use GovernanceAction::{AddNode, RemoveNode, SetParameter};
    match (a, b) {
        (SetParameter { name: a, .. }, SetParameter { name: b, .. }) => a == b,
        (
            AddNode { account: a, .. } | RemoveNode { account: a },
            AddNode { account: b, .. } | RemoveNode { account: b },
        ) => a.eq_ignore_ascii_case(b),
        _ => core::mem::discriminant(a) == core::mem::discriminant(b),
    }
}

/// The rules as they are after an action, as far as others depend on it.
fn carry_out(action: &Action, rules: &mut Rules) {
    match action {
        Action::SetVotingPeriod(seconds) => rules.voting_period = *seconds,
        Action::AddNode { account, log_key_hash } => {
            rules.members.push(Member { account: *account, log_key_hash: *log_key_hash });
            rules.member_count += 1;
        }
        Action::RemoveNode { account } => {
            rules.members.retain(|member| member.account != *account);
            rules.member_count = rules.member_count.saturating_sub(1);
        }
        _ => {}
    }
}

/// An action that can be carried out and changes something, as things are.
fn held(action: &GovernanceAction, rules: &Rules) -> Answer<Action> {
    Ok(match action {
        GovernanceAction::SetParameter { name, value } => {
            let parameter = rules.parameters.iter().find(|parameter| parameter.key == *name);
            let parameter = parameter.ok_or_else(|| unknown(rules))?;
            check_bounds(parameter, *value)?;
            Action::SetParameter { key: name.clone(), value: *value }
        }
        GovernanceAction::AddNode { account, log_key_hash } => {
            let account = read_address(account)?;
            if account == Address::ZERO || log_key_hash.0 == [0; 32] {
                return Err(invalid("zero is no account, and no hash of a key"));
            }
            let is_it = |member: &&Member| {
                member.account == account || member.log_key_hash == *log_key_hash
            };
            if let Some(member) = rules.members.iter().find(is_it) {
                let what = if member.account == account { "account" } else { "log key hash" };
                return Err(conflict(format!("a member has this {what} already")));
            }
            Action::AddNode { account, log_key_hash: *log_key_hash }
        }
        GovernanceAction::RemoveNode { account } => {
            let account = read_address(account)?;
            let all = rules.member_count <= u64::from(MEMBERS_MAX);
            if all && !rules.members.iter().any(|member| member.account == account) {
                return Err(conflict(format!("{account} is no member")));
            }
            if rules.member_count <= 1 {
                return Err(conflict("the last member cannot be removed"));
            }
            Action::RemoveNode { account }
        }
        GovernanceAction::SetVotingDelay { seconds } => Action::SetVotingDelay(changed(
            "the voting delay",
            *seconds,
            (0, DURATION_MAX),
            rules.voting_delay,
        )?),
        GovernanceAction::SetVotingPeriod { seconds } => Action::SetVotingPeriod(changed(
            "the voting period",
            *seconds,
            (1, DURATION_MAX),
            rules.voting_period,
        )?),
        GovernanceAction::SetVoteExtension { seconds } => Action::SetVoteExtension(changed(
            "the extension, which is at most the voting period,",
            *seconds,
            (0, rules.voting_period),
            rules.vote_extension,
        )?),
        GovernanceAction::SetQuorum { percent } => Action::SetQuorumPercent(changed(
            "the quorum",
            *percent,
            (1, 100),
            rules.quorum_percent,
        )?),
        GovernanceAction::SetTimelockDelay { seconds } => Action::SetTimelockDelay(changed(
            "the delay",
            *seconds,
            (0, DURATION_MAX),
            rules.timelock_delay,
        )?),
        GovernanceAction::Call { .. } => {
            return Err(invalid(
                "a call as such is not proposed here: what it would do has no words that voters could \
                 read; a member can propose it with a tool of Ethereum",
            ));
        }
    })
}

fn unknown(rules: &Rules) -> Problem {
    let names: Vec<_> = rules.parameters.iter().map(|parameter| parameter.key.as_str()).collect();
    invalid(format!("there is no such parameter: they are {}", names.join(", ")))
}

fn check_bounds(parameter: &Bounded, value: u64) -> Answer<()> {
    let Bounded { key, min, max, zero_is_none, value: now, .. } = parameter;
    let none = *zero_is_none && value == 0;
    if !none && !(*min..=*max).contains(&value) {
        let or_none = if *zero_is_none { ", or 0 for none" } else { "" };
        return Err(invalid(format!("{key} is from {min} to {max}{or_none}, and not {value}")));
    }
    match value == *now {
        true => Err(conflict(format!("{key} is {value} already"))),
        false => Ok(()),
    }
}

fn changed(what: &str, value: u64, (min, max): (u64, u64), now: u64) -> Answer<u64> {
    if !(min..=max).contains(&value) {
        return Err(invalid(format!("{what} is from {min} to {max}, and not {value}")));
    }
    match value == now {
        true => Err(conflict(format!("{what} is {value} already"))),
        false => Ok(value),
    }
}

/// An address: 40 hex digits, with the checksum of EIP-55 where they are of both cases.
fn read_address(text: &str) -> Answer<Address> {
    let wrong = || {
        invalid(
            "account is an address of Ethereum: 0x and 40 hex digits, in the case of its checksum",
        )
    };
    let digits = text.strip_prefix("0x").ok_or_else(wrong)?;
    let address: Address = text.parse().map_err(|_| wrong())?;
    let one_case = digits == digits.to_ascii_lowercase() || digits == digits.to_ascii_uppercase();
    match one_case || address.to_checksum(None) == text {
        true => Ok(address),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use lucid_core::Hash;

    use super::*;

    const FIRST: Address = Address::repeat_byte(1);
    const SECOND: Address = Address::repeat_byte(2);

    fn rules() -> Rules {
        let member = |account, key: &[u8]| Member { account, log_key_hash: Hash::of(key) };
        Rules {
            voting_delay: 60,
            voting_period: 600,
            vote_extension: 60,
            quorum_percent: 50,
            timelock_delay: 60,
            member_count: 2,
            members: vec![member(FIRST, b"first"), member(SECOND, b"second")],
            parameters: Vec::new(),
        }
    }

    /// What comes of several actions: nothing, or which is refused and what is said.
    fn check(actions: &[GovernanceAction], expected: Option<(usize, &str)>) {
        let new = NewProposal {
            title: "T".to_owned(),
            description: String::new(),
            actions: actions.to_vec(),
        };
        let made = proposed(&new, &Contracts::of(Address::ZERO), &rules());
        match (made, expected) {
            (Ok(made), None) => assert_eq!(made.calls.len(), actions.len()),
            (Err(problem), Some((place, said))) => {
                let place = format!("actions[{place}]");
                let detail = problem.detail;
                assert!(detail.starts_with(&place) && detail.contains(said), "{detail}");
            }
            (made, expected) => panic!("{made:?}, and not {expected:?}"),
        }
    }

    #[test]
    fn a_text_says_what_is_seen() {
        let action = GovernanceAction::SetVotingPeriod { seconds: 1000 };
        let proposal = |title: &str, description: &str| {
            let (title, description) = (title.to_owned(), description.to_owned());
            let new = NewProposal { title, description, actions: vec![action.clone()] };
            proposed(&new, &Contracts::of(Address::ZERO), &rules()).map(drop)
        };
        proposal("Longer votes", "מאמר\nof\ttwo lines").unwrap();
        for hidden in ["\u{202e}", "\u{2066}", "\u{200b}", "\u{2028}", "\u{7}"] {
            let title = proposal(&format!("Longer{hidden} votes"), "").unwrap_err();
            assert!(title.detail.starts_with("title is one line"), "{hidden:?}: {title}");
            let text = proposal("Longer votes", &format!("of{hidden} us")).unwrap_err();
            assert!(text.detail.starts_with("description is a text"), "{hidden:?}: {text}");
        }
    }

    #[test]
    fn actions_are_held_against_what_those_before_them_leave() {
        use GovernanceAction::{AddNode, RemoveNode, SetVoteExtension, SetVotingPeriod};
        let remove = |account: Address| RemoveNode { account: account.to_checksum(None) };
        let add = |byte: u8, key: &[u8]| AddNode {
            account: Address::repeat_byte(byte).to_checksum(None),
            log_key_hash: Hash::of(key),
        };
        let (period, extension) =
            (SetVotingPeriod { seconds: 1000 }, SetVoteExtension { seconds: 1000 });
        check(&[period.clone(), extension.clone()], None);
        check(&[extension, period], Some((0, "from 0 to 600")));
        check(&[remove(FIRST)], None);
        check(&[remove(FIRST), remove(SECOND)], Some((1, "last member")));
        check(&[add(3, b"third"), remove(FIRST), remove(SECOND)], None);
        check(&[add(3, b"third"), add(4, b"third")], Some((1, "log key hash already")));
        check(&[remove(FIRST), add(3, b"first")], None);
        check(&[add(3, b"third"), remove(Address::repeat_byte(3))], Some((1, "one before it")));
    }
}
