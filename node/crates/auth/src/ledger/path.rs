//! Which key of a wallet: a BIP-32 path.

use std::{fmt, str::FromStr};

/// The levels that the TRON app reads (`MAX_BIP32_PATH` in LedgerHQ/app-tron, `src/parse.h`).
const LEVELS_MAX: usize = 10;
/// The bit of a hardened level (BIP-32, "Extended keys").
const HARDENED: u32 = 1 << 31;
/// The first account of a TRON wallet (BIP-44; 195 is TRON in SLIP-44).
const FIRST_ACCOUNT: [u32; 5] = [HARDENED + 44, HARDENED + 195, HARDENED, 0, 0];

/// A BIP-32 path of 1 to 10 levels, written `44'/195'/0'/0/0`. It defaults to that one, the first
/// account of a TRON wallet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path(Vec<u32>);

/// A text that is no path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "it is no BIP-32 path: 1 to {LEVELS_MAX} numbers below 2147483648 with / between them, each \
     hardened with ' or not, as in 44'/195'/0'/0/0"
)]
pub struct PathError;

impl Path {
    /// The path as Ledger's apps read it: the count of levels in a byte, then each level as a
    /// big-endian `u32`, its highest bit set where it is hardened.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + 4 * self.0.len());
        bytes.push(self.0.len() as u8);
        bytes.extend(self.0.iter().flat_map(|level| level.to_be_bytes()));
        bytes
    }
}

impl Default for Path {
    fn default() -> Self {
        Self(FIRST_ACCOUNT.to_vec())
    }
}

impl FromStr for Path {
    type Err = PathError;

    /// Reads a path in its one form: no `m/`, no `h`, no sign, no zeros before a number. A path that
    /// is read as another than was meant leads to an address that nobody knows.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let levels = text.split('/').map(level).collect::<Option<Vec<_>>>().ok_or(PathError)?;
        if levels.len() > LEVELS_MAX {
            return Err(PathError);
        }
        Ok(Self(levels))
    }
}

fn level(text: &str) -> Option<u32> {
    let (digits, hardened) = match text.strip_suffix('\'') {
        Some(digits) => (digits, HARDENED),
        None => (text, 0),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (digits.starts_with('0') && digits != "0") {
        return None;
    }
    let number: u32 = digits.parse().ok()?;
    (number < HARDENED).then_some(number | hardened)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, level) in self.0.iter().enumerate() {
            let slash = if place == 0 { "" } else { "/" };
            let hardened = if level & HARDENED == 0 { "" } else { "'" };
            write!(f, "{slash}{}{hardened}", level & !HARDENED)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_form() {
        for (text, bytes) in [
            ("44'/195'/0'/0/0", "058000002c800000c3800000000000000000000000"),
            ("0", "0100000000"),
            ("2147483647'/2147483647", "02ffffffff7fffffff"),
            (
                "1/2/3/4/5/6/7/8/9/10",
                "0a0000000100000002000000030000000400000005000000060000000700000008000000090000000a",
            ),
        ] {
            let path: Path = text.parse().unwrap();
            assert_eq!(hex::encode(path.to_bytes()), bytes, "{text}");
            assert_eq!(path.to_string(), text);
        }
        assert_eq!(Path::default().to_string(), "44'/195'/0'/0/0");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "/",
            "m",
            "m/44'/195'/0'/0/0",
            "/44'/195'",
            "44'/195'/",
            "44'//195'",
            "44''",
            "'",
            "44h",
            "44H",
            "-1",
            "+1",
            " 44'",
            "44' ",
            "044'",
            "00",
            "0x2c",
            "2147483648",
            "2147483648'",
            "4294967296",
            "99999999999999999999",
            "٤٤",
            "44\u{2019}",
            "1/2/3/4/5/6/7/8/9/10/11",
        ] {
            assert_eq!(text.parse::<Path>(), Err(PathError), "{text}");
        }
    }
}
