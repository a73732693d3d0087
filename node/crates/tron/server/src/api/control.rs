//! Scripting from another process: `POST /control` with one order in JSON, where the rules allow it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Reply, Request};
use crate::{Address, Forked, Handle, Scripted, json::write, world::Shared};

/// What can be ordered; what each does is said at the method of [`Handle`] of that name.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Order {
    Fund { address: Address, sun: i64 },
    SetBalance { address: Address, sun: i64 },
    Stake { address: Address, bandwidth: i64, energy: i64 },
    Permit { address: Address, keys: Vec<(Address, i64)>, threshold: i64 },
    PutAnchors,
    PutToken { holder: Address, supply: u64 },
    MakeBlocks { count: u64 },
    Position,
    Fork { count: u64, forked: Forked },
    Fault { script: Scripted },
    ClearFaults,
    ClearPool,
    HoldPool { hold: bool },
    SetBehind { blocks: u64 },
    SkipTime { ms: u64 },
    Journal,
    Refusals,
    Asked { path: String },
}

/// Most blocks of one order.
const BLOCKS_MAX: u64 = 10_000;

/// Answers an order; nothing where the request is none or orders are not taken.
pub(super) fn answer(shared: &std::sync::Arc<Shared>, request: &Request) -> Option<Reply> {
    if !shared.rules.control || request.path != "/control" {
        return None;
    }
    let result = serde_json::from_slice::<Order>(&request.body)
        .map_err(|error| error.to_string())
        .and_then(|order| obey(&Handle(shared.clone()), order));
    Some(match result {
        Ok(value) => Reply::json(200, &value),
        Err(text) => Reply::json(400, &write::error(&text)),
    })
}

fn obey(handle: &Handle, order: Order) -> Result<Value, String> {
    match order {
        Order::Fund { address, sun } => handle.fund(address, sun),
        Order::SetBalance { address, sun } => handle.set_balance(address, sun),
        Order::Stake { address, bandwidth, energy } => handle.stake(address, bandwidth, energy),
        Order::Permit { address, keys, threshold } => handle.permit(address, &keys, threshold),
        Order::PutAnchors => return Ok(json!({ "address": handle.put_anchors() })),
        Order::PutToken { holder, supply } => {
            return Ok(json!({ "address": handle.put_token(holder, supply) }));
        }
        Order::MakeBlocks { count } if count > BLOCKS_MAX => {
            return Err(format!("{count} blocks are more than the {BLOCKS_MAX} of one order"));
        }
        Order::MakeBlocks { count } => handle.make_blocks(count),
        Order::Position => return Ok(json!(handle.position())),
        Order::Fork { count, forked } => {
            handle.fork(count, forked).map_err(|error| error.to_string())?;
        }
        Order::Fault { script } => handle.fault(script),
        Order::ClearFaults => handle.clear_faults(),
        Order::ClearPool => handle.clear_pool(),
        Order::HoldPool { hold } => handle.hold_pool(hold),
        Order::SetBehind { blocks } => handle.set_behind(blocks),
        Order::SkipTime { ms } => handle.skip_time(ms),
        Order::Journal => return Ok(json!(handle.journal())),
        Order::Refusals => return Ok(json!(handle.refusals())),
        Order::Asked { path } => return Ok(json!({ "count": handle.asked(&path) })),
    }
    Ok(json!({}))
}
