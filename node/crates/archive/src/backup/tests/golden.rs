//! What is written today is what was written, byte for byte, and what was written is read.

use std::{io::Read, path::PathBuf};

use super::*;

fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The golden data folder as a node would have it: git keeps neither empty folders nor modes.
fn golden_folder(data: &Path) {
    let golden = beside("../../tests/golden/data");
    for name in files(&golden) {
        let to = data.join(&name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(golden.join(&name), &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::create_dir_all(data.join("opening")).unwrap();
}

fn plain(file: &Path, opener: &Opener) -> Vec<u8> {
    let (bytes, mut plain) = (fs::read(file).unwrap(), Vec::new());
    opener.open(bytes.as_slice(), file).unwrap().read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn the_golden_backup_is_made_and_read() {
    let place = folder();
    let (data, new) = (place.path().join("data"), place.path().join("new.age"));
    golden_folder(&data);
    let identity = fs::read(beside("tests/golden/identity.txt")).unwrap();
    let opener = Opener::identities(&identity).unwrap();
    let Opener::Identities(mine) = &opener else { unreachable!() };
    let nothing = &mut |_, _| ();
    let software = "lucid-node 0.1.0".to_owned();
    let options = options(&mine[0].to_public().to_string(), nothing);
    write(&data, &new, WriteOptions { software, ..options }).unwrap();
    let golden = beside("tests/golden/node.age");
    if std::env::var_os("LUCID_TEST_BLESS").is_some() {
        fs::copy(&new, &golden).unwrap();
    }
    assert!(plain(&golden, &opener) == plain(&new, &opener), "the format has changed");
    let back = place.path().join("back");
    let restored = put_back(&golden, &opener, &back).unwrap();
    let node = "21fe31dfa154a261".parse().unwrap();
    assert_eq!(
        (restored.facts.node_id, restored.facts.log_size()),
        (Some(node), restored.log_size)
    );
    assert!(restored.log_size.is_some_and(|size| size > 3));
    for name in files(&back) {
        assert!(
            [Path::new("lock"), Path::new("restored")].contains(&name.as_path())
                || fs::read(back.join(&name)).unwrap() == fs::read(data.join(&name)).unwrap()
        );
    }
}
