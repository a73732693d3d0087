//! A node without its chunks in one encrypted file, and a folder made of such a file again.
//!
//! The file is in the [age](https://age-encryption.org/v1) format, and what is in it is a tar archive (POSIX.1-1988
//! ustar): `age -d FILE | tar x` takes it apart without this program. Its members, in this order:
//!
//! ```text
//! config/<name>          what the caller gave beside the folder: its configuration
//! data/<path>            the files of the data folder, the path as it is there
//! sums/<8 digits>        after every 4,096 of those files and after the last: their SHA-256, as sha256sum writes them
//! backup.note            what this is a backup of, signed by the node's key where the folder has one
//! ```
//!
//! Files stand in ascending order, compared component by component, so that none can be there twice. A member is a
//! regular file of mode 0600, user and group 0, and the time of the backup; its header has no other encoding than the
//! one written here. The module `note` has the last member, `read` what a reader enforces.
//!
//! Left out is what can be made again (`db`, `evm`, `sessions-data`, and accounts in `auth`), what is another file's
//! (`chunks`), and what would do harm when it is older than what others know: sign-ins (put back they let in whoever was
//! signed out since) and a witness's memory in `witness` (with an older one it cosigns a fork).

pub use age::secrecy::SecretString;

mod member;
mod members;
mod note;
mod open;
mod read;
mod restore;
mod sink;
mod walk;
mod write;

pub use note::Facts;
pub use open::{Keepers, Opener};
pub use restore::{Expected, Restored, check, restore};
pub use write::{Extra, WriteOptions, Written, write};

#[cfg(test)]
mod tests;
