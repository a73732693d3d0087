//! The Ledger that is plugged into this machine, through the kernel's hidraw files.
//!
//! This module owns which device is taken: the only one there is, at the interface that carries
//! APDUs. It leaves to [`hid`](super::hid) what is in a packet. hidapi is used in its Rust backend,
//! so no C library is linked.

use std::{ffi::CString, fs::OpenOptions, io::ErrorKind, time::Duration};

use hidapi::{DeviceInfo, HidApi, HidDevice};

use super::{
    LedgerError,
    hid::{PACKET_BYTES, Transport},
};

/// Ledger, among USB's vendors.
const VENDOR: u16 = 0x2c97;
/// The usage page of the interface that carries APDUs; another one is that of FIDO.
const USAGE_PAGE: u16 = 0xffa0;
/// The number of that interface, by which it is found where no usage page is known (LedgerHQ/ledger-live,
/// `hw-transport-node-hid-noevents/src/TransportNodeHid.ts`).
const INTERFACE: i32 = 0;

/// An open Ledger. Dropped, it is closed.
pub struct Device(HidDevice);

impl Device {
    /// Opens the Ledger that is plugged in.
    ///
    /// # Errors
    /// Where there is none, more than one, or it may not be opened.
    pub fn open() -> Result<Self, LedgerError> {
        let api = HidApi::new().map_err(|error| unreachable(&error))?;
        let ledgers = api.device_list().filter(|device| device.vendor_id() == VENDOR);
        let path = only(ledgers.map(Interface::of))?;
        api.open_path(&path).map(Self).map_err(|error| {
            // hidapi's error is a text; the kernel's says why.
            let device = path.to_string_lossy().into_owned();
            match OpenOptions::new().read(true).write(true).open(&device) {
                Err(cause) if cause.kind() == ErrorKind::PermissionDenied => {
                    LedgerError::NoPermission { device }
                }
                _ => unreachable(&error),
            }
        })
    }
}

fn unreachable(error: &hidapi::HidError) -> LedgerError {
    LedgerError::Unreachable(error.to_string())
}

/// What tells one interface of a device from another.
struct Interface {
    path: CString,
    usage_page: u16,
    number: i32,
}

impl Interface {
    fn of(info: &DeviceInfo) -> Self {
        let path = info.path().to_owned();
        Self { path, usage_page: info.usage_page(), number: info.interface_number() }
    }
}

/// The path of the only device. An interface is listed once for each of its usages.
fn only(interfaces: impl Iterator<Item = Interface>) -> Result<CString, LedgerError> {
    let carries_apdus = |found: &Interface| match found.usage_page {
        0 => found.number == INTERFACE,
        page => page == USAGE_PAGE,
    };
    let mut paths: Vec<_> = interfaces.filter(carries_apdus).map(|found| found.path).collect();
    paths.sort();
    paths.dedup();
    match paths.len() {
        0 | 1 => paths.pop().ok_or(LedgerError::NoDevice),
        several => Err(LedgerError::SeveralDevices(several)),
    }
}

impl Transport for Device {
    fn write(&mut self, packet: &[u8; PACKET_BYTES]) -> Result<(), LedgerError> {
        // The report's number comes first: 0, where a device numbers none.
        let mut report = [0; 1 + PACKET_BYTES];
        report[1..].copy_from_slice(packet);
        match self.0.write(&report).map_err(|error| unreachable(&error))? {
            written if written == report.len() => Ok(()),
            _ => Err(LedgerError::Unreachable("a packet was cut short".to_owned())),
        }
    }

    fn read(
        &mut self,
        packet: &mut [u8; PACKET_BYTES],
        timeout: Duration,
    ) -> Result<(), LedgerError> {
        let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        match self.0.read_timeout(packet, milliseconds).map_err(|error| unreachable(&error))? {
            0 => Err(LedgerError::TimedOut(timeout.as_secs())),
            PACKET_BYTES => Ok(()),
            _ => Err(LedgerError::Garbled("a packet of another size")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(interfaces: &[(&str, u16, i32)], expected: Result<&str, LedgerError>) {
        let interfaces = interfaces.iter().map(|&(path, usage_page, number)| Interface {
            path: CString::new(path).unwrap(),
            usage_page,
            number,
        });
        let expected = expected.map(|path| CString::new(path).unwrap());
        assert_eq!(only(interfaces), expected);
    }

    #[test]
    fn the_only_device_is_taken_at_the_interface_that_carries_apdus() {
        check(&[], Err(LedgerError::NoDevice));
        check(&[("/dev/hidraw0", 0xffa0, 0)], Ok("/dev/hidraw0"));
        check(&[("/dev/hidraw0", 0xf1d0, 1), ("/dev/hidraw1", 0xffa0, 0)], Ok("/dev/hidraw1"));
        check(&[("/dev/hidraw0", 0xf1d0, 0)], Err(LedgerError::NoDevice));
        check(&[("/dev/hidraw0", 0xffa0, 2)], Ok("/dev/hidraw0"));
        check(&[("/dev/hidraw0", 0, 1), ("/dev/hidraw1", 0, 0)], Ok("/dev/hidraw1"));
        check(&[("/dev/hidraw0", 0, -1)], Err(LedgerError::NoDevice));
        // Two usages of one interface.
        check(&[("/dev/hidraw3", 0xffa0, 0), ("/dev/hidraw3", 0xffa0, 0)], Ok("/dev/hidraw3"));
        let two = [("/dev/hidraw3", 0xffa0, 0), ("/dev/hidraw4", 0xffa0, 0)];
        check(&two, Err(LedgerError::SeveralDevices(2)));
    }
}
