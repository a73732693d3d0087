//! Debian's packages, as dpkg lists what is installed (`deb-control(5)`), and as an SBOM names them.

use serde_json::{Value, json};

/// A package that is installed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
}

impl Package {
    /// Its package URL (purl), of a vendor: `debian`, or who made another version of it.
    pub(crate) fn purl(&self, vendor: &str) -> String {
        let escaped = |text: &str| text.replace('+', "%2B").replace(':', "%3A").replace('~', "%7E");
        let Self { name, version, architecture } = self;
        format!("pkg:deb/{vendor}/{}@{}?arch={architecture}", escaped(name), escaped(version))
    }

    /// Its component in a document of CycloneDX.
    pub(crate) fn component(&self, vendor: &str) -> Value {
        let purl = self.purl(vendor);
        json!({
            "type": "library", "bom-ref": purl, "name": self.name, "version": self.version, "purl": purl,
        })
    }
}

/// The packages in a list of dpkg's, in order: those whose status is that they are installed, or that have none, as in images
/// without dpkg.
pub(crate) fn installed(list: &str) -> Vec<Package> {
    let package = |block: &str| {
        let field = |name: &str| {
            let mut values = block.lines().filter_map(|line| line.strip_prefix(name));
            values.find_map(|rest| rest.strip_prefix(':')).map(|value| value.trim().to_owned())
        };
        // What is wanted, whether that went well, and what is there (dpkg(1)): one that is held is there, too.
        let installed = field("Status").is_none_or(|status| status.ends_with(" installed"));
        installed.then_some(())?;
        Some(Package {
            name: field("Package")?,
            version: field("Version")?,
            architecture: field("Architecture")?,
        })
    };
    let mut packages: Vec<_> = list.split("\n\n").filter_map(package).collect();
    packages.sort_unstable();
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_listed_and_nothing_else() {
        let list = "Package: zlib1g\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1:1.3+b1\n\
            Description: x\n Version: no\n\nPackage: held\nStatus: hold ok installed\nArchitecture: arm64\nVersion: 2\n\n\
            Package: never\nStatus: unknown ok not-installed\nArchitecture: arm64\nVersion: 3\n\nPackage: gone\nStatus: deinstall ok config-files\nArchitecture: arm64\n\
            Version: 1\n\nPackage: libstdc++6\nVersion: 12~rc\nArchitecture:arm64\n\nPackage: half\n\n\n\n";
        let purls: Vec<_> = installed(list).iter().map(|package| package.purl("debian")).collect();
        assert_eq!(
            purls,
            [
                "pkg:deb/debian/held@2?arch=arm64",
                "pkg:deb/debian/libstdc%2B%2B6@12%7Erc?arch=arm64",
                "pkg:deb/debian/zlib1g@1%3A1.3%2Bb1?arch=arm64",
            ]
        );
        assert!(installed("").is_empty());
    }
}
