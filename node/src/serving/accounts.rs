//! Opening the accounts: what the ledger has and they have not is taken up, and accounts that are not of
//! this ledger are made anew from it, before anybody signs in.

use std::{path::Path, sync::Arc};

use lucid_api::{Code, Problem, ports::Ledger};
use lucid_auth::{AccountStore, follow};
use lucid_core::counted;
use lucid_store::{Accounts, Disk, Rebuilt};

use super::late::{Late, Missing};
use crate::{
    failure::{Failure, Outcome},
    output::notice,
    services::accounts::StoredAccounts,
};

/// Opens the accounts in `folder`, as they follow from `ledger`; says what had to be done for it. Where a
/// service is given, it waits for a ledger that cannot be reached.
///
/// # Errors
/// The store's, the ledger's.
pub(super) async fn open(
    folder: &Path,
    ledger: &dyn Ledger,
    late: Option<&Late>,
) -> Outcome<Arc<dyn AccountStore>> {
    let (accounts, anew) = opened(folder, None).await?;
    match follow_patiently(&accounts, ledger, late).await {
        Ok(taken_up) => {
            tell(folder, anew.as_ref(), taken_up);
            Ok(accounts)
        }
        Err(problem) if problem.code == Code::Conflict => {
            // sled has a folder once.
            drop(accounts);
            let (accounts, anew) = opened(folder, Some(problem.detail)).await?;
            let taken_up = follow_patiently(&accounts, ledger, late)
                .await
                .map_err(|problem| failure(&problem))?;
            tell(folder, anew.as_ref(), taken_up);
            Ok(accounts)
        }
        Err(problem) => Err(failure(&problem)),
    }
}

type Opened = (Arc<dyn AccountStore>, Option<Rebuilt>);

/// Opens the accounts; where there is a reason, begins them anew.
async fn opened(folder: &Path, reason: Option<String>) -> Outcome<Opened> {
    let folder = folder.to_owned();
    let opening = move || match reason {
        None => Accounts::open(&folder, &Disk::default()),
        Some(reason) => Accounts::begin_anew(&folder, &Disk::default(), &reason),
    };
    let opened = tokio::task::spawn_blocking(opening).await;
    let (accounts, anew) = opened.map_err(|error| Failure::io(error.to_string()))??;
    Ok((Arc::new(StoredAccounts(accounts)), anew))
}

async fn follow_patiently(
    accounts: &Arc<dyn AccountStore>,
    ledger: &dyn Ledger,
    late: Option<&Late>,
) -> Result<u64, Problem> {
    let Some(late) = late else { return follow(accounts, ledger).await };
    late.until(async || {
        follow(accounts, ledger).await.map_err(|problem| match problem.code {
            Code::Unavailable | Code::ServiceTimeout | Code::BadGateway => {
                Missing::Yet(problem.detail)
            }
            _ => Missing::Never(problem),
        })
    })
    .await
}

fn failure(problem: &Problem) -> Failure {
    Failure::io(format!("the accounts cannot be brought up to the ledger: {}", problem.detail))
}

fn tell(folder: &Path, anew: Option<&Rebuilt>, taken_up: u64) {
    let folder = folder.display();
    let changes = counted(taken_up, "change");
    match anew {
        // Of a node on which nobody has an account, nothing is lost.
        Some(anew) if anew.aside.is_some() || taken_up > 0 => notice(&format!(
            "repaired: accounts in {folder}: {anew}. {changes} of accounts are taken up from the log; \
             all sign-ins are over: everybody signs in again"
        )),
        None if taken_up > 0 => notice(&format!(
            "repaired: accounts in {folder} were behind the log: {changes} of accounts are taken up"
        )),
        _ => {}
    }
}
