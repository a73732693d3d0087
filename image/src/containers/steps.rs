//! Doing a plan, step by step.

use std::{
    fs,
    io::ErrorKind,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use super::{
    base,
    compile::{Compiler, take},
    done::{Built, Done},
    layout,
    plan::{Plan, Step},
    report::Report,
    sbom,
    services::Platform,
};
use crate::{
    call::{Call, output_of, shortened},
    memory::{self, Times},
    report::{Progress, Row, Said},
};

/// The doing of a plan.
pub(super) struct Work {
    plan: Plan,
    done: Done,
    times: Times,
    /// The engine's own name of the image, once it is known what it is built from.
    local: Option<String>,
    /// What failed that others need.
    broken: Option<String>,
}

impl Work {
    /// # Errors
    /// The output folder's.
    pub(super) fn new(plan: Plan) -> Result<Self> {
        let output = &plan.output;
        for folder in [output.clone(), output.join("logs"), plan.context()] {
            fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        }
        // Empty, as volumes are mounted over them.
        for folder in ["folders/node", "folders/vault/chunks"] {
            let folder = plan.context().join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let done = memory::read(&output.join("done.json"))?;
        let times = memory::read(&output.join("times.json"))?;
        Ok(Self { plan, done, times, local: None, broken: None })
    }

    /// Does all steps; `rows` is what is to be said already.
    ///
    /// # Errors
    /// Where what is done cannot be remembered. What a step fails with is in the report.
    pub(super) fn run(mut self, mut rows: Vec<Row>) -> Result<Report> {
        let steps = self.plan.steps();
        let progress = Progress::new(steps.len());
        for (place, step) in steps.iter().enumerate() {
            let kinds: Vec<_> = steps[place..].iter().map(Step::kind).collect();
            let left = self.times.expected_of(kinds.iter().map(String::as_str));
            progress.begin(place + 1, &step.text(), left);
            let (began, needed) = (Instant::now(), self.broken.clone());
            let said = match (needed, step) {
                (Some(broken), step) if !matches!(step, Step::Compile(_)) => {
                    Said::NotTried(format!("{broken} failed"))
                }
                _ => self
                    .step(step)
                    .unwrap_or_else(|error| Said::Failed(shortened(&format!("{error:#}")))),
            };
            let seconds = began.elapsed().as_secs_f64();
            match &said {
                Said::Done | Said::Part(_) => self.times.took(&step.kind(), seconds),
                Said::Failed(_) if matches!(step, Step::Compile(_) | Step::Build) => {
                    self.broken.get_or_insert_with(|| step.text());
                }
                _ => (),
            }
            self.remember()?;
            rows.push(Row { step: step.text(), name: step.name(), seconds, said });
        }
        progress.end();
        let built = self.local.and(self.done.built);
        let layout = built.is_some().then(|| self.plan.layout().display().to_string());
        Ok(Report { digest: built.map(|built| built.digest), layout, steps: rows })
    }

    fn remember(&self) -> Result<()> {
        memory::write(&self.plan.output.join("done.json"), &self.done)?;
        memory::write(&self.plan.output.join("times.json"), &self.times)
    }

    fn step(&mut self, step: &Step) -> Result<Said> {
        match step {
            Step::Compile(platform) => self.binary(*platform),
            Step::Describe(platform) => self.describe(*platform),
            Step::Build => self.build(),
            Step::Tag(_, reference) => {
                let local = self.local()?;
                self.call(&self.plan.engine.tag(&local, reference), step)?;
                Ok(Said::Done)
            }
            Step::Push(_, reference) => self.push(reference, step),
        }
    }

    /// The binary of a platform, in the context.
    fn binary(&self, platform: Platform) -> Result<Said> {
        let binary = match self.plan.binary(platform) {
            Some(given) => given.to_owned(),
            None => {
                self.plan.compiler.check_host(&self.plan.base, &self.plan.root)?;
                self.call(&self.plan.compiler.call(platform), &Step::Compile(platform))?;
                Compiler::output(&self.plan.root, platform)
            }
        };
        take(&binary, platform, &self.plan.base, &self.plan.context())?;
        Ok(Said::Done)
    }

    /// The SBOM of a platform, beside the image. What it has from the base is read in the image itself.
    fn describe(&self, platform: Platform) -> Result<Said> {
        let mut document = sbom::of(&self.plan.root, platform, &self.plan.base)?;
        let packages = base::packages(&self.plan.layout(), platform);
        base::add(&mut document, &packages);
        memory::write(&self.plan.sbom(platform), &document)?;
        Ok(match packages {
            Ok(_) => Said::Done,
            Err(error) => Said::Part(shortened(&format!("without the base's packages: {error:#}"))),
        })
    }

    fn build(&mut self) -> Result<Said> {
        let input = self.input()?;
        let (engine, layout) = (self.plan.engine, self.plan.layout());
        let there = |built: &&Built| {
            // A base of the same name may be another one, and a layout another build's.
            !self.plan.pull
                && built.input == input
                && layout::digest(&layout).is_ok_and(|there| there == built.digest)
                && output_of(&engine.has(&built.local), &self.plan.root).is_ok()
        };
        if let Some(built) = self.done.built.as_ref().filter(there) {
            self.local = Some(built.local.clone());
            return Ok(Said::Same("it is built from the same".to_owned()));
        }
        // Noted before anything of it is replaced: whoever is killed in between builds anew.
        let former = self.done.built.take();
        self.remember()?;
        // A name of its own: engines add to an image list of a name that is there, such as one that was cut short.
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        let local = format!("localhost/lucid-build:{}-{:x}", &input[..16], now.as_millis());
        // A folder of podman's and buildah's, a file of docker's.
        if layout.is_dir() && !layout.is_symlink() {
            fs::remove_dir_all(&layout)
                .with_context(|| format!("removing {}", layout.display()))?;
        }
        // The SBOMs say what is in that image.
        let [first, second] = Platform::ALL.map(|platform| self.plan.sbom(platform));
        for file in [layout, self.plan.digest_file(), first, second] {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("removing {}", file.display()));
                }
                _ => (),
            }
        }
        for call in self.plan.with_building(&local, |building| engine.build(building)) {
            self.call(&call, &Step::Build)?;
        }
        let built = Built { input, digest: self.digest()?, local: local.clone() };
        self.done.built = Some(built);
        // Under the services' names it stays until they are given to this one. That it is gone already is as well.
        if let Some(former) = former {
            let _ = output_of(&engine.forget(&former.local), &self.plan.root);
        }
        self.local = Some(local);
        Ok(Said::Done)
    }

    fn push(&mut self, reference: &str, step: &Step) -> Result<Said> {
        let local = self.local()?;
        let digest = self.done.built.as_ref().map(|built| built.digest.clone()).unwrap_or_default();
        let there = || {
            let there = output_of(&self.plan.engine.inspect(reference), &self.plan.root)?;
            anyhow::Ok(format!("sha256:{}", hex::encode(Sha256::digest(&there))))
        };
        // Somebody may have removed it, or pushed another one over it: where that cannot be known, it is pushed again.
        let pushed = self.done.pushed.get(reference);
        if self.plan.trusts_memory && pushed == Some(&digest) && there().ok() == pushed.cloned() {
            return Ok(Said::Same(format!("the registry has {digest}")));
        }
        let call =
            self.plan.with_building(&local, |building| self.plan.engine.push(building, reference));
        self.call(&call, step)?;
        // The registry is asked: some releases of buildah leave the file with a pushed list's digest empty.
        let pushed = there()?;
        if pushed != digest {
            bail!(
                "the registry has {pushed} under that name, and {digest} was built: another push came between, or the base is \
                 another one by now (--base NAME@sha256:…)"
            );
        }
        self.done.pushed.insert(reference.to_owned(), pushed);
        Ok(Said::Done)
    }

    fn local(&self) -> Result<String> {
        self.local.clone().context("the image is not built")
    }

    /// The digest that the engine put into its file: alone, or in buildx's JSON.
    fn digest(&self) -> Result<String> {
        let path = self.plan.digest_file();
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        digest_in(&text).with_context(|| format!("{} has no digest", path.display()))
    }

    /// The hash of all that the image is built from.
    fn input(&self) -> Result<String> {
        let mut hash = Sha256::new();
        let mut take = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        take(self.plan.engine.program().as_bytes());
        for (name, value) in &self.plan.arguments {
            take(name.as_bytes());
            take(value.as_bytes());
        }
        let mut files = vec![self.plan.root.join("image/Containerfile")];
        for platform in &self.plan.platforms {
            take(platform.architecture().as_bytes());
            files.push(self.plan.context().join(platform.architecture()).join("lucid-node"));
        }
        for path in files {
            take(&fs::read(&path).with_context(|| format!("reading {}", path.display()))?);
        }
        Ok(hex::encode(hash.finalize()))
    }

    /// Runs a command of a step; what it says goes into the step's log.
    fn call(&self, call: &Call, step: &Step) -> Result<()> {
        let name = step.text().replace(['/', ' '], "-");
        call.logged(&self.plan.root, &self.plan.output.join("logs").join(format!("{name}.log")))
    }
}

/// A digest: the text's own, or the one that buildx's metadata call so.
fn digest_in(text: &str) -> Option<String> {
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let named = json.and_then(|json| Some(json.get("containerimage.digest")?.as_str()?.to_owned()));
    let digest = named.unwrap_or_else(|| text.trim().to_owned());
    let hex = digest.strip_prefix("sha256:")?;
    (hex.len() == 64 && hex.bytes().all(|c| c.is_ascii_hexdigit())).then_some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_in_both_forms() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(digest_in(&format!("{digest}\n")), Some(digest.clone()));
        let json = format!(r#"{{"buildx.build.ref":"x","containerimage.digest":"{digest}"}}"#);
        assert_eq!(digest_in(&json), Some(digest.clone()));
        for bad in ["", "sha256:00", "{}", "sha512:00", &digest[..70]] {
            assert_eq!(digest_in(bad), None, "{bad}");
        }
    }
}
