//! Whether others used the machine while something was measured.
//!
//! A figure is never dropped for what it is: what is measured again is chosen by how busy others kept
//! the processors meanwhile, and only where the user has patience for it.

use std::{
    cell::Cell,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;
use rustix::time::{ClockId, clock_gettime};

/// Processors that others may keep busy on average before a measurement counts as disturbed.
const QUIET: f64 = 0.15;

/// How long it must be quiet before a measurement begins.
const LOOK: Duration = Duration::from_millis(200);

/// Ticks of `/proc/stat` in a second, the same on every Linux (`USER_HZ`).
const TICKS: f64 = 100.0;

/// How long to put up with others.
#[derive(Args, Clone, Copy, Default)]
pub(crate) struct Patience {
    /// Spend up to this many seconds on waiting until no one else uses the machine, and on measuring
    /// again what others disturbed
    #[arg(long, value_name = "SECONDS", default_value_t)]
    patience: u64,
}

/// Patience that runs out.
pub(crate) struct Quiet {
    rest: Cell<Duration>,
}

impl Patience {
    /// Begins to run out.
    pub(crate) fn begin(self) -> Quiet {
        Quiet { rest: Cell::new(Duration::from_secs(self.patience)) }
    }
}

impl Quiet {
    fn is_over(&self) -> bool {
        self.rest.get().is_zero()
    }

    fn spend(&self, since: Instant) {
        self.rest.set(self.rest.get().saturating_sub(since.elapsed()));
    }

    /// Waits until it is quiet, measures, and measures again where it was not quiet enough. `work`
    /// also says how many processors others kept busy.
    pub(crate) fn measure<T>(&self, mut work: impl FnMut() -> Result<(T, f64)>) -> Result<T> {
        loop {
            self.wait()?;
            let start = Instant::now();
            let (measured, others) = work()?;
            if self.accepts(others) {
                return Ok(measured);
            }
            self.spend(start);
        }
    }

    fn accepts(&self, others: f64) -> bool {
        others <= QUIET || self.is_over()
    }

    fn wait(&self) -> Result<()> {
        while !self.is_over() {
            let watch = Watch::begin()?;
            std::thread::sleep(LOOK);
            self.spend(watch.start);
            if watch.others(0.0)? <= QUIET {
                break;
            }
        }
        Ok(())
    }
}

/// Looks at the processors from one moment to another.
pub(crate) struct Watch {
    start: Instant,
    busy_s: f64,
    own_s: f64,
}

impl Watch {
    /// From now on.
    pub(crate) fn begin() -> Result<Self> {
        Ok(Self { start: Instant::now(), busy_s: busy_s()?, own_s: own_s() })
    }

    /// Processors that were kept busy since then, on average, by all but this process and children
    /// that used `children_s` seconds.
    pub(crate) fn others(&self, children_s: f64) -> Result<f64> {
        let own_s = own_s() - self.own_s + children_s;
        let others_s = busy_s()? - self.busy_s - own_s;
        Ok((others_s / self.start.elapsed().as_secs_f64()).max(0.0))
    }
}

/// Seconds in which a processor was busy or taken away by the host, since the machine started.
fn busy_s() -> Result<f64> {
    let text = fs::read_to_string("/proc/stat")?;
    // cpu user nice system idle iowait irq softirq steal …; the guests' time is in user already.
    let ticks: Vec<f64> = text
        .lines()
        .next()
        .context("/proc/stat is empty")?
        .split_whitespace()
        .skip(1)
        .take(8)
        .map(|word| word.parse().context("/proc/stat holds no number"))
        .collect::<Result<_>>()?;
    let idle: f64 = ticks.iter().skip(3).take(2).sum();
    Ok((ticks.iter().sum::<f64>() - idle) / TICKS)
}

/// Seconds of processor time that another process used: in its own code, and in the kernel's on its behalf.
pub(crate) fn processor_s(process: u32) -> Result<[f64; 2]> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold spaces; utime and stime are fields 14 and 15 of proc(5).
    let (_, fields) = stat.rsplit_once(") ").context("no fields")?;
    let mut fields = fields.split(' ').skip(11);
    let mut seconds = || -> Result<f64> {
        let ticks: f64 = fields.next().context("no time")?.parse()?;
        Ok(ticks / TICKS)
    };
    Ok([seconds()?, seconds()?])
}

/// Seconds of processor time that this process used.
pub(crate) fn own_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_patience_it_is_measured_once() {
        let quiet = Patience::default().begin();
        let mut times = 0;
        let measured = quiet.measure(|| {
            times += 1;
            Ok((times, 2.0))
        });
        assert_eq!(measured.unwrap(), 1);
    }

    #[test]
    fn what_others_disturbed_is_accepted_only_without_patience() {
        let (over, patient) = (Duration::ZERO, Duration::from_hours(1));
        for (rest, others, accepted) in
            [(patient, 0.1, true), (patient, 0.2, false), (over, 0.2, true), (over, 0.0, true)]
        {
            let quiet = Quiet { rest: Cell::new(rest) };
            assert_eq!(quiet.accepts(others), accepted, "{rest:?} {others}");
        }
    }
}
