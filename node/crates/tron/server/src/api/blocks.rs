//! Blocks and transactions, read.

use serde_json::{Value, json};

use super::{View, params::Params};
use crate::{
    chain::info::Info,
    json::{fields::FieldError, write},
    message::{Ret, Transaction},
};

/// Most blocks in one answer (java-tron, `Wallet.BLOCK_LIMIT_NUM`).
const BLOCKS_MAX: u64 = 100;

type Answer = Result<Value, FieldError>;

/// `getnowblock`.
pub(super) fn now(view: &View<'_>, params: &Params) -> Value {
    write::block(view.head(), params.visible(), true)
}

/// `getblock`: by number or id, the last one without either.
pub(super) fn block(view: &View<'_>, mut params: Params) -> Answer {
    let which = params.0.text("id_or_num")?;
    let detail = params.0.flag("detail")?;
    let block = if which.is_empty() {
        Some(view.head())
    } else if let Ok(number) = which.parse::<i64>() {
        match u64::try_from(number) {
            Ok(number) => view.block(number),
            Err(_) => return Ok(write::error("num must be non-positive number.")),
        }
    } else {
        match hex::decode(&which).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
            Some(id) => block_by_id(view, &id),
            None => return Ok(write::error("id must be legal block hash.")),
        }
    };
    Ok(block.map_or_else(|| json!({}), |block| write::block(block, params.visible(), detail)))
}

/// `getblockbynum`.
pub(super) fn by_number(view: &View<'_>, mut params: Params) -> Answer {
    let number = u64::try_from(params.0.int("num")?).ok();
    let block = number.and_then(|number| view.block(number));
    Ok(block.map_or_else(|| json!({}), |block| write::block(block, params.visible(), true)))
}

/// `getblockbyid`.
pub(super) fn by_id(view: &View<'_>, mut params: Params) -> Answer {
    let block = params.hash()?.and_then(|id| block_by_id(view, &id));
    Ok(block.map_or_else(|| json!({}), |block| write::block(block, params.visible(), true)))
}

fn block_by_id<'a>(view: &'a View<'_>, id: &[u8; 32]) -> Option<&'a crate::chain::block::Block> {
    let number = id[..8].try_into().map(u64::from_be_bytes).ok()?;
    view.block(number).filter(|block| block.id == *id)
}

/// `getblockbylatestnum`: the last few.
pub(super) fn latest(view: &View<'_>, mut params: Params) -> Answer {
    let count = u64::try_from(params.0.int("num")?).unwrap_or_default().min(BLOCKS_MAX);
    let first = (view.top + 1).saturating_sub(count);
    let blocks = (first..=view.top).filter_map(|number| view.block(number));
    let blocks: Vec<_> = blocks.map(|block| write::block(block, params.visible(), true)).collect();
    Ok(if blocks.is_empty() { json!({}) } else { json!({ "block": blocks }) })
}

/// `gettransactionbyid`: of a block, or of what waits where more than what is solid is shown.
pub(super) fn transaction(view: &View<'_>, mut params: Params) -> Answer {
    let Some(id) = params.hash()? else { return Ok(json!({})) };
    let chain = &view.world.chain;
    if let Some((block, transaction, _)) = chain.included(&id) {
        let shown = block.header.number.unsigned_abs() <= view.top;
        if shown {
            return Ok(write::transaction(transaction, params.visible()));
        }
    }
    let waiting = chain.waiting().find(|waiting| waiting.id() == id);
    Ok(match waiting.filter(|_| !view.solid && view.world.behind == 0) {
        Some(waiting) => write::transaction(&expected(waiting), params.visible()),
        None => json!({}),
    })
}

/// What waits, as java-tron shows it: with success, which it was executed with when it came.
fn expected(waiting: &Transaction) -> Transaction {
    let ret = vec![Ret { result: crate::message::SUCCESS, ..Ret::default() }];
    Transaction { ret, ..waiting.clone() }
}

/// `gettransactioninfobyid`: of a block only.
pub(super) fn info(view: &View<'_>, mut params: Params) -> Answer {
    let Some(id) = params.hash()? else { return Ok(json!({})) };
    let found = view.world.chain.included(&id);
    let found = found.filter(|(block, ..)| block.header.number.unsigned_abs() <= view.top);
    Ok(found
        .map_or_else(|| json!({}), |(block, _, info)| write::info(info, block, params.visible())))
}

/// `gettransactioninfobyblocknum`.
pub(super) fn infos(view: &View<'_>, mut params: Params) -> Answer {
    let number = u64::try_from(params.0.int("num")?).ok();
    let Some(block) = number.and_then(|number| view.block(number)) else { return Ok(json!([])) };
    let one = |info: &Info| write::info(info, block, params.visible());
    Ok(block.infos.iter().map(one).collect())
}

/// `getpendingsize`.
pub(super) fn pending_size(view: &View<'_>) -> Value {
    json!({ "pendingSize": view.world.chain.waiting().count() })
}

/// `gettransactionfrompending`.
pub(super) fn pending(view: &View<'_>, mut params: Params) -> Answer {
    let id = params.hash()?;
    let waiting = view.world.chain.waiting().find(|waiting| Some(waiting.id()) == id);
    Ok(waiting.map_or_else(
        || json!({}),
        |waiting| write::transaction(&expected(waiting), params.visible()),
    ))
}

/// `gettransactionlistfrompending`.
pub(super) fn pending_ids(view: &View<'_>) -> Value {
    let ids: Vec<_> = view.world.chain.waiting().map(|each| hex::encode(each.id())).collect();
    if ids.is_empty() { json!({}) } else { json!({ "txId": ids }) }
}
