//! What is to be done, and in which order.

use std::path::{Path, PathBuf};

use super::{
    compile::Compiler,
    engine::{Building, Engine},
    sbom,
    services::{Name, Platform},
};
use crate::call::Call;

/// What is to be done.
pub(super) struct Plan {
    pub(super) root: PathBuf,
    pub(super) output: PathBuf,
    pub(super) engine: Engine,
    pub(super) platforms: Vec<Platform>,
    /// Names with their full forms.
    pub(super) names: Vec<(Name, String)>,
    /// Binaries that were given.
    pub(super) binaries: [(Platform, Option<PathBuf>); 2],
    pub(super) compiler: Compiler,
    pub(super) base: String,
    /// Arguments of the Containerfile.
    pub(super) arguments: Vec<(&'static str, String)>,
    pub(super) push: bool,
    /// Whether the registry is asked for the base, though there is one here.
    pub(super) pull: bool,
    /// Whether what was pushed before is taken for there.
    pub(super) trusts_memory: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Compile(Platform),
    Describe(Platform),
    Build,
    Tag(Name, String),
    Push(Name, String),
}

impl Step {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Compile(platform) => format!("binary for {platform}"),
            Self::Describe(platform) => format!("SBOM for {platform}"),
            Self::Build => "build".to_owned(),
            Self::Tag(name, _) => format!("tag {name}"),
            Self::Push(name, _) => format!("push {name}"),
        }
    }

    /// What its duration is kept under: one name takes as long as another.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Tag(..) => "tag".to_owned(),
            Self::Push(..) => "push".to_owned(),
            step => step.text(),
        }
    }

    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Tag(_, reference) | Self::Push(_, reference) => Some(reference.clone()),
            _ => None,
        }
    }
}

impl Plan {
    pub(super) fn steps(&self) -> Vec<Step> {
        if self.names.is_empty() {
            return Vec::new();
        }
        let mut steps: Vec<_> = self.platforms.iter().copied().map(Step::Compile).collect();
        steps.push(Step::Build);
        steps.extend(self.platforms.iter().copied().map(Step::Describe));
        let names = || self.names.iter().cloned();
        steps.extend(names().map(|(name, reference)| Step::Tag(name, reference)));
        if self.push {
            steps.extend(names().map(|(name, reference)| Step::Push(name, reference)));
        }
        steps
    }

    /// Each step with its commands, for `--dry-run`.
    pub(super) fn shown(&self) -> Vec<(String, Vec<String>)> {
        let local = "localhost/lucid-build:HASH".to_owned();
        let text = |calls: Vec<Call>| calls.iter().map(ToString::to_string).collect();
        let commands = |step: &Step| match step {
            Step::Compile(platform) => match self.binary(*platform) {
                Some(binary) => vec![format!("take {}", binary.display())],
                None => text(vec![self.compiler.call(*platform)]),
            },
            Step::Describe(platform) => {
                let mut shown =
                    text(vec![sbom::question(*platform), sbom::narrower_question(*platform)]);
                shown.push(format!("read the base's packages in {}", self.layout().display()));
                shown
            }
            Step::Build => self.with_building(&local, |building| text(self.engine.build(building))),
            Step::Tag(_, reference) => text(vec![self.engine.tag(&local, reference)]),
            Step::Push(_, reference) => self.with_building(&local, |building| {
                text(vec![self.engine.push(building, reference)])
            }),
        };
        self.steps().iter().map(|step| (step.text(), commands(step))).collect()
    }

    pub(super) fn binary(&self, platform: Platform) -> Option<&Path> {
        let found = self.binaries.iter().find(|(of, _)| *of == platform);
        found.and_then(|(_, binary)| binary.as_deref())
    }

    pub(super) fn context(&self) -> PathBuf {
        self.output.join("context")
    }

    pub(super) fn layout(&self) -> PathBuf {
        self.output.join("oci")
    }

    pub(super) fn sbom(&self, platform: Platform) -> PathBuf {
        self.output.join(format!("sbom-{}.cdx.json", platform.architecture()))
    }

    pub(super) fn digest_file(&self) -> PathBuf {
        self.output.join("digest")
    }

    pub(super) fn with_building<T>(
        &self,
        local: &str,
        use_it: impl FnOnce(&Building<'_>) -> T,
    ) -> T {
        use_it(&Building {
            local,
            platforms: &self.platforms,
            containerfile: &self.root.join("image/Containerfile"),
            context: &self.context(),
            layout: &self.layout(),
            digest: &self.digest_file(),
            arguments: &self.arguments,
            pull: self.pull,
        })
    }
}
