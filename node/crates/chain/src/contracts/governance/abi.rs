//! What of the contracts' ABIs decisions need. Held against the artefacts by a test.
#![expect(clippy::too_many_arguments, reason = "sol! gives every event a function that makes one")]

use alloy_sol_types::sol;

sol! {
    struct Member {
        address account;
        bytes32 logKeyHash;
    }

    struct Kept {
        uint64 min;
        uint64 max;
        uint64 value;
        uint8 unit;
        bool zeroIsNone;
    }

    interface Governor {
        function propose(address[] targets, uint256[] values, bytes[] calldatas, string description)
            external returns (uint256);
        function castVoteWithReason(uint256 proposalId, uint8 support, string reason)
            external returns (uint256);
        function queue(address[] targets, uint256[] values, bytes[] calldatas, bytes32 descriptionHash)
            external returns (uint256);
        function execute(address[] targets, uint256[] values, bytes[] calldatas, bytes32 descriptionHash)
            external payable returns (uint256);
        function cancel(address[] targets, uint256[] values, bytes[] calldatas, bytes32 descriptionHash)
            external returns (uint256);

        function setVotingDelay(uint48 newVotingDelay) external;
        function setVotingPeriod(uint32 newVotingPeriod) external;
        function setLateQuorumVoteExtension(uint48 newVoteExtension) external;
        function updateQuorumNumerator(uint256 newQuorumNumerator) external;

        function state(uint256 proposalId) external view returns (uint8);
        function proposalVotes(uint256 proposalId) external view
            returns (uint256 againstVotes, uint256 forVotes, uint256 abstainVotes);
        function proposalDeadline(uint256 proposalId) external view returns (uint256);
        function proposalEta(uint256 proposalId) external view returns (uint256);
        function quorum(uint256 timepoint) external view returns (uint256);
        function getVotes(address account, uint256 timepoint) external view returns (uint256);
        function hasVoted(uint256 proposalId, address account) external view returns (bool);
        function votingDelay() external view returns (uint256);
        function votingPeriod() external view returns (uint256);
        function lateQuorumVoteExtension() external view returns (uint48);
        function quorumNumerator() external view returns (uint256);

        event ProposalCreated(
            uint256 proposalId, address proposer, address[] targets, uint256[] values, string[] signatures,
            bytes[] calldatas, uint256 voteStart, uint256 voteEnd, string description
        );
        event VoteCast(
            address indexed voter, uint256 proposalId, uint8 support, uint256 weight, string reason
        );
        event VoteCastWithParams(
            address indexed voter, uint256 proposalId, uint8 support, uint256 weight, string reason, bytes params
        );
        event ProposalQueued(uint256 proposalId, uint256 etaSeconds);
        event ProposalExecuted(uint256 proposalId);
        event ProposalCanceled(uint256 proposalId);
    }

    interface Timelock {
        function updateDelay(uint256 newDelay) external;
        function getMinDelay() external view returns (uint256);

        event CallExecuted(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data);
        event Cancelled(bytes32 indexed id);
    }

    interface Registry {
        function set(bytes32 key, uint256 value) external;
        function all() external view returns (bytes32[] names, Kept[] parameters);

        event ParameterDeclared(
            bytes32 indexed key, uint8 unit, uint256 min, uint256 max, bool zeroIsNone, uint256 value
        );
        event ParameterChanged(bytes32 indexed key, uint256 from, uint256 to);
    }

    interface Members {
        function admit(address account, bytes32 logKeyHash) external;
        function remove(address account) external;
        function nodeCount() external view returns (uint256);
        function nodes(uint256 offset, uint256 limit) external view returns (Member[] page);
        function getPastTotalSupply(uint256 timepoint) external view returns (uint256);

        event NodeAdmitted(address indexed account, bytes32 indexed logKeyHash);
        event NodeRemoved(address indexed account, bytes32 indexed logKeyHash);
    }

    /// What the four contracts refuse with.
    interface Refusals {
        error AlreadyAdmitted(address account);
        error DurationTooLong(uint256 duration, uint256 max);
        error FailedCall();
        error GovernorAlreadyCastVote(address voter);
        error GovernorInsufficientProposerVotes(address proposer, uint256 votes, uint256 threshold);
        error GovernorInvalidProposalLength(uint256 targets, uint256 calldatas, uint256 values);
        error GovernorInvalidQuorumFraction(uint256 quorumNumerator, uint256 quorumDenominator);
        error GovernorInvalidVoteType();
        error GovernorInvalidVotingPeriod(uint256 votingPeriod);
        error GovernorNonexistentProposal(uint256 proposalId);
        error GovernorOnlyExecutor(address account);
        error GovernorPreventLateQuorumVoteExtensionTooLarge(
            uint256 newVoteExtension, uint256 maxVoteExtension
        );
        error GovernorRestrictedProposer(address proposer);
        error GovernorUnableToCancel(uint256 proposalId, address account);
        error GovernorUnexpectedProposalState(uint256 proposalId, uint8 current, bytes32 expectedStates);
        error InvalidNode(address account, bytes32 logKeyHash);
        error LastNode();
        error LogKeyInUse(bytes32 logKeyHash, address account);
        error NotAdmitted(address account);
        error NotEligible(uint256 proposalId, address account);
        error OnlyTimelock(address caller);
        error ParameterOutOfBounds(bytes32 key, uint256 value, uint256 min, uint256 max);
        error ParameterUnchanged(bytes32 key, uint256 value);
        error ThresholdIsOne(uint256 threshold);
        error TimelockInsufficientDelay(uint256 delay, uint256 minDelay);
        error TimelockIsFixed();
        error TimelockUnauthorizedCaller(address caller);
        error TimelockUnexpectedOperationState(bytes32 operationId, bytes32 expectedStates);
        error UnknownParameter(bytes32 key);
    }
}
