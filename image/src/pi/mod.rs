//! `pi`: the image of a Raspberry Pi's card, baked from packages, without loop devices and without a Raspberry Pi.
//!
//! The root is made by mmdebstrap, which runs arm64 programs under QEMU where the machine is another one, packed as a
//! squashfs, and joined with a FAT partition under a table of our own. Every command's words go into a log in the
//! output folder. The root is the long part: it is kept, and taken again while nothing that it is made from has
//! changed here; archives change meanwhile, so `--fresh` makes it anew. A run that is cut short leaves nothing under
//! a final name that is not whole.
//!
//! Everything in it has the image's time, ids are fixed, and files come in the order of their names, so that two
//! makings from the same sources and the same state of the archives can be compared, bit for bit.

pub(crate) mod assemble;
mod bmap;
mod fat;
mod imager;
pub(crate) mod layout;
mod plan;
mod sbom;
#[cfg(test)]
mod settings;
mod sources;
mod steps;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueHint};

use self::{
    plan::Plan,
    sources::{Archives, Sources, Suite},
    steps::Work,
};
use crate::{
    call::{Call, output_of},
    clone,
    report::{is_whole, print_json, print_steps, print_text, table},
};

/// Arguments of `pi`.
#[derive(Args, Debug)]
pub(crate) struct Pi {
    /// The node's package for arm64, as image/deb/build makes it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    deb: PathBuf,
    /// Whose kernel, firmware and packages
    #[arg(long, value_name = "NAME", default_value = "raspberrypi")]
    sources: Sources,
    /// Debian's release
    #[arg(long, value_name = "NAME", default_value = "trixie")]
    suite: Suite,
    /// Debian's archive
    #[arg(long, value_name = "URL", default_value = "http://deb.debian.org/debian")]
    mirror: String,
    /// Debian's archive of security updates
    #[arg(long, value_name = "URL", default_value = "http://deb.debian.org/debian-security")]
    security_mirror: String,
    /// Raspberry Pi's archive
    #[arg(long, value_name = "URL", default_value = "http://archive.raspberrypi.com/debian")]
    raspberrypi_mirror: String,
    /// Make the root anew although it is there
    #[arg(long)]
    fresh: bool,
    /// Where the compressed image will be, for Raspberry Pi Imager's list [default: the file's own place]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Where the image, what describes it, and logs are put [default: target/image/pi]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    output: Option<PathBuf>,
    /// Show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
}

impl Pi {
    /// Bakes.
    ///
    /// # Errors
    /// Before anything is made: no package, an address that is none, an output folder that cannot be written.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let plan = self.plan()?;
        if self.dry_run {
            print_steps(&plan.shown()?, self.json)?;
            return Ok(ExitCode::SUCCESS);
        }
        let done = Work::new(plan)?.run()?;
        match self.json {
            true => print_json(&done)?,
            false => print_text(&table(&done.steps, &done.text()))?,
        }
        Ok(if is_whole(&done.steps) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn plan(&self) -> Result<Plan> {
        let root = clone::root()?;
        let deb = fs::canonicalize(&self.deb).with_context(|| {
            format!(
                "looking at {}: image/deb/build makes it from a binary for arm64",
                self.deb.display()
            )
        })?;
        let archives = Archives {
            debian: address(&self.mirror, "--mirror")?,
            security: address(&self.security_mirror, "--security-mirror")?,
            raspberrypi: address(&self.raspberrypi_mirror, "--raspberrypi-mirror")?,
        };
        let output = match &self.output {
            Some(output) => output.clone(),
            None => clone::target(&root).join("image/pi"),
        };
        fs::create_dir_all(&output).with_context(|| format!("making {}", output.display()))?;
        let output = fs::canonicalize(&output)
            .with_context(|| format!("looking at {}", output.display()))?;
        for path in [&root, &deb, &output] {
            plain(path)?;
        }
        let url = self.url.as_deref().map(|url| address(url, "--url")).transpose()?;
        Ok(Plan {
            version: version(&deb)?,
            time: time(&root)?,
            root,
            deb,
            output,
            sources: self.sources,
            suite: self.suite,
            archives,
            fresh: self.fresh,
            url,
        })
    }
}

/// The version of a package for arm64 that is the node's.
fn version(deb: &Path) -> Result<String> {
    let words = ["--show", "--showformat=${Package} ${Architecture} ${Version}"];
    let mut words: Vec<_> = words.map(str::to_owned).into();
    words.push(deb.display().to_string());
    let said = output_of(&Call::new("dpkg-deb", words), Path::new("/"))
        .with_context(|| format!("reading {}", deb.display()))?;
    let said = String::from_utf8_lossy(&said);
    let parts: Vec<_> = said.split_whitespace().collect();
    match parts[..] {
        ["lucid-node", "arm64", version] => Ok(version.to_owned()),
        _ => anyhow::bail!("{} is no lucid-node for arm64 but {said:?}", deb.display()),
    }
}

/// The time of everything in the image: `SOURCE_DATE_EPOCH`, or the commit's.
fn time(root: &Path) -> Result<u64> {
    let given = env::var("SOURCE_DATE_EPOCH").ok();
    let text = given.or_else(|| clone::git(root, &["log", "-1", "--format=%ct"]));
    let text =
        text.context("there is no commit here: give the image's time as SOURCE_DATE_EPOCH")?;
    text.parse().with_context(|| format!("SOURCE_DATE_EPOCH {text:?} is no number of seconds"))
}

/// An address of a web server, with nothing in it that a list of sources would take for more.
fn address(text: &str, option: &str) -> Result<String> {
    let rest =
        ["http://", "https://", "file:///"].iter().find_map(|start| text.strip_prefix(start));
    let sound = rest.is_some_and(|rest| !rest.is_empty())
        && text.len() <= 1000
        && text.chars().all(|c| c.is_ascii_graphic() && !"\"'[]#\\".contains(c));
    ensure!(sound, "{option} {text:?} is no address: http://…, https://… or file:///…");
    Ok(text.trim_end_matches('/').to_owned())
}

/// Paths are given to shells and to tools with rules of their own for what is not plain.
fn plain(path: &Path) -> Result<()> {
    let text = path.to_str().unwrap_or_default();
    let sound = text.starts_with('/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._+~-".contains(c));
    ensure!(
        sound,
        "{} has characters in it that not every tool takes: use another folder",
        path.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stay_one_word() {
        for good in ["http://deb.debian.org/debian", "https://r.example/a", "file:///srv/debian"] {
            assert_eq!(address(good, "--mirror").unwrap(), good);
        }
        assert_eq!(address("http://r.example/a/", "--mirror").unwrap(), "http://r.example/a");
        for bad in [
            "",
            "http://",
            "ftp://r.example",
            "http://a b",
            "http://a [trusted=yes]",
            "http://a\nb",
            "x",
        ] {
            assert!(address(bad, "--mirror").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn paths_are_plain() {
        assert!(plain(Path::new("/srv/a-b/c.deb")).is_ok());
        for bad in ["relative", "/a b", "/a'b", "/a$b", "/a%b", "/ä"] {
            assert!(plain(Path::new(bad)).is_err(), "{bad:?}");
        }
    }
}
