//! What is in the binary: a CycloneDX 1.5 document of the packages that it is compiled from.
//!
//! It is made from what cargo resolves out of Cargo.lock for the platform, from lucid-node downwards, without what only
//! tests and build scripts need. `cargo tree` says which those are: `cargo metadata` switches on what any part of the
//! workspace asks for, tests too. It names no time and no random number, so that it is the same each time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::services::Platform;
use crate::call::{Call, output_of};

const ROOT: &str = "lucid-node";

/// What `cargo metadata` says, as far as it is needed.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// `null` for what is linked; `dev`; `build`.
    kind: Option<String>,
}

/// Of Cargo.lock the hashes of what was downloaded, by name and version.
struct Lock(BTreeMap<(String, String), String>);

/// What asks cargo for all packages.
pub(super) fn question(platform: Platform) -> Call {
    let words =
        ["metadata", "--locked", "--format-version", "1", "--filter-platform", platform.target()];
    Call::new("cargo", words)
}

/// What asks cargo for those that the binary is compiled from.
pub(super) fn narrower_question(platform: Platform) -> Call {
    let words = ["tree", "--locked", "--package", ROOT, "--edges", "normal", "--prefix", "none"];
    let more = ["--format", "{p}", "--target", platform.target()];
    Call::new("cargo", [&words[..], &more].concat())
}

/// The document for the clone at `root`, with what cargo says of it.
///
/// # Errors
/// cargo's, and as [`document`].
pub(crate) fn of(root: &Path, platform: Platform, base: &str) -> Result<Value> {
    let metadata = output_of(&question(platform), root)?;
    let tree = output_of(&narrower_question(platform), root)?;
    let tree = String::from_utf8_lossy(&tree);
    let lock = root.join("Cargo.lock");
    let lock = fs::read_to_string(&lock).with_context(|| format!("reading {}", lock.display()))?;
    document(&metadata, &tree, &lock, platform, base)
}

/// Names and versions in `cargo tree`'s answer, whose lines are `name v1.2.3`, then where it is from.
fn compiled(tree: &str) -> BTreeSet<(&str, &str)> {
    tree.lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(" v")?;
            Some((name, rest.split(' ').next()?))
        })
        .collect()
}

/// The document for what cargo answered.
///
/// # Errors
/// Where cargo's answer is not of the form that is known, or has no lucid-node in it.
fn document(
    metadata: &[u8],
    tree: &str,
    lock: &str,
    platform: Platform,
    base: &str,
) -> Result<Value> {
    let metadata: Metadata = serde_json::from_slice(metadata).context("cargo metadata's answer")?;
    let Lock(hashes) = hashes(lock);
    let packages: BTreeMap<_, _> = metadata.packages.iter().map(|p| (p.id.as_str(), p)).collect();
    let nodes: BTreeMap<_, _> = metadata.resolve.nodes.iter().map(|n| (n.id.as_str(), n)).collect();
    let root = metadata.packages.iter().find(|package| package.name == ROOT);
    let root = root.context("cargo metadata names no lucid-node")?;
    let compiled = compiled(tree);
    let is_compiled = |id: &str| {
        let package = packages.get(id);
        package.is_some_and(|p| compiled.contains(&(p.name.as_str(), p.version.as_str())))
    };
    let mut linked = linked(&nodes, &root.id);
    linked.retain(|id| is_compiled(id));
    let component = |package: &Package, kind: &str| {
        let mut component = json!({
            "type": kind,
            "bom-ref": reference(package),
            "name": package.name,
            "version": package.version,
            "purl": reference(package),
        });
        if let Some(license) = &package.license {
            // Older packages write `MIT/Apache-2.0`, which SPDX does not know.
            let expression = license.replace('/', " OR ");
            component["licenses"] = json!([{ "expression": expression }]);
        }
        if let Some(description) = &package.description {
            component["description"] = json!(description.trim());
        }
        let key = (package.name.clone(), package.version.clone());
        if let (Some(_), Some(hash)) = (&package.source, hashes.get(&key)) {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": hash }]);
        }
        component
    };
    let of = |ids: &BTreeSet<&str>| -> Vec<_> {
        ids.iter().filter_map(|id| packages.get(id).copied()).collect()
    };
    let mut parts = of(&linked);
    parts.retain(|package| package.id != root.id);
    parts.sort_by_key(|package| reference(package));
    let depends = |package: &Package| {
        let deps = nodes.get(package.id.as_str()).map_or_else(BTreeSet::new, |node| direct(node));
        let deps = deps.into_iter().filter(|id| is_compiled(id)).collect();
        let mut on: Vec<_> = of(&deps).into_iter().map(reference).collect();
        on.sort();
        json!({ "ref": reference(package), "dependsOn": on })
    };
    let mut components: Vec<_> = parts.iter().map(|part| component(part, "library")).collect();
    components.push(json!({ "type": "container", "bom-ref": "base", "name": base }));
    let dependencies: Vec<_> =
        std::iter::once(root).chain(parts.iter().copied()).map(depends).collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": component(root, "application"),
            "properties": [{ "name": "lucid:platform", "value": platform.to_string() }],
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// What is linked into `root`: what it and its parts need beside tests and build scripts.
fn linked<'a>(nodes: &BTreeMap<&'a str, &'a Node>, root: &'a str) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::from([root]), vec![root]);
    while let Some(id) = open.pop() {
        let Some(node) = nodes.get(id) else { continue };
        for next in direct(node) {
            if found.insert(next) {
                open.push(next);
            }
        }
    }
    found
}

fn direct(node: &Node) -> BTreeSet<&str> {
    let normal = |dep: &&Dependency| dep.dep_kinds.iter().any(|kind| kind.kind.is_none());
    node.deps.iter().filter(normal).map(|dep| dep.pkg.as_str()).collect()
}

/// The package URL (purl), which is its name in the document, too.
fn reference(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

/// The hashes in Cargo.lock, by name and version. Its packages are blocks of `key = "value"` lines.
fn hashes(lock: &str) -> Lock {
    let mut hashes = BTreeMap::new();
    for block in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            line.and_then(|rest| rest.strip_suffix('"')).map(str::to_owned)
        };
        if let (Some(name), Some(version), Some(hash)) =
            (value("name"), value("version"), value("checksum"))
        {
            hashes.insert((name, version), hash);
        }
    }
    Lock(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"linked\"\nversion = \"1.2.3\"\n\
        source = \"registry\"\nchecksum = \"00ff\"\n\n[[package]]\nname = \"lucid-node\"\nversion = \"0.1.0\"\n";

    #[test]
    fn what_is_linked_is_named_and_nothing_else() {
        let dep = |pkg: &str, kind: Value| json!({ "pkg": pkg, "dep_kinds": [{ "kind": kind }] });
        let package = |name: &str, version: &str, source: Value| {
            json!({ "id": name, "name": name, "version": version, "license": "MIT/Apache-2.0",
                    "source": source, "description": null })
        };
        let metadata = json!({
            "packages": [
                package("lucid-node", "0.1.0", Value::Null), package("linked", "1.2.3", json!("registry")),
                package("deep", "2.0.0", json!("registry")), package("tested", "1.0.0", json!("registry")),
                package("built", "1.0.0", json!("registry")), package("optional", "1.0.0", json!("registry")),
            ],
            "resolve": { "nodes": [
                { "id": "lucid-node", "deps": [dep("linked", Value::Null), dep("optional", Value::Null), dep("tested", json!("dev")),
                                               dep("built", json!("build"))] },
                { "id": "linked", "deps": [dep("deep", Value::Null), dep("lucid-node", json!("dev"))] },
                { "id": "deep", "deps": [] }, { "id": "optional", "deps": [] }, { "id": "tested", "deps": [] }, { "id": "built", "deps": [] },
            ] },
        });
        let bytes = serde_json::to_vec(&metadata).unwrap();
        let tree = "lucid-node v0.1.0 (/somewhere)\nlinked v1.2.3\ndeep v2.0.0\ndeep v2.0.0 (*)\n";
        let made = || document(&bytes, tree, LOCK, Platform::Arm64, "base:tag").unwrap();
        let document = made();
        let names: Vec<_> =
            document["components"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
        assert_eq!(names, ["deep", "linked", "base:tag"]);
        let linked = &document["components"][1];
        assert_eq!(linked["hashes"][0]["content"], "00ff");
        assert_eq!(linked["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(linked["purl"], "pkg:cargo/linked@1.2.3");
        assert_eq!(document["metadata"]["component"]["name"], "lucid-node");
        assert_eq!(document["dependencies"][0]["dependsOn"], json!(["pkg:cargo/linked@1.2.3"]));
        assert_eq!(document, made(), "it is the same each time");
        assert!(super::document(b"{}", tree, LOCK, Platform::Arm64, "base").is_err());
    }
}
