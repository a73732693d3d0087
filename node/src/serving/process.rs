//! What the operating system says about this process.

use std::{fs, sync::OnceLock};

use lucid_api::metrics::Process;

/// This process now; nothing where `/proc` is not there.
pub(super) fn measured() -> Option<Process> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name, in parentheses, with whatever is in it.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 2..)?.split(' ').collect();
    // proc_pid_stat(5): fields 14, 15, 22 and 24; the first one here is the third.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = rustix::param::clock_ticks_per_second().max(1) as f64;
    let resident = field(24)?.saturating_mul(rustix::param::page_size() as u64);
    Some(Process {
        started_seconds: booted()? as f64 + field(22)? as f64 / ticks,
        cpu_seconds: field(14)?.saturating_add(field(15)?) as f64 / ticks,
        resident_bytes: resident,
        open_files: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
    })
}

/// When the machine was started, seconds since 1970.
fn booted() -> Option<u64> {
    static BOOTED: OnceLock<Option<u64>> = OnceLock::new();
    *BOOTED.get_or_init(|| {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn this_process_is_young_and_not_empty() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let process = super::measured().unwrap();
        assert!((0.0..600.0).contains(&(now - process.started_seconds)), "{process:?}");
        assert!(process.resident_bytes > 1 << 20 && process.open_files >= 3, "{process:?}");
        assert!(process.cpu_seconds < 600.0, "{process:?}");
    }
}
