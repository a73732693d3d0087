//! The names that operators know the image by.

use std::{fmt, str::FromStr};

/// Every name. `server-tools` is the image for commands and for all services in one process, `tunnel-tools` the one
/// for commands about onion services, which `tor-proxy` keeps; what is in them is the same.
pub(super) const NAMES: [&str; 15] = [
    "session-chunker",
    "session-encryptor",
    "merkle-builder",
    "session-orchestrator",
    "authentication",
    "api-gateway",
    "api-server",
    "blockchain-api",
    "blockchain-governance",
    "blockchain-sessions-data",
    "blockchain-vm",
    "blockchain-ledger",
    "tor-proxy",
    "server-tools",
    "tunnel-tools",
];

/// One of [`NAMES`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Name(&'static str);

impl Name {
    pub(super) fn all() -> Vec<Self> {
        NAMES.into_iter().map(Self).collect()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        NAMES
            .into_iter()
            .find(|name| *name == text)
            .map(Self)
            .ok_or_else(|| format!("there is no image {text:?}: it is one of {}", NAMES.join(", ")))
    }
}

/// An architecture that the image is built for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Platform {
    Amd64,
    Arm64,
}

impl Platform {
    pub(super) const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// As OCI calls it.
    pub(super) fn architecture(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Whether this machine is one.
    pub(super) fn is_here(self) -> bool {
        (self == Self::Arm64) == cfg!(target_arch = "aarch64")
    }

    /// As the compiler calls it.
    pub(super) fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// What an ELF file of it has as `e_machine` (System V ABI: EM_X86_64, EM_AARCH64).
    pub(super) fn machine(self) -> u16 {
        match self {
            Self::Amd64 => 62,
            Self::Arm64 => 183,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "linux/{}", self.architecture())
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|platform| platform.to_string() == text).ok_or_else(|| {
            format!("there is no image for {text:?}: it is linux/amd64 or linux/arm64")
        })
    }
}
