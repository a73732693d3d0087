//! One module a command: its arguments, what it does, what it prints.

pub mod auth;
pub mod chain;
pub mod config;
pub mod doctor;
pub mod erase;
pub mod governance;
pub mod healthcheck;
pub mod ingest;
pub mod init;
pub mod ledger;
pub mod list;
pub mod openapi;
pub mod prove;
pub mod record;
pub mod remote;
pub mod restore;
pub mod seal;
pub mod search;
pub mod session;
pub mod show;
pub mod status;
pub mod users;
pub mod verify;
pub mod verify_anchor;
pub mod verify_evidence;
pub mod verify_session;
