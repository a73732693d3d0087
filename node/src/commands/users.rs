//! `users`: accounts, in a data folder that is not in use, or as an admin of a running node.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Args, Subcommand, ValueHint};
use http::Method;
use lucid_api::{
    Code, Problem,
    ports::{Account, AccountFilter, Authentication},
};
use lucid_core::{Owner, access::Role};
use lucid_store::StoreError;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use super::remote::{Connection, NodeArg, read_token, runtime};
use crate::{
    config::ServiceName,
    context::Context,
    failure::{Failure, Outcome},
    serving,
};

/// Accounts that are asked for at once.
const PAGE: u32 = 200;

/// What about accounts.
#[derive(Subcommand, Debug)]
pub enum Users {
    /// List accounts
    List(Way),
    /// Give an account a role; makes the account, and lifts a revocation
    Grant {
        /// Its TRON address
        #[arg(value_name = "ADDRESS")]
        address: Owner,
        /// observer, user, operator or admin
        #[arg(value_name = "ROLE")]
        role: Role,
        /// Where the accounts are
        #[command(flatten)]
        way: Way,
    },
    /// Revoke an account and all its tokens
    Revoke {
        /// Its TRON address
        #[arg(value_name = "ADDRESS")]
        address: Owner,
        /// Where the accounts are
        #[command(flatten)]
        way: Way,
    },
}

/// Where the accounts are.
#[derive(Args, Debug)]
pub struct Way {
    /// Ask a running node, as the admin whose access token is in this file: alone, or as /auth/login
    /// answered it; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArg,
}

/// An account, as the API shows it.
#[derive(Serialize, Deserialize)]
struct Row {
    address: String,
    role: Role,
    revoked: bool,
    created_at: String,
}

#[derive(Serialize)]
struct Listed {
    users: Vec<Row>,
}

#[derive(Deserialize)]
struct Page {
    users: Vec<Row>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Grant {
    role: Role,
}

impl From<Account> for Row {
    fn from(account: Account) -> Self {
        let Account { owner, role, revoked, created_at } = account;
        Self { address: owner.to_string(), role, revoked, created_at: created_at.to_string() }
    }
}

impl Users {
    /// Does it.
    ///
    /// # Errors
    /// Where the data folder is in use and no running node was named; the node's.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        match self {
            Self::List(way) => {
                let users = way.open(context)?.list()?;
                context.output.print(&Listed { users }, |listed| text(&listed.users))?;
            }
            Self::Grant { address, role, way } => {
                let row = way.open(context)?.grant(address, *role)?;
                context.output.print(&row, |row| text(std::slice::from_ref(row)))?;
            }
            Self::Revoke { address, way } => {
                let row = way.open(context)?.revoke(address)?;
                context.output.print(&row, |row| text(std::slice::from_ref(row)))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The accounts, wherever they are.
enum Accounts {
    Folder { runtime: Runtime, service: Arc<dyn Authentication>, by: Owner },
    Node(Connection),
}

impl Way {
    fn open(&self, context: &Context) -> Outcome<Accounts> {
        if let Some(file) = &self.token_file {
            let client = self.node.client(context, ServiceName::ApiGateway)?;
            return Ok(Accounts::Node(Connection::new(client, Some(read_token(file)?))?));
        }
        if self.node.url.is_some() {
            return Err(Failure::usage("--url goes with --token-file, of an admin of that node"));
        }
        let (runtime, store) = (runtime()?, context.open_store().map_err(in_use)?);
        let service = runtime.block_on(serving::accounts_of(context, store))?;
        let by = "local".parse().map_err(|error| Failure::usage(format!("{error}")))?;
        Ok(Accounts::Folder { runtime, service, by })
    }
}

/// Says how to go on where a node is running.
fn in_use(failure: Failure) -> Failure {
    match failure.error.downcast_ref() {
        Some(StoreError::InUse { .. }) => failure
            .context("ask the running node with --token-file FILE, as an admin, or stop it first"),
        _ => failure,
    }
}

impl Accounts {
    fn list(&self) -> Outcome<Vec<Row>> {
        let (mut users, mut after) = (Vec::new(), None::<String>);
        loop {
            let (page, next) = self.page(after.as_deref())?;
            users.extend(page);
            match next {
                Some(next) => after = Some(next),
                None => return Ok(users),
            }
        }
    }

    fn page(&self, after: Option<&str>) -> Outcome<(Vec<Row>, Option<String>)> {
        match self {
            Self::Folder { runtime, service, .. } => {
                let after = after.and_then(|after| after.parse().ok());
                let filter = AccountFilter { after, limit: PAGE };
                let page = runtime.block_on(service.accounts(filter)).map_err(of_problem)?;
                let full = page.len() == PAGE as usize;
                let next = page.last().filter(|_| full).map(|last| last.owner.to_string());
                Ok((page.into_iter().map(Row::from).collect(), next))
            }
            Self::Node(node) => {
                let after = after.map_or_else(String::new, |after| format!("&after={after}"));
                let path = format!("/api/v1/admin/users?limit={PAGE}{after}");
                let Page { users, next } = node.get(&path)?;
                Ok((users, next))
            }
        }
    }

    fn grant(&self, address: &Owner, role: Role) -> Outcome<Row> {
        match self {
            Self::Folder { runtime, service, by } => {
                let granted = runtime.block_on(service.grant(address, role, by));
                granted.map(Row::from).map_err(of_problem)
            }
            Self::Node(node) => {
                node.send(Method::PUT, &format!("/api/v1/admin/users/{address}"), &Grant { role })
            }
        }
    }

    fn revoke(&self, address: &Owner) -> Outcome<Row> {
        match self {
            Self::Folder { runtime, service, by } => {
                let revoked = runtime.block_on(service.revoke(address, by));
                revoked.map(Row::from).map_err(of_problem)
            }
            Self::Node(node) => {
                node.ask(Method::DELETE, &format!("/api/v1/admin/users/{address}"), None)
            }
        }
    }
}

fn of_problem(problem: Problem) -> Failure {
    let message = problem.detail;
    match problem.code {
        Code::NotFound => Failure::check(message),
        code if code.status().is_client_error() => Failure::usage(message),
        _ => Failure::io(message),
    }
}

fn text(users: &[Row]) -> String {
    if users.is_empty() {
        return "no accounts: whoever signs in first becomes a user".to_owned();
    }
    let mut lines = format!("{:34}  {:8}  {:7}  {}\n", "ADDRESS", "ROLE", "STATE", "SINCE");
    for Row { address, role, revoked, created_at } in users {
        let state = if *revoked { "revoked" } else { "active" };
        lines.push_str(&format!("{address:34}  {:8}  {state:7}  {created_at}\n", role.as_str()));
    }
    lines
}
