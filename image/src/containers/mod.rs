//! `containers`: one image, built for every platform from binaries that were compiled for it, under every service's name.
//!
//! The order is compile, build, describe (SBOM), tag, push. Each step is a command of the engine or of the compiler,
//! whose words go into a log in the output folder. A step that fails lets the others that do not need it go on; what
//! is done is remembered after each, so that the next run goes on from there ([`done`]).

mod base;
mod compile;
mod done;
mod engine;
mod layout;
mod missing;
mod plan;
mod report;
pub(crate) mod sbom;
pub(crate) mod services;
mod steps;

use std::{
    env,
    path::{Path, PathBuf, absolute},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueHint};

use self::{
    compile::Compiler,
    engine::{Engine, docker_of},
    missing::{Answer, ask},
    plan::Plan,
    services::{Name, Platform},
    steps::Work,
};
use crate::{
    call::{Call, output_of},
    clone,
    report::{Row, is_whole, print_steps},
};

/// The base that the Containerfile names.
const BASE: &str = "gcr.io/distroless/cc-debian12:nonroot";

/// Arguments of `containers`.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Containers {
    /// Platforms, separated by commas
    #[arg(long, value_name = "PLATFORMS", value_delimiter = ',')]
    #[arg(default_value = "linux/amd64,linux/arm64")]
    platforms: Vec<Platform>,
    /// What builds [default: docker, podman or buildah, the first that is there]
    #[arg(long, value_name = "ENGINE")]
    engine: Option<Engine>,
    /// What the names begin with: a registry and a path in it
    #[arg(long, value_name = "PREFIX", default_value = "localhost/lucid")]
    images: String,
    /// What the names end with
    #[arg(long, value_name = "TAG", default_value = "latest")]
    tag: String,
    /// These names only, separated by commas [default: every service's]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<Name>,
    /// Push the image under every name
    #[arg(long)]
    push: bool,
    /// Leave out names that the registry has for all the platforms; with all of them there, nothing is built. With
    /// --dry-run the registry is asked, too
    #[arg(long)]
    missing: bool,
    /// Show what would be done
    #[arg(long)]
    dry_run: bool,
    /// The base image; what is pushed has one named by its digest (NAME@sha256:…)
    #[arg(long, value_name = "IMAGE", default_value = BASE)]
    base: String,
    /// Ask the registry for the newest image under the base's name, and build anew, though there is one here
    #[arg(long)]
    pull: bool,
    /// Push although the base is named by a tag, which may be another image tomorrow
    #[arg(long)]
    unpinned: bool,
    /// A binary for linux/amd64 that was compiled already
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    binary_amd64: Option<PathBuf>,
    /// A binary for linux/arm64 that was compiled already
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    binary_arm64: Option<PathBuf>,
    /// What compiles where no binary is given [default: cargo on Linux, else cross]
    #[arg(long, value_name = "PROGRAM")]
    compile_with: Option<Compiler>,
    /// Where the image, its SBOMs, logs, and what is remembered are put [default: target/image]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    output: Option<PathBuf>,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
}

impl Containers {
    /// Builds.
    ///
    /// # Errors
    /// Before anything is built: no engine, no repository, an unpinned base, an output folder that cannot be written.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let (plan, answers) = self.plan()?;
        if self.dry_run {
            return self.show(&plan, &answers);
        }
        let rows = answers.iter().filter_map(Answer::row).collect();
        let report = Work::new(plan)?.run(rows)?;
        report.print(self.json)?;
        Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// What is to be done, and what the registry answered where it was asked for what it has.
    fn plan(&self) -> Result<(Plan, Vec<Answer>)> {
        let root = clone::root()?;
        let engine = self.engine()?;
        check_name(&self.images, "--images", "._-/:")?;
        ensure!(
            is_prefix(&self.images),
            "--images {:?} is no registry and path: r.example/lucid, r.example:5000/a/b",
            self.images
        );
        check_name(&self.tag, "--tag", "._-")?;
        let pinned = is_pinned(&self.base);
        ensure!(!self.base.is_empty(), "--base names no image");
        ensure!(
            !self.push || pinned || self.unpinned,
            "{} is a tag, and what is pushed is to be built from the same base tomorrow: give --base \
             NAME@sha256:… (the registry says the digest), or --unpinned",
            self.base
        );
        ensure!(
            !(engine == Engine::DockerBuilder && self.push) || pinned,
            "a builder of buildx's own builds again for each name that is pushed, and asks the registry for the base each time, \
             which may have another one by then: give --base NAME@sha256:…, or have docker keep its images in containerd's store \
             (\"features\": {{\"containerd-snapshotter\": true}} in /etc/docker/daemon.json)"
        );
        let mut names = if self.only.is_empty() { Name::all() } else { self.only.clone() };
        names.sort();
        names.dedup();
        let mut answers = Vec::new();
        if self.missing {
            let ask = |name: Name| ask(engine, name, self.reference(name), &self.platforms);
            answers = names.into_iter().map(ask).collect();
            names = answers.iter().filter(|answer| answer.is_missing()).map(Answer::name).collect();
        }
        let mut platforms = self.platforms.clone();
        platforms.sort();
        platforms.dedup();
        let target = clone::target(&root);
        let output = self.output.clone().unwrap_or_else(|| target.join("image"));
        // The engine runs in the clone's top folder, and this perhaps elsewhere.
        let output =
            absolute(&output).with_context(|| format!("looking at {}", output.display()))?;
        check_output(engine, &output)?;
        let git = |words: &[&str]| clone::git(&root, words);
        // With "-dirty" after it where files differ from it.
        let revision = git(&["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]);
        let revision = revision.unwrap_or_else(|| "unknown".to_owned());
        let source = git(&["remote", "get-url", "origin"]).and_then(|url| public_source(&url));
        let arguments = vec![
            ("BASE", self.base.clone()),
            ("VERSION", env!("CARGO_PKG_VERSION").to_owned()),
            ("REVISION", revision),
            ("SOURCE", source.unwrap_or_else(|| "unknown".to_owned())),
        ];
        let plan = Plan {
            root,
            output,
            engine,
            platforms,
            names: names.into_iter().map(|name| (name, self.reference(name))).collect(),
            binaries: [
                (Platform::Amd64, self.binary_amd64.clone()),
                (Platform::Arm64, self.binary_arm64.clone()),
            ],
            compiler: self.compile_with.unwrap_or_else(Compiler::of_this_machine),
            base: self.base.clone(),
            arguments,
            push: self.push,
            pull: self.pull,
            trusts_memory: !self.missing,
        };
        Ok((plan, answers))
    }

    /// The full name of the image for a service.
    fn reference(&self, name: Name) -> String {
        format!("{}/{name}:{}", self.images, self.tag)
    }

    fn engine(&self) -> Result<Engine> {
        let here = Path::new(".");
        let there = |engine: &Engine| output_of(&engine.probe(), here).is_ok();
        let asks = self.push || self.missing;
        let skopeo = || output_of(&Call::new("skopeo", ["--version"]), here).is_ok();
        let engine = match self.engine {
            Some(engine) if self.dry_run || there(&engine) => engine,
            Some(engine) => bail!("{} cannot be used here: {} failed", engine.program(), engine.probe()),
            None => Engine::ALL.into_iter().find(there).context(
                "there is no docker with buildx, no podman and no buildah here: install one of them",
            )?,
        };
        if engine != Engine::Docker {
            ensure!(
                !asks || (self.dry_run && !self.missing) || skopeo(),
                "skopeo is not here, by which {} has the registry asked: install it",
                engine.program()
            );
            return Ok(engine);
        }
        let [driver, store] = Engine::stores()
            .map(|call| output_of(&call, here).with_context(|| format!("asking by {call}")));
        match (driver, store) {
            (Ok(driver), Ok(store)) => {
                docker_of(&String::from_utf8_lossy(&driver), &String::from_utf8_lossy(&store)).context(
                    "docker's classic image store cannot put an image for several platforms into a file. Have it use \
                     containerd's (\"features\": {\"containerd-snapshotter\": true} in /etc/docker/daemon.json), or give \
                     buildx a builder of its own (docker buildx create --use), or build by --engine podman or buildah",
                )
            }
            // What would be done by one that is not here.
            _ if self.dry_run => Ok(engine),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// For `--dry-run`: what the registry answered, and the commands. It fails where the registry could not be asked, since
    /// what would be done is not known then.
    fn show(&self, plan: &Plan, answers: &[Answer]) -> Result<ExitCode> {
        let mut steps: Vec<_> = answers.iter().map(|answer| answer.shown(plan.engine)).collect();
        steps.extend(plan.shown());
        print_steps(&steps, self.json)?;
        let rows: Vec<Row> = answers.iter().filter_map(Answer::row).collect();
        Ok(if is_whole(&rows) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Whether a base is named by its digest.
fn is_pinned(base: &str) -> bool {
    let digest = base.split_once("@sha256:").map_or("", |(_, digest)| digest);
    digest.len() == 64 && digest.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

/// What an engine's own arguments cannot name.
fn check_output(engine: Engine, output: &Path) -> Result<()> {
    // Buildx separates what it is told of an output by commas; the others a layout's name by a colon.
    let (separators, why) = match engine.is_docker() {
        true => (",\"", "a comma or a quotation mark"),
        false if cfg!(windows) => ("", ""),
        false => (":", "a colon"),
    };
    let sound = output.to_str().is_some_and(|text| !text.contains(|c| separators.contains(c)));
    ensure!(
        sound,
        "--output {}: {} cannot write into a folder whose name has {why} in it, or is not UTF-8",
        output.display(),
        engine.program()
    );
    Ok(())
}

/// A part of an image's name: what registries take, and nothing that an engine could take for an option.
fn check_name(text: &str, option: &str, more: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c);
    let upper = |c: char| option == "--tag" && c.is_ascii_uppercase();
    let sound = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= 128
        && text.chars().all(|c| allowed(c) || upper(c));
    ensure!(sound, "{option} {text:?} cannot be a part of an image's name");
    Ok(())
}

/// A registry, with its port or without, and a path in it; as the distribution's grammar has them.
fn is_prefix(text: &str) -> bool {
    let (first, path) = text.split_once('/').unwrap_or((text, ""));
    let (host, port) =
        first.split_once(':').map_or((first, None), |(host, port)| (host, Some(port)));
    // Single dots, one or two underscores, or dashes are between letters and digits, and nowhere else.
    let part = |part: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        ends(part.chars().next())
            && ends(part.chars().last())
            && ["..", "___", "._", "_.", "-_", "_-", ".-", "-."]
                .iter()
                .all(|bad| !part.contains(bad))
            && !part.contains(':')
    };
    let numbered = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    part(host)
        && port.is_none_or(|port| numbered(port) && !path.is_empty())
        && path.is_empty() != text.contains('/')
        && (path.is_empty() || path.split('/').all(part))
}

/// The address of a clone as everybody may read it in a label: of the web, and without the user, password or token that it can
/// have.
fn public_source(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?;
    let (authority, path) = rest.split_once('/')?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    (!host.is_empty()).then(|| format!("https://{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_image_says_of_its_source_is_no_secret() {
        for (url, expected) in [
            ("https://example.org/lucid/node.git", Some("https://example.org/lucid/node.git")),
            (
                "https://ci-token:SECRET@example.org:8443/node",
                Some("https://example.org:8443/node"),
            ),
            ("https://SECRET@example.org/@scope/node", Some("https://example.org/@scope/node")),
            ("https://a@b:SECRET@example.org/node", Some("https://example.org/node")),
            ("https://example.org/node?token=SECRET#SECRET", Some("https://example.org/node")),
            ("https://SECRET@/node", None),
            ("https://example.org", None),
            ("git@example.org:node.git", None),
            ("ssh://git@example.org/node", None),
            ("/home/somebody/node", None),
        ] {
            assert_eq!(public_source(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_base_is_pinned_by_a_whole_digest() {
        let digest = "0a".repeat(32);
        assert!(is_pinned(&format!("r.example/x@sha256:{digest}")));
        for loose in [
            "r.example/x:1",
            "r.example/x@sha256:",
            &format!("r.example/x@sha256:{}", &digest[1..]),
        ] {
            assert!(!is_pinned(loose), "{loose}");
        }
    }

    #[test]
    fn outputs_are_those_that_the_engine_can_name() {
        let sound = |engine, path: &str| check_output(engine, Path::new(path)).is_ok();
        assert!(sound(Engine::Docker, "/a b:c") && sound(Engine::Buildah, "/a b,c"));
        assert!(!sound(Engine::Docker, "/a,b") && !sound(Engine::DockerBuilder, "/a\"b"));
        assert_eq!(sound(Engine::Podman, "/a:b"), cfg!(windows));
    }

    #[test]
    fn names_are_those_that_registries_take() {
        for good in ["localhost/lucid", "127.0.0.1:5000/lucid", "r.example/a_b/c-d"] {
            assert!(check_name(good, "--images", "._-/:").is_ok(), "{good}");
        }
        for bad in ["", "-x", "a b", "Upper/x", "a@b", "a\n", "/x", &"a".repeat(129)] {
            assert!(check_name(bad, "--images", "._-/:").is_err(), "{bad:?}");
        }
        for good in [
            "localhost/lucid",
            "127.0.0.1:5000/lucid",
            "r.example/a__b/c--d",
            "lucid",
            "r.example/a/b",
        ] {
            assert!(is_prefix(good), "{good}");
        }
        for bad in [
            "localhost/lucid:1",
            "a//b",
            "a/",
            "a:b:c/d",
            "a/../b",
            "a/.hidden",
            "a._b",
            "a:5000",
            "a:0/b",
            "a/b-",
            "a:/b",
        ] {
            assert!(!is_prefix(bad), "{bad}");
        }
        assert!(check_name("v1.0-RC", "--tag", "._-").is_ok());
        assert!(check_name("a/b", "--tag", "._-").is_err());
    }
}
