//! Holding accounts against the log, for somebody who wants to know whether anybody altered them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use lucid_core::{EntryIndex, Owner, entry::UserChanged, merkle::TreeHead};

use super::{AccountRow, Accounts};
use crate::{
    data::DataFolder,
    disk::Disk,
    error::{Doing, StoreError, chain},
    log::LogReader,
    sled_folder::{ASKED_FOR, Refusal, condemned, guarded, move_aside},
};

/// Accounts in one page.
const PAGE: usize = 1024;

/// What is done with each change and its place.
type Each<'a> = &'a mut dyn FnMut(EntryIndex, &UserChanged);

/// Holds the accounts in `folder`, which nobody may have open, against the `log`, whose changes of
/// accounts `read` gives in order. Gives what is wrong with them; all of it is put right from the log by
/// the next start after [`set_aside`]. Accounts that are behind are not wrong: a start catches up.
///
/// # Errors
/// `read`'s, the log's, the disk's.
pub fn check(
    folder: &Path,
    disk: &Disk,
    log: &LogReader,
    read: impl FnOnce(Each<'_>) -> Result<(), StoreError>,
) -> Result<Option<String>, StoreError> {
    if condemned(folder).exists() || !folder.exists() {
        return Ok(None);
    }
    let accounts = match guarded(|| Accounts::try_open(folder, disk)) {
        Ok(accounts) => accounts,
        Err(Refusal::Failed(error)) => return Err(error),
        Err(Refusal::Anew(reason)) => return Ok(Some(reason)),
    };
    let TreeHead { size, root } = accounts.applied()?;
    if size > log.size() || log.root_at(size)? != root {
        return Ok(Some(format!("they stand for another log, of {size} entries")));
    }
    let mut said = BTreeMap::<Owner, AccountRow>::new();
    read(&mut |index, change| {
        if index.0 < size {
            let row = AccountRow::after(said.get(&change.user), change);
            said.insert(change.user.clone(), row);
        }
    })?;
    match compare(&accounts, said) {
        Err(error @ StoreError::Damaged { .. }) => Ok(Some(chain(&error))),
        compared => compared,
    }
}

fn compare(
    accounts: &Accounts,
    mut said: BTreeMap<Owner, AccountRow>,
) -> Result<Option<String>, StoreError> {
    let mut after: Option<Owner> = None;
    loop {
        let page = accounts.accounts(after.as_ref(), PAGE)?;
        for (owner, row) in &page {
            match said.remove(owner) {
                Some(known) if known == *row => {}
                Some(known) => {
                    let of = |row: &AccountRow| match row.revoked {
                        true => format!("{}, revoked", row.role),
                        false => row.role.to_string(),
                    };
                    let (here, there) = (of(row), of(&known));
                    return Ok(Some(format!("{owner} is {here} in them; the log says {there}")));
                }
                None => return Ok(Some(format!("the log knows no account {owner}"))),
            }
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
            _ => break,
        }
    }
    Ok(said.keys().next().map(|owner| format!("{owner} is not among them; the log has it")))
}

/// Moves the accounts of a data folder aside: the next start makes them anew from the log, and says so.
/// `None` where there are none.
///
/// # Errors
/// The operating system's.
pub fn set_aside(folder: &DataFolder, disk: &Disk) -> Result<Option<PathBuf>, StoreError> {
    let accounts = folder.join("auth");
    let mark = condemned(&accounts);
    fs::write(&mark, ASKED_FOR).doing("write", &mark)?;
    move_aside(&accounts, "aside", disk)
}
