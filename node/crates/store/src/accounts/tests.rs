use std::fs;

use super::*;

fn change(user: &str, role: Role, revoked: bool) -> UserChanged {
    let (kind, v) = Default::default();
    UserChanged { at: at(5), by: owner("local"), kind, revoked, role, user: owner(user), v }
}

fn head(size: u64) -> TreeHead {
    TreeHead { size, root: Hash([size as u8; 32]) }
}

/// Opens a database that nothing speaks against.
fn open(path: &Path) -> Accounts {
    let (accounts, anew) = Accounts::open(path, &Disk::default()).unwrap();
    assert!(anew.is_none(), "{anew:?}");
    accounts
}

fn make(path: &Path) -> Accounts {
    Accounts::open(path, &Disk::default()).unwrap().0
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

fn owner(name: &str) -> Owner {
    name.parse().unwrap()
}

fn family(of: &str, expires: u64) -> FamilyRow {
    let (current, used) = ([1; 32], vec![2; 64]);
    FamilyRow { current, expires_at: at(expires), owner: owner(of), used }
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth");
    let row = AccountRow { created_at: at(5), revoked: false, role: Role::Operator };
    let accounts = make(&path);
    assert_eq!(accounts.applied().unwrap(), TreeHead::EMPTY);
    let changes = ["Tb", "Ta", "Tab", "Tc"].map(|name| change(name, Role::Operator, false));
    accounts.apply(&changes, head(4)).unwrap();
    accounts.put_family([1; 16], &family("Ta", 100), at(0)).unwrap();
    accounts.put_family([2; 16], &family("Tab", 100), at(0)).unwrap();
    drop(accounts);
    let accounts = open(&path);
    assert_eq!(accounts.applied().unwrap(), head(4));
    assert_eq!(accounts.account(&owner("Tab")).unwrap(), Some(row));
    let names = |after: Option<&str>, limit| -> Vec<String> {
        let page = accounts.accounts(after.map(owner).as_ref(), limit).unwrap();
        page.into_iter().map(|(owner, _)| owner.to_string()).collect()
    };
    assert_eq!(names(None, 10), ["Ta", "Tab", "Tb", "Tc"]);
    assert_eq!(names(Some("Ta"), 2), ["Tab", "Tb"]);
    assert_eq!(accounts.family([1; 16]).unwrap(), Some(family("Ta", 100)));
    accounts.apply(&[change("Ta", Role::User, true)], head(6)).unwrap();
    let revoked = AccountRow { created_at: at(5), revoked: true, role: Role::User };
    assert_eq!(accounts.account(&owner("Ta")).unwrap(), Some(revoked));
    assert_eq!(accounts.family([1; 16]).unwrap(), None);
    assert!(accounts.family([2; 16]).unwrap().is_some(), "another's, whose name begins alike");
    accounts.remove_family([2; 16]).unwrap();
    accounts.remove_family([2; 16]).unwrap();
    for tree in [&accounts.families, &accounts.by_owner, &accounts.expiring] {
        assert!(tree.is_empty());
    }
}

#[test]
fn expired_sign_ins_go_a_few_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = make(&folder.path().join("auth"));
    for id in 0..20 {
        accounts.put_family([id; 16], &family("Ta", u64::from(id)), at(0)).unwrap();
    }
    // Good for longer again: its old time counts no more.
    accounts.put_family([0; 16], &family("Ta", 1000), at(0)).unwrap();
    accounts.put_family([50; 16], &family("Ta", 1000), at(20)).unwrap();
    assert_eq!(accounts.families.len(), 21 - PRUNED_EACH);
    for _ in 0..3 {
        accounts.put_family([50; 16], &family("Ta", 1000), at(20)).unwrap();
    }
    assert_eq!((accounts.families.len(), accounts.by_owner.len()), (2, 2));
}

#[test]
fn a_revocation_that_was_lifted_again_ends_sign_ins_too() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = make(&folder.path().join("auth"));
    accounts.put_family([1; 16], &family("Ta", 100), at(0)).unwrap();
    let changes = [change("Ta", Role::User, true), change("Ta", Role::Admin, false)];
    accounts.apply(&changes, head(2)).unwrap();
    assert_eq!(accounts.family([1; 16]).unwrap(), None);
    let row = accounts.account(&owner("Ta")).unwrap().unwrap();
    assert!(!row.revoked && row.role == Role::Admin);
}

/// Puts an account into a new database, does `harm`, opens it again; gives why it was made anew.
fn check_reopened(harm: impl FnOnce(&Path)) -> Option<String> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("auth");
    let accounts = make(&path);
    accounts.apply(&[change("Ta", Role::User, false)], head(1)).unwrap();
    drop(accounts);
    harm(&path);
    let (accounts, anew) = Accounts::open(&path, &Disk::default()).unwrap();
    let kept = accounts.account(&owner("Ta")).unwrap().is_some();
    assert_eq!(
        kept,
        anew.is_none(),
        "what is made anew is made from the log, from its first entry"
    );
    assert_eq!(accounts.applied().unwrap() == TreeHead::EMPTY, anew.is_some());
    if let Some(aside) = anew.as_ref().and_then(|anew| anew.aside.as_ref()) {
        assert!(*aside == place.path().join("auth.damaged-1") && aside.exists());
    }
    drop(accounts);
    open(&path);
    anew.map(|anew| anew.reason)
}

#[test]
fn what_cannot_be_trusted_is_made_anew() {
    assert_eq!(check_reopened(|_| ()), None);
    let anew = |harm: fn(&Path)| check_reopened(harm).expect("it is made anew");
    assert!(anew(|path| fs::remove_dir_all(path).unwrap()).contains("missing"));
    assert!(anew(condemn).contains("damaged while it was in use"));
    anew(|path| fs::write(path.join("db"), "").unwrap());
    anew(|path| fs::write(path.join("db"), "garbage").unwrap());
    anew(|path| fs::write(path.join("db"), vec![0xff; 200_000]).unwrap());
    let meta = |path: &Path, key: &[u8], value: Option<&[u8]>| {
        let files = SledFolder::open(path, CACHE_BYTES, &Disk::default()).unwrap();
        let meta = files.tree("meta").unwrap();
        match value {
            Some(value) => meta.insert(key, value).unwrap(),
            None => meta.remove(key).unwrap(),
        };
        files.flush().unwrap();
    };
    assert!(check_reopened(|path| meta(path, b"layout", None)).unwrap().contains("what is in it"));
    assert!(check_reopened(|path| meta(path, b"layout", Some(b"accounts 2"))).is_some());
    assert!(check_reopened(|path| meta(path, b"applied", None)).unwrap().contains("which log"));
    assert!(check_reopened(|path| meta(path, b"applied", Some(b"x"))).is_some());
}
