//! A disk that is full in the middle of things: a small file system in memory, filled for real.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{Node, Ran, Rng, mixed, not_run, snapshot, text, text_of};

/// A file system of its own, as long as it lives.
struct SmallDisk {
    node: Node,
    mount: PathBuf,
}

impl SmallDisk {
    /// `None`, and a word about it, where this machine lets nobody mount.
    fn mounted(test: &str, mebibytes: u32) -> Option<Self> {
        let node = Node::on_disk();
        let mount = node.data();
        fs::create_dir(&mount).unwrap();
        let options = format!("size={mebibytes}m,mode=0700");
        let arguments = ["-t", "tmpfs", "-o", &options, "tmpfs"];
        let mounted = Command::new("mount").args(arguments).arg(&mount).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { node, mount }),
            _ => {
                not_run(test, "it mounts a tmpfs, which takes root");
                None
            }
        }
    }

    fn grow(&self, mebibytes: u32) {
        let options = format!("remount,size={mebibytes}m");
        let grown = Command::new("mount").args(["-o", &options]).arg(&self.mount).status();
        assert!(grown.unwrap().success());
    }

    fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.mount).unwrap();
        stat.f_bavail * stat.f_frsize
    }

    /// Fills the disk but for `left` bytes.
    fn fill(&self, left: u64) -> PathBuf {
        let path = self.mount.join("ballast");
        fs::write(&path, vec![0; usize::try_from(self.free() - left).unwrap()]).unwrap();
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.mount).status();
    }
}

/// Node commands on a folder below the mount, whose own `format` file a `ballast` would spoil.
fn command(disk: &SmallDisk, words: &str) -> Command {
    let mut command = disk.node.command(words);
    command.env("LUCID_DATA", data(disk));
    command
}

fn data(disk: &SmallDisk) -> PathBuf {
    disk.mount.join("node")
}

fn run(disk: &SmallDisk, words: &str) -> Ran {
    crate::support::run(command(disk, words), &[])
}

fn session_in(message: &str) -> String {
    let (_, rest) = message.split_once("--resume ").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

/// An input larger than the disk, refused in the middle; then there is room, and it goes on.
fn check(test: &str, reserve: &str, room_left: u64, message: &str) {
    let Some(disk) = SmallDisk::mounted(test, 24) else { return };
    let input = Rng::new(1).bytes(30 << 20);
    let path = disk.node.file("input", &input);
    let options = format!("--chunk-bytes 1MiB --workers 2 --reserve-bytes {reserve}");
    let ran = run(&disk, &format!("ingest {path} {options}")).ends(74);
    let ran = ran.says(&[message, "acknowledged and kept", "lucid-node seal "]);
    assert!(disk.free() >= room_left, "{} bytes are left", disk.free());
    let id = session_in(&ran.stderr);
    let kept = shown_bytes(&disk, &id);
    assert!(kept >= 8 << 20, "{kept}");
    assert!(ran.stderr.contains(&format!("{kept} bytes in {} chunks", kept >> 20)));
    run(&disk, &format!("verify {id}")).ok();
    // Without room it is refused again, and nothing is lost by asking.
    let again = run(&disk, &format!("ingest {path} {options} --resume {id}")).ends(74);
    again.says(&[message, &format!("--resume {id}")]);
    assert!(shown_bytes(&disk, &id) >= kept);
    disk.grow(64);
    run(&disk, &format!("ingest {path} {options} --resume {id}")).ok();
    let restored = disk.node.name("restored");
    run(&disk, &format!("restore {id} -o {restored}")).ok();
    assert!(fs::read(&restored).unwrap() == input, "it came back byte for byte");
    run(&disk, "ledger check").ok();
    run(&disk, "verify --all --decrypt").ok();
}

fn shown_bytes(disk: &SmallDisk, id: &str) -> u64 {
    let shown = run(disk, &format!("show {id} --json")).ok().json();
    shown["acknowledged"]["plain_bytes"].as_u64().unwrap()
}

#[test]
fn the_reserve_is_kept_for_the_ledger() {
    let test = "the_reserve_is_kept_for_the_ledger";
    // Two workers may be at a chunk each when the reserve is reached.
    check(test, "8MiB", 6 << 20, "the disk is nearly full");
}

#[test]
fn a_disk_that_is_really_full_loses_nothing() {
    check("a_disk_that_is_really_full_loses_nothing", "0", 0, "No space left on device");
}

/// A new session with so little room that something fails, at each place where it can: whatever it
/// is, it is told, and with room again everything works.
#[test]
fn every_place_where_the_disk_can_be_full() {
    let test = "every_place_where_the_disk_can_be_full";
    let Some(disk) = SmallDisk::mounted(test, 16) else { return };
    run(&disk, "init").ok();
    let input = mixed(150_000, 2);
    let path = disk.node.file("input", &input);
    let (mut failed, mut done) = (0, Vec::new());
    for page in 0..60 {
        let ballast = disk.fill(page * 4096);
        let words = format!("ingest {path} --json --chunk-bytes 64KiB --reserve-bytes 0");
        let ran = run(&disk, &words);
        match ran.status.code() {
            Some(0) => done.push(text(&ran.json()["session_id"])),
            Some(74) => {
                failed += 1;
                ran.says(&["No space left on device"]);
            }
            code => panic!("{page} pages left: {code:?}: {}", ran.stderr),
        }
        // Looking is refused or works, and does no harm either.
        let looked = run(&disk, "list --reserve-bytes 0");
        assert!([Some(0), Some(74)].contains(&looked.status.code()), "{}", looked.stderr);
        fs::remove_file(ballast).unwrap();
        run(&disk, "list").ok();
        run(&disk, "ledger check").ok();
    }
    assert!(failed > 10 && done.len() > 2, "{failed} failed, {} did not", done.len());
    for id in done {
        let restored = run(&disk, &format!("restore {id}")).ok();
        assert!(restored.stdout == input, "what was said to be done is done");
    }
    finish_open_sessions(&disk, &path, &input);
}

fn finish_open_sessions(disk: &SmallDisk, path: &str, input: &[u8]) {
    let listed = run(disk, "list --state open --json --limit 1000").ok().json();
    for row in listed["sessions"].as_array().unwrap() {
        let id = text(&row["session_id"]);
        run(disk, &format!("ingest {path} --resume {id} --reserve-bytes 0")).ok();
        assert!(run(disk, &format!("restore {id}")).ok().stdout == input, "{id}");
    }
    run(disk, "verify --all --decrypt").ok();
}

#[test]
fn a_session_that_could_not_begin_leaves_nothing() {
    let node = Node::new();
    node.ingest(b"some");
    let before = content(&node.data());
    let ran = node.feed("ingest - --reserve-bytes 900TiB", b"more").ends(74);
    ran.says(&["the disk is nearly full", "kept back for the ledger"]);
    assert!(before == content(&node.data()), "nothing was written");
    assert_eq!(node.run("list --json").ok().json()["sessions"].as_array().unwrap().len(), 1);
}

/// What must not change when nothing is written: all but the lock, which has the process's id, and
/// the database, which sled rearranges when it is opened.
fn content(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = snapshot(data);
    let (lock, database) = (data.join("lock"), text_of(&data.join("db")));
    files.retain(|(path, _)| *path != lock && !text_of(path).starts_with(&database));
    files
}
