//! What a bandwidth scanner would tell the authorities: that all relays carry as much.
//!
//! Relays that have just begun say of themselves that they carried nothing. Clients choose among relays by what they
//! carry, so that nearly all circuits would go through the few that carried something, and those between a client and an
//! onion service twice through the same.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use crate::{TestingError, Tor};

/// Kilobytes a second of each (bandwidth-file-spec §2.3). Only how they are to each other counts.
const EACH: u32 = 5_000;

fn path(root: &Path) -> PathBuf {
    root.join("bandwidths")
}

/// An authority's line for it.
pub(crate) fn torrc(root: &Path) -> String {
    format!("V3BandwidthsFile {}\n", path(root).display())
}

/// Writes it once all relays have their keys; authorities read it at each vote.
///
/// # Errors
/// [`TestingError`] where a relay has none in that time.
pub(crate) fn write(root: &Path, relays: &[Tor], time: Duration) -> Result<(), TestingError> {
    let until = Instant::now() + time;
    // The first format, 1.0.0, which has nothing before the relays but the time.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_err(|e| TestingError::of("the clock", e))?.as_secs();
    let mut text = format!("{now}\n");
    for relay in relays {
        let digits = loop {
            match relay.fingerprint() {
                Some(digits) => break digits,
                None if Instant::now() > until => {
                    return Err(TestingError::of(
                        &format!("{} has no fingerprint; its log ends", relay.name),
                        relay.log_tail(),
                    ));
                }
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        writeln!(text, "node_id=${digits}\tbw={EACH}\tnick={}", relay.name)
            .map_err(|e| TestingError::of("a list of bandwidths", e))?;
    }
    let new = root.join("bandwidths.new");
    fs::write(&new, text)
        .and_then(|()| fs::rename(&new, path(root)))
        .map_err(|e| TestingError::of("a list of bandwidths", e))
}
