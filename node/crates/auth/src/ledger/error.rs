//! What can go wrong with a Ledger, each with what the person can do about it.

use crate::Address;

/// The rule that lets the person at the machine open a Ledger. Its file's number is below 73, where
/// `uaccess` takes effect (systemd, `73-seat-late.rules`).
const UDEV_RULE: &str = r#"KERNEL=="hidraw*", ATTRS{idVendor}=="2c97", TAG+="uaccess""#;

/// Why a Ledger did not answer as asked. It has no key and no signature in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LedgerError {
    /// None is plugged in.
    #[error("no Ledger is there: plug it in, unlock it and open its TRON app")]
    NoDevice,
    /// Which one is meant is unknown.
    #[error("{0} Ledgers are there: leave one plugged in")]
    SeveralDevices(usize),
    /// The device's file may not be opened.
    #[error(
        "{device} may not be opened: write the line {rule} into /etc/udev/rules.d/70-ledger.rules, \
         run `udevadm control --reload`, and plug the Ledger in again",
        rule = UDEV_RULE
    )]
    NoPermission {
        /// The device's file.
        device: String,
    },
    /// The operating system failed, or the cable.
    #[error("the Ledger cannot be reached: {0}")]
    Unreachable(String),
    /// Nobody confirmed, or the app hangs.
    #[error(
        "the Ledger did not answer within {0} seconds: look whether it waits for you, close and open \
         its TRON app, and try again"
    )]
    TimedOut(u64),
    /// Its packets or its answer break the protocol.
    #[error(
        "the Ledger's answer makes no sense ({0}): let no other program use it, close and open its \
         TRON app, and try again"
    )]
    Garbled(&'static str),
    /// The person said no.
    #[error("it was refused on the Ledger")]
    Refused,
    /// The PIN was not entered.
    #[error("the Ledger is locked: enter its PIN, open its TRON app, and try again")]
    Locked,
    /// The dashboard or another app answered.
    #[error(
        "the Ledger's TRON app is not open (status {0:#06x}): unlock the Ledger, open the TRON app, \
         and try again"
    )]
    AppNotOpen(u16),
    /// The app shows hashes, not texts, and was not allowed to sign what it cannot show.
    #[error(
        "the Ledger's TRON app does not sign messages: allow \"Sign by hash\" in the app's settings, \
         and try again"
    )]
    SettingMissing,
    /// The app does not take what it was asked.
    #[error(
        "the Ledger's TRON app does not take this request (status {0:#06x}): check the path, and \
         update the app"
    )]
    WrongData(u16),
    /// Any other status.
    #[error(
        "the Ledger answered with the status {0:#06x}: close and open its TRON app, and try again"
    )]
    Status(u16),
    /// More than an app reads.
    #[error("the message has {0} bytes, and a Ledger is given no more than {max}", max = super::MESSAGE_BYTES_MAX)]
    MessageTooLong(usize),
    /// The address and the key of one answer do not belong together.
    #[error("the Ledger named {named}, and its key is that of {of_key}: do not use it")]
    WrongAddress {
        /// The address that was named.
        named: Address,
        /// The address of the key.
        of_key: Address,
    },
    /// The signature is not that of the message by the address.
    #[error(
        "the Ledger's signature is not that of {signer} for this message: update its TRON app{hint}",
        hint = if *.parts > 1 { ", which in older versions signs no message of this length" } else { "" }
    )]
    WrongSignature {
        /// The address that should have signed.
        signer: Address,
        /// How many APDUs the message took.
        parts: usize,
    },
}
