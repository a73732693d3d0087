//! What the image has from its base: the Debian packages that its layers list, in the SBOM.
//!
//! Distroless bases have no dpkg, and a file for each package in `var/lib/dpkg/status.d`; a Debian that has dpkg has all of
//! them in `var/lib/dpkg/status`. A base that has neither, or that cannot be read, is said to be that in the SBOM itself: an
//! SBOM that only lacked them would look like one of an image without packages.

use std::{collections::BTreeMap, io::Read, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{layout::Layout, services::Platform};
use crate::dpkg::{Package, installed};

const LISTS: &str = "var/lib/dpkg/";
/// A list may have so many bytes; that of a desktop with 5,000 packages has 6 MB.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// The packages of the image for a platform.
///
/// # Errors
/// Where they cannot be known: the layout's, and a base that lists none.
pub(super) fn packages(layout: &Path, platform: Platform) -> Result<Vec<Package>> {
    let packages = listed(Layout::open(layout)?.layers(platform)?)?;
    ensure!(!packages.is_empty(), "the base has no list of Debian packages in /{LISTS}");
    Ok(packages)
}

/// Puts into a document of the node what the base has, or why that is not known.
pub(super) fn add(document: &mut Value, packages: &Result<Vec<Package>>) {
    let said = match packages {
        Ok(packages) => format!("{} Debian packages", packages.len()),
        // What is around it has paths of this machine, and an SBOM is given away.
        Err(error) => format!("not listed: {}", error.root_cause()),
    };
    let mut append = |pointer: &str, value: Value| {
        let list = document.pointer_mut(pointer).and_then(Value::as_array_mut);
        list.expect("a document of this program has these lists").push(value);
    };
    append("/metadata/properties", json!({ "name": "lucid:base-packages", "value": said }));
    let packages = packages.as_deref().unwrap_or_default();
    for package in packages {
        append("/components", package.component("debian"));
    }
    let on: Vec<_> = packages.iter().map(|package| package.purl("debian")).collect();
    append("/dependencies", json!({ "ref": "base", "dependsOn": on }));
}

/// The packages that layers list, one over the other.
fn listed(layers: impl Iterator<Item = Result<Vec<u8>>>) -> Result<Vec<Package>> {
    let mut lists = BTreeMap::new();
    for layer in layers {
        let layer = layer?;
        let (mut new, mut gone) = (Vec::new(), Vec::new());
        let mut archive = tar::Archive::new(&layer[..]);
        for entry in archive.entries().context("reading a layer")? {
            let mut entry = entry.context("reading a layer")?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let path = path.strip_prefix("./").unwrap_or(&path).trim_matches('/');
            if let Some(path) = removed(path) {
                gone.push(path);
            } else if is_list(path) && entry.header().entry_type().is_file() {
                ensure!(entry.size() <= LIST_BYTES_MAX, "{path} is larger than 64 MiB");
                let mut text = Vec::new();
                entry.read_to_end(&mut text).with_context(|| format!("reading {path}"))?;
                new.push((path.to_owned(), String::from_utf8_lossy(&text).into_owned()));
            }
        }
        // What a layer takes away is of those below it.
        lists
            .retain(|path: &String, _: &mut String| !gone.iter().any(|gone| is_within(path, gone)));
        lists.extend(new);
    }
    let mut packages: Vec<_> = lists.values().flat_map(|list| installed(list)).collect();
    packages.sort_unstable();
    packages.dedup();
    Ok(packages)
}

/// The path that a layer's entry takes away (image-spec, "Whiteouts"): a file or folder, or all that is in a folder.
fn removed(path: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let name = name.strip_prefix(".wh.")?;
    let parts = if name == ".wh..opq" { [folder, ""] } else { [folder, name] };
    Some(parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("/"))
}

fn is_within(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    folder.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Beside a package's list distroless has the hashes of its files.
fn is_list(path: &str) -> bool {
    let Some(name) = path.strip_prefix(LISTS) else { return false };
    let of_one = name.strip_prefix("status.d/");
    name == "status"
        || of_one.is_some_and(|name| !name.contains('/') && !name.ends_with(".md5sums"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::layout::tests::{archive, layout};

    fn names(layers: &[Vec<u8>]) -> Vec<String> {
        let layers = layers.iter().cloned().map(Ok);
        listed(layers).unwrap().into_iter().map(|package| package.name).collect()
    }

    fn control(name: &str) -> Vec<u8> {
        format!("Package: {name}\nVersion: 1+b2\nArchitecture: amd64\nDescription: {name}\n").into()
    }

    #[test]
    fn packages_are_those_of_the_layers_one_over_the_other() {
        let (libc, tz) = (control("libc6"), control("tzdata"));
        let lower = archive(&[
            ("./var/lib/dpkg/status.d/libc6", &libc),
            (
                "var/lib/dpkg/status.d/libc6.md5sums",
                b"Package: no\nVersion: 1\nArchitecture: all\n",
            ),
            ("var/lib/dpkg/status.d/tzdata", &tz),
            ("usr/share/doc/var/lib/dpkg/status.d/no", &libc),
        ]);
        let over = |name: &str| vec![lower.clone(), archive(&[(name, b"")])];
        assert_eq!(names(std::slice::from_ref(&lower)), ["libc6", "tzdata"]);
        assert_eq!(names(&over("lucid-node")), ["libc6", "tzdata"]);
        assert_eq!(names(&over("var/lib/dpkg/status.d/.wh.libc6")), ["tzdata"]);
        assert_eq!(names(&over("var/lib/.wh.dpk")), ["libc6", "tzdata"]);
        for all in ["var/.wh.lib", "var/lib/dpkg/status.d/.wh..wh..opq", ".wh..wh..opq"] {
            assert!(names(&over(all)).is_empty(), "{all}");
        }
        // What one layer takes away and brings again is there.
        let again = archive(&[
            ("var/lib/dpkg/status.d/netbase", &control("netbase")),
            ("var/lib/dpkg/.wh.status.d", b""),
        ]);
        assert_eq!(names(&[lower, again]), ["netbase"]);
        let dpkg = [control("dpkg"), b"Status: install ok installed\n\n".to_vec(), libc].concat();
        assert_eq!(names(&[archive(&[("var/lib/dpkg/status", &dpkg)])]), ["dpkg", "libc6"]);
        let no_archive = b"no archive, but as long as the header of one".repeat(30);
        assert!(listed([Ok(no_archive)].into_iter()).is_err());
        assert!(listed([Err(anyhow::anyhow!("a layer that cannot be read"))].into_iter()).is_err());
    }

    #[test]
    fn the_document_has_the_base_s_packages_or_says_why_not() {
        let folder = tempfile::tempdir().unwrap();
        let base = archive(&[("var/lib/dpkg/status.d/libc6", &control("libc6"))]);
        let bare = archive(&[("etc/passwd", b"")]);
        layout(folder.path(), &[("amd64", vec![base]), ("arm64", vec![bare])], true);
        let made = |platform: Platform| {
            let mut document =
                json!({ "metadata": { "properties": [] }, "components": [], "dependencies": [] });
            add(&mut document, &packages(folder.path(), platform));
            document
        };
        let document = made(Platform::Amd64);
        let purl = "pkg:deb/debian/libc6@1%2Bb2?arch=amd64";
        assert_eq!(document["components"][0]["purl"], purl);
        assert_eq!(document["dependencies"][0], json!({ "ref": "base", "dependsOn": [purl] }));
        assert_eq!(document["metadata"]["properties"][0]["value"], "1 Debian packages");
        let document = made(Platform::Arm64);
        assert_eq!(document["components"], json!([]));
        let said = document["metadata"]["properties"][0]["value"].as_str().unwrap();
        assert!(said.starts_with("not listed: the base has no list of Debian packages"), "{said}");
    }
}
