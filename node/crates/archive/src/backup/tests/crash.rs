//! Every operation on the disk fails once, and all after it.

use std::sync::Arc;

use super::*;
use crate::testing::Script;

#[test]
fn an_interrupted_backup_has_no_name() {
    let place = folder();
    let (data, file) = (place.path().join("data"), place.path().join("b.age"));
    drop(node(&data));
    let (opener, recipient) = identity();
    let run = |disk: Disk, replace: bool| {
        let nothing = &mut |_, _| ();
        write(&data, &file, WriteOptions { replace, disk, ..options(&recipient, nothing) })
    };
    let counted = Arc::new(Script::default());
    run(Disk::with_faults(counted.clone()), false).unwrap();
    let operations = counted.count();
    assert!(operations >= 5, "{operations}");
    let older = fs::read(&file).unwrap();
    for replace in [true, false] {
        for nth in 0..operations {
            if !replace {
                fs::remove_file(&file).unwrap();
            }
            let cut = run(Disk::with_faults(Script::dead_from(nth)), replace);
            assert!(cut.is_err(), "operation {nth} of {operations} failed and nobody said so");
            assert!(!place.path().join("b.age.tmp").exists() || nth == 0);
            // Only the sync of its new name comes after it has it.
            match nth + 1 == operations {
                true => drop(looked_at(&file, &opener).unwrap()),
                false => assert_eq!(fs::read(&file).ok(), replace.then(|| older.clone()), "{nth}"),
            }
            fs::write(&file, &older).unwrap();
        }
    }
}

#[test]
fn an_interrupted_restore_is_nothing_or_all() {
    let place = folder();
    let (data, file) = (place.path().join("data"), place.path().join("b.age"));
    drop(node(&data));
    let (opener, recipient) = identity();
    backup(&data, &file, &recipient).unwrap();
    let run = |to: &Path, disk: Disk| {
        restore(&file, &opener, to, &Expected::default(), &disk, &mut |_, _| ())
    };
    let counted = Arc::new(Script::default());
    run(&place.path().join("counted"), Disk::with_faults(counted.clone())).unwrap();
    let operations = counted.count();
    assert!(operations > 60, "{operations}");
    let whole = files(&place.path().join("counted"));
    for nth in 0..operations {
        let to = place.path().join(format!("to-{nth}"));
        let cut = run(&to, Disk::with_faults(Script::dead_from(nth)));
        assert!(cut.is_err(), "operation {nth} of {operations} failed and nobody said so");
        let named = to.join("format").exists();
        assert!(!named || nth + 1 == operations, "a folder after operation {nth}");
        if !named {
            let options = || lucid_store::CreateOptions {
                kek: lucid_store::KekSource::Folder,
                at: at(1),
                reserve_bytes: Some(0),
                disk: Disk::default(),
                ciphers: Arc::new(lucid_store::NoCiphers),
            };
            // No new node is begun over what is left, unless nothing is.
            if files(&to).iter().any(|name| name != Path::new("lock")) {
                let begun = lucid_store::Store::create(&to, options()).err();
                let begun = begun.expect("a node was begun over the rest of a restore").to_string();
                // Whoever meets it is told what it is.
                let is_marked = to.join("format.restoring").exists();
                assert_eq!(begun.contains("backup restore"), is_marked, "{nth}: {begun}");
            }
            run(&to, Disk::default()).unwrap();
        }
        assert_eq!(files(&to), whole, "{nth}");
        let (store, recovery) = open(&to);
        assert!(recovery.unknown.is_empty(), "{nth}: {recovery:?}");
        assert_eq!(store.manifest(session(2)).unwrap().manifest.chunk_count, 2);
        drop(store);
        fs::remove_dir_all(&to).unwrap();
    }
}
