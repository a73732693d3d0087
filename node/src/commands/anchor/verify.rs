//! `anchor verify`: every anchor that is kept, against itself, against the log, and against TRON.

use std::process::ExitCode;

use clap::Args;
use lucid_core::{
    counted,
    tron::anchor::{AnchorClaims, AnchorPins},
};
use lucid_store::{Store, StoreError};
use serde::Serialize;

use crate::{
    commands::{online, verify_anchor::AnchorReport},
    context::Context,
    failure::{Class, Outcome},
};

/// Arguments of `anchor verify`.
#[derive(Args, Debug)]
pub struct Verify {
    /// Ask the configured TRON node (tron_network, tron_rpc_url) whether it has each of them
    #[arg(long)]
    online: bool,
}

#[derive(Serialize)]
struct Report {
    anchors: Vec<Checked>,
    /// Anchors in the log of which what proves them is not kept.
    without_proof: Vec<u64>,
}

#[derive(Serialize)]
struct Checked {
    log_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    anchor: Option<AnchorReport>,
    error: Option<String>,
}

impl Verify {
    /// Checks them.
    ///
    /// # Errors
    /// The store's; where no TRON node is configured to be asked.
    pub(super) fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let store = context.look_at_store()?;
        let online = self.online.then(|| online::Online::new(context)).transpose()?;
        let sizes = store.anchored_sizes()?;
        let mut anchors = Vec::with_capacity(sizes.len());
        for &log_size in &sizes {
            let checked = check(&store, log_size)?;
            let asked = match (&checked, &online) {
                (Ok(claims), Some(online)) => online.check(claims),
                _ => Ok(()),
            };
            let (anchor, error) = match (checked, asked) {
                // Whoever cannot be asked says nothing of any of them.
                (Ok(_), Err(failure)) if failure.class != Class::Check => return Err(failure),
                (Ok(_), Err(failure)) => (None, Some(format!("{:#}", failure.error))),
                (Ok(claims), Ok(())) if online.is_some() => {
                    (Some(AnchorReport::of(&claims).borne_out()), None)
                }
                (Ok(claims), Ok(())) => (Some(AnchorReport::of(&claims)), None),
                (Err(error), _) => (None, Some(error)),
            };
            anchors.push(Checked { log_size, anchor, error });
        }
        let without_proof = without_proof(&store, &sizes)?;
        let sound = anchors.iter().all(|anchor| anchor.error.is_none());
        context.output.print(&Report { anchors, without_proof }, text)?;
        Ok(if sound { ExitCode::SUCCESS } else { Class::Check.into() })
    }
}

/// What a kept anchor proves; the inner error says what is wrong with it.
fn check(store: &Store, log_size: u64) -> Outcome<Result<AnchorClaims, String>> {
    let record = match store.anchor(log_size) {
        Ok(Some(record)) => record,
        Ok(None) => return Ok(Err("it is not there any more".to_owned())),
        Err(error @ StoreError::Damaged { .. }) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let pins = AnchorPins::of(record.proof());
    let verified = record.verify(store.log_key().verifier_key(), &pins);
    let (checkpoint, claims) = match verified {
        Ok(verified) => verified,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let root = store.with_log(|log| match checkpoint.size <= log.size() {
        true => Ok(Some(log.root_at(checkpoint.size)?)),
        false => Ok(None),
    })?;
    Ok(match root == Some(checkpoint.root) {
        true => Ok(claims),
        false => Err("this log never had the root that is anchored".to_owned()),
    })
}

/// Sizes of anchors in the log that no file proves.
fn without_proof(store: &Store, kept: &[u64]) -> Outcome<Vec<u64>> {
    const PAGE: usize = 1000;
    let mut missing = Vec::new();
    let mut before = lucid_core::EntryIndex(u64::MAX);
    loop {
        let page = store.anchors(before, PAGE)?;
        let sizes = page.iter().map(|(_, anchor)| anchor.log_size);
        missing.extend(sizes.filter(|size| kept.binary_search(size).is_err()));
        match page.last() {
            Some((index, _)) if page.len() == PAGE => before = *index,
            _ => break,
        }
    }
    missing.reverse();
    Ok(missing)
}

fn text(report: &Report) -> String {
    let Report { anchors, without_proof } = report;
    let mut lines = String::new();
    for Checked { log_size, anchor, error } in anchors {
        let of = counted(*log_size, "entry");
        let line = match (anchor, error) {
            (_, Some(error)) => format!("{of}: DOES NOT HOLD: {error}\n"),
            (Some(anchor), None) => {
                let asked = if anchor.is_borne_out() { ", which TRON has" } else { "" };
                format!("{of}: {}{asked}\n", anchor.in_short())
            }
            (None, None) => format!("{of}\n"),
        };
        lines.push_str(&line);
    }
    for size in without_proof {
        let of = counted(*size, "entry");
        lines.push_str(&format!("{of}: in the log, and what proves it is not kept here\n"));
    }
    if lines.is_empty() { "nothing is anchored yet\n".to_owned() } else { lines }
}
