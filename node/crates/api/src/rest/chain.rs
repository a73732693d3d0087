//! The chain for those who have no client of Ethereum: blocks, transactions, registrations, and the log's
//! entries as JSON.

use axum::{Json, extract::State};
use lucid_core::SessionId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    accounts::page_limit,
    extract::{Asking, Id, Params, Segment},
    guard::{Entries, OpenChain},
    openapi::{ChainLooking, ChainReading},
};
use crate::{
    Code, Problem,
    ports::{
        Anchor, AnchorPage, BlockDetail, BlockId, BlockPage, ChainEntry, ChainNode, EntryQuery,
        Registration, TransactionDetail, TxHash,
    },
};

/// Kinds of entries are shorter.
const KIND_BYTES_MAX: usize = 64;

fn malformed(why: &str) -> Problem {
    Problem::new(Code::InvalidRequest, why)
}

/// How the chain is.
#[derive(Serialize, ToSchema)]
pub(super) struct ChainView {
    /// The chain's id (EIP-155).
    chain_id: u64,
    /// The node's account, which registers sessions: an address of Ethereum.
    account: String,
    /// Where the contract `LucidAnchors` is.
    anchors: String,
    /// The newest block's number.
    number: u64,
    /// Its hash: SHA-256 of its header's canonical JSON, in hex.
    hash: String,
    /// Entries of the log whose sessions are registered.
    log_size: u64,
    /// Root of the state after it, in hex.
    state_root: String,
    /// Sessions that are registered.
    sessions: u64,
}

/// How the chain is.
#[utoipa::path(get, operation_id = "chain_head", path = "/api/v1/chain/head", tag = "chain",
    responses((status = 200, description = "The newest block, and what is registered.",
        body = ChainView), ChainReading))]
pub(super) async fn head(OpenChain(chain): OpenChain) -> Result<Json<ChainView>, Problem> {
    let chain = chain.head().await?;
    Ok(Json(ChainView {
        chain_id: chain.chain_id,
        account: chain.account,
        anchors: chain.anchors,
        number: chain.number,
        hash: chain.hash.to_string(),
        log_size: chain.log_size,
        state_root: chain.state_root.to_string(),
        sessions: chain.sessions,
    }))
}

/// A page backwards.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Backwards {
    /// Those before this one: what a page gave as `next`. From the newest where it is left out.
    before: Option<u64>,
    /// At most so many, 1 to 200; 50 where it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Blocks, the newest first. `before` is a block's number.
#[utoipa::path(get, operation_id = "chain_blocks", path = "/api/v1/chain/blocks", tag = "chain",
    params(Backwards),
    responses((status = 200, description = "Blocks.", body = BlockPage), ChainLooking))]
pub(super) async fn blocks(
    OpenChain(chain): OpenChain,
    Asking(asker): Asking,
    Params(Backwards { before, limit }): Params<Backwards>,
) -> Result<Json<BlockPage>, Problem> {
    Ok(Json(chain.blocks(asker, before, page_limit(limit)?).await?))
}

/// A block: the header that its hash is made of, where it is in the log, and what is in it.
#[utoipa::path(get, operation_id = "chain_block", path = "/api/v1/chain/blocks/{block}", tag = "chain",
    params(("block" = String, Path, description = "Its number, or its hash in hex")),
    responses((status = 200, description = "The block.", body = BlockDetail), ChainLooking))]
pub(super) async fn block(
    OpenChain(chain): OpenChain,
    Asking(asker): Asking,
    Segment(block): Segment,
) -> Result<Json<BlockDetail>, Problem> {
    Ok(Json(chain.block(asker, block.parse::<BlockId>().map_err(malformed)?).await?))
}

/// A transaction in a block: what it did, and the paths that show that it and its receipt are in the block.
#[utoipa::path(get, operation_id = "chain_transaction", path = "/api/v1/chain/transactions/{hash}", tag = "chain",
    params(("hash" = String, Path, description = "Keccak-256 of its bytes: 0x and 64 hex digits")),
    responses((status = 200, description = "The transaction.", body = TransactionDetail), ChainLooking))]
pub(super) async fn transaction(
    OpenChain(chain): OpenChain,
    Asking(asker): Asking,
    Segment(hash): Segment,
) -> Result<Json<TransactionDetail>, Problem> {
    Ok(Json(chain.transaction(asker, hash.parse::<TxHash>().map_err(malformed)?).await?))
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EntryParams {
    /// From this place on; from the first one where it is left out.
    from: Option<u64>,
    /// At most so many, 1 to 200; 50 where it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Those of this kind, such as `session.sealed`.
    #[param(max_length = 64)]
    kind: Option<String>,
    /// Those about this session.
    #[param(format = "uuid")]
    session: Option<String>,
}

/// An entry of the log.
#[derive(Serialize, ToSchema)]
pub(super) struct ParsedEntry {
    /// Its place.
    index: u64,
    /// Its kind.
    kind: String,
    /// Its leaf in the log's tree: SHA-256 of a zero byte and its bytes, hex.
    leaf: String,
    /// The entry. Its bytes are the canonical form (RFC 8785) of this.
    #[schema(value_type = Object)]
    entry: Value,
}

impl TryFrom<ChainEntry> for ParsedEntry {
    type Error = Problem;

    fn try_from(found: ChainEntry) -> Result<Self, Problem> {
        let ChainEntry { index, kind, leaf, entry } = found;
        let entry = serde_json::from_str(&entry).map_err(|_| {
            Problem::new(Code::Damaged, format!("entry {index} of the log is no JSON"))
        })?;
        Ok(Self { index, kind, leaf: leaf.to_string(), entry })
    }
}

/// Entries of the log, in order.
#[derive(Serialize, ToSchema)]
pub(super) struct ParsedEntryPage {
    entries: Vec<ParsedEntry>,
    /// What to ask for as `from` next. Everything before it was looked at: where a filter finds little, an
    /// answer can be short, or empty, and not the end. Absent where that is all of the log.
    next: Option<u64>,
    /// Entries in the log.
    size: u64,
}

/// Entries of the log as JSON, in order. With a filter, one question looks at 10,000 entries at most.
#[utoipa::path(get, operation_id = "chain_entries", path = "/api/v1/chain/entries", tag = "chain",
    params(EntryParams),
    responses((status = 200, description = "Entries.", body = ParsedEntryPage), ChainLooking))]
pub(super) async fn entries(
    OpenChain(chain): OpenChain,
    Params(EntryParams { from, limit, kind, session }): Params<EntryParams>,
) -> Result<Json<ParsedEntryPage>, Problem> {
    if kind.as_ref().is_some_and(|kind| kind.len() > KIND_BYTES_MAX) {
        return Err(malformed("no entry's kind is so long"));
    }
    let session = session.map(|session| session_id(&session)).transpose()?;
    let limit = page_limit(limit)?;
    let query = EntryQuery { from: from.unwrap_or_default(), limit, kind, session };
    let page = chain.entries(query).await?;
    let entries = page.entries.into_iter().map(ParsedEntry::try_from);
    let entries = entries.collect::<Result<_, _>>()?;
    Ok(Json(ParsedEntryPage { entries, next: page.next, size: page.size }))
}

/// An entry of the log as JSON.
#[utoipa::path(get, operation_id = "chain_entry", path = "/api/v1/chain/entries/{index}", tag = "chain",
    params(("index" = u64, Path, description = "Its place in the log")),
    responses((status = 200, description = "The entry.", body = ParsedEntry), ChainLooking))]
pub(super) async fn entry(
    OpenChain(chain): OpenChain,
    Segment(index): Segment,
) -> Result<Json<ParsedEntry>, Problem> {
    let digits = !index.is_empty() && index.bytes().all(|digit| digit.is_ascii_digit());
    let index = digits.then(|| index.parse().ok()).flatten();
    let index = index.ok_or_else(|| malformed("an entry's place is a number from 0 on"))?;
    Ok(Json(chain.entry(index).await?.try_into()?))
}

fn session_id(text: &str) -> Result<SessionId, Problem> {
    let malformed = |_| malformed("a session's id is a UUID of version 4, in lower case");
    text.parse().map_err(malformed)
}

/// A sealed session's registration: which block and transaction say what of it.
#[utoipa::path(get, operation_id = "chain_session", path = "/api/v1/chain/sessions/{id}", tag = "chain",
    params(("id" = String, Path, description = "The session's id")),
    responses((status = 200, description = "The registration.", body = Registration), ChainLooking))]
pub(super) async fn session(
    OpenChain(chain): OpenChain,
    Id(id): Id,
) -> Result<Json<Registration>, Problem> {
    Ok(Json(chain.registration(id).await?))
}

/// What anchors sessions to a chain, the newest first: their registrations on the node's own, where it has one,
/// and the log's checkpoints on TRON. `before` is an index of the log: that of an anchor's entry.
#[utoipa::path(get, operation_id = "anchors", path = "/api/v1/anchors", tag = "chain",
    params(Backwards),
    responses((status = 200, description = "Anchors.", body = AnchorPage), ChainLooking))]
pub(super) async fn anchors(
    _: Entries,
    State(api): State<Api>,
    Asking(asker): Asking,
    Params(Backwards { before, limit }): Params<Backwards>,
) -> Result<Json<AnchorPage>, Problem> {
    let limit = page_limit(limit)?;
    if let Some(chain) = &api.chain {
        return Ok(Json(chain.anchors(asker, before, limit).await?));
    }
    let logged = api.anchors.logged(before, limit).await?;
    let is_full = logged.len() == limit as usize;
    let next = logged.last().map(|last| last.index).filter(|_| is_full);
    Ok(Json(AnchorPage { anchors: logged.into_iter().map(Anchor::from).collect(), next }))
}

/// The node: the keys it signs with, how its chain began, and what it is made of.
#[utoipa::path(get, operation_id = "chain_node", path = "/api/v1/chain/node", tag = "chain",
    responses((status = 200, description = "The node.", body = ChainNode), ChainReading))]
pub(super) async fn node(
    State(api): State<Api>,
    OpenChain(chain): OpenChain,
) -> Result<Json<ChainNode>, Problem> {
    let mut node = chain.node().await?;
    node.features.extend(api.public_log.then(|| "public_log".to_owned()));
    Ok(Json(node))
}
