//! `chain`: what a running node's chain and log say, for people and programs without a client of Ethereum.

use std::process::ExitCode;

use clap::Subcommand;
use lucid_api::ports::{BlockDetail, BlockId, ChainNode, TransactionDetail, TxHash};
use lucid_core::{Hash, SessionId, counted, note::VerifierKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::remote::Reach;
use crate::{
    context::Context,
    failure::{Failure, Outcome},
    output::{table, without_controls},
};

/// Characters of a value in an entry that are shown whole: the longest hash or key of a log is shorter.
const VALUE_CHARS_MAX: usize = 160;
/// Characters of a longer one that are shown.
const VALUE_CHARS_SHOWN: usize = 64;

/// What of the chain.
#[derive(Subcommand, Debug)]
pub enum Chain {
    /// Show how far the chain is, and what is registered
    Head(Reach),
    /// Show the node: its log's key, its account, and what other nodes are told of it for decisions
    Node(Reach),
    /// Show a block: its header, its place in the log, its transactions
    Block {
        /// Its number, or its hash
        #[arg(value_name = "BLOCK", value_parser = block)]
        block: BlockId,
        /// The node
        #[command(flatten)]
        reach: Reach,
    },
    /// Show a transaction: what it did, and where it is
    Tx {
        /// Its hash, as clients of Ethereum show it
        #[arg(value_name = "HASH", value_parser = transaction)]
        hash: TxHash,
        /// The node
        #[command(flatten)]
        reach: Reach,
    },
    /// List entries of the log; as text, long values in them are shortened
    Entries {
        /// From this place on
        #[arg(long, value_name = "INDEX", default_value_t = 0)]
        from: u64,
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Those of this kind, such as session.sealed
        #[arg(long, value_name = "KIND", value_parser = kind)]
        kind: Option<String>,
        /// Those about this session
        #[arg(long, value_name = "ID")]
        session: Option<SessionId>,
        /// The node
        #[command(flatten)]
        reach: Reach,
    },
}

fn block(text: &str) -> Result<BlockId, String> {
    text.parse().map_err(str::to_owned)
}

fn transaction(text: &str) -> Result<TxHash, String> {
    text.parse().map_err(str::to_owned)
}

/// A kind as it may stand in a query.
fn kind(text: &str) -> Result<String, String> {
    let is_kind = |c: u8| c.is_ascii_alphanumeric() || b"._".contains(&c);
    match !text.is_empty() && text.bytes().all(is_kind) {
        true => Ok(text.to_owned()),
        false => Err("a kind is lower-case words joined by dots".to_owned()),
    }
}

#[derive(Serialize, Deserialize)]
struct Head {
    chain_id: u64,
    account: String,
    anchors: String,
    number: u64,
    hash: Hash,
    log_size: u64,
    state_root: Hash,
    sessions: u64,
}

#[derive(Serialize)]
struct Node {
    #[serde(flatten)]
    node: ChainNode,
    log_key_hash: Hash,
}

#[derive(Serialize, Deserialize)]
struct Page {
    entries: Vec<Parsed>,
    next: Option<u64>,
    size: u64,
}

#[derive(Serialize, Deserialize)]
struct Parsed {
    index: u64,
    kind: String,
    leaf: Hash,
    entry: Value,
}

impl Chain {
    /// Asks and shows.
    ///
    /// # Errors
    /// Where nobody answers, or the node refuses; what is not there is a check that failed.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let output = context.output;
        match self {
            Self::Head(reach) => {
                output
                    .print(&reach.open(context)?.get::<Head>("/api/v1/chain/head")?, head_text)?;
            }
            Self::Node(reach) => {
                let node = reach.open(context)?.get::<ChainNode>("/api/v1/chain/node")?;
                let key = node.log_key.parse::<VerifierKey>();
                let key = key.map_err(|error| {
                    Failure::check(format!("the node's log has a key that is none: {error}"))
                })?;
                let log_key_hash = Hash::of(key.public_key());
                output.print(&Node { node, log_key_hash }, node_text)?;
            }
            Self::Block { block, reach } => {
                let path = format!("/api/v1/chain/blocks/{block}");
                output.print(&reach.open(context)?.get::<BlockDetail>(&path)?, block_text)?;
            }
            Self::Tx { hash, reach } => {
                let path = format!("/api/v1/chain/transactions/{hash}");
                output.print(
                    &reach.open(context)?.get::<TransactionDetail>(&path)?,
                    transaction_text,
                )?;
            }
            Self::Entries { from, limit, kind, session, reach } => {
                let kind = kind.as_ref().map_or_else(String::new, |kind| format!("&kind={kind}"));
                let session = session.map_or_else(String::new, |id| format!("&session={id}"));
                let path =
                    format!("/api/v1/chain/entries?from={from}&limit={limit}{kind}{session}");
                output.print(&reach.open(context)?.get::<Page>(&path)?, entries_text)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn head_text(head: &Head) -> String {
    let sessions = counted(head.sessions, "session");
    let entries = counted(head.log_size, "entry");
    table(&[
        ("chain", head.chain_id.to_string()),
        ("block", format!("{} {}", head.number, head.hash)),
        ("state", head.state_root.to_string()),
        ("registered", format!("{sessions}: all that were sealed in the first {entries}")),
        ("account", without_controls(&head.account)),
        ("contract", without_controls(&head.anchors)),
    ])
}

fn node_text(Node { node, log_key_hash }: &Node) -> String {
    let account = without_controls(&node.origin.account);
    table(&[
        ("node", node.node_id.to_string()),
        ("log key", without_controls(&node.log_key)),
        ("chain", node.origin.chain_id.to_string()),
        ("account", account.clone()),
        ("for governance_nodes", format!("{account} {log_key_hash}")),
        ("for --add-node", format!("{account}={log_key_hash}")),
    ])
}

fn block_text(detail: &BlockDetail) -> String {
    let BlockDetail { block, transactions, registered } = detail;
    let header = &block.header;
    let entries = counted(header.log_size, "entry");
    let mut text = table(&[
        ("block", header.number.to_string()),
        ("hash", block.hash.to_string()),
        ("parent", header.parent.to_string()),
        ("time", header.time.to_string()),
        ("in the log", format!("entry {}", block.log_index)),
        ("covers", format!("{entries}, root {}", header.log_root)),
        ("state root", header.state_root.to_string()),
        ("tx root", header.tx_root.to_string()),
        ("receipts root", header.receipts_root.to_string()),
        ("gas used", header.gas_used.to_string()),
        ("registers", counted(registered.len(), "session")),
        ("transactions", format!("{}, {} failed", transactions.len(), block.failed_count)),
    ]);
    for session in registered {
        text.push_str(&format!("\nregisters {session}"));
    }
    for transaction in transactions {
        let went = if transaction.success { "done" } else { "FAILED" };
        text.push_str(&format!("\n{}  {went}, {} gas", transaction.hash, transaction.gas_used));
    }
    text
}

fn transaction_text(detail: &TransactionDetail) -> String {
    let to = detail.to.as_deref().or(detail.created.as_deref()).unwrap_or_default();
    let action = detail.action.as_deref().unwrap_or("calls what this node does not know");
    let mut rows = vec![
        ("transaction", detail.hash.to_string()),
        ("it", without_controls(action)),
        ("block", format!("{}, {}", detail.block_number, detail.block_hash)),
        ("place", format!("{} of {}", detail.index, detail.proof.leaves)),
        ("time", detail.time.to_string()),
        ("from", without_controls(&detail.from)),
        (if detail.to.is_some() { "to" } else { "creates" }, without_controls(to)),
        ("value", format!("{} wei", without_controls(&detail.value))),
        ("gas", format!("{} of {}", detail.gas_used, detail.gas_limit)),
        ("went", if detail.success { "well" } else { "WRONG" }.to_owned()),
    ];
    if let Some(why) = &detail.failure {
        rows.push(("why", without_controls(why)));
    }
    let mut text = table(&rows);
    for log in &detail.logs {
        let topics = log.topics.join(" ");
        let line = format!("{} {topics} {}", log.address, log.data);
        text.push_str(&format!("\nlog {}", without_controls(&line)));
    }
    text
}

/// An entry as people read it: the body of a block alone can have tens of thousands of digits.
fn shortened(entry: &Value) -> Value {
    match entry {
        Value::String(text) if text.chars().count() > VALUE_CHARS_MAX => {
            let begin: String = text.chars().take(VALUE_CHARS_SHOWN).collect();
            Value::String(format!("{begin}… ({} characters)", text.chars().count()))
        }
        Value::Array(values) => Value::Array(values.iter().map(shortened).collect()),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), shortened(value)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn entries_text(page: &Page) -> String {
    let mut text = String::new();
    for Parsed { index, entry, .. } in &page.entries {
        let entry = shortened(entry).to_string();
        text.push_str(&format!("{index}  {}\n", without_controls(&entry)));
    }
    let end = match page.next {
        Some(next) => format!("more: --from {next}, of {}", counted(page.size, "entry")),
        None => format!("that is all of {}", counted(page.size, "entry")),
    };
    format!("{text}{end}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_values_are_shortened_as_text_alone() {
        let entry = json!({"kind": "evm.body", "body": ["QUJD".repeat(10_000), "short"], "n": 7});
        let leaf = Hash::of(b"");
        let parsed = Parsed { index: 3, kind: "evm.body".to_owned(), leaf, entry };
        let page = Page { entries: vec![parsed], next: None, size: 4 };
        let text = entries_text(&page);
        assert!(text.len() < 300, "{text}");
        let begin = "QUJD".repeat(16);
        assert!(text.contains(&format!("\"{begin}… (40000 characters)\",\"short\"")), "{text}");
        assert!(serde_json::to_string(&page).unwrap().len() > 40_000);
        let whole = json!({"hash": "0".repeat(VALUE_CHARS_MAX), "list": [null, true, 1.5]});
        assert_eq!(shortened(&whole), whole);
    }
}
