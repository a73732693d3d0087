//! The command line: what can be asked, and who answers.

mod help;

use std::{env, num::NonZero, path::PathBuf, process::ExitCode, sync::Arc, thread};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};
use lucid_core::SessionId;

use crate::{
    commands,
    config::{Config, LogFormat, Overrides, ServiceName},
    context::Context,
    failure::{Class, Outcome},
    output::{Output, log_notices, notice},
    progress::Mode,
    telemetry,
};

/// Records sessions, keeps them private, proves them later.
#[derive(Parser, Debug)]
#[command(name = "lucid-node", version, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done, 1 the check failed (not verified, not found), \
    64 usage or configuration, 70 internal, 74 input or output")]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args, Debug)]
struct Global {
    #[command(flatten)]
    overrides: Overrides,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Show progress on standard error
    #[arg(long, global = true, value_enum, default_value_t, value_name = "HOW")]
    progress: Mode,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make a data folder
    Init,
    /// Record a file, a folder (as a tar archive) or standard input (-) as a session
    Ingest(commands::ingest::Ingest),
    /// Run a command in a terminal and record it as an asciicast session
    Record(commands::record::Record),
    /// Seal an open session as it is, as incomplete
    Seal(commands::seal::Seal),
    /// Give up an open session: its keys and chunks are destroyed
    Void(commands::seal::Void),
    /// List sessions
    List(commands::list::List),
    /// Find what has a hash: sessions, chunks, entries of the ledger
    Search(commands::search::Search),
    /// Show a session
    Show(commands::show::Show),
    /// Check a session, every session, or an evidence file
    Verify(Box<commands::verify::Verify>),
    /// Give back what was recorded
    Restore(commands::restore::Restore),
    /// Write an evidence file about a session
    Prove(commands::prove::Prove),
    /// Destroy a session's keys and chunks; that it was there stays provable
    Erase(commands::erase::Erase),
    /// The ledger log
    #[command(subcommand)]
    Ledger(commands::ledger::Ledger),
    /// Serve: all services in this process
    Run,
    /// Serve: one service in this process, the others in theirs
    Serve {
        #[arg(value_name = "NAME", help = format!("Which service: {}", ServiceName::listed()))]
        service: ServiceName,
    },
    /// Show how a running node is
    Status(commands::status::StatusOf),
    /// The chain of a running node, and its log's entries
    #[command(subcommand)]
    Chain(commands::chain::Chain),
    /// The log's checkpoints on TRON
    #[command(subcommand)]
    Anchor(commands::anchor::Anchor),
    /// What the log says, in MongoDB too
    #[command(subcommand)]
    Sync(commands::sync::SyncCommand),
    /// The node's account on TRON
    #[command(subcommand)]
    Tron(commands::tron::Tron),
    /// Onion services, by which a running node is reached through Tor
    #[command(subcommand)]
    Tunnel(commands::tunnel::Tunnel),
    /// Ask whether a running service is alive: exit code 0 where it is, 1 where it is not
    Healthcheck(commands::healthcheck::Healthcheck),
    /// What the nodes decide together: parameters, members, how decisions are made
    #[command(subcommand)]
    Governance(commands::governance::Governance),
    /// Everything but chunks in one encrypted file, and a data folder of it again
    #[command(subcommand)]
    Backup(commands::backup::Backup),
    /// Chunks to an object store (S3 or a folder), and back
    #[command(subcommand)]
    Chunks(commands::chunks::Chunks),
    /// Write logs, configuration and figures without any secret into one file, to be sent to whoever helps
    SupportBundle(commands::support_bundle::SupportBundle),
    /// Accounts: who may sign in, and as what
    #[command(subcommand)]
    Users(commands::users::Users),
    /// Sign in without a wallet at hand
    #[command(subcommand)]
    Auth(commands::auth::Auth),
    /// Print the OpenAPI document of the HTTP API
    Openapi,
    /// Print what a shell completes: lucid-node completions bash
    Completions(commands::manual::Completions),
    /// Write the manual's pages into a folder
    Manual(commands::manual::Manual),
    /// Check this machine, the configuration and the data folder, and say what to do
    Doctor(commands::doctor::Doctor),
    /// The configuration
    #[command(subcommand)]
    Config(commands::config::ConfigCommand),
}

/// Parses the arguments, runs the command, and gives the exit code.
pub fn main() -> ExitCode {
    share_memory();
    let parsed = definition()
        .try_get_matches()
        .and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap prints them to standard output.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { ExitCode::SUCCESS } else { Class::Usage.into() };
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(failure) => {
            notice(&format!("{:#}", failure.error));
            failure.class.into()
        }
    }
}

/// As many of the allocator's arenas as there are processors, two at least, instead of eight times as many; what the
/// operator says in the allocator's own way (`mallopt(3)`) stays.
fn share_memory() {
    let tunables = env::var_os("GLIBC_TUNABLES").unwrap_or_default();
    let is_tuned = tunables.to_string_lossy().contains("glibc.malloc.arena");
    if !is_tuned && env::var_os("MALLOC_ARENA_MAX").is_none() {
        let processors = thread::available_parallelism().map_or(1, NonZero::get).max(2);
        if let Some(arenas) = u16::try_from(processors).ok().and_then(NonZero::new) {
            // Where it cannot be, more memory is used.
            let _ = lucid_hal::heap::limit_arenas(arenas);
        }
    }
}

fn run(cli: Cli) -> Outcome<ExitCode> {
    let Cli { global, command } = cli;
    let output = Output { json: global.json };
    match command {
        // Shows and checks configurations that are not sound, too.
        Command::Config(command) => return command.run(&global.overrides, output),
        Command::Completions(command) => return command.run(),
        Command::Manual(command) => return command.run(),
        _ => {}
    }
    let config = Config::load(&global.overrides)?;
    let serves = matches!(command, Command::Run | Command::Serve { .. });
    telemetry::start(&config, serves);
    if serves && config.services.log_format == LogFormat::Json {
        log_notices();
    }
    let (cancel, waits) = (Arc::default(), Arc::default());
    let context = Context { config, output, progress: global.progress, cancel, waits };
    match command {
        Command::Init => commands::init::run(&context),
        Command::Ingest(command) => command.run(&context),
        Command::Record(command) => command.run(&context),
        Command::Seal(command) => command.run(&context),
        Command::Void(command) => command.run(&context),
        Command::List(command) => command.run(&context),
        Command::Search(command) => command.run(&context),
        Command::Show(command) => command.run(&context),
        Command::Verify(command) => command.run(&context),
        Command::Restore(command) => command.run(&context),
        Command::Prove(command) => command.run(&context),
        Command::Erase(command) => command.run(&context),
        Command::Ledger(command) => command.run(&context),
        Command::Run => crate::serving::run(&context),
        Command::Serve { service } => crate::serving::serve(&context, service),
        Command::Status(command) => command.run(&context),
        Command::Chain(command) => command.run(&context),
        Command::Anchor(command) => command.run(&context),
        Command::Sync(command) => command.run(&context),
        Command::Tron(command) => command.run(&context),
        Command::Tunnel(command) => command.run(&context),
        Command::Healthcheck(command) => command.run(&context),
        Command::Governance(command) => command.run(&context),
        Command::Backup(command) => command.run(&context),
        Command::Chunks(command) => command.run(&context),
        Command::SupportBundle(command) => command.run(&context),
        Command::Users(command) => command.run(&context),
        Command::Auth(command) => command.run(&context),
        Command::Openapi => commands::openapi::run(),
        Command::Completions(command) => command.run(),
        Command::Manual(command) => command.run(),
        Command::Doctor(command) => command.run(&context),
        Command::Config(command) => command.run(&global.overrides, output),
    }
}

/// The command line's definition, for completions and manual pages.
#[must_use]
pub fn definition() -> clap::Command {
    help::tidy(Cli::command())
}

/// A session on the command line.
#[derive(Args, Debug)]
pub struct SessionArg {
    /// The session's id
    #[arg(value_name = "ID")]
    pub session: SessionId,
}

/// A file to write.
#[derive(Args, Debug)]
pub struct OutputArg {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    pub force: bool,
}
