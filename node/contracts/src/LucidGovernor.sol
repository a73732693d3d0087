// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorCountingSimple} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorPreventLateQuorum} from "@openzeppelin/contracts/governance/extensions/GovernorPreventLateQuorum.sol";
import {GovernorSettings} from "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import {GovernorTimelockControl} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {GovernorVotesQuorumFraction} from
    "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title How nodes decide: propose, vote, wait, carry out
/// @notice A node proposes calls. Nodes that were members at the snapshot vote, one vote each. A proposal
/// with a quorum of for and abstain, and more for than against, may be queued by anybody, and carried out
/// by anybody once the timelock's delay is over. Its proposer may cancel it before the vote begins.
/// @dev OpenZeppelin's Governor with its settings, simple counting, quorum fraction, late-quorum guard and
/// timelock. Times are seconds. What differs is below, each to keep a decision from ending all decisions
/// or from counting otherwise than people take it: a vote without weight is refused; the quorum is rounded
/// up; the settings are bounded; the timelock is fixed. A queued proposal does not expire: the timelock
/// carries it out whenever somebody asks, so saying otherwise here would be untrue.
contract LucidGovernor is
    Governor,
    GovernorSettings,
    GovernorCountingSimple,
    GovernorVotes,
    GovernorVotesQuorumFraction,
    GovernorPreventLateQuorum,
    GovernorTimelockControl
{
    /// @notice Longest voting delay and longest voting period: with far longer ones no proposal, not even
    /// one to shorten them, would ever be decided.
    uint256 public constant DURATION_MAX = 30 days;

    /// @notice This account has no vote on this proposal: it was no member at its snapshot.
    /// @param proposalId The proposal.
    /// @param account The account.
    error NotEligible(uint256 proposalId, address account);

    /// @notice A voting delay or period that is too long.
    /// @param duration The duration that was given, in seconds.
    /// @param max The longest, in seconds.
    error DurationTooLong(uint256 duration, uint256 max);

    /// @notice A node has one vote: with any threshold but one either strangers or nobody could propose.
    /// @param threshold The threshold that was given.
    error ThresholdIsOne(uint256 threshold);

    /// @notice The registries obey one timelock for ever: with another this governor could do nothing.
    error TimelockIsFixed();

    /// @param registry The nodes and their votes.
    /// @param timelock_ Where decisions wait, and who carries them out.
    /// @param votingDelay_ Seconds from a proposal to its snapshot.
    /// @param votingPeriod_ Seconds from the snapshot to the vote's end.
    /// @param voteExtension_ Seconds that a vote stays open at least once the quorum is reached.
    /// @param quorumPercent_ Percent of all nodes, 1 to 100, that must vote for or abstain.
    constructor(
        IVotes registry,
        TimelockController timelock_,
        uint48 votingDelay_,
        uint32 votingPeriod_,
        uint48 voteExtension_,
        uint256 quorumPercent_
    )
        Governor("LucidGovernor")
        GovernorSettings(votingDelay_, votingPeriod_, 1)
        GovernorVotes(registry)
        GovernorVotesQuorumFraction(quorumPercent_)
        GovernorPreventLateQuorum(voteExtension_)
        GovernorTimelockControl(timelock_)
    {}

    /// @notice Votes that a proposal needs at least, for and abstain together.
    /// @dev Rounded up: half of three nodes is two, not one.
    /// @param timepoint The proposal's snapshot.
    /// @return The number of votes.
    function quorum(uint256 timepoint)
        public
        view
        override(Governor, GovernorVotesQuorumFraction)
        returns (uint256)
    {
        uint256 total = token().getPastTotalSupply(timepoint);
        return Math.mulDiv(total, quorumNumerator(timepoint), quorumDenominator(), Math.Rounding.Ceil);
    }

    /// @notice Refused, always.
    function updateTimelock(TimelockController) public pure override {
        revert TimelockIsFixed();
    }

    /// @inheritdoc GovernorPreventLateQuorum
    function proposalDeadline(uint256 proposalId)
        public
        view
        override(Governor, GovernorPreventLateQuorum)
        returns (uint256)
    {
        return super.proposalDeadline(proposalId);
    }

    /// @inheritdoc GovernorTimelockControl
    function state(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (ProposalState)
    {
        return super.state(proposalId);
    }

    /// @inheritdoc GovernorTimelockControl
    function proposalNeedsQueuing(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (bool)
    {
        return super.proposalNeedsQueuing(proposalId);
    }

    /// @inheritdoc GovernorSettings
    function proposalThreshold() public view override(Governor, GovernorSettings) returns (uint256) {
        return super.proposalThreshold();
    }

    /// @dev Every way to vote ends here, after the proposal was found to be active.
    function _countVote(uint256 proposalId, address account, uint8 support, uint256 weight, bytes memory params)
        internal
        override(Governor, GovernorCountingSimple)
        returns (uint256)
    {
        if (weight == 0) revert NotEligible(proposalId, account);
        return super._countVote(proposalId, account, support, weight, params);
    }

    /// @dev Bounded above.
    function _setVotingDelay(uint48 duration) internal override {
        if (duration > DURATION_MAX) revert DurationTooLong(duration, DURATION_MAX);
        super._setVotingDelay(duration);
    }

    /// @dev Bounded above; that it is not zero, OpenZeppelin checks.
    function _setVotingPeriod(uint32 duration) internal override {
        if (duration > DURATION_MAX) revert DurationTooLong(duration, DURATION_MAX);
        super._setVotingPeriod(duration);
    }

    /// @dev One, always.
    function _setProposalThreshold(uint256 threshold) internal override {
        if (threshold != 1) revert ThresholdIsOne(threshold);
        super._setProposalThreshold(threshold);
    }

    /// @dev At least one percent; that it is at most a hundred, OpenZeppelin checks.
    function _updateQuorumNumerator(uint256 percent) internal override {
        if (percent == 0) revert GovernorInvalidQuorumFraction(percent, quorumDenominator());
        super._updateQuorumNumerator(percent);
    }

    /// @inheritdoc GovernorPreventLateQuorum
    function _tallyUpdated(uint256 proposalId) internal override(Governor, GovernorPreventLateQuorum) {
        super._tallyUpdated(proposalId);
    }

    /// @inheritdoc GovernorTimelockControl
    function _queueOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        return super._queueOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    /// @inheritdoc GovernorTimelockControl
    function _executeOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    /// @inheritdoc GovernorTimelockControl
    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    /// @inheritdoc GovernorTimelockControl
    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }
}
