// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title The parameters that nodes decide on together
/// @notice Every parameter is declared at deployment, with its unit and bounds; none is added, removed
/// or given other bounds later. A value changes only by a decision that went through the timelock.
/// @dev Values are at most 2^53 - 1, because they are written as JSON numbers (RFC 8785) in the policy
/// that sessions commit to. A parameter takes one storage slot. There is no rule for steps or powers of
/// two: the pipeline takes every value within the bounds.
contract ParamRegistry {
    /// @notice What a value counts.
    enum Unit {
        Count,
        Bytes,
        Seconds,
        Level
    }

    /// @notice A parameter as it stands.
    /// @param min Least value.
    /// @param max Greatest value.
    /// @param value The value in force.
    /// @param unit What it counts.
    /// @param zeroIsNone Whether zero may be chosen below `min`, and then means none: no limit, for ever.
    struct Parameter {
        uint64 min;
        uint64 max;
        uint64 value;
        Unit unit;
        bool zeroIsNone;
    }

    /// @notice Most parameters there can be, so that reading all of them stays one small call.
    uint256 public constant PARAMETERS_MAX = 64;

    /// @notice Greatest value that any parameter can have: 2^53 - 1, the last whole number that a JSON
    /// number has exactly.
    uint64 public constant VALUE_MAX = 2 ** 53 - 1;

    /// @notice The one that may change values.
    address public immutable timelock;

    mapping(bytes32 key => Parameter) private _parameters;
    bytes32[] private _keys;

    /// @notice A parameter exists from here on.
    /// @param key Its name.
    /// @param unit What it counts.
    /// @param min Least value.
    /// @param max Greatest value.
    /// @param zeroIsNone Whether zero means none.
    /// @param value The value it starts with.
    event ParameterDeclared(
        bytes32 indexed key, Unit unit, uint256 min, uint256 max, bool zeroIsNone, uint256 value
    );

    /// @notice A value changed.
    /// @param key The parameter's name.
    /// @param from The value before.
    /// @param to The value in force from here on.
    event ParameterChanged(bytes32 indexed key, uint256 from, uint256 to);

    /// @notice Only the timelock changes values.
    /// @param caller Who tried.
    error OnlyTimelock(address caller);

    /// @notice There is no such parameter, and none can be added.
    /// @param key The name that was given.
    error UnknownParameter(bytes32 key);

    /// @notice A value outside its parameter's bounds.
    /// @param key The parameter's name.
    /// @param value The value that was given.
    /// @param min Least value.
    /// @param max Greatest value.
    error ParameterOutOfBounds(bytes32 key, uint256 value, uint256 min, uint256 max);

    /// @notice The parameter already has this value.
    /// @param key The parameter's name.
    /// @param value The value that was given.
    error ParameterUnchanged(bytes32 key, uint256 value);

    /// @notice Nobody could ever change a value.
    error NoTimelock();

    /// @notice Between 1 and 64 parameters are declared, each with a key.
    /// @param keys How many keys were given.
    /// @param parameters How many parameters were given.
    error DeclarationCount(uint256 keys, uint256 parameters);

    /// @notice A name is 1 to 31 of `a-z 0-9 _`, begins with a letter, and is filled up with zero bytes.
    /// @param key The name that was given.
    error InvalidKey(bytes32 key);

    /// @notice A name is declared once.
    /// @param key The name that was given again.
    error DuplicateKey(bytes32 key);

    /// @notice Bounds are in order and at most 2^53 - 1; where zero means none, the least value is above it.
    /// @param key The parameter's name.
    /// @param min Least value.
    /// @param max Greatest value.
    error InvalidBounds(bytes32 key, uint256 min, uint256 max);

    /// @param timelock_ The one that may change values.
    /// @param keys_ The parameters' names, short ASCII, filled up with zero bytes on the right.
    /// @param parameters_ The parameters, in the same order, with the values that they start with.
    constructor(address timelock_, bytes32[] memory keys_, Parameter[] memory parameters_) {
        if (timelock_ == address(0)) revert NoTimelock();
        if (keys_.length == 0 || keys_.length > PARAMETERS_MAX || keys_.length != parameters_.length) {
            revert DeclarationCount(keys_.length, parameters_.length);
        }
        timelock = timelock_;
        for (uint256 i = 0; i < keys_.length; ++i) {
            _declare(keys_[i], parameters_[i]);
        }
    }

    /// @notice Changes a value.
    /// @param key The parameter's name.
    /// @param value The value to be in force.
    function set(bytes32 key, uint256 value) external {
        if (msg.sender != timelock) revert OnlyTimelock(msg.sender);
        Parameter storage parameter = _known(key);
        _checkBounds(key, value, parameter.min, parameter.max, parameter.zeroIsNone);
        uint64 from = parameter.value;
        if (value == from) revert ParameterUnchanged(key, value);
        // Proof that it fits: the bounds are 64 bits wide.
        parameter.value = uint64(value);
        emit ParameterChanged(key, from, value);
    }

    /// @notice The value in force.
    /// @param key The parameter's name.
    /// @return The value.
    function get(bytes32 key) external view returns (uint256) {
        return _known(key).value;
    }

    /// @notice What values a parameter can have.
    /// @param key The parameter's name.
    /// @return min Least value.
    /// @return max Greatest value.
    /// @return zeroIsNone Whether zero may be chosen too, and means none.
    function bounds(bytes32 key) external view returns (uint256 min, uint256 max, bool zeroIsNone) {
        Parameter storage parameter = _known(key);
        return (parameter.min, parameter.max, parameter.zeroIsNone);
    }

    /// @notice The names of all parameters, in the order of their declaration.
    /// @return The names.
    function keys() external view returns (bytes32[] memory) {
        return _keys;
    }

    /// @notice All parameters as they stand.
    /// @return names Their names, in the order of their declaration.
    /// @return parameters The parameters, in the same order.
    function all() external view returns (bytes32[] memory names, Parameter[] memory parameters) {
        names = _keys;
        parameters = new Parameter[](names.length);
        for (uint256 i = 0; i < names.length; ++i) {
            parameters[i] = _parameters[names[i]];
        }
    }

    /// @dev Adds a parameter that can work; only the constructor does.
    function _declare(bytes32 key, Parameter memory parameter) private {
        (uint64 min, uint64 max) = (parameter.min, parameter.max);
        if (!_isName(key)) revert InvalidKey(key);
        // A greatest value is never zero, so it tells a declared parameter from none.
        if (_parameters[key].max != 0) revert DuplicateKey(key);
        if (min > max || max == 0 || max > VALUE_MAX || (parameter.zeroIsNone && min == 0)) {
            revert InvalidBounds(key, min, max);
        }
        _checkBounds(key, parameter.value, min, max, parameter.zeroIsNone);
        _parameters[key] = parameter;
        _keys.push(key);
        emit ParameterDeclared(key, parameter.unit, min, max, parameter.zeroIsNone, parameter.value);
    }

    /// @dev The parameter with this name, which there must be.
    function _known(bytes32 key) private view returns (Parameter storage parameter) {
        parameter = _parameters[key];
        if (parameter.max == 0) revert UnknownParameter(key);
    }

    /// @dev That a parameter can have this value.
    function _checkBounds(bytes32 key, uint256 value, uint256 min, uint256 max, bool zeroIsNone) private pure {
        if (value == 0 && zeroIsNone) return;
        if (value < min || value > max) revert ParameterOutOfBounds(key, value, min, max);
    }

    /// @dev Letters, digits and underscores, then nothing but zero bytes, one at least: clients read such
    /// names as text that ends with a zero.
    function _isName(bytes32 key) private pure returns (bool) {
        if (key[0] < "a" || key[0] > "z" || key[31] != 0) return false;
        bool ended = false;
        for (uint256 i = 1; i < 32; ++i) {
            bytes1 c = key[i];
            if (c == 0) {
                ended = true;
            } else if (ended || !((c >= "a" && c <= "z") || (c >= "0" && c <= "9") || c == "_")) {
                return false;
            }
        }
        return true;
    }
}
