use std::sync::Arc;

use lucid_core::{merkle, note::SigningKey};

use super::*;
use crate::testing::{PowerCut, Script, folder_in_memory};

const ORIGIN: &str = "example.com/log";

fn log_key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN.parse().unwrap(), &[seed; 32])
}

/// A log of `size` entries, all but the first of them those of `branch`.
fn leaves(size: u64, branch: u8) -> Vec<Hash> {
    let entry = |n: u64| if n == 0 { vec![0] } else { vec![branch, n as u8] };
    (0..size).map(|n| merkle::leaf_hash(&entry(n))).collect()
}

fn request_of(branch: u8, old_size: u64, size: u64, seed: u8) -> AddCheckpoint {
    let leaves = leaves(size, branch);
    let proof = match old_size {
        1.. if old_size <= size => merkle::consistency_proof(&leaves, old_size).unwrap(),
        _ => Vec::new(),
    };
    let (origin, root) = (ORIGIN.parse().unwrap(), merkle::root(&leaves));
    let text = Checkpoint { origin, size, root }.sign(&log_key(seed)).unwrap();
    AddCheckpoint { old_size, proof, checkpoint: SignedNote::parse(&text).unwrap() }
}

fn request(old_size: u64, size: u64) -> AddCheckpoint {
    request_of(1, old_size, size, 3)
}

fn open(folder: &Path, disk: &Disk) -> Result<Witness, StoreError> {
    Disk::default().make_folder(&folder.join("secrets")).unwrap();
    Witness::open(folder, &[log_key(3).verifier_key().clone()], disk)
}

/// What is answered: 200, or the refusal's status.
fn status(witness: &Witness, request: &AddCheckpoint) -> u16 {
    match witness.add_checkpoint(request, 1_700_000_000) {
        Ok(cosignature) => {
            let mut note = request.checkpoint.clone();
            note.add(cosignature).unwrap();
            let verified = note.verify(&[witness.key()]).unwrap();
            assert_eq!(verified[0].seconds, Some(1_700_000_000));
            200
        }
        Err(WitnessError::Refused(refusal)) => refusal.status(),
        Err(WitnessError::Store(error)) => panic!("{error}"),
    }
}

#[test]
fn a_log_is_followed_and_a_fork_is_not() {
    let folder = folder_in_memory();
    let disk = Disk::default();
    let witness = open(folder.path(), &disk).unwrap();
    let origin = Hash::of(ORIGIN.as_bytes());
    assert_eq!(witness.latest(origin), None);
    let stranger = Hash::of(b"example.com/other");
    for (request, expected) in [
        (request(0, 4), 200),
        (request(4, 4), 200),
        (request(4, 9), 200),
        // Back to what was cosigned before, in each way that one may try.
        (request(0, 4), 409),
        (request(4, 9), 409),
        (request(9, 4), 400),
        (request(0, 20), 409),
        // Another branch, of the same size, and of a larger one from the common beginning and from here.
        (request_of(2, 9, 9, 3), 422),
        (request_of(2, 1, 12, 3), 409),
        (request_of(2, 9, 12, 3), 422),
        // Another's signature under the log's name.
        (request_of(1, 9, 12, 4), 403),
        (request(9, 12), 200),
    ] {
        // Each decision is the same by a witness that has begun again.
        let status_of_new = || status(&open(folder.path(), &disk).unwrap(), &request);
        if expected != 200 {
            assert_eq!(status_of_new(), expected, "{request}");
        }
        assert_eq!(status(&witness, &request), expected, "{request}");
    }
    let latest = witness.latest(origin).unwrap();
    let keys = (log_key(3), witness.key().clone());
    let (checkpoint, cosigned) =
        Checkpoint::verify_cosigned(&latest, keys.0.verifier_key(), &[&keys.1]).unwrap();
    assert_eq!((checkpoint.size, cosigned.len()), (12, 1));
    assert_eq!(witness.latest(stranger), None);
    assert_eq!(witness.sizes(), [(ORIGIN.to_owned(), Some(12))]);
    assert_eq!(open(folder.path(), &disk).unwrap().latest(origin), Some(latest));
}

#[test]
fn unknown_logs() {
    let folder = folder_in_memory();
    let disk = Disk::default();
    drop(open(folder.path(), &disk).unwrap());
    let none = Witness::open(folder.path(), &[], &disk).unwrap();
    assert_eq!(status(&none, &request(0, 1)), 404);
    let broken = SignedNote::sign("example.com/log\nmany\n", &log_key(3)).unwrap();
    let broken = AddCheckpoint { checkpoint: broken, ..request(0, 1) };
    assert_eq!(status(&none, &broken), 400);
}

/// Of two that follow from the same checkpoint and not from each other, one is cosigned.
#[test]
fn of_many_at_once_one_line_of_history_is_cosigned() {
    let folder = folder_in_memory();
    let witness = open(folder.path(), &Disk::default()).unwrap();
    assert_eq!(status(&witness, &request(0, 1)), 200);
    let requests: Vec<_> = (1..=8).map(|branch| request_of(branch, 1, 5, 3)).collect();
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let witness = &witness;
        let ask = |request| scope.spawn(move || status(witness, request));
        let threads: Vec<_> = requests.iter().map(ask).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 409).count(), 7, "{answers:?}");
}

/// Whatever operation fails or is the last before the power goes: what was answered is remembered.
#[test]
fn what_was_cosigned_is_never_forgotten() {
    for nth in 0..5 {
        let folder = folder_in_memory();
        drop(open(folder.path(), &Disk::default()).unwrap());
        let script = Arc::new(Script::default());
        let witness = open(folder.path(), &Disk::with_faults(script.clone())).unwrap();
        assert_eq!(status(&witness, &request(0, 4)), 200);
        script.fail_nth(nth, false);
        let failed = witness.add_checkpoint(&request(4, 9), 7);
        assert!(matches!(failed, Err(WitnessError::Store(StoreError::Io { .. }))), "{nth}");
        // Nobody was told of it: another follower of the 4 may still be the one.
        let other = request_of(1, 4, 6, 3);
        assert_eq!(status(&witness, &other), 200, "{nth}");
        let again = open(folder.path(), &Disk::default()).unwrap();
        assert_eq!(again.sizes(), [(ORIGIN.to_owned(), Some(6))], "{nth}");
    }
    for nth in 0..40 {
        let folder = folder_in_memory();
        drop(open(folder.path(), &Disk::default()).unwrap());
        let power = Arc::new(PowerCut::at(nth));
        let disk = Disk::with_faults(power.clone());
        let mut told = None;
        if let Ok(witness) = open(folder.path(), &disk) {
            for (old, size) in [(0, 4), (4, 9), (9, 12)] {
                if witness.add_checkpoint(&request(old, size), 7).is_ok() {
                    told = Some(size);
                }
            }
        }
        power.cut();
        let again = open(folder.path(), &Disk::default()).unwrap();
        assert!(again.sizes()[0].1 >= told, "{nth}: {told:?}");
    }
}

#[test]
fn a_memory_that_is_not_its_own_is_no_beginning() {
    let folder = folder_in_memory();
    let disk = Disk::default();
    let witness = open(folder.path(), &disk).unwrap();
    assert_eq!(status(&witness, &request(0, 4)), 200);
    let path = folder.path().join("witness").join(Hash::of(ORIGIN.as_bytes()).to_string());
    let whole = fs::read_to_string(&path).unwrap();
    let own = whole.lines().next_back().unwrap();
    let refused = [
        String::new(),
        whole[..whole.len() - 2].to_owned(),
        whole.replacen("\n4\n", "\n3\n", 1),
        whole.replacen(own, "", 1).trim_end().to_owned() + "\n",
        whole.replacen(ORIGIN, "example.com/other", 1),
    ];
    for text in refused {
        fs::write(&path, &text).unwrap();
        let error = open(folder.path(), &disk).map(drop).unwrap_err();
        assert!(error.to_string().contains("put the file back"), "{text:?}: {error}");
    }
    fs::write(&path, &whole).unwrap();
    // The log has a new key: what was cosigned under the old one is still what it must follow from.
    let renewed = [log_key(5).verifier_key().clone()];
    let witness = Witness::open(folder.path(), &renewed, &disk).unwrap();
    assert_eq!(status(&witness, &request_of(1, 4, 6, 3)), 403);
    assert_eq!(status(&witness, &request_of(2, 4, 6, 5)), 422);
    assert_eq!(status(&witness, &request_of(1, 4, 6, 5)), 200);
}

/// Who removes what a witness remembers does not make it say yes to a fork.
#[test]
fn a_memory_that_is_gone_is_no_beginning() {
    let folder = folder_in_memory();
    let disk = Disk::default();
    let memory = folder.path().join("witness");
    let begun = folder.path().join("secrets/witness.logs");
    drop(open(folder.path(), &disk).unwrap());
    fs::remove_dir_all(&memory).unwrap();
    let witness = open(folder.path(), &disk).expect("nothing was cosigned yet");
    assert!(!begun.exists());
    assert_eq!(status(&witness, &request(0, 4)), 200);
    drop(witness);
    let origin = Hash::of(ORIGIN.as_bytes());
    assert_eq!(fs::read_to_string(&begun).unwrap(), format!("{origin} {ORIGIN}\n"));
    let whole = fs::read(memory.join(origin.to_string())).unwrap();
    fs::remove_dir_all(&memory).unwrap();
    for _ in 0..2 {
        let error = open(folder.path(), &disk).map(drop).unwrap_err().to_string();
        assert!(error.contains("put the file back") && error.contains(ORIGIN), "{error}");
    }
    // Another log that it is asked to witness changes nothing about that.
    let other = SigningKey::from_seed("example.com/other".parse().unwrap(), &[9; 32]);
    Witness::open(folder.path(), &[other.verifier_key().clone()], &disk).unwrap();
    assert!(open(folder.path(), &disk).is_err());
    fs::write(memory.join(origin.to_string()), &whole).unwrap();
    let witness = open(folder.path(), &disk).unwrap();
    assert_eq!(status(&witness, &request_of(2, 0, 9, 3)), 409);
    drop(witness);
    // One that remembers more than stands there, as those of an earlier version do, takes it up.
    fs::remove_file(&begun).unwrap();
    drop(open(folder.path(), &disk).unwrap());
    fs::remove_file(memory.join(origin.to_string())).unwrap();
    assert!(open(folder.path(), &disk).is_err());
    for text in ["x\n", &format!("{origin} example.com/other\n"), &format!("{origin} {ORIGIN}")] {
        fs::write(&begun, text).unwrap();
        let error = open(folder.path(), &disk).map(drop).unwrap_err().to_string();
        assert!(error.contains("put the file back"), "{text:?}: {error}");
    }
}

/// Whatever operation of the first cosignature fails: who was not told is the only one who does not know.
#[test]
fn a_first_cosignature_that_was_not_told_binds_nobody() {
    for nth in 0..10 {
        let folder = folder_in_memory();
        drop(open(folder.path(), &Disk::default()).unwrap());
        let script = Arc::new(Script::default());
        let witness = open(folder.path(), &Disk::with_faults(script.clone())).unwrap();
        script.fail_nth(nth, false);
        let failed = witness.add_checkpoint(&request(0, 4), 7);
        assert!(matches!(failed, Err(WitnessError::Store(StoreError::Io { .. }))), "{nth}");
        assert_eq!(status(&witness, &request_of(2, 0, 6, 3)), 200, "{nth}");
        drop(witness);
        let again = open(folder.path(), &Disk::default()).unwrap();
        assert_eq!(again.sizes(), [(ORIGIN.to_owned(), Some(6))], "{nth}");
        drop(again);
        fs::remove_dir_all(folder.path().join("witness")).unwrap();
        assert!(open(folder.path(), &Disk::default()).is_err(), "{nth}");
    }
}
