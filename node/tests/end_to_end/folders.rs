//! Folders, which become tar archives: given back they hold what the folder held.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{Node, mixed, not_run, text};

/// What a path of a folder is.
#[derive(PartialEq, Eq, Debug)]
enum Thing {
    Folder(u32),
    File(u32, Vec<u8>),
    Link(PathBuf),
}

fn make_tree(root: &Path) {
    fs::create_dir_all(root.join("a/b/empty")).unwrap();
    fs::write(root.join("a/large"), mixed(300_000, 1)).unwrap();
    fs::write(root.join("a/nothing"), b"").unwrap();
    fs::write(root.join("a/b/script"), b"#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("a/b/script"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::write(root.join("n".repeat(255)), b"a name as long as names may be").unwrap();
    let deep = (0..8).fold(root.to_owned(), |path, n| path.join(format!("{n}{}", "d".repeat(60))));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("deep"), b"a path longer than tar's hundred bytes").unwrap();
    fs::write(root.join("ünïcödé \u{1f512} name\nof two lines"), b"letters").unwrap();
    symlink("large", root.join("a/link")).unwrap();
    symlink("no/such/file", root.join("broken")).unwrap();
    symlink("t".repeat(150), root.join("a/long-link")).unwrap();
    symlink("..", root.join("a/up")).unwrap();
}

fn things(root: &Path) -> BTreeMap<PathBuf, Thing> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let mode = metadata.permissions().mode() & 0o777;
            let thing = if metadata.is_symlink() {
                Thing::Link(fs::read_link(&path).unwrap())
            } else if metadata.is_dir() {
                folders.push(path.clone());
                Thing::Folder(mode)
            } else {
                Thing::File(mode, fs::read(&path).unwrap())
            };
            found.insert(path.strip_prefix(root).unwrap().to_owned(), thing);
        }
    }
    found
}

#[test]
fn a_folder_comes_back_as_it_was() {
    let node = Node::new();
    let root = node.path("things");
    make_tree(&root);
    let expected = things(&root);
    let result = node.run(&format!("ingest {} --json", root.display())).ok().json();
    assert_eq!(result["media_type"], "application/x-tar");
    assert_eq!(result["skipped"], 0);
    let id = text(&result["session_id"]);
    let archive = node.name("things.tar");
    node.run(&format!("restore {id} -o {archive}")).ok();
    let by_crate = node.path("by-crate");
    let mut reader = tar::Archive::new(File::open(&archive).unwrap());
    reader.set_preserve_permissions(true);
    reader.unpack(&by_crate).unwrap();
    assert_eq!(things(&by_crate.join("things")), expected);
    let by_program = node.path("by-program");
    fs::create_dir(&by_program).unwrap();
    let unpacked =
        Command::new("tar").arg("-xpf").arg(&archive).arg("-C").arg(&by_program).output();
    match unpacked {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(things(&by_program.join("things")), expected);
            // What was unpacked is the same folder: recorded again, it is the same stream.
            assert!(node.restore(&recorded(&node, &by_program.join("things"))) == bytes(&archive));
        }
        Err(_) => not_run("a_folder_comes_back_as_it_was", "there is no program tar"),
    }
}

fn recorded(node: &Node, folder: &Path) -> String {
    let result = node.run(&format!("ingest {} --json", folder.display())).ok().json();
    text(&result["session_id"])
}

fn bytes(path: &str) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[test]
fn the_archive_is_a_file_like_any_other() {
    let node = Node::new();
    make_tree(&node.path("things"));
    let (first, archive) = (recorded(&node, &node.path("things")), node.name("archive"));
    node.run(&format!("restore {first} -o {archive}")).ok();
    let again = recorded(&node, Path::new(&archive));
    assert!(node.restore(&again) == bytes(&archive));
    assert!(node.restore(&first) == bytes(&archive));
}

#[test]
fn what_holds_no_bytes_is_left_out_and_said() {
    let node = Node::new();
    let root = node.path("things");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), b"bytes").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let ran = node.run(&format!("ingest {} --json", root.display())).ok();
    assert_eq!(ran.json()["skipped"], 1);
    ran.says(&["left out:", "socket"]);
}

/// The programs of this machine: hundreds of megabytes of what real folders hold.
#[test]
fn a_whole_usr_bin() {
    let test = "a_whole_usr_bin";
    let folder = Path::new("/usr/bin");
    let bytes = folder_bytes(folder);
    if !(1 << 20..2 << 30).contains(&bytes) {
        return not_run(test, &format!("/usr/bin has {bytes} bytes"));
    }
    let node = Node::on_disk();
    let id = recorded(&node, folder);
    node.run(&format!("verify {id} --decrypt")).ok();
    let archive = node.name("bin.tar");
    let report = node.run(&format!("restore {id} -o {archive} --json")).ok().json();
    assert!(report["plain_bytes"].as_u64().unwrap() > bytes);
    compare_with_files(&archive, folder);
    let compared = Command::new("tar").args(["--compare", "-f", &archive, "-C", "/usr"]).output();
    match compared {
        Ok(output) => {
            let differences = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{differences}");
        }
        Err(_) => not_run(test, "there is no program tar"),
    }
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.path().symlink_metadata().ok()).map(|it| it.len()).sum()
}

/// Every file of the archive has the bytes that the file has.
fn compare_with_files(archive: &str, folder: &Path) {
    let mut reader = tar::Archive::new(File::open(archive).unwrap());
    let mut files = 0;
    for entry in reader.entries().unwrap() {
        let mut entry = entry.unwrap();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().unwrap().strip_prefix("bin").unwrap().to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert!(content == fs::read(folder.join(&path)).unwrap(), "{}", path.display());
        files += 1;
    }
    assert!(files > 10, "{files}");
}
