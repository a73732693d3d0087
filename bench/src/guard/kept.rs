//! The figures that are kept in the repository, one set for each architecture, and the comparison.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::counts::Counts;
use crate::node::Step;

/// Which code the figures are of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    /// The compiler that made the program, as the program itself says.
    pub(super) toolchain: String,
    /// What counted.
    valgrind: String,
    /// What valgrind's processor can do.
    features: String,
    /// The suite and who implements it.
    cipher: String,
    /// The kernel of the hashing.
    hashing: String,
}

/// What `doctor --json` prints, as far as it is needed.
#[derive(Deserialize)]
struct Doctor {
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Check {
    check: String,
    found: String,
}

impl Code {
    /// Asks the program itself, under valgrind.
    pub(super) fn of(valgrind: &Path, program: &Path, folder: &Path) -> Result<Self> {
        let output = Command::new(valgrind)
            .args(["-q", "--tool=none"])
            .arg(program)
            .args(["doctor", "--json", "--data"])
            // There is none: the machine alone is looked at.
            .arg(folder.join("no-data"))
            .stdin(Stdio::null())
            .output()?;
        let doctor: Doctor = serde_json::from_slice(&output.stdout).with_context(|| {
            format!(
                "doctor said nothing under valgrind: {}",
                String::from_utf8_lossy(&output.stderr)
            )
        })?;
        let found = |name: &str| -> Result<String> {
            let mut checks = doctor.checks.iter();
            let check = checks.find(|check| check.check == name);
            Ok(check.with_context(|| format!("doctor says nothing of the {name}"))?.found.clone())
        };
        let processor = found("processor")?;
        let features = processor.rsplit(": ").next().unwrap_or_default().to_owned();
        let version = Command::new(valgrind).arg("--version").output()?;
        Ok(Self {
            toolchain: toolchain(program)?,
            valgrind: String::from_utf8(version.stdout)?.trim().to_owned(),
            features,
            cipher: found("cipher")?,
            hashing: found("hashing")?,
        })
    }

    /// Whether figures of the one say anything about the other.
    pub(super) fn comparable(&self, other: &Self) -> bool {
        let of = |code: &Self| [&code.features, &code.cipher, &code.hashing].map(Clone::clone);
        of(self) == of(other)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { toolchain, valgrind, features, cipher, hashing } = self;
        write!(f, "{valgrind} with {features}; {cipher}; {hashing}; {toolchain}")
    }
}

/// The compiler's note in the program (the section `.comment`).
fn toolchain(program: &Path) -> Result<String> {
    const NOTE: &[u8] = b"rustc version ";
    let bytes = fs::read(program).with_context(|| format!("{}", program.display()))?;
    let place = bytes.windows(NOTE.len()).rposition(|window| window == NOTE);
    let Some(place) = place else { return Ok("an unknown compiler".to_owned()) };
    let text = bytes[place..].iter().take(80).take_while(|byte| matches!(byte, b' '..=b'~'));
    let text: String = text.map(|byte| char::from(*byte)).collect();
    // Another string may follow at once.
    Ok(text.find(')').map_or(text.as_str(), |end| &text[..=end]).to_owned())
}

/// The figures of one build.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Figures {
    /// What was counted.
    pub(super) code: Code,
    /// How often.
    runs: u32,
    ingest: Counted,
    verify: Counted,
    restore: Counted,
}

/// Of several runs.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    /// Of one run: the one in the middle, where they are kept.
    instructions: Counts,
    /// From the least to the most, by that one.
    spread: f64,
}

impl Counted {
    /// The run in the middle.
    fn middle(step: Step, counted: &[(Step, Counts)]) -> Self {
        Self::of(step, counted, |runs| runs / 2)
    }

    /// The run that took the least.
    fn least(step: Step, counted: &[(Step, Counts)]) -> Self {
        Self::of(step, counted, |_| 0)
    }

    fn of(step: Step, counted: &[(Step, Counts)], place: fn(usize) -> usize) -> Self {
        let of_step = counted.iter().filter(|(counted, _)| *counted == step);
        let mut runs: Vec<Counts> = of_step.map(|(_, counts)| *counts).collect();
        runs.sort_by_key(|counts| counts.all);
        let instructions = runs.get(place(runs.len())).copied().unwrap_or_default();
        let all = |place: Option<&Counts>| place.map_or(0.0, |counts| counts.all as f64);
        let spread = (all(runs.last()) - all(runs.first())) / (instructions.all as f64).max(1.0);
        Self { instructions, spread: (spread * 1e5).round() / 1e5 }
    }
}

/// How much more `now` is than `before`, by `before`.
pub(super) fn more(before: u64, now: u64) -> f64 {
    now as f64 / before as f64 - 1.0
}

impl Figures {
    /// From what was counted: the runs in the middle.
    pub(super) fn of(code: Code, runs: u32, counted: &[(Step, Counts)]) -> Self {
        let [ingest, verify, restore] = Step::ALL.map(|step| Counted::middle(step, counted));
        Self { code, runs, ingest, verify, restore }
    }

    /// From what was counted: the runs that took the least.
    pub(super) fn least_of(code: Code, runs: u32, counted: &[(Step, Counts)]) -> Self {
        let [ingest, verify, restore] = Step::ALL.map(|step| Counted::least(step, counted));
        Self { code, runs, ingest, verify, restore }
    }

    fn step(&self, step: Step) -> &Counted {
        match step {
            Step::Ingest => &self.ingest,
            Step::Verify => &self.verify,
            Step::Restore => &self.restore,
        }
    }

    /// The counts of a step.
    pub(super) fn counts(&self, step: Step) -> &Counts {
        &self.step(step).instructions
    }

    /// How far its runs were apart, by the one in the middle.
    pub(super) fn spread(&self, step: Step) -> f64 {
        self.step(step).spread
    }

    /// The steps that take more than `more_max` more than here: as a whole, or without the hashing,
    /// which is most of it and would hide a copy too many. What is left then may be so little that the
    /// spread of the whole is a good part of it: three times that is allowed on top.
    pub(super) fn too_many(&self, now: &Self, more_max: f64) -> Vec<(Step, &'static str, f64)> {
        let mut found = Vec::new();
        for step in Step::ALL {
            for place in 0..2 {
                let (name, before) = self.counts(step).rows()[place];
                let more = more(before, now.counts(step).rows()[place].1);
                let noise = place as f64 * 3.0 * self.spread(step) * self.counts(step).all as f64;
                if more > more_max + noise / before as f64 {
                    found.push((step, name, more));
                }
            }
        }
        found
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; the middle of {}", self.code, self.runs)
    }
}

/// The file.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Kept(BTreeMap<String, Figures>);

impl Kept {
    /// Reads it; nothing is kept where it is not there.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let name = || path.display().to_string();
        match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            read => serde_json::from_slice(&read.with_context(name)?).with_context(name),
        }
    }

    /// What is kept for this architecture.
    pub(super) fn figures(&self, architecture: &str) -> Option<&Figures> {
        self.0.get(architecture)
    }

    /// Takes the place of what was kept.
    pub(super) fn put(&mut self, architecture: &str, figures: Figures) {
        self.0.insert(architecture.to_owned(), figures);
    }

    /// Writes it.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        ensure!(!self.0.is_empty(), "there is nothing to keep");
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(ingest: &[(u64, u64)]) -> Figures {
        let code = Code {
            toolchain: "rustc version 1".to_owned(),
            valgrind: "valgrind-3".to_owned(),
            features: "avx2".to_owned(),
            cipher: "aes-256-gcm".to_owned(),
            hashing: "portable".to_owned(),
        };
        let of = |step, (all, hashing)| (step, Counts { all, hashing, ..Counts::default() });
        let others = [of(Step::Verify, (1000, 900)), of(Step::Restore, (1000, 900))];
        let ingest = ingest.iter().map(|counts| of(Step::Ingest, *counts));
        Figures::of(code, 3, &ingest.chain(others).collect::<Vec<_>>())
    }

    #[test]
    fn the_least_where_it_was_counted_again() {
        let code = figures(&[(1, 0)]).code;
        let of = |all| (Step::Verify, Counts { all, ..Counts::default() });
        let least = Figures::least_of(code, 3, &[of(1160), of(1040), of(1010)]);
        assert_eq!(least.counts(Step::Verify).all, 1010);
    }

    #[test]
    fn the_middle_and_the_spread() {
        let figures = figures(&[(1010, 900), (990, 900), (1000, 900)]);
        assert_eq!(figures.counts(Step::Ingest).all, 1000);
        assert!((figures.spread(Step::Ingest) - 0.02).abs() < 1e-9);
    }

    #[test]
    fn too_many_is_seen_in_the_whole_and_beside_the_hashing() {
        let check = |now: (u64, u64), wanted: &[&str]| {
            let found = figures(&[(1000, 900)]).too_many(&figures(&[now]), 0.05);
            let found: Vec<_> = found.iter().map(|(_, what, _)| *what).collect();
            assert_eq!(found, wanted, "{now:?}");
        };
        check((1000, 900), &[]);
        check((900, 800), &[]);
        check((1004, 900), &[]);
        check((1005, 899), &["all but hashing"]);
        check((1051, 951), &["all"]);
        check((1100, 900), &["all", "all but hashing"]);
        // Runs that were 1 % apart: 30 of the 100 beside the hashing may be that.
        let kept = figures(&[(1000, 900), (995, 900), (1005, 900)]);
        assert!(kept.too_many(&figures(&[(1034, 900)]), 0.05).is_empty());
        assert_eq!(kept.too_many(&figures(&[(1036, 900)]), 0.05).len(), 1);
    }

    #[test]
    fn it_is_read_as_it_was_written_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.json");
        let mut kept = Kept::read(&path).unwrap();
        assert!(kept.figures("x86_64").is_none());
        kept.put("x86_64", figures(&[(1000, 900)]));
        kept.write(&path).unwrap();
        let read = Kept::read(&path).unwrap();
        assert_eq!(read.figures("x86_64").unwrap().counts(Step::Ingest).hashing, 900);
        fs::write(&path, "{\"x86_64\": {}}").unwrap();
        assert!(Kept::read(&path).is_err());
    }
}
