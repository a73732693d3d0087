//! Which network of TRON: told by the id of its block 0.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::tron::{BlockId, BlockNumber};

/// The id of a network's block 0. It names the network: addresses and transactions do not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Genesis(pub BlockId);

/// Why a text is no network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a TRON network is mainnet, shasta, nile, or the id of its block 0: 64 lower-case hex digits, of \
     which the first 16 are zeros"
)]
pub struct GenesisError;

const fn id(low: [u8; 24]) -> BlockId {
    let mut id = [0; 32];
    let mut place = 0;
    while place < 24 {
        id[8 + place] = low[place];
        place += 1;
    }
    BlockId::from_bytes(id)
}

impl Genesis {
    /// Mainnet's. The last four bytes are the chain id, 0x2b6653dc
    /// (<https://developers.tron.network/reference-link/eth_chainid>).
    pub const MAINNET: Self = Self(id([
        0x1e, 0xbf, 0x88, 0x50, 0x8a, 0x03, 0x86, 0x5c, 0x71, 0xd4, 0x52, 0xe2, 0x5f, 0x4d, 0x51,
        0x19, 0x41, 0x96, 0xa1, 0xd2, 0x2b, 0x66, 0x53, 0xdc,
    ]));
    /// The Shasta test network's; chain id 0x94a9059e.
    pub const SHASTA: Self = Self(id([
        0xde, 0x1a, 0xa8, 0x82, 0x95, 0xe1, 0xfc, 0xf9, 0x82, 0x74, 0x2f, 0x77, 0x3e, 0x04, 0x19,
        0xc5, 0xa9, 0xc1, 0x34, 0xc9, 0x94, 0xa9, 0x05, 0x9e,
    ]));
    /// The Nile test network's; chain id 0xcd8690dc.
    pub const NILE: Self = Self(id([
        0xd6, 0x98, 0xd4, 0x19, 0x2c, 0x56, 0xcb, 0x6b, 0xe7, 0x24, 0xa5, 0x58, 0x44, 0x8e, 0x26,
        0x84, 0x80, 0x2d, 0xe4, 0xd6, 0xcd, 0x86, 0x90, 0xdc,
    ]));

    const KNOWN: [(&'static str, Self); 3] =
        [("mainnet", Self::MAINNET), ("shasta", Self::SHASTA), ("nile", Self::NILE)];

    /// The network's name: `mainnet`, `shasta`, `nile`, or `custom` for every other one.
    #[must_use]
    pub fn name(&self) -> &'static str {
        Self::KNOWN.iter().find(|(_, known)| known == self).map_or("custom", |(name, _)| name)
    }

    /// Whether the network is one of those that are known by name.
    #[must_use]
    pub fn is_known(&self) -> bool {
        Self::KNOWN.iter().any(|(_, known)| known == self)
    }

    /// Whether it is the id of a block 0 at all.
    #[must_use]
    pub fn is_genesis(&self) -> bool {
        self.0.number() == BlockNumber(0)
    }
}

/// The id, in hex.
impl fmt::Display for Genesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Genesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

/// A name, or the id in hex.
impl FromStr for Genesis {
    type Err = GenesisError;

    fn from_str(text: &str) -> Result<Self, GenesisError> {
        if let Some((_, known)) = Self::KNOWN.iter().find(|(name, _)| *name == text) {
            return Ok(*known);
        }
        let genesis = Self(text.parse().map_err(|_| GenesisError)?);
        if genesis.is_genesis() { Ok(genesis) } else { Err(GenesisError) }
    }
}

/// As the id in hex.
impl Serialize for Genesis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From the id in hex alone.
impl<'de> Deserialize<'de> for Genesis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let genesis = Self(BlockId::deserialize(deserializer)?);
        if genesis.is_genesis() { Ok(genesis) } else { Err(serde::de::Error::custom(GenesisError)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_by_name_and_by_id() {
        for (name, id) in [
            ("mainnet", "00000000000000001ebf88508a03865c71d452e25f4d51194196a1d22b6653dc"),
            ("shasta", "0000000000000000de1aa88295e1fcf982742f773e0419c5a9c134c994a9059e"),
            ("nile", "0000000000000000d698d4192c56cb6be724a558448e2684802de4d6cd8690dc"),
        ] {
            let genesis: Genesis = name.parse().unwrap();
            assert_eq!(genesis.to_string(), id);
            assert_eq!((genesis.name(), genesis.is_known()), (name, true));
            assert_eq!(id.parse(), Ok(genesis));
            let json = serde_json::to_string(&genesis).unwrap();
            assert_eq!(serde_json::from_str::<Genesis>(&json).unwrap(), genesis);
        }
        let other: Genesis = format!("{}{}", "0".repeat(16), "ab".repeat(24)).parse().unwrap();
        assert_eq!((other.name(), other.is_known()), ("custom", false));
        for bad in ["", "custom", "Mainnet", "main", &"ab".repeat(32), &"0".repeat(63)] {
            assert_eq!(bad.parse::<Genesis>(), Err(GenesisError), "{bad}");
        }
        assert!(serde_json::from_str::<Genesis>("\"mainnet\"").is_err());
        let block = format!("\"{:016x}{}\"", 1, "ab".repeat(24));
        assert!(serde_json::from_str::<Genesis>(&block).is_err(), "block 1 is no genesis");
    }
}
