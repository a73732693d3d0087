use std::os::unix::fs::PermissionsExt;

use super::*;

fn refused(path: &Path) -> StoreError {
    DataFolder::open(path, FolderKind::Node).err().expect("refused")
}

fn create(path: &Path) -> Result<DataFolder, StoreError> {
    DataFolder::create(path, FolderKind::Node, &Disk::default())
}

#[test]
fn a_folder_of_another_kind_is_named_and_left() {
    for kind in FolderKind::ALL {
        let base = tempfile::tempdir().unwrap();
        drop(DataFolder::create(base.path(), kind, &Disk::default()).unwrap());
        let before = names(base.path());
        for wanted in FolderKind::ALL.into_iter().filter(|wanted| *wanted != kind) {
            let opened = DataFolder::open(base.path(), wanted).err().unwrap();
            let made = DataFolder::create(base.path(), wanted, &Disk::default()).err().unwrap();
            for error in [opened, made] {
                let text = error.to_string();
                assert!(text.contains(&kind.to_string()), "{text}");
                assert!(text.contains(&wanted.to_string()), "{text}");
            }
        }
        assert_eq!(names(base.path()), before);
        assert!(DataFolder::open(base.path(), kind).is_ok());
    }
}

#[test]
fn what_is_made_opens_once() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("deep").join("data");
    assert!(matches!(refused(&path), StoreError::NoFolder { .. }));
    let disk = Disk::default();
    let folder = DataFolder::create(&path, FolderKind::Node, &disk).unwrap();
    assert_eq!(fs::read_to_string(path.join("format")).unwrap(), "lucid-data 1\n");
    for name in ["", "secrets", "keys", "log"] {
        let mode = fs::metadata(path.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{name:?}");
    }
    let message = refused(&path).to_string();
    assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
    drop(folder);
    let folder = DataFolder::open(&path, FolderKind::Node).unwrap();
    assert!(folder.free_bytes().unwrap() > 0);
    assert!((RESERVE_BYTES_MIN..=RESERVE_BYTES_MAX).contains(&folder.reserve_bytes().unwrap()));
}

#[test]
fn other_folders_are_left_alone() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path();
    assert!(matches!(refused(path), StoreError::NotADataFolder { .. }));
    let check = |name: &str, text: &str, want: fn(&StoreError) -> bool| {
        fs::write(path.join(name), text).unwrap();
        let before: Vec<_> = names(path);
        for error in [refused(path), create(path).err().unwrap()] {
            assert!(want(&error), "{name}: {error}");
        }
        assert_eq!(names(path), before, "{name}: nothing was touched");
        fs::remove_file(path.join(name)).unwrap();
    };
    check("photo.jpg", "", |e| matches!(e, StoreError::NotADataFolder { .. }));
    check("format", "x\n", |e| matches!(e, StoreError::NotADataFolder { .. }));
    check("format", "lucid-data 1", |e| matches!(e, StoreError::NotADataFolder { .. }));
    check("format", "lucid-other 1\n", |e| matches!(e, StoreError::NotADataFolder { .. }));
    check("format", "lucid-data 01\n", |e| matches!(e, StoreError::NotADataFolder { .. }));
    check("format", "lucid-data 7\n", |e| matches!(e, StoreError::NewerFormat { version: 7, .. }));
    let file = path.join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(refused(&file), StoreError::NotADataFolder { .. }));
    assert!(create(&file).is_err());
}

fn names(path: &Path) -> Vec<PathBuf> {
    fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_volume_mounted_for_a_subfolder_does_not_stand_in_the_way() {
    let create = |path: &Path| DataFolder::create(path, FolderKind::Vault, &Disk::default());
    let base = tempfile::tempdir().unwrap();
    fs::create_dir_all(base.path().join("chunks/lost+found")).unwrap();
    let folder = create(base.path()).unwrap();
    assert!(folder.free_bytes().unwrap() > 0);
    drop(folder);
    assert!(DataFolder::open(base.path(), FolderKind::Vault).is_ok());
    // Chunks without the keys they belong to, and a folder that is another service's.
    for other in ["chunks/00000000", "sessions"] {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir_all(base.path().join(other)).unwrap();
        let refused = create(base.path()).err();
        assert!(matches!(refused, Some(StoreError::NotADataFolder { .. })), "{other}");
        assert!(!base.path().join("format").exists(), "{other} was touched");
    }
}

#[test]
fn an_interrupted_creation_is_finished() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("format.tmp"), "luc").unwrap();
    fs::create_dir(base.path().join("lost+found")).unwrap();
    drop(create(base.path()).unwrap());
    fs::remove_dir(base.path().join("opening")).unwrap();
    assert!(matches!(refused(base.path()), StoreError::Unfinished { .. }));
    drop(create(base.path()).unwrap());
    assert!(DataFolder::open(base.path(), FolderKind::Node).is_ok());
}

#[test]
fn a_part_that_a_node_had_is_lost_and_not_made_anew() {
    let base = tempfile::tempdir().unwrap();
    drop(create(base.path()).unwrap());
    fs::write(base.path().join("log").join("head"), "").unwrap();
    for name in FolderKind::Node.subfolders().iter().filter(|name| **name != "log") {
        let aside = base.path().join("aside");
        fs::rename(base.path().join(name), &aside).unwrap();
        for error in [refused(base.path()), create(base.path()).err().unwrap()] {
            assert!(
                matches!(&error, StoreError::PartLost { name: lost, .. } if lost == name),
                "{error}"
            );
        }
        assert!(!base.path().join(name).exists(), "{name} was made anew");
        fs::rename(&aside, base.path().join(name)).unwrap();
    }
    let folder = DataFolder::open(base.path(), FolderKind::Node).unwrap();
    assert!(folder.lacks("chunks").to_string().ends_with("(mkdir) if nothing was in it"));
    assert!(folder.lacks("secrets/kek_id").to_string().ends_with("from a backup"));
}
