//! What builds, names and pushes images: docker with buildx, podman, or buildah; each as the commands that it takes.
//!
//! Nothing is run here: what a command does can be shown, and tested, without an engine.

use std::path::Path;

use clap::ValueEnum;

use super::services::Platform;
use crate::call::Call;

/// The engine's program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Engine {
    /// With its images in containerd's store.
    Docker,
    /// With its images in its classic store, and a builder of buildx's own.
    #[value(skip)]
    DockerBuilder,
    Podman,
    Buildah,
}

/// What is to be built.
pub(super) struct Building<'a> {
    /// The engine's own name for it.
    pub(super) local: &'a str,
    pub(super) platforms: &'a [Platform],
    pub(super) containerfile: &'a Path,
    pub(super) context: &'a Path,
    /// Where the image is put as an OCI layout (a folder; with docker an archive).
    pub(super) layout: &'a Path,
    /// Where the index's digest is put.
    pub(super) digest: &'a Path,
    /// Arguments of the build.
    pub(super) arguments: &'a [(&'static str, String)],
    /// Whether the registry is asked for the base, though there is one of its name here.
    pub(super) pull: bool,
}

impl Engine {
    /// In the order in which one that is there is taken.
    pub(super) const ALL: [Self; 3] = [Self::Docker, Self::Podman, Self::Buildah];

    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Docker | Self::DockerBuilder => "docker",
            Self::Podman => "podman",
            Self::Buildah => "buildah",
        }
    }

    pub(super) fn is_docker(self) -> bool {
        matches!(self, Self::Docker | Self::DockerBuilder)
    }

    /// What tells whether the engine can be used.
    pub(super) fn probe(self) -> Call {
        match self {
            Self::Docker | Self::DockerBuilder => Call::new("docker", ["buildx", "version"]),
            Self::Podman | Self::Buildah => Call::new(self.program(), ["--version"]),
        }
    }

    /// What tells by which driver buildx builds, and in which store docker keeps images.
    pub(super) fn stores() -> [Call; 2] {
        [
            Call::new("docker", ["buildx", "inspect"]),
            Call::new("docker", ["info", "--format", "{{json .DriverStatus}}"]),
        ]
    }

    /// What tells whether the engine still has an image.
    pub(super) fn has(self, local: &str) -> Call {
        match self {
            Self::Docker | Self::DockerBuilder => Call::new("docker", ["image", "inspect", local]),
            Self::Podman | Self::Buildah => {
                Call::new(self.program(), ["manifest", "inspect", local])
            }
        }
    }

    /// What builds the image, puts it into the layout, and its digest beside that.
    pub(super) fn build(self, building: &Building<'_>) -> Vec<Call> {
        let path = |path: &Path| path.display().to_string();
        let platforms: Vec<_> = building.platforms.iter().map(ToString::to_string).collect();
        let mut shared = vec!["--file".to_owned(), path(building.containerfile)];
        for (name, value) in building.arguments {
            shared.extend(["--build-arg".to_owned(), format!("{name}={value}")]);
        }
        if building.pull {
            // Buildx may build again to push, and so is told so each time: it could take an older one of its own.
            let word = if self.is_docker() { "--pull" } else { "--pull=always" };
            shared.push(word.to_owned());
        }
        shared.push(path(building.context));
        let call = |words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned());
            Call::new(self.program(), words.chain(shared.clone()))
        };
        if self.is_docker() {
            let mut output =
                format!("type=oci,dest={},rewrite-timestamp=true", path(building.layout));
            if self == Self::Docker {
                output = format!("{output},name={}", building.local);
            }
            let (digest, platforms) = (path(building.digest), platforms.join(","));
            let build = ["buildx", "build", "--provenance=false"];
            let archive =
                ["--output", &output, "--metadata-file", &digest, "--platform", &platforms];
            let archive = epoch(call(&[&build[..], &archive].concat()));
            if self == Self::Docker {
                // All platforms of it, under the name in it.
                return vec![
                    archive,
                    Call::new("docker", ["load", "--input", &path(building.layout)]),
                ];
            }
            // The classic store takes one platform: what this machine can run, where that is among them.
            let here = building.platforms.iter().find(|platform| platform.is_here());
            let own = here.or(building.platforms.first()).map(ToString::to_string);
            let own = own.unwrap_or_default();
            let own = ["--load", "--tag", building.local, "--platform", &own];
            return vec![archive, epoch(call(&[&build[..], &own].concat()))];
        }
        // One after another: side by side, the index has them in the order in which they were done.
        let build = ["build", "--timestamp", "0", "--manifest", building.local, "--platform"];
        // Podman makes a layer of each step unless it is told not to, as buildah does.
        let one_layer: &[&str] = if self == Self::Podman { &["--layers=false"] } else { &[] };
        let build = [&build[..1], one_layer, &build[1..]].concat();
        let each = platforms.iter().map(|platform| call(&[&build[..], &[platform]].concat()));
        let mut calls: Vec<_> = each.collect();
        let (digest, layout) = (path(building.digest), format!("oci:{}", path(building.layout)));
        let put = ["manifest", "push", "--all", "--format", "oci", "--digestfile"];
        let put = [&put[..], &[&digest, building.local, &layout]].concat();
        calls.push(Call::new(self.program(), put));
        calls
    }

    /// What gives the image another name.
    pub(super) fn tag(self, local: &str, name: &str) -> Call {
        Call::new(self.program(), ["tag", local, name])
    }

    /// What takes the engine's own name from an image that has others, and removes one that has none.
    pub(super) fn forget(self, local: &str) -> Call {
        match self {
            Self::Docker | Self::DockerBuilder => Call::new("docker", ["rmi", local]),
            // What `rmi` looks for behind a list's name, buildah 1.28 does not find.
            Self::Podman | Self::Buildah => Call::new(self.program(), ["manifest", "rm", local]),
        }
    }

    /// What pushes the image under a name, and puts the digest it has there into a file.
    pub(super) fn push(self, building: &Building<'_>, name: &str) -> Call {
        if self == Self::Docker {
            return Call::new("docker", ["push", name]);
        }
        if self == Self::DockerBuilder {
            let mut calls = self.build(building);
            // The layers are there from the build before: it is only sent. As in the archive, its media types are OCI's.
            let mut call = calls.swap_remove(0);
            for argument in &mut call.arguments {
                if argument.starts_with("type=oci,") {
                    let same = "oci-mediatypes=true,rewrite-timestamp=true";
                    *argument = format!("type=registry,name={name},push=true,{same}");
                }
            }
            return call;
        }
        let to = format!("docker://{name}");
        let digest = building.digest.display().to_string();
        let words = ["manifest", "push", "--all", "--format", "oci", "--digestfile"];
        Call::new(self.program(), [&words[..], &[&digest, building.local, &to]].concat())
    }

    /// What asks the registry for the configuration of an image for one platform.
    pub(super) fn configuration(self, name: &str) -> Call {
        if self.is_docker() {
            let words = ["buildx", "imagetools", "inspect", "--format", "{{json .Image}}", name];
            return Call::new("docker", words);
        }
        let name = format!("docker://{name}");
        Call::new("skopeo", ["inspect", "--config", "--raw", &name])
    }

    /// What asks the registry whether it has a name.
    pub(super) fn inspect(self, name: &str) -> Call {
        match self {
            Self::Docker | Self::DockerBuilder => {
                Call::new("docker", ["buildx", "imagetools", "inspect", "--raw", name])
            }
            Self::Podman | Self::Buildah => {
                Call::new("skopeo", ["inspect", "--raw", &format!("docker://{name}")])
            }
        }
    }
}

/// With the time that buildx gives to every file.
fn epoch(call: Call) -> Call {
    Call { environment: vec![("SOURCE_DATE_EPOCH".to_owned(), "0".to_owned())], ..call }
}

/// Whether what an engine said means that the registry was asked, and has no such name.
pub(super) fn says_missing(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    let words = ["manifest unknown", "name unknown", "manifest_unknown", "name_unknown"];
    // A credential helper can be "not found in $PATH", too.
    words.iter().any(|word| said.contains(word)) || said.trim_end().ends_with(": not found")
}

/// Which docker it is, by what the commands of [`Engine::stores`] said; `None` where it cannot put an image for several platforms
/// into a file: with images in the classic store, its own driver does not.
pub(super) fn docker_of(driver: &str, store: &str) -> Option<Engine> {
    if store.contains("io.containerd.snapshotter") {
        return Some(Engine::Docker);
    }
    let driver = driver.lines().find_map(|line| line.strip_prefix("Driver:")).map(str::trim);
    (driver != Some("docker")).then_some(Engine::DockerBuilder)
}

/// The platforms that an image index is for. A manifest alone does not say its own.
pub(super) fn platforms_in(index: &[u8]) -> Vec<String> {
    let index: serde_json::Value = serde_json::from_slice(index).unwrap_or_default();
    let manifests = index["manifests"].as_array().cloned().unwrap_or_default();
    manifests.iter().filter_map(|manifest| platform_in(&manifest["platform"])).collect()
}

/// The platform that an image's configuration is for.
pub(super) fn platform_of(config: &[u8]) -> Option<String> {
    platform_in(&serde_json::from_slice(config).ok()?)
}

fn platform_in(object: &serde_json::Value) -> Option<String> {
    let part = |name: &str| object[name].as_str();
    Some(format!("{}/{}", part("os")?, part("architecture")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn building<'a>(arguments: &'a [(&'static str, String)]) -> Building<'a> {
        Building {
            local: "localhost/lucid-build:0123",
            platforms: &Platform::ALL,
            containerfile: Path::new("image/Containerfile"),
            context: Path::new("out/context"),
            layout: Path::new("out/oci"),
            digest: Path::new("out/digest"),
            arguments,
            pull: false,
        }
    }

    fn lines(calls: &[Call]) -> Vec<String> {
        calls.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_engine_is_told_in_its_own_words() {
        let arguments = [("VERSION", "1.0 beta".to_owned())];
        let building = building(&arguments);
        let buildah = lines(&Engine::Buildah.build(&building));
        let rest = "--file image/Containerfile --build-arg 'VERSION=1.0 beta' out/context";
        let build = "buildah build --timestamp 0 --manifest localhost/lucid-build:0123 --platform";
        let put = "buildah manifest push --all --format oci --digestfile out/digest";
        assert_eq!(
            buildah,
            [
                format!("{build} linux/amd64 {rest}"),
                format!("{build} linux/arm64 {rest}"),
                format!("{put} localhost/lucid-build:0123 oci:out/oci"),
            ]
        );
        let podman = lines(&Engine::Podman.build(&building));
        assert!(
            podman[0].starts_with("podman build --layers=false --timestamp 0 --manifest "),
            "{podman:?}"
        );
        let docker = lines(&Engine::Docker.build(&building));
        let build = |output: &str| {
            format!(
                "SOURCE_DATE_EPOCH=0 docker buildx build --provenance=false --output {output} --metadata-file \
                 out/digest --platform linux/amd64,linux/arm64 --file image/Containerfile --build-arg 'VERSION=1.0 beta' \
                 out/context"
            )
        };
        let archive = "type=oci,dest=out/oci,rewrite-timestamp=true";
        assert_eq!(
            docker,
            [
                build(&format!("{archive},name=localhost/lucid-build:0123")),
                "docker load --input out/oci".to_owned()
            ]
        );
        let name = "r.example/lucid/api-server:1";
        let push = |engine: Engine| engine.push(&building, name).to_string();
        assert_eq!(push(Engine::Docker), format!("docker push {name}"));
        let builder = lines(&Engine::DockerBuilder.build(&building));
        assert_eq!(builder[0], build(archive));
        assert!(builder[1].contains(" --load --tag localhost/lucid-build:0123 "), "{builder:?}");
        let here = if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" };
        assert!(builder[1].contains(&format!("--platform {here} --file")), "{builder:?}");
        let same = "oci-mediatypes=true,rewrite-timestamp=true";
        let registry = format!("type=registry,name={name},push=true,{same}");
        assert_eq!(push(Engine::DockerBuilder), build(&registry));
        let pushed = push(Engine::Buildah);
        assert!(pushed.ends_with(&format!("localhost/lucid-build:0123 docker://{name}")));
        let other = Platform::ALL.into_iter().find(|platform| !platform.is_here()).unwrap();
        let foreign = Building { platforms: &[other], ..building };
        let builder = lines(&Engine::DockerBuilder.build(&foreign));
        assert!(builder[1].contains(&format!("--platform {other} --file")), "{builder:?}");
    }

    #[test]
    fn each_engine_asks_for_the_newest_base_where_it_is_to() {
        for (engine, option) in [
            (Engine::Docker, " --pull out/context"),
            (Engine::DockerBuilder, " --pull out/context"),
            (Engine::Podman, " --pull=always out/context"),
            (Engine::Buildah, " --pull=always out/context"),
        ] {
            let asked = |pull: bool| {
                let building = Building { pull, ..building(&[]) };
                let calls = lines(&engine.build(&building));
                let building_ones = calls.iter().filter(|call| call.ends_with(" out/context"));
                building_ones.map(|call| call.ends_with(option)).collect::<Vec<_>>()
            };
            assert!(asked(true).iter().all(|&asks| asks) && !asked(true).is_empty(), "{engine:?}");
            assert!(!asked(false).contains(&true) && !asked(false).is_empty(), "{engine:?}");
        }
        let push =
            Engine::DockerBuilder.push(&Building { pull: true, ..building(&[]) }, "r.example/x:1");
        assert!(push.to_string().contains(" --pull "), "{push}");
    }

    #[test]
    fn a_name_that_is_missing_is_told_from_a_registry_that_is() {
        for said in [
            "reading manifest 1 in r/x: manifest unknown: manifest unknown",
            "reading manifest 1 in r/x: name unknown: repository name not known to registry",
            "ERROR: r/x:1: not found",
            "reading manifest; ERROR: r/x:1: not found\n",
        ] {
            assert!(says_missing(said), "{said}");
        }
        for said in ["dial tcp 127.0.0.1:5000: connect: connection refused", "unauthorized", ""] {
            assert!(!says_missing(said), "{said}");
        }
        let helper = "exec: \"docker-credential-desktop\": executable file not found in $PATH";
        assert!(!says_missing(helper));
    }

    #[test]
    fn docker_s_own_driver_wants_containerd_s_store() {
        let inspect = |driver: &str| format!("Name:          x\nDriver:        {driver}\n");
        let classic = r#"[["Backing Filesystem","extfs"],["Supports d_type","true"]]"#;
        let containerd = r#"[["driver-type","io.containerd.snapshotter.v1"]]"#;
        for (driver, store, docker) in [
            ("docker", classic, None),
            ("docker", containerd, Some(Engine::Docker)),
            ("docker-container", classic, Some(Engine::DockerBuilder)),
            ("docker-container", containerd, Some(Engine::Docker)),
        ] {
            assert_eq!(docker_of(&inspect(driver), store), docker, "{driver}, {store}");
        }
    }

    #[test]
    fn an_index_says_its_platforms() {
        let index = br#"{"manifests":[{"platform":{"architecture":"amd64","os":"linux"}},
            {"platform":{"architecture":"arm64","os":"linux","variant":"v8"}},{"digest":"sha256:0"}]}"#;
        assert_eq!(platforms_in(index), ["linux/amd64", "linux/arm64"]);
        for alone in [&b"{\"config\":{}}"[..], b"", b"{\"manifests\":7}"] {
            assert!(platforms_in(alone).is_empty());
        }
    }
}
