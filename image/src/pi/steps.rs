//! Baking, step by step. Each step needs those before it: the first that fails ends it.

use std::{
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    assemble::{Extent, assemble, sha256},
    bmap, fat, imager,
    plan::{PROGRAMS, Plan, Step},
    sbom,
    sources::Sources,
};
use crate::{
    call::{Call, last_lines, output_of, shortened},
    containers,
    memory::{self, Times},
    report::{Progress, Row, Said},
};

/// What is remembered of the root.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    /// The hash of all that the root was made from, but for the archives' state.
    input: String,
}

/// What was baked, or how far it came.
#[derive(Debug, Serialize)]
pub(super) struct Baked {
    /// The image, where it is there.
    image: Option<PathBuf>,
    compressed: Option<PathBuf>,
    /// The image's SHA-256, and its length in bytes.
    sha256: Option<String>,
    bytes: Option<u64>,
    pub(super) steps: Vec<Row>,
}

impl Baked {
    /// The result, for people.
    pub(super) fn text(&self) -> String {
        match (&self.compressed, &self.sha256) {
            (Some(image), Some(hash)) => format!("image {}\nsha256 {hash}\n", image.display()),
            _ => String::new(),
        }
    }
}

/// The doing of a plan.
pub(super) struct Work {
    plan: Plan,
    times: Times,
    extents: Option<[Extent; 2]>,
    sha256: Option<(String, u64)>,
}

impl Work {
    /// # Errors
    /// The output folder's.
    pub(super) fn new(plan: Plan) -> Result<Self> {
        // What a run that was cut short left. Not across mounts: there should be none, and what is in one is not ours.
        let tmp = plan.output.join("tmp").display().to_string();
        output_of(&Call::new("rm", ["-rf", "--one-file-system", &tmp]), &plan.output)?;
        for folder in ["logs", "parts", "tmp"] {
            let folder = plan.output.join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let times = memory::read(&plan.output.join("times.json"))?;
        Ok(Self { plan, times, extents: None, sha256: None })
    }

    /// Does all steps.
    ///
    /// # Errors
    /// Where durations cannot be remembered. What a step fails with is in the report.
    pub(super) fn run(mut self) -> Result<Baked> {
        let progress = Progress::new(Step::ALL.len());
        let (mut steps, mut broken) = (Vec::new(), None);
        for (place, step) in Step::ALL.into_iter().enumerate() {
            let left = Step::ALL[place..].iter();
            let left =
                left.map(|step| self.times.expected(step.text()).unwrap_or(step.seconds())).sum();
            let began = Instant::now();
            let said = match broken {
                Some(broken) => Said::NotTried(format!("{broken} failed")),
                None => {
                    progress.begin(place + 1, step.text(), Some(left));
                    let said = self.step(step, &progress);
                    said.unwrap_or_else(|error| Said::Failed(shortened(&format!("{error:#}"))))
                }
            };
            let seconds = began.elapsed().as_secs_f64();
            match &said {
                Said::Done | Said::Part(_) => self.times.took(step.text(), seconds),
                Said::Failed(_) => broken = Some(step.text()),
                Said::Same(_) | Said::NotTried(_) => (),
            }
            memory::write(&self.plan.output.join("times.json"), &self.times)?;
            steps.push(Row { step: step.text().to_owned(), name: None, seconds, said });
        }
        progress.end();
        let whole = broken.is_none();
        let (sha256, bytes) = self.sha256.unzip();
        Ok(Baked {
            image: whole.then(|| self.plan.file("img")),
            compressed: whole.then(|| self.plan.file("img.xz")),
            sha256: sha256.filter(|_| whole),
            bytes: bytes.filter(|_| whole),
            steps,
        })
    }

    fn step(&mut self, step: Step, progress: &Progress) -> Result<Said> {
        match step {
            Step::Look => look()?,
            Step::Root => return self.root(progress),
            Step::Squash => self.squash()?,
            Step::Boot => self.boot()?,
            Step::Join => self.join()?,
            Step::Compress => self.compress()?,
            Step::Describe => self.describe()?,
        }
        Ok(Said::Done)
    }

    fn root(&self, progress: &Progress) -> Result<Said> {
        let (input, memory) = (self.input()?, self.plan.part("root.json"));
        let tar = self.plan.part("root.tar");
        let made: Made = memory::read(&memory)?;
        if !self.plan.fresh && made.input == input && tar.exists() {
            return Ok(Said::Same(
                "it is made from the same here; --fresh asks the archives again".to_owned(),
            ));
        }
        for old in [&memory, &tar] {
            removed(old)?;
        }
        let new = self.plan.part("root.tar.new");
        let call = self.plan.debootstrap(&new.display().to_string());
        self.watch(&call, progress).with_context(|| match self.plan.sources {
            Sources::Raspberrypi => "where Raspberry Pi's archive cannot be reached, --sources debian bakes with Debian's own kernel and firmware",
            Sources::Debian => "are the archives reached from here?",
        })?;
        fs::rename(&new, &tar).with_context(|| format!("writing {}", tar.display()))?;
        memory::write(&memory, &Made { input })?;
        Ok(Said::Done)
    }

    /// Runs mmdebstrap, which says with lines that begin with `I:` what it is at.
    fn watch(&self, call: &Call, progress: &Progress) -> Result<()> {
        let log = self.plan.output.join("logs/root.log");
        let name = || format!("writing {}", log.display());
        let mut file = File::create(&log).with_context(name)?;
        let mut command = call.command(&self.plan.root);
        command.stdout(file.try_clone().with_context(name)?).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("running {}", call.program))?;
        let said = child.stderr.take().context("mmdebstrap has no standard error")?;
        let (mut said, mut line, mut last) = (BufReader::new(said), Vec::new(), String::new());
        while said
            .by_ref()
            .take(1 << 16)
            .read_until(b'\n', &mut line)
            .context("listening to mmdebstrap")?
            > 0
        {
            file.write_all(&line).with_context(name)?;
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            match text.strip_prefix("I: ") {
                Some(at) => progress.at(at),
                None if text.starts_with("E: ") => last.push_str(&format!("{text}\n")),
                None => (),
            }
            line.clear();
        }
        let status = child.wait().context("waiting for mmdebstrap")?;
        ensure!(
            status.success(),
            "{} ({status}; all of it in {})",
            last_lines(&last),
            log.display()
        );
        Ok(())
    }

    /// The hash of what the root is made from here.
    fn input(&self) -> Result<String> {
        let mut hash = Sha256::new();
        let mut take = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        take(self.plan.debootstrap("root.tar").to_string().as_bytes());
        take(sha256(&self.plan.deb)?.0.as_bytes());
        for path in files(&self.plan.root.join("image/pi"))? {
            take(path.display().to_string().as_bytes());
            take(sha256(&path)?.0.as_bytes());
        }
        Ok(hex::encode(hash.finalize()))
    }

    fn squash(&self) -> Result<()> {
        let (tar, squashfs) = (self.plan.part("root.tar"), self.plan.part("root.squashfs"));
        removed(&squashfs)?;
        let input = File::open(&tar).with_context(|| format!("reading {}", tar.display()))?;
        let call = self.plan.squash(&squashfs.display().to_string());
        call.logged_with(&self.plan.output, &self.log(Step::Squash), input.into())
    }

    fn boot(&self) -> Result<()> {
        let fat = self.plan.part("boot.fat");
        removed(&fat)?;
        let fat = fat.display().to_string();
        let mut calls = vec![fat::make(&fat)];
        calls.extend(fat::fill(&fat, &self.plan.part("firmware"), self.plan.time)?);
        calls.iter().try_for_each(|call| call.logged(&self.plan.output, &self.log(Step::Boot)))
    }

    fn join(&mut self) -> Result<()> {
        let (new, image) = (self.plan.file("img.new"), self.plan.file("img"));
        let extents =
            assemble(&new, &self.plan.part("boot.fat"), &self.plan.part("root.squashfs"))?;
        fs::rename(&new, &image).with_context(|| format!("writing {}", image.display()))?;
        self.extents = Some(extents);
        self.sha256 = Some(sha256(&image)?);
        Ok(())
    }

    fn compress(&self) -> Result<()> {
        let image = self.plan.file("img").display().to_string();
        Plan::compress(&image).logged(&self.plan.output, &self.log(Step::Compress))
    }

    fn describe(&self) -> Result<()> {
        let (hash, bytes) = self.sha256.as_ref().context("the image has no hash")?;
        let extents = self.extents.context("the image has no parts")?;
        let (image, packed) = (self.plan.file("img"), self.plan.file("img.xz"));
        let mut file =
            File::open(&image).with_context(|| format!("reading {}", image.display()))?;
        write(&self.plan.file("img.bmap"), bmap::map(&mut file, *bytes, &extents)?.as_bytes())?;
        let (packed_hash, packed_bytes) = sha256(&packed)?;
        let name = self.plan.name();
        let sums = format!("{hash}  {name}.img\n{packed_hash}  {name}.img.xz\n");
        write(&self.plan.file("img.sha256"), sums.as_bytes())?;

        let status = self.plan.part("status");
        let status =
            fs::read_to_string(&status).with_context(|| format!("reading {}", status.display()))?;
        let node =
            containers::sbom::of(&self.plan.root, containers::services::Platform::Arm64, "")?;
        let document = sbom::document(
            &status,
            &node,
            &sbom::Image {
                name: &name,
                version: &self.plan.version,
                sources: &self.plan.source_lines(),
                time: self.plan.time,
                deb: &sha256(&self.plan.deb)?.0,
                root: &sha256(&self.plan.part("root.squashfs"))?.0,
            },
        )?;
        memory::write(&self.plan.file("cdx.json"), &document)?;

        let own = format!("file://{}", imager::percent(&packed.display().to_string()));
        let list = imager::repository(&imager::Entry {
            version: &self.plan.version,
            url: self.plan.url.as_deref().unwrap_or(&own),
            bytes: *bytes,
            sha256: hash,
            download_bytes: packed_bytes,
            download_sha256: &packed_hash,
            time: self.plan.time,
            sources: &self.plan.sources.text(self.plan.suite),
        })?;
        memory::write(&self.plan.file("imager.json"), &list)
    }

    fn log(&self, step: Step) -> PathBuf {
        self.plan.output.join("logs").join(format!("{}.log", step.text().replace([' ', ','], "-")))
    }
}

/// Whether every program is there, this is root, and programs for arm64 can be run.
fn look() -> Result<()> {
    let user = output_of(&Call::new("id", ["-u"]), Path::new("/"))?;
    ensure!(
        user.trim_ascii() == b"0",
        "the root of a card is made by root: run it with sudo, or in a container"
    );
    let folders = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = env::split_paths(&folders).collect();
    folders.push("/usr/sbin".into());
    let there = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    let mut missing: Vec<_> = PROGRAMS
        .iter()
        .filter(|(program, _)| !there(program))
        .map(|(_, package)| *package)
        .collect();
    missing.dedup();
    if !missing.is_empty() {
        bail!("what is missing here comes with apt-get install {}", missing.join(" "));
    }
    output_of(&Call::new("arch-test", ["arm64"]), Path::new("/")).context(
        "programs for arm64 cannot be run here: apt-get install qemu-user-static, and in a container image/pi/binfmt",
    )?;
    Ok(())
}

/// All files in a folder, and in folders in it, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let name = || format!("reading {}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(name)? {
        let path = entry.with_context(name)?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}

fn removed(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a file, whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes).with_context(|| format!("writing {}", new.display()))?;
    fs::rename(&new, path).with_context(|| format!("writing {}", path.display()))
}
