//! What is asked of the TRON app, and what it answers.
//!
//! A command is `E0` ‖ instruction ‖ P1 ‖ P2 ‖ length of the data (1 byte) ‖ data. An answer is data ‖
//! status (2 bytes, big-endian), `9000` where all went well. Two instructions are used
//! (LedgerHQ/app-tron, `src/handlers/handlers.h`, `get_public_key.c`, `sign_personal_message.c` and
//! `helpers.c`; LedgerHQ/ledger-live, `hw-app-trx/src/Trx.ts`):
//! - `02`, the public key. P1 is 1 where the device shows the address and the person confirms it, P2
//!   is 0 (no chain code). Data: the path. Answer: 65 ‖ the key, not compressed ‖ 34 ‖ its address in
//!   base58.
//! - `08`, signing a message. Data: the path ‖ the message's length (4 bytes, big-endian) ‖ the
//!   message, in as many commands as it takes, P1 0 in the first and `80` in the others. Each is
//!   answered; the last one, once the person has confirmed the hash, with r ‖ s ‖ v, where v is 0 or 1.
//!
//! This module leaves to others how bytes travel and whether an answer is true.

use k256::ecdsa::VerifyingKey;

use super::{LedgerError, Path};
use crate::{Address, message::WalletSignature};

const CLASS: u8 = 0xe0;
const GET_PUBLIC_KEY: u8 = 0x02;
const SIGN_PERSONAL_MESSAGE: u8 = 0x08;
const P1_SILENT: u8 = 0x00;
const P1_CONFIRM: u8 = 0x01;
const P1_FIRST: u8 = 0x00;
const P1_MORE: u8 = 0x80;
/// The data of a command. 255 would fit; Ledger's own libraries send no more than this, so that every
/// firmware takes it (`CHUNK_SIZE` in `Trx.ts`).
const DATA_BYTES_MAX: usize = 250;
/// An uncompressed point (SEC 1, 2.3.3).
const KEY_BYTES: usize = 65;
/// Where the answer is in order.
const OK: u16 = 0x9000;

/// The command that asks for the public key of a path.
#[must_use]
pub fn get_public_key(path: &Path, confirm: bool) -> Vec<u8> {
    let p1 = if confirm { P1_CONFIRM } else { P1_SILENT };
    command(GET_PUBLIC_KEY, p1, &path.to_bytes())
}

/// The commands that ask for a message's signature, in their order; at least one.
///
/// # Errors
/// [`LedgerError::MessageTooLong`] beyond [`super::MESSAGE_BYTES_MAX`].
pub fn sign_message(path: &Path, message: &[u8]) -> Result<Vec<Vec<u8>>, LedgerError> {
    let length = u32::try_from(message.len()).ok();
    let length = length.filter(|_| message.len() <= super::MESSAGE_BYTES_MAX);
    let length = length.ok_or(LedgerError::MessageTooLong(message.len()))?;
    let data = [&path.to_bytes(), length.to_be_bytes().as_slice(), message].concat();
    let p1 = std::iter::once(P1_FIRST).chain(std::iter::repeat(P1_MORE));
    let parts = data.chunks(DATA_BYTES_MAX);
    Ok(p1.zip(parts).map(|(p1, part)| command(SIGN_PERSONAL_MESSAGE, p1, part)).collect())
}

fn command(instruction: u8, p1: u8, data: &[u8]) -> Vec<u8> {
    assert!(data.len() <= DATA_BYTES_MAX, "a path has 41 bytes, a part no more than the limit");
    let mut command = vec![CLASS, instruction, p1, 0, data.len() as u8];
    command.extend_from_slice(data);
    command
}

/// The data of an answer whose status is good.
///
/// # Errors
/// What the status says, or [`LedgerError::Garbled`] where there is none.
pub fn data_of(answer: &[u8]) -> Result<&[u8], LedgerError> {
    let (data, status) = answer.split_last_chunk().ok_or(LedgerError::Garbled("no status"))?;
    match u16::from_be_bytes(*status) {
        OK => Ok(data),
        status => Err(error_of(status)),
    }
}

/// What a status means. The app's own are in `src/app_errors.h` of LedgerHQ/app-tron, those of the
/// device's system in LedgerHQ/ledger-live, `packages/errors`; which of them a locked device answers
/// with depends on its firmware (MetaMask/metamask-extension#17606, summa-tx/coins#87).
fn error_of(status: u16) -> LedgerError {
    match status {
        0x6985 | 0x5501 => LedgerError::Refused,
        // 6982: no key can be derived, as while the device is locked.
        0x5515 | 0x6b0c | 0x6804 | 0x6982 => LedgerError::Locked,
        0x6511 | 0x6e00 | 0x6e01 | 0x6d00 | 0x6d02 => LedgerError::AppNotOpen(status),
        0x6a8c => LedgerError::SettingMissing,
        0x6700 | 0x6a80 | 0x6a87 | 0x6a8a | 0x6a8b | 0x6a8d | 0x6a8e | 0x6b00 => {
            LedgerError::WrongData(status)
        }
        other => LedgerError::Status(other),
    }
}

/// Reads the answer to [`get_public_key`]: the key, and the address that the device says it has.
///
/// # Errors
/// [`LedgerError::Garbled`].
pub fn read_public_key(data: &[u8]) -> Result<(VerifyingKey, Address), LedgerError> {
    let (key, rest) = counted(data).ok_or(LedgerError::Garbled("a key that is cut short"))?;
    let (address, rest) = counted(rest).ok_or(LedgerError::Garbled("an address cut short"))?;
    if !rest.is_empty() {
        return Err(LedgerError::Garbled("more than a key and an address"));
    }
    let no_key = LedgerError::Garbled("a public key that is none");
    if key.len() != KEY_BYTES {
        return Err(no_key);
    }
    let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| no_key)?;
    let address = std::str::from_utf8(address).ok().and_then(|text| text.parse().ok());
    Ok((key, address.ok_or(LedgerError::Garbled("an address that is none"))?))
}

/// Bytes after their count, and the rest.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&count, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(count))
}

/// Reads the answer to the last command of [`sign_message`].
///
/// # Errors
/// [`LedgerError::Garbled`].
pub fn read_signature(data: &[u8]) -> Result<WalletSignature, LedgerError> {
    let bytes = data.try_into().map_err(|_| LedgerError::Garbled("a signature of another size"))?;
    WalletSignature::from_bytes(bytes).map_err(|_| LedgerError::Garbled("no signature"))
}
