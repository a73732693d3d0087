// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {ERC6372Utils} from "@openzeppelin/contracts/utils/ERC6372Utils.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";

/// @title The nodes that decide together: one node, one vote
/// @notice A node has one vote from its admission to its removal. Whether it may vote on a proposal is
/// decided by whether it was a member at the proposal's snapshot. Members are admitted and removed by a
/// decision that went through the timelock; the last one cannot be removed.
/// @dev ERC-5805 votes with an ERC-6372 clock in seconds. A vote is delegated to its own node, always:
/// delegation would give one node two votes. That is fixed by `delegates`, so nothing is stored for it.
contract NodeRegistry is Votes {
    using EnumerableSet for EnumerableSet.AddressSet;

    /// @notice A member.
    /// @param account The address it votes with.
    /// @param logKeyHash SHA-256 of the Ed25519 public key that signs its log; the node's id is the first
    /// 8 bytes of it.
    struct Node {
        address account;
        bytes32 logKeyHash;
    }

    /// @notice The one that admits and removes.
    address public immutable timelock;

    EnumerableSet.AddressSet private _accounts;
    mapping(address account => bytes32) private _logKeyHashes;
    mapping(bytes32 logKeyHash => address) private _accountOf;

    /// @notice A node became a member.
    /// @param account The address it votes with.
    /// @param logKeyHash SHA-256 of its log's public key.
    event NodeAdmitted(address indexed account, bytes32 indexed logKeyHash);

    /// @notice A node is a member no more.
    /// @param account The address it voted with.
    /// @param logKeyHash SHA-256 of its log's public key.
    event NodeRemoved(address indexed account, bytes32 indexed logKeyHash);

    /// @notice Only the timelock admits and removes.
    /// @param caller Who tried.
    error OnlyTimelock(address caller);

    /// @notice Nobody could ever admit or remove a node.
    error NoTimelock();

    /// @notice With no node nothing could be decided any more, not even to admit one.
    error LastNode();

    /// @notice Zero is no account, and no hash of a key.
    /// @param account The account that was given.
    /// @param logKeyHash The hash that was given.
    error InvalidNode(address account, bytes32 logKeyHash);

    /// @notice This account is a member already.
    /// @param account The account.
    error AlreadyAdmitted(address account);

    /// @notice A member has this log key already: one node, one vote.
    /// @param logKeyHash SHA-256 of the key.
    /// @param account The member.
    error LogKeyInUse(bytes32 logKeyHash, address account);

    /// @notice This account is no member.
    /// @param account The account.
    error NotAdmitted(address account);

    /// @notice A node votes itself; a stranger has nothing to delegate.
    /// @param account Whose vote it was about.
    /// @param delegatee Who should have had it.
    error DelegationRefused(address account, address delegatee);

    /// @param timelock_ The one that admits and removes.
    /// @param nodes_ The first members, at least one.
    constructor(address timelock_, Node[] memory nodes_) EIP712("NodeRegistry", "1") {
        if (timelock_ == address(0)) revert NoTimelock();
        if (nodes_.length == 0) revert LastNode();
        timelock = timelock_;
        for (uint256 i = 0; i < nodes_.length; ++i) {
            _admit(nodes_[i].account, nodes_[i].logKeyHash);
        }
    }

    /// @dev For what only decisions change.
    modifier onlyTimelock() {
        if (msg.sender != timelock) revert OnlyTimelock(msg.sender);
        _;
    }

    /// @notice Makes a node a member; it may vote on proposals whose snapshot is later.
    /// @param account The address it votes with.
    /// @param logKeyHash SHA-256 of the Ed25519 public key that signs its log.
    function admit(address account, bytes32 logKeyHash) external onlyTimelock {
        _admit(account, logKeyHash);
    }

    /// @notice Ends a node's membership; it may still vote where the snapshot was earlier.
    /// @param account The address it votes with.
    function remove(address account) external onlyTimelock {
        if (!isNode(account)) revert NotAdmitted(account);
        if (_accounts.length() == 1) revert LastNode();
        // While it is a member still: `delegates` then names whose vote ends.
        _transferVotingUnits(account, address(0), 1);
        bytes32 logKeyHash = _logKeyHashes[account];
        delete _logKeyHashes[account];
        delete _accountOf[logKeyHash];
        _accounts.remove(account);
        emit DelegateChanged(account, account, address(0));
        emit NodeRemoved(account, logKeyHash);
    }

    /// @notice Whether an account is a member now.
    /// @param account The account.
    /// @return Whether it is.
    function isNode(address account) public view returns (bool) {
        return _accounts.contains(account);
    }

    /// @notice How many members there are.
    /// @return The number.
    function nodeCount() external view returns (uint256) {
        return _accounts.length();
    }

    /// @notice The members, in no order that means anything.
    /// @param offset How many to pass over.
    /// @param limit How many to give at most.
    /// @return page The members.
    function nodes(uint256 offset, uint256 limit) external view returns (Node[] memory page) {
        uint256 count = _accounts.length();
        if (offset > count) offset = count;
        if (limit > count - offset) limit = count - offset;
        page = new Node[](limit);
        for (uint256 i = 0; i < limit; ++i) {
            address account = _accounts.pos(offset + i);
            page[i] = Node(account, _logKeyHashes[account]);
        }
    }

    /// @notice The log key of a member.
    /// @param account The member.
    /// @return SHA-256 of the key.
    function logKeyHashOf(address account) external view returns (bytes32) {
        if (!isNode(account)) revert NotAdmitted(account);
        return _logKeyHashes[account];
    }

    /// @notice The member with this log key.
    /// @param logKeyHash SHA-256 of the key.
    /// @return The member, or zero.
    function nodeOfLogKey(bytes32 logKeyHash) external view returns (address) {
        return _accountOf[logKeyHash];
    }

    /// @notice Who has an account's vote (ERC-5805): itself where it is a member, otherwise nobody.
    /// @param account The account.
    /// @return The account, or zero.
    function delegates(address account) public view override returns (address) {
        return isNode(account) ? account : address(0);
    }

    /// @notice The clock (ERC-6372): seconds since 1970, as blocks have them.
    /// @return The time of this block.
    function clock() public view override returns (uint48) {
        return Time.timestamp();
    }

    /// @notice How to read the clock (ERC-6372).
    /// @return `mode=timestamp`.
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public view override returns (string memory) {
        return ERC6372Utils.timestampClockMode(clock);
    }

    /// @dev Also reached by `delegateBySig`. A member that delegates to itself changes nothing.
    function _delegate(address account, address delegatee) internal view override {
        if (delegatee != account || !isNode(account)) revert DelegationRefused(account, delegatee);
    }

    /// @dev One node, one vote.
    function _getVotingUnits(address account) internal view override returns (uint256) {
        return isNode(account) ? 1 : 0;
    }

    /// @dev The vote comes after the membership: `delegates` then names whose it is.
    function _admit(address account, bytes32 logKeyHash) private {
        if (account == address(0) || logKeyHash == 0) revert InvalidNode(account, logKeyHash);
        if (_accountOf[logKeyHash] != address(0)) revert LogKeyInUse(logKeyHash, _accountOf[logKeyHash]);
        if (!_accounts.add(account)) revert AlreadyAdmitted(account);
        _logKeyHashes[account] = logKeyHash;
        _accountOf[logKeyHash] = account;
        _transferVotingUnits(address(0), account, 1);
        emit DelegateChanged(account, address(0), account);
        emit NodeAdmitted(account, logKeyHash);
    }
}
