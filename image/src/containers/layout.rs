//! The image as it lies in the output folder: an OCI image layout (image-spec 1.1), a folder as podman and buildah write it,
//! or docker's archive of one. It is read only, and each blob is held against the digest that it is named by.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::services::Platform;

/// A layer may have so many bytes, packed and unpacked: the base's have some 30 MiB, the node's 80.
const LAYER_BYTES_MAX: u64 = 1 << 30;
/// An index may be in an index, as in docker's archive; deeper ones nobody makes.
const DEPTH_MAX: usize = 3;

/// An image layout.
pub(super) struct Layout {
    path: PathBuf,
    /// Where each file begins in the archive, and how long it is; with a folder none.
    archived: Option<BTreeMap<String, (u64, u64)>>,
}

/// The digest of the one image or index that a layout is of.
///
/// # Errors
/// A layout that is not there, cannot be read, or is of none or of several.
pub(super) fn digest(path: &Path) -> Result<String> {
    let index = json(&Layout::open(path)?.file("index.json")?, "index.json")?;
    match index["manifests"].as_array().map(Vec::as_slice) {
        Some([one]) => Ok(one["digest"].as_str().context("a descriptor has no digest")?.to_owned()),
        _ => bail!("{} is not of one image", path.display()),
    }
}

impl Layout {
    /// # Errors
    /// A layout that is not there; a file that is no archive.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let archived = if path.is_dir() { None } else { Some(files_in(path)?) };
        Ok(Self { path: path.to_owned(), archived })
    }

    /// The layers of the image for a platform, the base's first, each as the tar archive that it is; one at a time.
    ///
    /// # Errors
    /// No image for that platform; a blob that is missing, damaged, or packed in a way that is not read here.
    pub(super) fn layers(
        &self,
        platform: Platform,
    ) -> Result<impl Iterator<Item = Result<Vec<u8>>>> {
        let index = json(&self.file("index.json")?, "index.json")?;
        let manifest = self.manifest(&index, platform, 0)?;
        let manifest =
            manifest.with_context(|| format!("there is no image for {platform} in it"))?;
        let layers = manifest["layers"].as_array().context("the manifest has no layers")?.clone();
        Ok(layers.into_iter().map(|layer| unpacked(self.blob(&layer)?)))
    }

    /// The manifest for a platform, in an index or in one of its indexes.
    fn manifest(&self, index: &Value, platform: Platform, depth: usize) -> Result<Option<Value>> {
        ensure!(depth < DEPTH_MAX, "indexes are in indexes");
        for descriptor in index["manifests"].as_array().context("the index has no manifests")? {
            let stated = &descriptor["platform"];
            if stated.is_object() && !is_for(stated, platform) {
                continue;
            }
            let blob = json(&self.blob(descriptor)?, "a manifest")?;
            if blob["manifests"].is_array() {
                if let Some(found) = self.manifest(&blob, platform, depth + 1)? {
                    return Ok(Some(found));
                }
                continue;
            }
            // An index with one manifest need not say what that is for; its configuration does.
            if stated.is_object()
                || is_for(&json(&self.blob(&blob["config"])?, "a configuration")?, platform)
            {
                return Ok(Some(blob));
            }
        }
        Ok(None)
    }

    /// What a descriptor names.
    fn blob(&self, descriptor: &Value) -> Result<Vec<u8>> {
        let digest = descriptor["digest"].as_str().context("a descriptor has no digest")?;
        let hex = digest.strip_prefix("sha256:").context("a digest is not of SHA-256")?;
        // It becomes a part of a path.
        let is_one = hex.len() == 64 && hex.bytes().all(|c| c.is_ascii_hexdigit());
        ensure!(is_one, "{digest:?} is no digest");
        let bytes = self.file(&format!("blobs/sha256/{hex}"))?;
        ensure!(hex::encode(Sha256::digest(&bytes)) == hex, "the blob {digest} is damaged");
        Ok(bytes)
    }

    fn file(&self, name: &str) -> Result<Vec<u8>> {
        let within = || format!("reading {name} in {}", self.path.display());
        let (mut file, length) = match &self.archived {
            None => {
                let file = File::open(self.path.join(name)).with_context(within)?;
                let length = file.metadata().with_context(within)?.len();
                (file, length)
            }
            Some(archived) => {
                let place = archived.get(name).context("it is not there").with_context(within)?;
                let mut file = File::open(&self.path).with_context(within)?;
                file.seek(SeekFrom::Start(place.0)).with_context(within)?;
                (file, place.1)
            }
        };
        ensure!(length <= LAYER_BYTES_MAX, "{name} is larger than 1 GiB");
        let mut bytes = Vec::new();
        file.by_ref().take(length).read_to_end(&mut bytes).with_context(within)?;
        Ok(bytes)
    }
}

/// Where the files of a tar archive are in it.
fn files_in(path: &Path) -> Result<BTreeMap<String, (u64, u64)>> {
    let within = || format!("reading {}", path.display());
    let mut archive = tar::Archive::new(File::open(path).with_context(within)?);
    let mut files = BTreeMap::new();
    for entry in archive.entries_with_seek().with_context(within)? {
        let entry = entry.with_context(within)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        files.insert(name, (entry.raw_file_position(), entry.size()));
    }
    Ok(files)
}

fn json(bytes: &[u8], what: &str) -> Result<Value> {
    serde_json::from_slice(bytes).with_context(|| format!("{what} is no JSON"))
}

fn is_for(of: &Value, platform: Platform) -> bool {
    of["os"] == "linux" && of["architecture"] == platform.architecture()
}

/// A layer without its packing, which its first bytes tell (RFC 1952, RFC 8878).
fn unpacked(layer: Vec<u8>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match layer.get(..4) {
        Some([0x1f, 0x8b, ..]) => {
            let mut unpacked = MultiGzDecoder::new(&layer[..]).take(LAYER_BYTES_MAX + 1);
            unpacked.read_to_end(&mut bytes).context("unpacking a layer")?;
        }
        Some([0x28, 0xb5, 0x2f, 0xfd]) => {
            bail!("a layer is packed with zstd, which is not read here")
        }
        _ => bytes = layer,
    }
    ensure!(bytes.len() as u64 <= LAYER_BYTES_MAX, "a layer is larger than 1 GiB");
    Ok(bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use std::{fs, io::Write as _};

    use flate2::{Compression, write::GzEncoder};
    use serde_json::json;

    use super::*;

    /// A tar archive of these files.
    pub(in super::super) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, *content).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    /// A layout in a folder, whose image for each architecture has these layers; `deep` as docker has it, an index in the index.
    pub(in super::super) fn layout(folder: &Path, images: &[(&str, Vec<Vec<u8>>)], deep: bool) {
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        let blob = |bytes: &[u8]| {
            let hex = hex::encode(Sha256::digest(bytes));
            fs::write(blobs.join(&hex), bytes).unwrap();
            json!({ "digest": format!("sha256:{hex}"), "size": bytes.len() })
        };
        let of = |value: &Value| blob(&serde_json::to_vec(value).unwrap());
        let image = |(architecture, layers): &(&str, Vec<Vec<u8>>)| {
            let config = of(&json!({ "os": "linux", "architecture": architecture }));
            let layers: Vec<_> = layers.iter().map(|layer| blob(layer)).collect();
            let mut descriptor = of(&json!({ "config": config, "layers": layers }));
            if deep {
                descriptor["platform"] = json!({ "os": "linux", "architecture": architecture });
            }
            descriptor
        };
        let mut index = json!({ "manifests": images.iter().map(image).collect::<Vec<_>>() });
        if deep {
            index = json!({ "manifests": [of(&index)] });
        }
        fs::write(folder.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
    }

    /// The same as docker's archive.
    fn archived(folder: &Path) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_dir_all("", folder).unwrap();
        archive.into_inner().unwrap()
    }

    fn all(path: &Path, platform: Platform) -> Result<Vec<Vec<u8>>> {
        let layout = Layout::open(path)?;
        layout.layers(platform)?.collect()
    }

    #[test]
    fn layers_are_found_in_a_folder_and_in_docker_s_archive() {
        let (first, second) = (archive(&[("a", b"1")]), archive(&[("b", b"2")]));
        // Packed as one, as two parts in a row, and not at all.
        let parts = [gzip(&first[..700]), gzip(&first[700..])].concat();
        let images =
            [("amd64", vec![gzip(&first), second.clone()]), ("arm64", vec![parts, gzip(&second)])];
        for deep in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let (at, file) = (folder.path().join("oci"), folder.path().join("archive"));
            layout(&at, &images, deep);
            fs::write(&file, archived(&at)).unwrap();
            for path in [&at, &file] {
                assert_eq!(digest(path).is_ok(), deep, "of one image, or of two");
                for platform in Platform::ALL {
                    let layers = all(path, platform).unwrap();
                    assert_eq!(layers, [first.clone(), second.clone()], "{deep} {platform}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, layers: Vec<Vec<u8>>| {
            let at = folder.path().join(name);
            layout(&at, &[("amd64", layers)], false);
            at
        };
        let says =
            |path: &Path, platform: Platform| format!("{:#}", all(path, platform).unwrap_err());
        let zstd = at("zstd", vec![b"\x28\xb5\x2f\xfd....".to_vec()]);
        assert!(says(&zstd, Platform::Amd64).contains("packed with zstd"));
        assert!(says(&zstd, Platform::Arm64).contains("no image for linux/arm64"));
        let one = json(&fs::read(zstd.join("index.json")).unwrap(), "").unwrap();
        assert_eq!(digest(&zstd).unwrap(), one["manifests"][0]["digest"]);
        let cut = gzip(b"0123456789");
        let cut = at("cut", vec![cut[..cut.len() - 6].to_vec()]);
        assert!(says(&cut, Platform::Amd64).contains("unpacking a layer"));
        let plain = at("damaged", vec![archive(&[("a", b"1")])]);
        for blob in fs::read_dir(plain.join("blobs/sha256")).unwrap() {
            let path = blob.unwrap().path();
            if fs::metadata(&path).unwrap().len() >= 1024 {
                fs::write(path, b"another").unwrap();
            }
        }
        assert!(says(&plain, Platform::Amd64).contains("is damaged"));
        assert!(says(&folder.path().join("none"), Platform::Amd64).contains("reading"));
        assert!(digest(&folder.path().join("none")).is_err());
    }
}
