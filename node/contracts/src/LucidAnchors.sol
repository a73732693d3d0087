// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What a Lucid node says about its sessions and its log
/// @notice On the node's own chain it holds every sealed session, once, in the log's order. On TRON it
/// is where the node writes the roots of its checkpoints.
/// @dev One contract for both, because a verifier then knows one name, one ABI and one bytecode. On TRON
/// it is deployed with the registrar zero: nobody can send from there, so registration is closed for
/// good and `anchor` is all that is left. What it does not use there costs once, at deployment; a call
/// of `anchor` touches no storage. The contract holds no money, calls no other contract and has no owner.
///
/// Owners are passed as text, because that is what the ledger's entry has: 1 to 64 characters, a TRON
/// address in base58 for whoever signed in with a wallet, or a local name such as `local`. An `address`
/// or 21 bytes could not say the second, and a hash alone could not be read by an auditor. The event has
/// the text, and its Keccak-256 as a topic to search by.
contract LucidAnchors {
    /// @notice Most characters of an owner's name.
    uint256 public constant OWNER_LENGTH_MAX = 64;

    /// @notice Who may register sessions: the node's account; zero where nobody may.
    address public immutable registrar;

    /// @notice What was registered under a session's id: the Keccak-256 that `digestOf` gives, or zero.
    mapping(bytes16 sessionId => bytes32 digest) public sessionOf;

    /// @notice How many sessions are registered.
    uint64 public sessionCount;

    /// @notice The log index of the last one; says nothing while `sessionCount` is zero.
    /// @dev In one slot with the count, so that both cost one write.
    uint64 public lastLogIndex;

    /// @notice A sealed session was registered.
    /// @param sessionId The session's UUID (RFC 9562), 16 bytes.
    /// @param merkleRoot Root of the session tree (RFC 6962, SHA-256).
    /// @param ownerHash Keccak-256 of the owner's name.
    /// @param manifestHash SHA-256 of the manifest's bytes.
    /// @param policyHash SHA-256 of the policy it was recorded under.
    /// @param plainBytes Length of the plaintext in bytes.
    /// @param chunkCount Number of chunks.
    /// @param logIndex Index of its `session.sealed` entry in the node's log.
    /// @param owner The owner's name as that entry has it.
    event SessionRegistered(
        bytes16 indexed sessionId,
        bytes32 indexed merkleRoot,
        bytes32 indexed ownerHash,
        bytes32 manifestHash,
        bytes32 policyHash,
        uint64 plainBytes,
        uint32 chunkCount,
        uint64 logIndex,
        string owner
    );

    /// @notice A checkpoint's root was written here.
    /// @param by Who did: a verifier counts only the address that it pinned.
    /// @param root Root of the log's tree (RFC 6962, SHA-256).
    /// @param size Number of entries under it.
    event Anchored(address indexed by, bytes32 indexed root, uint64 size);

    /// @notice Only the registrar registers sessions.
    /// @param caller Who tried.
    error OnlyRegistrar(address caller);

    /// @notice A session is registered once.
    /// @param sessionId The session that already is.
    error AlreadyRegistered(bytes16 sessionId);

    /// @notice Sessions are registered in the order of their entries in the log.
    /// @param logIndex The index that was given.
    /// @param last The index of the session registered last, which it must exceed.
    error LogIndexNotIncreasing(uint64 logIndex, uint64 last);

    /// @notice An owner's name has 1 to 64 characters.
    /// @param length The length that was given.
    error OwnerLength(uint256 length);

    /// @param registrar_ Who may register sessions; zero where nobody shall.
    constructor(address registrar_) {
        registrar = registrar_;
    }

    /// @notice Registers a sealed session.
    /// @dev Checks who, once and in order; what the fields say is the node's claim, which its log backs.
    /// @param sessionId The session's UUID, 16 bytes.
    /// @param merkleRoot Root of the session tree.
    /// @param manifestHash SHA-256 of the manifest's bytes.
    /// @param policyHash SHA-256 of the policy it was recorded under.
    /// @param owner The owner's name as the log's entry has it, 1 to 64 characters.
    /// @param plainBytes Length of the plaintext in bytes.
    /// @param chunkCount Number of chunks.
    /// @param logIndex Index of its `session.sealed` entry, above that of the session before.
    function registerSession(
        bytes16 sessionId,
        bytes32 merkleRoot,
        bytes32 manifestHash,
        bytes32 policyHash,
        string calldata owner,
        uint64 plainBytes,
        uint32 chunkCount,
        uint64 logIndex
    ) external {
        if (msg.sender != registrar) revert OnlyRegistrar(msg.sender);
        if (sessionOf[sessionId] != 0) revert AlreadyRegistered(sessionId);
        _count(logIndex);
        bytes32 ownerHash = _hashOwner(owner);
        sessionOf[sessionId] =
            digestOf(sessionId, merkleRoot, manifestHash, policyHash, ownerHash, plainBytes, chunkCount, logIndex);
        emit SessionRegistered(
            sessionId, merkleRoot, ownerHash, manifestHash, policyHash, plainBytes, chunkCount, logIndex, owner
        );
    }

    /// @notice Writes a checkpoint's root into the chain's history. Anybody may; readers look at who did.
    /// @param root Root of the log's tree.
    /// @param size Number of entries under it.
    function anchor(bytes32 root, uint64 size) external {
        emit Anchored(msg.sender, root, size);
    }

    /// @notice Whether any session is registered under this id.
    /// @param sessionId The session's UUID, 16 bytes.
    /// @return Whether it is.
    function isRegistered(bytes16 sessionId) external view returns (bool) {
        return sessionOf[sessionId] != 0;
    }

    /// @notice Whether exactly this was registered.
    /// @param sessionId The session's UUID, 16 bytes.
    /// @param merkleRoot Root of the session tree.
    /// @param manifestHash SHA-256 of the manifest's bytes.
    /// @param policyHash SHA-256 of the policy it was recorded under.
    /// @param owner The owner's name.
    /// @param plainBytes Length of the plaintext in bytes.
    /// @param chunkCount Number of chunks.
    /// @param logIndex Index of its `session.sealed` entry.
    /// @return Whether it was; false for a name that no owner can have.
    function isRegisteredAs(
        bytes16 sessionId,
        bytes32 merkleRoot,
        bytes32 manifestHash,
        bytes32 policyHash,
        string calldata owner,
        uint64 plainBytes,
        uint32 chunkCount,
        uint64 logIndex
    ) external view returns (bool) {
        bytes32 ownerHash = keccak256(bytes(owner));
        return sessionOf[sessionId]
            == digestOf(sessionId, merkleRoot, manifestHash, policyHash, ownerHash, plainBytes, chunkCount, logIndex);
    }

    /// @notice The digest that a registration leaves: Keccak-256 of its eight fields, each in 32 bytes
    /// as the ABI encodes it, the owner by the Keccak-256 of its name.
    /// @param sessionId The session's UUID, 16 bytes.
    /// @param merkleRoot Root of the session tree.
    /// @param manifestHash SHA-256 of the manifest's bytes.
    /// @param policyHash SHA-256 of the policy it was recorded under.
    /// @param ownerHash Keccak-256 of the owner's name.
    /// @param plainBytes Length of the plaintext in bytes.
    /// @param chunkCount Number of chunks.
    /// @param logIndex Index of its `session.sealed` entry.
    /// @return The digest.
    function digestOf(
        bytes16 sessionId,
        bytes32 merkleRoot,
        bytes32 manifestHash,
        bytes32 policyHash,
        bytes32 ownerHash,
        uint64 plainBytes,
        uint32 chunkCount,
        uint64 logIndex
    ) public pure returns (bytes32) {
        return keccak256(
            abi.encode(sessionId, merkleRoot, manifestHash, policyHash, ownerHash, plainBytes, chunkCount, logIndex)
        );
    }

    /// @dev Takes the next place in the order, and counts.
    function _count(uint64 logIndex) private {
        uint64 count = sessionCount;
        if (count != 0 && logIndex <= lastLogIndex) revert LogIndexNotIncreasing(logIndex, lastLogIndex);
        // 2^64 registrations cannot be paid for; the check stays because it is cheap beside the write.
        sessionCount = count + 1;
        lastLogIndex = logIndex;
    }

    /// @dev The topic of an owner whose name has a length that owners have.
    function _hashOwner(string calldata owner) private pure returns (bytes32) {
        uint256 length = bytes(owner).length;
        if (length == 0 || length > OWNER_LENGTH_MAX) revert OwnerLength(length);
        return keccak256(bytes(owner));
    }
}
