//! `status`: how a running node is, from what it says of itself; once, or as a view that is kept up.

mod figures;
mod screen;
mod shown;

use std::{
    collections::VecDeque,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use clap::Args;
use lucid_api::client::{Client, ClientError};
use serde::{Deserialize, Serialize};

use self::{
    figures::{Check, Rates, Status},
    screen::Screen,
};
use super::remote::{NodeArg, of_client, runtime};
use crate::{
    config::ServiceName,
    context::{Context, now},
    failure::{Class, Failure, Outcome},
    output::{notice, without_controls},
};

/// Rates that a live view remembers.
const HISTORY: usize = 60;

/// Arguments of `status`.
#[derive(Args, Debug)]
pub struct StatusOf {
    /// Keep looking until q or Ctrl-C, and show what goes through; with --json one object a line
    #[arg(long)]
    live: bool,
    /// Seconds from one look to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 2, requires = "live",
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    #[command(flatten)]
    node: NodeArg,
}

#[derive(Deserialize)]
struct Ready {
    checks: Vec<Check>,
}

/// One look of many.
#[derive(Serialize)]
struct Look<'a> {
    at: lucid_core::Timestamp,
    #[serde(flatten)]
    status: &'a Status,
    rates: Option<Rates>,
}

impl StatusOf {
    /// Asks and shows; exit code 1 where the node cannot do its work.
    ///
    /// # Errors
    /// Where nobody answers: a live view's first look only, later it says so and asks again.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let client = self.node.client(context, ServiceName::ApiGateway)?;
        let runtime = runtime()?;
        let mut ask = || runtime.block_on(ask_until(&client, &context.cancel));
        let status = ask()?;
        let ready = match self.live {
            true => self.keep_looking(context, status, &mut ask)?,
            false => {
                context.output.print(&status, shown::once)?;
                status.ready
            }
        };
        Ok(if ready { ExitCode::SUCCESS } else { Class::Check.into() })
    }

    /// Shows looks until somebody wants an end; whether the node was ready at the last one.
    fn keep_looking(
        &self,
        context: &Context,
        first: Status,
        ask: &mut dyn FnMut() -> Outcome<Status>,
    ) -> Outcome<bool> {
        context.catch_signals()?;
        // The terminal is given back before the end.
        context.catch_hangup()?;
        let mut screen = if context.output.json { None } else { Screen::open()? };
        let (mut latest, mut taken, mut rates) = (first, Instant::now(), None);
        let mut history = VecDeque::with_capacity(HISTORY);
        let mut failure = None;
        loop {
            show(context, screen.as_mut(), &latest, rates, &history, failure.as_ref())?;
            let time = Duration::from_secs(self.every);
            let ended = match &mut screen {
                Some(screen) => screen.wait(time, &context.cancel)?,
                None => screen::wait_unseen(time, &context.cancel),
            };
            if ended {
                return Ok(failure.is_none() && latest.ready);
            }
            let asked = ask();
            if context.cancel.load(Ordering::Acquire) {
                return Ok(failure.is_none() && latest.ready);
            }
            match asked {
                Ok(status) => {
                    let seconds = taken.elapsed().as_secs_f64();
                    rates = Rates::between(&latest, &status, seconds);
                    (latest, taken, failure) = (status, Instant::now(), None);
                    let came = rates.and_then(|rates: Rates| rates.each.plain_bytes);
                    if history.len() == HISTORY {
                        history.pop_front();
                    }
                    history.push_back(came.unwrap_or(0.0));
                }
                // A node that is started anew is away for a moment.
                Err(why) => failure = Some(without_controls(&format!("{:#}", why.error))),
            }
        }
    }
}

/// Shows one look, or that there was none.
fn show(
    context: &Context,
    screen: Option<&mut Screen>,
    status: &Status,
    rates: Option<Rates>,
    history: &VecDeque<f64>,
    failure: Option<&String>,
) -> Outcome {
    let at = now();
    match (screen, failure) {
        (Some(screen), failure) => {
            let failure = failure.map(|why| format!("\nNO ANSWER: {why}; asked again\n"));
            let (view, failure) =
                (shown::live(status, rates.as_ref(), history), failure.unwrap_or_default());
            Ok(screen.draw(&format!("{view}{failure}\n{at}, q ends this\n"))?)
        }
        (None, Some(why)) => {
            notice(why);
            Ok(())
        }
        (None, None) => context.output.print(&Look { at, status, rates }, |look| {
            format!("{at}\n{}\n", shown::live(look.status, look.rates.as_ref(), history))
        }),
    }
}

/// Asks, unless somebody wants an end before there is an answer.
async fn ask_until(client: &Client, cancel: &AtomicBool) -> Outcome<Status> {
    let cancelled = async {
        while !cancel.load(Ordering::Acquire) {
            tokio::time::sleep(screen::LOOK_UP).await;
        }
    };
    tokio::select! {
        status = ask(client) => status,
        () = cancelled => Err(Failure::io("interrupted")),
    }
}

async fn ask(client: &Client) -> Outcome<Status> {
    let ready = client.get("/ready").await.map_err(|error| not_there(&error))?;
    let metrics = client.get("/metrics").await.map_err(|error| not_there(&error))?;
    let url = client.url();
    let nonsense = || Failure::io(format!("what answers at {url} is no node of this version"));
    let checks: Ready = serde_json::from_slice(&ready.body).map_err(|_| nonsense())?;
    let metrics = std::str::from_utf8(&metrics.body).map_err(|_| nonsense())?;
    Ok(Status::of(url.to_owned(), ready.status.is_success(), checks.checks, metrics))
}

fn not_there(error: &ClientError) -> Failure {
    let failure = of_client(error);
    match error {
        ClientError::NoAnswer { .. } => {
            Failure::io(format!("{}; start it with: lucid-node run", failure.error))
        }
        _ => failure,
    }
}
