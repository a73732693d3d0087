//! What is on the card: a CycloneDX 1.5 document of the packages that its root has, with their versions, which is the
//! snapshot of the archives that it was made from, and of the crates that the node is compiled from.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::dpkg::{Package, installed};

/// What the document says of the image itself.
pub(super) struct Image<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    /// Lines of apt's sources.list.
    pub(super) sources: &'a [String],
    pub(super) time: u64,
    /// The SHA-256 of the node's package.
    pub(super) deb: &'a str,
    /// Its root's.
    pub(super) root: &'a str,
}

/// The document for dpkg's list (`/var/lib/dpkg/status`) and the node's own document.
///
/// # Errors
/// A list that has no package, or not the node's; a document of another form.
pub(super) fn document(status: &str, node: &Value, image: &Image<'_>) -> Result<Value> {
    let packages = installed(status);
    ensure!(
        packages.iter().any(|package| package.name == "lucid-node"),
        "the root's list of packages has no lucid-node"
    );
    let mut components: Vec<_> = packages.iter().map(|package| component(package, image)).collect();
    let mut crates =
        node["components"].as_array().context("the node's SBOM has no components")?.clone();
    crates.retain(|part| part["type"] == "library");
    components.append(&mut crates);
    let properties = |sources: &[String]| -> Vec<_> {
        let mut properties = vec![
            json!({ "name": "lucid:source-date-epoch", "value": image.time.to_string() }),
            json!({ "name": "lucid:root-sha256", "value": image.root }),
        ];
        // The path of a key is this machine's.
        let plain = |line: &String| {
            line.split_whitespace()
                .filter(|word| !word.starts_with('['))
                .collect::<Vec<_>>()
                .join(" ")
        };
        properties.extend(
            sources.iter().map(|line| json!({ "name": "lucid:source", "value": plain(line) })),
        );
        properties
    };
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "operating-system", "bom-ref": "image", "name": image.name, "version": image.version,
            },
            "properties": properties(image.sources),
        },
        "components": components,
    }))
}

fn component(package: &Package, image: &Image<'_>) -> Value {
    // Of Raspberry Pi's own packages the version ends with +rpt and a number.
    let vendor = if package.version.contains("+rpt") { "raspberrypi" } else { "debian" };
    let mut component = package.component(vendor);
    if package.name == "lucid-node" {
        component["type"] = json!("application");
        component["hashes"] = json!([{ "alg": "SHA-256", "content": image.deb }]);
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Package: zlib1g\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1:1.3+b1\n\
        Description: x\n Version: no\n\nPackage: gone\nStatus: deinstall ok config-files\nArchitecture: arm64\n\
        Version: 1\n\nPackage: lucid-node\nStatus: install ok installed\nArchitecture: arm64\nVersion: 0.1.0\n\n\
        Package: raspi-firmware\nStatus: install ok installed\nArchitecture: all\nVersion: 1:1.2025+rpt1\n";

    #[test]
    fn packages_and_crates_are_named_with_their_versions() {
        let node = json!({ "components": [
            { "type": "library", "name": "serde" }, { "type": "container", "name": "base" },
        ] });
        let sources = ["deb [signed-by=/home/me/k.pgp] http://r.example trixie main".to_owned()];
        let image = Image {
            name: "lucid",
            version: "0.1.0",
            sources: &sources,
            time: 7,
            deb: "00",
            root: "ff",
        };
        let document = document(STATUS, &node, &image).unwrap();
        let names: Vec<_> = document["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["lucid-node", "raspi-firmware", "zlib1g", "serde"]);
        let purl =
            |place: usize| document["components"][place]["purl"].as_str().unwrap().to_owned();
        assert_eq!(purl(2), "pkg:deb/debian/zlib1g@1%3A1.3%2Bb1?arch=arm64");
        assert_eq!(purl(1), "pkg:deb/raspberrypi/raspi-firmware@1%3A1.2025%2Brpt1?arch=all");
        assert_eq!(document["components"][0]["hashes"][0]["content"], "00");
        assert_eq!(
            document["metadata"]["properties"][2]["value"],
            "deb http://r.example trixie main"
        );
        assert!(!document.to_string().contains("/home/me"), "no path of the machine that made it");
        assert!(super::document("", &node, &image).is_err());
    }
}
