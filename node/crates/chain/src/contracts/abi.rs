//! What of the contracts' ABIs the node needs, all in one place. Held against the artefacts by a test.
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

    /// `LucidAnchors`: the sealed sessions.
    contract Anchors {
        constructor(address registrar);
        function registerSession(
            bytes16 sessionId, bytes32 merkleRoot, bytes32 manifestHash, bytes32 policyHash,
            string owner, uint64 plainBytes, uint32 chunkCount, uint64 logIndex
        ) external;
        function anchor(bytes32 root, uint64 size) external;
        function sessionCount() external view returns (uint64);

        event SessionRegistered(
            bytes16 indexed sessionId, bytes32 indexed merkleRoot, bytes32 indexed ownerHash,
            bytes32 manifestHash, bytes32 policyHash, uint64 plainBytes, uint32 chunkCount, uint64 logIndex,
            string owner
        );
    }

    /// `LucidGovernor`: how is decided.
    contract Governor {
        constructor(
            address registry, address timelock, uint48 votingDelay, uint32 votingPeriod,
            uint48 voteExtension, uint256 quorumPercent
        );
        function propose(address[] targets, uint256[] values, bytes[] calldatas, string description)
            external returns (uint256);
        function castVote(uint256 proposalId, uint8 support) external returns (uint256);
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

    /// `TimelockController`: carries decisions out.
    contract Timelock {
        constructor(uint256 delay, address[] proposers, address[] executors, address admin);
        function execute(
            address target, uint256 value, bytes payload, bytes32 predecessor, bytes32 salt
        ) external payable;
        function executeBatch(
            address[] targets, uint256[] values, bytes[] payloads, bytes32 predecessor, bytes32 salt
        ) external payable;
        function cancel(bytes32 id) external;
        function updateDelay(uint256 newDelay) external;
        function getMinDelay() external view returns (uint256);

        event CallExecuted(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data);
        event Cancelled(bytes32 indexed id);
    }

    /// `ParamRegistry`: what is decided on.
    contract Registry {
        constructor(address timelock, bytes32[] keys, Kept[] parameters);
        function get(bytes32 key) external view returns (uint256);
        function set(bytes32 key, uint256 value) external;
        function all() external view returns (bytes32[] names, Kept[] parameters);

        event ParameterDeclared(
            bytes32 indexed key, uint8 unit, uint256 min, uint256 max, bool zeroIsNone, uint256 value
        );
        event ParameterChanged(bytes32 indexed key, uint256 from, uint256 to);
    }

    /// `NodeRegistry`: who decides.
    contract Members {
        constructor(address timelock, Member[] nodes);
        function isNode(address account) external view returns (bool);
        function delegate(address delegatee) external;
        function admit(address account, bytes32 logKeyHash) external;
        function remove(address account) external;
        function nodeCount() external view returns (uint256);
        function nodes(uint256 offset, uint256 limit) external view returns (Member[] page);
        function getPastTotalSupply(uint256 timepoint) external view returns (uint256);

        event NodeAdmitted(address indexed account, bytes32 indexed logKeyHash);
        event NodeRemoved(address indexed account, bytes32 indexed logKeyHash);
    }

    /// What the contracts refuse with that has words of its own.
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
