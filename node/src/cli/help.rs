//! What the help of a command shows. Every option of the configuration is accepted everywhere; shown
//! are those that the command does something with. All of them are in the help of the top level.

use clap::Command;

/// Where the others are.
const MORE: &str = "Options of every command: lucid-node --help";

/// The global options that the help of `command` shows; `None` for all of them.
fn shown(command: &str) -> Option<&'static [&'static str]> {
    Some(match command {
        "init" => &["json", "data", "write_only", "master_key_file", "reserve_bytes"],
        "ingest" | "record" => &[
            "json",
            "progress",
            "data",
            "owner",
            "chunk_bytes",
            "zstd_level",
            "suite",
            "workers",
            "age_recipients",
            "master_key_file",
            "reserve_bytes",
            "flush_after",
        ],
        "verify" | "restore" => &["json", "progress", "data", "workers", "master_key_file"],
        "list" => &["json", "data", "owner"],
        "ledger" | "search" | "sync" | "backup" | "chunks" => &["json", "progress", "data"],
        "seal" | "void" | "show" | "prove" | "erase" | "users" => &["json", "data"],
        "status" | "healthcheck" | "chain" | "anchor" | "governance" => {
            &["json", "listen", "config"]
        }
        "auth" => &["json"],
        "tron" => &["json", "config"],
        "openapi" | "completions" | "manual" => &[],
        "doctor" | "support-bundle" => &["json", "data", "config", "master_key_file"],
        "tunnel" | "config" => &["json", "data", "config"],
        _ => return None,
    })
}

/// Hides from the help of each command the global options that it does nothing with.
pub(super) fn tidy(mut definition: Command) -> Command {
    let global: Vec<_> =
        definition.get_arguments().filter(|option| option.is_global_set()).cloned().collect();
    for command in definition.get_subcommands_mut() {
        let Some(shown) = shown(command.get_name()) else { continue };
        // One that a command has itself goes before the one it would inherit, and is inherited by the
        // commands below it.
        let hidden = global.iter().filter(|option| !shown.contains(&option.get_id().as_str()));
        let hidden: Vec<_> = hidden.map(|option| option.clone().hide(true)).collect();
        let tidied = std::mem::take(command).args(hidden).after_help(MORE);
        *command = tidied.mut_subcommands(|inner| inner.after_help(MORE));
    }
    definition
}
