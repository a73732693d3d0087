//! What witnesses said of a checkpoint, kept beside the log.

use std::{fs, path::Path};

use lucid_core::{
    EntryIndex, Hash,
    merkle::leaf_hash,
    note::{Checkpoint, CosigningKey, NoteSignature},
};
use lucid_store::log::{Finding, Log, LogError, LogReader};

use crate::{
    power::{ENOSPC, Fault, faulty, until_power_cut},
    support::*,
};

fn witness(seed: u8) -> CosigningKey {
    CosigningKey::from_seed(format!("witness.example/{seed}").parse().unwrap(), &[seed; 32])
}

fn cosign(checkpoint: &str, seed: u8) -> NoteSignature {
    let checkpoint = Checkpoint::verify(checkpoint, &public()).unwrap();
    witness(seed).cosign(&checkpoint, 1_700_000_000 + u64::from(seed)).unwrap()
}

/// Keeps what witness `seed` says of `checkpoint`.
fn keep(log: &mut Log, checkpoint: &str, seed: u8) -> Result<bool, LogError> {
    log.keep_cosignatures(checkpoint, vec![cosign(checkpoint, seed)])
}

/// The size that is cosigned, and by how many of the witnesses 1 to 3.
fn cosigned(log: &LogReader) -> Option<(u64, usize)> {
    let keys: Vec<_> = (1..=3).map(|seed| witness(seed).verifier_key().clone()).collect();
    let cosigned = log.cosigned()?;
    Some((cosigned.checkpoint().size, cosigned.witnesses(&keys).len()))
}

#[test]
fn kept_for_good_and_never_taken_back() {
    let (_folder, dir, mut log) = new_log();
    let mut checkpoints = Vec::new();
    for size in [3, 300, 700] {
        log.append(&entries(log.size(), size)).unwrap();
        checkpoints.push(log.checkpoint_text().to_owned());
    }
    assert_eq!((cosigned(&log), log.published()), (None, checkpoints[2].clone()));
    assert!(keep(&mut log, &checkpoints[1], 1).unwrap());
    assert!(keep(&mut log, &checkpoints[1], 2).unwrap(), "another of the same");
    assert!(keep(&mut log, &checkpoints[1], 2).unwrap(), "the same again");
    assert!(!keep(&mut log, &checkpoints[0], 3).unwrap(), "an earlier one is of no use");
    assert_eq!((cosigned(&log), log.published()), (Some((300, 2)), checkpoints[2].clone()));
    drop(log);
    let mut log = open(&dir);
    assert_eq!(cosigned(&log), Some((300, 2)));
    for (index, size) in [(0, 300), (299, 300), (300, 700), (699, 700)] {
        let proof = log.witnessed_proof(EntryIndex(index)).unwrap();
        let proved = proof.verify(leaf_hash(&entry(index)), &public()).unwrap();
        assert_eq!(proved.size, size, "under the cosigned one where that covers entry {index}");
    }
    assert!(keep(&mut log, &checkpoints[2], 3).unwrap());
    assert_eq!(cosigned(&log), Some((700, 1)));
    assert!(
        log.published().starts_with(checkpoints[2].trim_end())
            && log.published().len() > checkpoints[2].len()
    );
    let to = dir.with_file_name("export");
    log.export(&to, &mut |_, _| ()).unwrap();
    assert_eq!(fs::read_to_string(to.join("checkpoint")).unwrap(), log.published());
    assert!(check_all(&dir).is_sound());
    assert_eq!(cosigned(&LogReader::open(&dir, &public()).unwrap()), Some((700, 1)));
}

#[test]
fn only_of_this_log() {
    let (_folder, _, mut log) = new_log();
    log.append(&entries(0, 10)).unwrap();
    let (_other, _, mut other) = new_log();
    other.append(&entries(1, 10)).unwrap();
    let (_longer, _, mut longer) = new_log();
    longer.append(&entries(0, 11)).unwrap();
    let altered = log.checkpoint_text().replacen("\n10\n", "\n9\n", 1);
    let strange = [other.checkpoint_text(), longer.checkpoint_text(), altered.as_str(), "x"];
    for text in strange.map(str::to_owned) {
        let refused = log.keep_cosignatures(&text, vec![]);
        assert!(matches!(refused, Err(LogError::NotOurs)), "{refused:?}");
    }
    assert_eq!(cosigned(&log), None);
}

/// A log of 600 entries whose checkpoint of 300 was cosigned, its folder, and what stood there at 200.
fn rolled_back(dir: &Path, log: &mut Log) {
    log.append(&entries(0, 200)).unwrap();
    let older = ["head", "tail"].map(|name| (name, fs::read(dir.join(name)).unwrap()));
    log.append(&entries(200, 230)).unwrap();
    let text = log.checkpoint_text().to_owned();
    keep(log, &text, 1).unwrap();
    for (name, bytes) in older {
        fs::write(dir.join(name), bytes).unwrap();
    }
}

#[test]
fn a_log_that_was_rolled_back_does_not_open() {
    let (_folder, dir, mut log) = new_log();
    rolled_back(&dir, &mut log);
    drop(log);
    let refused = Log::open(&dir, key(), lucid_store::Disk::default()).map(drop);
    let Err(error @ LogError::CosignedAhead { .. }) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("230 entries, and the log has 200"), "{error}");
    let found = check_all(&dir).findings;
    let named = |it: &Finding| matches!(it, Finding::Damage(LogError::CosignedAhead { .. }));
    assert!(found.iter().any(named), "{found:?}");
}

#[test]
fn damage_is_named() {
    let (_folder, dir, mut log) = new_log();
    log.append(&entries(0, 20)).unwrap();
    let text = log.checkpoint_text().to_owned();
    keep(&mut log, &text, 1).unwrap();
    log.append(&entries(20, 30)).unwrap();
    drop(log);
    let path = dir.join("cosigned");
    let whole = fs::read_to_string(&path).unwrap();
    // Another tree of that size, signed by this node: the other branch of a fork.
    let origin = ORIGIN.parse().unwrap();
    let fork = Checkpoint { origin, size: 20, root: Hash([1; 32]) }.sign(&key()).unwrap();
    let rows = [
        String::new(),
        "x".to_owned(),
        whole.replacen("\n20\n", "\n19\n", 1),
        whole[..whole.len() / 2].to_owned(),
        fork,
    ];
    for (text, row) in rows.into_iter().zip(0..) {
        fs::write(&path, text).unwrap();
        let refused = LogReader::open(&dir, &public()).map(drop).unwrap_err();
        let expected = match refused {
            LogError::CheckpointRefused { .. } => row < 4,
            LogError::RootMismatch { .. } => row == 4,
            _ => false,
        };
        assert!(expected && refused.to_string().contains("cosigned"), "{row}: {refused}");
        assert!(!check_all(&dir).is_sound(), "{row}");
    }
    fs::remove_file(&path).unwrap();
    assert!(check_all(&dir).is_sound());
    assert_eq!(cosigned(&open(&dir)), None, "cosignatures that are gone are asked for again");
}

/// Whatever operation of keeping fails, the log goes on with what was kept before or with the new.
#[test]
fn keeping_may_fail_at_any_operation() {
    let mut operations = 0;
    for fault in [Fault::Error(ENOSPC), Fault::PowerCut, Fault::LoseUnsynced] {
        for at in 0.. {
            let (_folder, dir) = log_of(20);
            let (disk, script) = faulty(u64::MAX, Some(fault));
            let mut log = Log::open(&dir, key(), disk).unwrap();
            let first = log.checkpoint_text().to_owned();
            keep(&mut log, &first, 1).unwrap();
            log.append(&entries(20, 30)).unwrap();
            let second = log.checkpoint_text().to_owned();
            let before = script.operations();
            script.arm(at);
            let kept = until_power_cut(|| keep(&mut log, &second, 2));
            if script.operations() - before <= at {
                operations += at;
                break;
            }
            let is_kept = matches!(kept, Some(Ok(true)));
            assert!(!is_kept, "{fault:?} at {at} was swallowed");
            if kept.is_some() {
                assert_eq!(cosigned(&log), Some((20, 1)), "{fault:?} at {at}");
                log.append(&entries(30, 31)).unwrap();
            }
            drop(log);
            let again = open(&dir);
            assert!(matches!(cosigned(&again), Some((20 | 30, 1))), "{fault:?} at {at}");
        }
    }
    assert_eq!(operations, 3 * 5, "open, write, sync, rename, folder");
}
