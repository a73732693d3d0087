//! The command line itself: help, mistakes, and results that nobody reads to their end.

use std::{
    io::Read,
    process::{Command, Stdio},
};

use lucid_node::cli::definition;

use crate::support::{Node, mixed, text};

/// Every command there is, as words.
fn commands() -> Vec<String> {
    let mut found = vec![String::new()];
    for command in definition().get_subcommands() {
        found.push(command.get_name().to_owned());
        for inner in command.get_subcommands() {
            found.push(format!("{} {}", command.get_name(), inner.get_name()));
        }
    }
    found
}

#[test]
fn every_command_has_help() {
    let node = Node::new();
    let commands = commands();
    assert!(commands.len() > 18, "{commands:?}");
    for words in &commands {
        let ran = node.run(&format!("{words} --help")).ok().prints(&["Usage: lucid-node"]);
        assert!(ran.stderr.is_empty(), "{words}: {}", ran.stderr);
        node.run(&format!("{words} --no-such-flag")).ends(64).says(&["--no-such-flag"]);
    }
    node.run("--version").ok().prints(&["lucid-node 0."]);
    node.run("help").ok();
    assert!(!node.data().exists(), "asking makes nothing");
}

/// What a package is made of; there is neither a configuration nor a data folder then.
#[test]
fn the_command_line_describes_itself() {
    let node = Node::new();
    let shells =
        [("bash", "complete -F _lucid"), ("zsh", "#compdef lucid-node"), ("fish", "complete -c")];
    for (shell, words) in shells {
        let ran = node.run(&format!("completions {shell}")).ok().prints(&[words, "ingest"]);
        assert!(ran.stderr.is_empty(), "{}", ran.stderr);
    }
    node.run("completions csh").ends(64).says(&["csh"]);
    let folder = tempfile::tempdir().unwrap();
    node.run(&format!("manual {}", folder.path().display())).ok();
    for words in commands() {
        let name = ["lucid-node", &words].join("-").replace(' ', "-");
        let page = folder.path().join(format!("{}.1", name.trim_end_matches('-')));
        let page = std::fs::read_to_string(&page).expect(&words);
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{words}: {page}");
    }
    let missing = folder.path().join("missing");
    node.run(&format!("manual {}", missing.display())).ends(74).says(&["cannot write", "missing"]);
    assert!(!node.data().exists(), "asking makes nothing");
}

/// What a command has nothing to do with is accepted, and only the top level's help has it.
#[test]
fn help_shows_what_matters_to_the_command() {
    let node = Node::new();
    let help = |words: &str| String::from_utf8(node.run(words).ok().stdout).unwrap();
    let options: Vec<String> = definition()
        .get_arguments()
        .filter(|option| option.is_global_set())
        .map(|option| format!("--{}", option.get_long().unwrap()))
        .collect();
    assert!(options.len() > 12, "{options:?}");
    let has = |help: &str, option: &str| {
        help.split([' ', '\n', '[', '=', ',']).any(|word| word == option)
    };
    for words in ["--help", "help"] {
        let help = help(words);
        assert!(options.iter().all(|option| has(&help, option)), "{words}: {help}");
    }
    let check = |words: &str, shown: &[&str]| {
        let help = help(words);
        for option in &options {
            assert_eq!(has(&help, option), shown.contains(&option.as_str()), "{words}: {option}");
        }
        assert!(help.contains("lucid-node --help"), "{words} says where the others are: {help}");
    };
    check("show --help", &["--data", "--json"]);
    check("help show", &["--data", "--json"]);
    check("show -h", &["--data", "--json"]);
    check("ledger head --help", &["--data", "--json", "--progress"]);
    check("list --help", &["--data", "--json", "--owner"]);
    check("config show --help", &["--config", "--data", "--json"]);
    let restore = ["--data", "--json", "--progress", "--workers", "--master-key-file"];
    check("restore --help", &restore);
    // Hidden, and accepted in any place.
    node.run("init").ok();
    for words in [
        "list --chunk-bytes 64KiB --suite auto --log-level info",
        "--zstd-level 4 ledger head --flush-after 1s",
        "ledger --workers 2 check --owner somebody",
        "config show --write-only=false",
    ] {
        node.run(words).ok();
    }
    node.run("list --chunk-bytes 1").ends(64).says(&["--chunk-bytes"]);
    let shown = node.run("ledger --workers 2 head --json").ok().json();
    assert!(shown["log_size"].is_u64());
}

#[test]
fn what_is_no_command_is_a_mistake() {
    let node = Node::new();
    let words = ["", "nonsense", "ingest", "restore", "ledger", "list extra", "verify"];
    let services =
        ["run extra", "serve", "serve nonsense", "auth", "auth sign extra", "openapi extra"];
    // A wallet is a key file or a Ledger, one of them, and only a Ledger has paths.
    let wallets = [
        "auth address",
        "auth sign",
        "auth sign --key k --ledger",
        "auth sign --key k --path 0",
        "auth address --path 0",
        "auth address --key k --confirm",
        "auth address --ledger --path m/44'/195'",
        "auth new --ledger",
    ];
    for words in words.into_iter().chain(services).chain(wallets) {
        let ran = node.run(words).ends(64);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{words}");
    }
    assert!(!node.data().exists());
}

/// The option is there in every build, and says what to do where it cannot be served.
#[test]
#[cfg(not(feature = "ledger"))]
fn a_build_without_ledger_support_says_so() {
    let node = Node::new();
    for words in ["auth address --ledger", "auth sign --ledger --path 44'/195'/1'/0/0"] {
        node.run(words).ends(64).says(&["no Ledger support", "--features ledger"]);
    }
}

/// A reader that goes away ends the command without a panic and without a claim.
#[test]
fn a_reader_may_go_away() {
    let node = Node::new();
    let id = node.ingest(&mixed(3 << 20, 1));
    for words in [format!("restore {id}"), format!("prove {id} --range 0- --attach")] {
        let mut command = node.command(&words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0]).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(74), "{words}: {stderr}");
        assert!(stderr.contains("Broken pipe") && !stderr.contains("panicked"), "{stderr}");
    }
    assert!(node.restore(&id) == mixed(3 << 20, 1), "and nothing is amiss");
}

#[test]
fn a_result_that_cannot_be_printed_is_no_success() {
    let node = Node::new();
    let closed = |words: &str| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command: Command = node.command(words);
        command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("panicked"), "{stderr}");
        output.status.code()
    };
    for words in ["ingest - --json", "list --json", "list", "ledger head", "doctor", "config show"]
    {
        assert_eq!(closed(words), Some(74), "{words}");
    }
    // What was done is done all the same.
    let listed = node.run("list --json").ok().json();
    assert_eq!(text(&listed["sessions"][0]["state"]), "sealed");
    let (standard, _) = (node.run("list").ok(), node.run("ledger check").ok());
    assert!(String::from_utf8_lossy(&standard.stdout).contains("sealed"));
}

/// Standard error may be closed, too: it has nothing that the result needs.
#[test]
fn nobody_has_to_listen() {
    let node = Node::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = node.command("ingest - --json --progress json");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(writer);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["chunk_count"], 0);
}
