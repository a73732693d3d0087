//! `init`: makes a data folder.

use std::process::ExitCode;

use serde::Serialize;

use crate::{context::Context, failure::Outcome, output::table};

#[derive(Serialize)]
struct Made {
    data: String,
    node_id: String,
    log_key: String,
    kek_id: Option<String>,
    log_size: u64,
}

/// Makes the data folder, its keys and its log.
///
/// # Errors
/// Where a node is there already, or the folder holds other things; the store's.
pub fn run(context: &Context) -> Outcome<ExitCode> {
    let store = context.create_store()?;
    let made = Made {
        data: store.path().display().to_string(),
        node_id: store.node_id().to_string(),
        log_key: store.log_key().verifier_key().to_string(),
        kek_id: store.local()?.master_key().kek_id().map(str::to_owned),
        log_size: store.with_log(|log| Ok(log.size()))?,
    };
    context.output.print(&made, |made| {
        table(&[
            ("data folder", made.data.clone()),
            ("node", made.node_id.clone()),
            ("log key", made.log_key.clone()),
            ("master key", made.kek_id.clone().unwrap_or("none: this node is write-only".into())),
        ])
    })?;
    Ok(ExitCode::SUCCESS)
}
