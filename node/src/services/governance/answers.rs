//! The port: what is asked, answered and done.

use async_trait::async_trait;
use lucid_api::{
    Code, Problem,
    ports::{
        Acted, Answer, GOVERNANCE_PAGE_MAX, Governance, GovernanceContracts, GovernanceNode,
        GovernanceSettings, GovernedParameters, NewProposal, OwnVote, ParameterHistory, Proposal,
        ProposalPage, REASON_BYTES_MAX, Support,
    },
};
use lucid_chain::contracts::{
    Contracts,
    governance::{self, Proposed, Vote},
};
use lucid_core::Hash;

use super::{
    LocalGovernance, as_many, forms,
    forms::{address, id_of},
    no_proposal, proposed,
    steps::Step,
};
use crate::services::problem;

fn check_limit(limit: u32) -> Answer<usize> {
    match limit {
        1..=GOVERNANCE_PAGE_MAX => Ok(limit as usize),
        _ => {
            let detail = format!("limit is a number from 1 to {GOVERNANCE_PAGE_MAX}");
            Err(Problem::new(Code::InvalidRequest, detail))
        }
    }
}

#[async_trait]
impl Governance for LocalGovernance {
    async fn parameters(&self) -> Answer<GovernedParameters> {
        let place = self.follow().await?;
        let rules = self.rules(&place).await?;
        let index = self.index();
        let parameters = rules
            .parameters
            .iter()
            .map(|parameter| forms::parameter(parameter, forms::since(&index, &parameter.key)));
        Ok(GovernedParameters { block: place.block, parameters: parameters.collect() })
    }

    async fn history(&self, before: Option<u64>, limit: u32) -> Answer<ParameterHistory> {
        let limit = check_limit(limit)?;
        self.follow().await?;
        let index = self.index();
        let end = before.and_then(|before| usize::try_from(before).ok());
        let end = end.unwrap_or(index.changes.len()).min(index.changes.len());
        let start = end.saturating_sub(limit);
        let page = index.changes.iter().enumerate().take(end).skip(start);
        let mut changes: Vec<_> =
            page.map(|(place, change)| forms::change(place, change)).collect();
        changes.reverse();
        Ok(ParameterHistory { changes, next: (start > 0).then_some(start as u64) })
    }

    async fn proposals(&self, after: Option<Hash>, limit: u32) -> Answer<ProposalPage> {
        let limit = check_limit(limit)?;
        let place = self.follow().await?;
        let (records, more) = {
            let index = self.index();
            let end = match after {
                None => index.proposals.len(),
                Some(after) => index.proposal(id_of(after)).ok_or_else(no_proposal)?.0,
            };
            let start = end.saturating_sub(limit);
            let page = index.proposals.iter().take(end).skip(start);
            let mut page: Vec<_> = page.cloned().collect();
            page.reverse();
            (page, start > 0)
        };
        let quorum = self.rules(&place).await?.quorum();
        let standings = self.standings(&place, &records).await?;
        let proposals = records.iter().zip(&standings);
        let proposals: Vec<_> =
            proposals.map(|(record, standing)| forms::summary(record, standing, quorum)).collect();
        let next = proposals.last().filter(|_| more).map(|last| last.id);
        Ok(ProposalPage { proposals, next })
    }

    async fn proposal(&self, hash: Hash) -> Answer<Proposal> {
        let place = self.follow().await?;
        let record = self.record(id_of(hash))?;
        let proposed = self.proposed(&place, &record).await?;
        let contracts = &place.contracts;
        let questions = Vote::ask(contracts, record.id, record.snapshot, place.account);
        let (_, replies) = self.ask(questions.to_vec()).await?;
        let vote = Vote::read(contracts, as_many(&replies)?);
        let vote = vote.map_err(|error| problem::internal(&error))?;
        let quorum = self.rules(&place).await?.quorum();
        let standings = self.standings(&place, std::slice::from_ref(&record)).await?;
        let standing = standings.first().ok_or_else(Problem::internal)?;
        Ok(Proposal {
            summary: forms::summary(&record, standing, quorum),
            description: proposed.description().to_owned(),
            actions: proposed.calls.iter().map(|call| forms::action(call, contracts)).collect(),
            ballots: record.ballots.iter().filter_map(forms::ballot).collect(),
            own_vote: OwnVote { cast: vote.cast, eligible: vote.eligible },
            calls: proposed.calls.iter().map(forms::call).collect(),
            text: proposed.text,
        })
    }

    async fn settings(&self) -> Answer<GovernanceSettings> {
        let place = self.follow().await?;
        let rules = self.rules(&place).await?;
        let quorum = rules.quorum();
        let index = self.index();
        let nodes = rules.members.iter().map(|member| GovernanceNode {
            account: address(member.account),
            log_key_hash: member.log_key_hash,
            node_id: member.log_key_hash.to_string().chars().take(16).collect(),
            since: index.members_since.get(&member.account).copied(),
            this_node: member.account == place.account,
        });
        let Contracts { governor, timelock, parameters, nodes: registry, .. } = place.contracts;
        Ok(GovernanceSettings {
            block: place.block,
            chain_id: place.chain_id,
            voting_delay_seconds: rules.voting_delay,
            voting_period_seconds: rules.voting_period,
            vote_extension_seconds: rules.vote_extension,
            quorum_percent: rules.quorum_percent,
            quorum,
            timelock_delay_seconds: rules.timelock_delay,
            account: address(place.account),
            node_count: rules.member_count,
            nodes: nodes.collect(),
            contracts: GovernanceContracts {
                governor: address(governor),
                timelock: address(timelock),
                parameters: address(parameters),
                nodes: address(registry),
            },
        })
    }

    async fn propose(&self, new: NewProposal) -> Answer<Acted> {
        let place = self.follow().await?;
        let rules = self.rules(&place).await?;
        let proposed = proposed(&new, &place.contracts, &rules)?;
        let id = proposed.id();
        if self.index().proposal(id).is_some() {
            let detail = format!(
                "the same proposal is there already, {id}: the same actions need another title or description"
            );
            return Err(Problem::new(Code::Conflict, detail));
        }
        self.act(&place, id, proposed.propose()).await
    }

    async fn vote(&self, hash: Hash, support: Support, reason: String) -> Answer<Acted> {
        let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        if reason.len() > REASON_BYTES_MAX || reason.contains(steers) {
            let detail = format!("reason is a text of at most {REASON_BYTES_MAX} bytes");
            return Err(Problem::new(Code::InvalidRequest, detail));
        }
        let for_it = support == Support::For;
        let support = match support {
            Support::For => governance::Support::For,
            Support::Against => governance::Support::Against,
            Support::Abstain => governance::Support::Abstain,
        };
        let vote = |_: &Proposed| governance::vote(id_of(hash), support, &reason);
        self.step(hash, Step::Vote { for_it }, vote).await
    }

    async fn queue(&self, hash: Hash) -> Answer<Acted> {
        self.step(hash, Step::Queue, Proposed::queue).await
    }

    async fn execute(&self, hash: Hash) -> Answer<Acted> {
        self.step(hash, Step::Execute, Proposed::execute).await
    }

    async fn cancel(&self, hash: Hash) -> Answer<Acted> {
        self.step(hash, Step::Cancel, Proposed::cancel).await
    }
}
