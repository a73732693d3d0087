//! The test's story: five starts of one card.

use std::{
    fs::{self, File},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    card::{Card, command_line},
    console::{Script, Seen, Wait},
    cut::replay,
    http::Client,
    inside::Inside,
    machine::{Hardware, Machine, free_port},
    node::Owner,
    told::Told,
};
use crate::report::{Progress, Row, Said};

/// A piece of an upload: as much as a chunk has, so that each is acknowledged by itself.
const PIECE: usize = 8 << 20;

/// Steps, with what each takes here on two cores, in seconds, for time left.
const STEPS: [(&str, f64); 9] = [
    ("flash", 10.0),
    ("first start", 90.0),
    ("the machine", 15.0),
    ("record and verify", 60.0),
    ("switch off", 20.0),
    ("cut the power in a recording", 120.0),
    ("start after the cut", 90.0),
    ("what was acknowledged", 60.0),
    ("a lucid.toml that is wrong", 90.0),
];

/// The test.
pub(super) struct Story {
    image: PathBuf,
    output: PathBuf,
    /// Bytes of a recording.
    record: usize,
    patience: u32,
    told: Told,
    began: Option<Begun>,
    machine: Option<Machine>,
    first: Option<(String, Vec<u8>)>,
    second: Option<(String, Vec<u8>)>,
}

/// What the first step leaves.
struct Begun {
    card: Card,
    hardware: Hardware,
    inside: Inside,
    client: Client,
}

impl Story {
    pub(super) fn new(
        image: PathBuf,
        output: PathBuf,
        record_mib: u32,
        seed: u64,
        patience: u32,
    ) -> Self {
        let record = (record_mib as usize) << 20;
        let told = Told { seed, ..Told::default() };
        Self {
            image,
            output,
            record,
            patience,
            told,
            began: None,
            machine: None,
            first: None,
            second: None,
        }
    }

    /// Tells it. The first step that fails ends it.
    pub(super) fn run(mut self) -> Told {
        let progress = Progress::new(STEPS.len());
        let mut broken = None;
        for (place, (step, _)) in STEPS.iter().enumerate() {
            let left = STEPS[place..].iter().map(|(_, seconds)| seconds).sum();
            let began = Instant::now();
            let said = match broken {
                Some(broken) => Said::NotTried(format!("{broken} failed")),
                None => {
                    progress.begin(place + 1, step, Some(left));
                    match self.step(place, &mut |line| progress.at(line)) {
                        Ok(()) => Said::Done,
                        Err(error) => Said::Failed(format!("{error:#}")),
                    }
                }
            };
            if matches!(said, Said::Failed(_)) {
                broken = Some(step);
                self.machine = None;
            }
            let seconds = began.elapsed().as_secs_f64();
            self.told.steps.push(Row { step: (*step).to_owned(), name: None, seconds, said });
        }
        progress.end();
        self.told
    }

    fn step(&mut self, place: usize, progress: &mut impl FnMut(&str)) -> Result<()> {
        match place {
            0 => self.flash(),
            1 => self.first_start(progress),
            2 => self.look(),
            3 => self.record_and_verify(),
            4 => self.switch_off(),
            5 => self.cut(progress),
            6 => self.start_after_the_cut(progress),
            7 => self.acknowledged(),
            _ => self.wrong_settings(progress),
        }
    }

    fn flash(&mut self) -> Result<()> {
        let at = |name: &str| self.output.join(name);
        let (ssh, node) = (free_port()?, free_port()?);
        let inside = Inside::new(&self.output, ssh)?;
        let card = Card::flash(&self.image, at("card.img"))?;
        let (kernel, initramfs) = card.kernel()?;
        for (name, file) in
            [(kernel.as_str(), "kernel"), (&initramfs, "initramfs"), ("cmdline.txt", "cmdline.txt")]
        {
            card.take(name, &at(file))?;
        }
        let line = fs::read_to_string(at("cmdline.txt")).context("reading cmdline.txt")?;
        let settings = format!(
            "listen = \"0.0.0.0:8080\"\n\n[system]\nhostname = \"boot-test\"\nssh_keys = [\"{}\"]\n",
            inside.public()?
        );
        fs::write(at("lucid.toml"), settings).context("writing lucid.toml")?;
        card.put(&at("lucid.toml"), "lucid.toml")?;
        let hardware = Hardware {
            kernel: at("kernel"),
            initramfs: at("initramfs"),
            command_line: command_line(&line)?,
            ssh,
            node,
        };
        self.began = Some(Begun { card, hardware, inside, client: Client(node) });
        Ok(())
    }

    fn first_start(&mut self, progress: &mut impl FnMut(&str)) -> Result<()> {
        let lines = [
            self.wait("the kernel", "Linux version", 60),
            self.wait(
                "the data's partition",
                "lucid-card: storage: the data's partition is made",
                300,
            ),
            self.wait("the settings", "lucid-card: setup: lucid.toml is in force; SSH is on", 300),
            self.wait("the node", "lucid-card: lucid-node is ready", 600),
        ];
        let seen = self.start("card.img", None, "first.log", lines.into(), progress)?;
        self.told.first_start = seen;
        Ok(())
    }

    /// The machine, as it is meant to be.
    fn look(&mut self) -> Result<()> {
        let inside = &self.began()?.inside;
        let expect = |what: &str, command: &str, expected: &str| {
            let found = inside.run(command, b"")?;
            ensure!(found == expected, "{what}: expected {expected:?}, found {found:?}");
            Ok(())
        };
        expect("the host's name", "hostname", "boot-test")?;
        expect("the node", "systemctl is-active lucid-node", "active")?;
        expect("units that failed", "systemctl --failed --plain --no-legend", "")?;
        expect("the root", "findmnt -n -o FSTYPE /", "overlay")?;
        expect(
            "what is under it",
            "findmnt -n -o FSTYPE,OPTIONS /run/lucid-root/flashed | grep -o '^squashfs  *ro' | tr -s ' '",
            "squashfs ro",
        )?;
        expect(
            "the FAT partition",
            "findmnt -n -o OPTIONS /boot/firmware | grep -o '^ro,'",
            "ro,",
        )?;
        expect(
            "the data",
            "findmnt -n -o FSTYPE,OPTIONS /data | grep -o '^ext4  *rw,.*noatime' | tr -s ' '",
            "ext4 rw,nosuid,nodev,noexec,noatime",
        )?;
        expect("whose the data are", "stat -c '%U %a' /var/lib/lucid", "lucid 700")?;
        expect("swap", "swapon --show", "")?;
        expect("logs on the card", "ls -d /var/log/journal 2>/dev/null || true", "")?;
        expect("passwords", "cut -d: -f2 /etc/shadow | grep -vcE '^[*!]+$' || true", "0")?;
        let free = inside.run("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p; s/^MemAvailable: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo", b"")?;
        let numbers: Vec<u64> =
            free.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [total, available] = numbers[..] else { bail!("/proc/meminfo has {free:?}") };
        let status = "/proc/$(systemctl show -p MainPID --value lucid-node)/status";
        let node = inside.run(&format!("awk '$1 == \"VmRSS:\" {{ print $2 }}' {status}"), b"")?;
        let node: u64 = node.parse().with_context(|| format!("the node's memory is {node:?}"))?;
        self.told.memory_mib = Some(total.saturating_sub(available) / 1024);
        self.told.node_memory_mib = Some(node / 1024);
        Ok(())
    }

    fn record_and_verify(&mut self) -> Result<()> {
        let content = random(self.record)?;
        let begun = self.began()?;
        let owner = Owner::sign_in(begun.client, &begun.inside)?;
        let before = written(&begun.inside)?;
        let session = owner.open()?;
        let mut offset = 0;
        for piece in content.chunks(PIECE) {
            offset = owner.append(&session, offset, piece)?;
        }
        ensure!(
            offset == content.len() as u64,
            "{offset} bytes of {} are acknowledged",
            content.len()
        );
        owner.seal(&session)?;
        let bytes = written(&begun.inside)?.saturating_sub(before);
        verify(&begun.inside, &session)?;
        let recorded = content.len() as u64;
        #[expect(clippy::cast_precision_loss, reason = "both are far below 2^52")]
        let ratio = bytes as f64 / recorded as f64;
        self.told.recorded_bytes = Some(recorded);
        self.told.card_bytes = Some(bytes);
        self.told.written_for_each = Some(ratio);
        self.first = Some((session, content));
        Ok(())
    }

    fn switch_off(&mut self) -> Result<()> {
        // The connection is gone before the answer is there.
        let _ = self.began()?.inside.run("systemctl poweroff", b"");
        let within = self.times(120);
        let mut machine = self.machine.take().context("there is no machine")?;
        machine.ended(within)
    }

    /// Records, and takes the power away while a piece is under way.
    fn cut(&mut self, progress: &mut impl FnMut(&str)) -> Result<()> {
        let (before, writes) = (self.output.join("before.img"), self.output.join("writes"));
        let before = self.began()?.card.duplicate(before)?;
        File::create(&writes).with_context(|| format!("writing {}", writes.display()))?;
        let lines = vec![self.wait("the node", "lucid-card: lucid-node is ready", 600)];
        self.start("card.img", Some("writes"), "cut.log", lines, progress)?;
        let content = random(self.record)?;
        let begun = self.began()?;
        let owner = Owner::sign_in(begun.client, &begun.inside)?;
        let session = owner.open()?;
        let half = content.len() / 2;
        let mut offset = 0;
        for piece in content[..half].chunks(PIECE) {
            offset = owner.append(&session, offset, piece)?;
        }
        let acknowledged = offset;
        // The rest in one request, and the power goes while it is being stored.
        let rest = &content[half..];
        let (sent, at) = (&rest[..rest.len() * 3 / 4], offset);
        thread::scope(|scope| -> Result<()> {
            let sending = scope.spawn(|| owner.begin(&session, at, rest.len(), sent));
            thread::sleep(Duration::from_millis(300 + self.told.seed % 1000));
            self.machine.take().context("there is no machine")?.cut()?;
            // It was cut off: how, does not matter.
            let _ = sending.join();
            Ok(())
        })?;
        let log = File::open(&writes).with_context(|| format!("reading {}", writes.display()))?;
        let cut = replay(&log, &before.open()?, self.told.seed)?;
        ensure!(cut.flushes > 0, "the card was never flushed");
        self.told.cut = Some(cut);
        self.told.acknowledged_bytes = Some(acknowledged);
        self.second = Some((session, content));
        Ok(())
    }

    fn start_after_the_cut(&mut self, progress: &mut impl FnMut(&str)) -> Result<()> {
        let lines = [
            self.wait(
                "the data's partition",
                "lucid-card: storage: the data's partition is there",
                300,
            ),
            self.wait("the node", "lucid-card: lucid-node is ready", 600),
        ];
        self.start("before.img", None, "after.log", lines.into(), progress).map(drop)
    }

    fn acknowledged(&mut self) -> Result<()> {
        let acknowledged = self.told.acknowledged_bytes.context("nothing was acknowledged")?;
        let (session, content) = self.second.as_ref().context("nothing was recorded")?;
        let (first, first_content) = self.first.as_ref().context("nothing was recorded")?;
        let begun = self.began()?;
        let owner = Owner::sign_in(begun.client, &begun.inside)?;
        let found = owner.offset(session)?;
        ensure!(
            found >= acknowledged && found <= content.len() as u64,
            "{acknowledged} bytes were acknowledged before the cut, and {found} are there after it"
        );
        owner.seal(session)?;
        owner.has(session, &content[..usize::try_from(found).context("too many bytes")?])?;
        owner.has(first, first_content)?;
        verify(&begun.inside, "--all")?;
        self.told.found_bytes = Some(found);
        self.switch_off()
    }

    /// A lucid.toml that is wrong: setup mode, and the reason.
    fn wrong_settings(&mut self, progress: &mut impl FnMut(&str)) -> Result<()> {
        let (path, status) = (self.output.join("wrong.toml"), self.output.join("lucid-status.txt"));
        fs::write(&path, "listen = \"0.0.0.0:8080\"\nchunk_byte = 7\n")
            .context("writing wrong.toml")?;
        let begun = self.began()?;
        let card = begun.card.duplicate(self.output.join("wrong.img"))?;
        card.put(&path, "lucid.toml")?;
        let lines = [
            self.wait(
                "the reason",
                "SETUP MODE, and nothing in lucid.toml counts: lucid.toml, line 2",
                300,
            ),
            self.wait("the node", "lucid-card: lucid-node is ready", 600),
        ];
        self.start("wrong.img", None, "wrong.log", lines.into(), progress)?;
        // The file was written before the node was started, and synced.
        self.machine.take().context("there is no machine")?.cut()?;
        card.take("lucid-status.txt", &status)?;
        let said = fs::read_to_string(&status).context("reading lucid-status.txt")?;
        ensure!(said.contains("line 2"), "lucid-status.txt says {said:?}");
        Ok(())
    }

    /// Starts a card and waits for its lines.
    fn start(
        &mut self,
        card: &str,
        writes: Option<&str>,
        log: &str,
        lines: Vec<Wait>,
        progress: &mut impl FnMut(&str),
    ) -> Result<Vec<Seen>> {
        let writes = writes.map(|name| self.output.join(name));
        let (card, log) = (self.output.join(card), self.output.join(log));
        let mut machine = self.began()?.hardware.start(&card, writes.as_deref(), &log)?;
        let mut script = Script::new(lines);
        machine.wait(&mut script, progress)?;
        self.told.ready_seconds.push(machine.seconds());
        self.machine = Some(machine);
        Ok(script.seen)
    }

    fn began(&self) -> Result<&Begun> {
        self.began.as_ref().context("there is no card")
    }

    fn wait(&self, what: &'static str, has: &'static str, seconds: u64) -> Wait {
        Wait { what, has, within: self.times(seconds) }
    }

    fn times(&self, seconds: u64) -> Duration {
        Duration::from_secs(seconds) * self.patience
    }
}

/// Bytes that were given to the card to write, with everything that the machine had yet to write.
fn written(inside: &Inside) -> Result<u64> {
    // The seventh number of a disk's `stat` is sectors of 512 bytes (Documentation/block/stat.rst).
    let said = inside.run("sync && cat /sys/block/vda/stat", b"")?;
    let sectors = said.split_whitespace().nth(6).and_then(|number| number.parse::<u64>().ok());
    Ok(sectors.with_context(|| format!("/sys/block/vda/stat has {said:?}"))? * 512)
}

/// Verifies sessions with the node's own command, which needs the data folder to itself.
fn verify(inside: &Inside, what: &str) -> Result<()> {
    let as_the_node =
        "setpriv --reuid=lucid --regid=lucid --clear-groups lucid-node --data /var/lib/lucid";
    inside.run(
        &format!("systemctl stop lucid-node && {as_the_node} verify {what}; code=$?; systemctl start lucid-node; exit $code"),
        b"",
    )?;
    Ok(())
}

/// Bytes that do not shrink.
fn random(bytes: usize) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let mut content = vec![0; bytes];
    let mut source = File::open("/dev/urandom").context("opening /dev/urandom")?;
    source.read_exact(&mut content).context("reading /dev/urandom")?;
    Ok(content)
}
