//! What the log says of accounts, found without reading the rest of it.

use lucid_core::{access::Role, entry::UserChanged, merkle::TreeHead};

use super::*;

fn change(user: &str) -> Entry {
    let (kind, v) = Default::default();
    let (by, user) = ("local".parse().unwrap(), user.parse().unwrap());
    Entry::UserChanged(UserChanged {
        at: at(3),
        by,
        kind,
        revoked: false,
        role: Role::User,
        user,
        v,
    })
}

fn names(found: &UserChanges) -> Vec<String> {
    found.changes.iter().map(|(_, change)| change.user.to_string()).collect()
}

fn check(store: &Store) {
    let all = store.user_changes(TreeHead::EMPTY, 10).unwrap();
    assert_eq!(names(&all), ["Ta", "Tb", "Ta", "Tc"]);
    assert!(!all.more);
    let log_size = store.with_log(|log| Ok(log.size())).unwrap();
    assert_eq!(all.until.size, log_size);
    // In pages: each goes on where the one before it ended.
    let first = store.user_changes(TreeHead::EMPTY, 3).unwrap();
    assert!(first.more && names(&first) == ["Ta", "Tb", "Ta"]);
    let second = store.user_changes(first.until, 3).unwrap();
    assert!(!second.more && names(&second) == ["Tc"] && second.until == all.until);
    let nothing = store.user_changes(all.until, 3).unwrap();
    assert_eq!((nothing.changes.len(), nothing.more, nothing.until), (0, false, all.until));
    // What is of no tree of this log.
    let TreeHead { size, root } = all.until;
    for other in [TreeHead { size: size + 1, root }, TreeHead { size: size - 1, root }] {
        let refused = store.user_changes(other, 3).unwrap_err();
        assert!(matches!(refused, StoreError::OtherLog(_)), "{refused}");
    }
}

#[test]
fn changes_of_accounts_are_found_wherever_the_database_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let store = create(&path, Disk::default()).unwrap();
    // More than the database may be behind: the first ones are in its trees, the last one is not.
    let events = |count: usize| vec![node_event("test", String::new(), at(1)); count];
    store.append(&[change("Ta"), change("Tb")]).unwrap();
    store.append(&events(3000)).unwrap();
    store.append(&[change("Ta")]).unwrap();
    store.append(&events(3000)).unwrap();
    store.append(&[change("Tc")]).unwrap();
    store.append(&events(10)).unwrap();
    check(&store);
    drop(store);
    check(&open_clean(&path));
    std::fs::remove_dir_all(path.join("db")).unwrap();
    check(&open(&path).0);
}
