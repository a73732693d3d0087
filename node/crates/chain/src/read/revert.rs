//! What a contract says when it reverts (Solidity ABI specification, "Panic via assert and Error via
//! require").

use alloy_primitives::{Bytes, U256};

/// `Error(string)`.
const ERROR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
/// `Panic(uint256)`.
const PANIC: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];

/// What was returned by a call that reverted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Revert {
    /// Nothing.
    Empty,
    /// `Error(string)`: a `require` with a text, or `revert("text")`.
    Error(String),
    /// `Panic(uint256)`: what the compiler checks.
    Panic(U256),
    /// Anything else: an error of the contract's own, which its ABI decodes.
    Custom(Bytes),
}

impl Revert {
    /// Reads what a call returned. What is not exactly one of Solidity's two errors is the contract's own.
    #[must_use]
    pub fn decode(data: &Bytes) -> Self {
        let Some((selector, arguments)) = data.split_first_chunk::<4>() else {
            return match data.is_empty() {
                true => Self::Empty,
                false => Self::Custom(data.clone()),
            };
        };
        let decoded = match *selector {
            ERROR => text(arguments).map(Self::Error),
            PANIC => word(arguments, 0).filter(|_| arguments.len() == 32).map(Self::Panic),
            _ => None,
        };
        decoded.unwrap_or_else(|| Self::Custom(data.clone()))
    }
}

/// In the words that clients know: `execution reverted`, and the reason where there is one.
impl core::fmt::Display for Revert {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("execution reverted")?;
        match self {
            Self::Empty | Self::Custom(_) => Ok(()),
            Self::Error(text) => write!(f, ": {text}"),
            Self::Panic(code) => match panic_words(*code) {
                Some(words) => write!(f, ": panic: {words} ({code:#04x})"),
                None => write!(f, ": panic: unknown ({code:#04x})"),
            },
        }
    }
}

/// The compiler's panic codes (Solidity documentation, "Panic via assert and Error via require").
fn panic_words(code: U256) -> Option<&'static str> {
    Some(match code.try_into().ok()? {
        0x00_u8 => "generic panic",
        0x01 => "assert(false)",
        0x11 => "arithmetic underflow or overflow",
        0x12 => "division or modulo by zero",
        0x21 => "enum overflow",
        0x22 => "invalid encoded storage byte array accessed",
        0x31 => "out-of-bounds array access; popping on an empty array",
        0x32 => "out-of-bounds access of an array or bytesN",
        0x41 => "out of memory",
        0x51 => "uninitialized function",
        _ => return None,
    })
}

fn word(arguments: &[u8], at: usize) -> Option<U256> {
    U256::try_from_be_slice(arguments.get(at..at.checked_add(32)?)?)
}

/// A string argument: offset 32, length, bytes.
fn text(arguments: &[u8]) -> Option<String> {
    (word(arguments, 0)? == U256::from(32)).then_some(())?;
    let len: usize = word(arguments, 32)?.try_into().ok()?;
    let bytes = arguments.get(64..64_usize.checked_add(len)?)?;
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    fn check(data: &str, revert: &Revert, words: &str) {
        let decoded = Revert::decode(&hex::decode(data).unwrap().into());
        assert_eq!(&decoded, revert, "{data}");
        assert_eq!(decoded.to_string(), words);
    }

    #[test]
    fn says_why() {
        let offset = format!("{:064x}", 32);
        let hi = format!("{:064x}{:0<64}", 2, "6869");
        check("", &Revert::Empty, "execution reverted");
        check(
            &format!("08c379a0{offset}{hi}"),
            &Revert::Error("hi".to_owned()),
            "execution reverted: hi",
        );
        check(
            &format!("4e487b71{:064x}", 0x11),
            &Revert::Panic(U256::from(0x11)),
            "execution reverted: panic: arithmetic underflow or overflow (0x11)",
        );
        check(
            &format!("4e487b71{:064x}", 0x77),
            &Revert::Panic(U256::from(0x77)),
            "execution reverted: panic: unknown (0x77)",
        );
        let odd = [
            "08".to_owned(),
            "08c379a0".to_owned(),
            "deadbeef".to_owned(),
            format!("4e487b71{:062x}", 1),
            format!("4e487b71{:066x}", 1),
            format!("08c379a0{:064x}{hi}", 64),
            format!("08c379a0{offset}{:064x}6869", 3),
            format!("08c379a0{offset}{}{:0<64}", "f".repeat(64), "6869"),
            format!("08c379a0{offset}{:064x}{:0<64}", 2, "c328"),
        ];
        for data in odd {
            let bytes: Bytes = hex::decode(&data).unwrap().into();
            check(&data, &Revert::Custom(bytes), "execution reverted");
        }
    }
}
