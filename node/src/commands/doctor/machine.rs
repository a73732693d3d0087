//! The machine: processor, memory, clock.

use std::fs;

use lucid_core::{Timestamp, chunk::Suite, counted};
use lucid_hal::{
    board::{Board, Wanted, identity::Identity},
    cpu,
};
use lucid_pipeline::aead::{self, Implementation};

use super::Line;
use crate::{
    clock::{built_after, clock_is_kept},
    config::Config,
    output::human_bytes,
};

/// What the pipeline needs besides its chunks.
const PIPELINE_BYTES: u64 = 32 << 20;
/// A clock that was set right by less than this is no fault.
const STEP_MS_MAX: u64 = 60_000;

pub(super) fn processor() -> Line {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // "model name" on x86; a Pi has "Model", which names the board.
    let model = ["model name", "Model"].iter().find_map(|key| {
        let value = |line: &str| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == *key).then(|| value.trim().to_owned())
        };
        info.lines().find_map(value)
    });
    let model = model.unwrap_or_else(|| format!("a {} processor", std::env::consts::ARCH));
    let features = match cpu::features().names() {
        names if names.is_empty() => "no extensions of use".to_owned(),
        names => names.join(" "),
    };
    Line::ok("processor", format!("{model}: {features}"))
}

/// The board: which it is, how hot, and how well it is fed. Nothing of it is used for this.
pub(super) fn board() -> Option<Line> {
    let (mut board, _) = Board::open(&Wanted::default());
    let Identity { model, serial } = board.identity;
    let reading = match board.sensors.read() {
        Ok(reading) => reading,
        Err(error) => {
            return Some(Line::warn("board", error.to_string(), "look at the kernel's log: dmesg"));
        }
    };
    let serial = serial.map(|serial| format!("serial {serial}"));
    let temperature = reading.temperature.map(|temperature| temperature.to_string());
    let found: Vec<_> = [model, serial, temperature].into_iter().flatten().collect();
    let found = found.join(", ");
    let Some(throttling) = reading.throttling else {
        return (!found.is_empty()).then(|| Line::ok("board", found));
    };
    if throttling.was_under_voltage() {
        let when = if throttling.is_under_voltage() { "is" } else { "was, since the start," };
        let found = format!("{found}; the supply's voltage {when} too low");
        let remedy = "use the supply that the board's maker names, and a short cable: a board that is not fed \
                      loses what its card was writing";
        return Some(Line::warn("board", found, remedy));
    }
    Some(match throttling.is_slowed() {
        true => Line::warn(
            "board",
            format!("{found}; slowed down"),
            "cool it: a fan, or room around it",
        ),
        false => Line::ok("board", found),
    })
}

pub(super) fn cipher(config: &Config) -> Line {
    let suite = config.suite.unwrap_or_else(aead::best_suite);
    let name = Config::suite_name(Some(suite));
    let chosen = if config.suite.is_some() { "as configured" } else { "the best here" };
    let found = format!("{name}, {chosen}, by {}", Implementation::BEST.name());
    if suite == Suite::Aes256Gcm && !cpu::features().has_aes() {
        let found = format!("{found}; this processor has no AES instructions");
        return Line::warn("cipher", found, "let the node choose: suite = \"auto\"");
    }
    Line::ok("cipher", found)
}

pub(super) fn hashing() -> Line {
    let kernel = cpu::best_sha256();
    Line::ok("hashing", format!("SHA-256 by the kernel {kernel} ({})", kernel.name()))
}

/// What the pipeline takes at its busiest, against what there is.
pub(super) fn memory(config: &Config) -> Line {
    let chunks = 2 * u64::from(config.chunk_bytes) * config.workers.get() as u64;
    let needed = chunks + PIPELINE_BYTES;
    let needs = format!(
        "recording takes up to {} ({}, chunks of {})",
        human_bytes(needed),
        counted(config.workers.get(), "worker"),
        human_bytes(config.chunk_bytes.into())
    );
    let Some(available) = available_bytes() else {
        return Line::warn("memory", format!("{needs}; what is free is not known"), "see to it");
    };
    let found = format!("{} free; {needs}", human_bytes(available));
    if available < needed {
        let remedy = "lower workers or chunk_bytes in the configuration, or stop other programs";
        return Line::fail("memory", found, remedy);
    }
    Line::ok("memory", found)
}

/// Memory that this process could still get: the machine's, and its container's.
fn available_bytes() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let machine = kibibytes.saturating_mul(1024);
    let number = |name: &str| -> Option<u64> {
        fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse().ok()
    };
    // "max", which is no number, where there is no limit.
    let container = number("memory.max")
        .map(|limit| limit.saturating_sub(number("memory.current").unwrap_or(0)));
    Some(container.map_or(machine, |container| container.min(machine)))
}

/// What a clock says goes into every entry, so a wrong one makes true records look false.
pub(super) fn clock(now: Timestamp, last_entry: Option<Timestamp>) -> Line {
    let remedy = "set the clock: timedatectl set-ntp true";
    let built = built_after();
    if now < built {
        let found = format!("it says {now}; this program was not built before {built}");
        return Line::fail("clock", found, remedy);
    }
    match last_entry {
        Some(last) if now.unix_millis().saturating_add(STEP_MS_MAX) < last.unix_millis() => {
            let found = format!("it says {now}, and the log's last entry is of {last}");
            Line::fail("clock", found, format!("{remedy}; if it is right, it was wrong then"))
        }
        _ => Line::ok("clock", format!("it says {now}")),
    }
}

/// Whether something keeps the clock right, where systemd knows.
pub(super) fn clock_source() -> Option<Line> {
    let kept = match clock_is_kept() {
        Ok(kept) => kept?,
        Err(error) => {
            let remedy = "look at what it waits for: systemctl status dbus systemd-timedated";
            return Some(Line::warn("clock source", error.to_string(), remedy));
        }
    };
    Some(match kept {
        true => Line::ok("clock source", "the clock is kept right over the network"),
        false => {
            let remedy = "timedatectl set-ntp true, or give the machine a clock of its own";
            Line::warn("clock source", "nothing keeps the clock right", remedy)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{super::Status, *};

    #[test]
    fn clocks_that_cannot_be_right() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let check = |now: &str, last: Option<&str>, status| {
            assert_eq!(clock(at(now), last.map(at)).status, status, "{now} {last:?}");
        };
        // A Pi without a battery begins at 1970, or at the time of its last shutdown.
        check("1970-01-01T00:00:09.000Z", None, Status::Fail);
        check("2126-01-01T00:00:00.000Z", None, Status::Ok);
        check("2126-01-01T00:00:00.000Z", Some("2125-01-01T00:00:00.000Z"), Status::Ok);
        check("2126-01-01T00:00:00.000Z", Some("2126-01-01T00:00:59.000Z"), Status::Ok);
        check("2126-01-01T00:00:00.000Z", Some("2126-01-01T00:01:01.000Z"), Status::Fail);
    }
}
