//! Programs that nobody here wrote take a backup apart: age, tar and sha256sum. And what they made is read here.

use std::process::{Command, Stdio};

use age::secrecy::ExposeSecret;

use super::*;

fn run(command: &str) -> String {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", command])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn age_tar_and_sha256sum_read_it() {
    let place = folder();
    let path = place.path();
    drop(node(&path.join("data")));
    let identity = age::x25519::Identity::generate();
    fs::write(path.join("id"), identity.to_string().expose_secret()).unwrap();
    let written =
        backup(&path.join("data"), &path.join("b.age"), &identity.to_public().to_string()).unwrap();
    let path = path.display();
    let listed = run(&format!("age -d -i {path}/id {path}/b.age | tar -tv"));
    let files = listed.lines().filter(|line| line.contains(" data/")).count() as u64;
    assert_eq!(files, written.facts.files, "{listed}");
    assert!(listed.lines().all(|line| line.starts_with("-rw------- 0/0 ")), "{listed}");
    run(&format!("mkdir {path}/out && age -d -i {path}/id {path}/b.age | tar -x -C {path}/out"));
    let summed = run(&format!(
        "cd {path}/out && cat sums/* | sha256sum -c --strict --quiet && cat sums/* | wc -l"
    ));
    assert_eq!(summed.trim(), files.to_string());
    let note = fs::read_to_string(format!("{path}/out/backup.note")).unwrap();
    assert!(note.starts_with("lucid-backup/v1\n{"), "{note}");
    let total = run(&format!("cat {path}/out/sums/* | sha256sum"));
    assert!(note.contains(&total[..64]), "{note} {total}");
    // What was taken apart is a data folder once chunks are there.
    fs::create_dir(format!("{path}/out/data/chunks")).unwrap();
    for name in ["opening", "keys", "sessions"] {
        fs::create_dir_all(format!("{path}/out/data/{name}")).unwrap();
    }
    let (store, _) = open(Path::new(&format!("{path}/out/data")));
    assert_eq!(store.manifest(session(1)).unwrap().manifest.chunk_count, 1);
}

#[test]
fn what_age_encrypted_is_read() {
    let place = folder();
    let path = place.path();
    drop(node(&path.join("data")));
    let (opener, recipient) = identity();
    backup(&path.join("data"), &path.join("b.age"), &recipient).unwrap();
    let other = age::x25519::Identity::generate();
    let Opener::Identities(mine) = &opener else { unreachable!() };
    fs::write(path.join("id"), mine[0].to_string().expose_secret()).unwrap();
    let (shown, to) = (path.display(), other.to_public());
    run(&format!("age -d -i {shown}/id {shown}/b.age | age -r {to} -o {shown}/c.age"));
    looked_at(&path.join("c.age"), &Opener::Identities(vec![other])).unwrap();
}
