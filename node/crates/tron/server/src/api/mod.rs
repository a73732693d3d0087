//! The HTTP API: which request is answered by what.

mod accounts;
mod blocks;
mod broadcast;
mod build;
mod constant;
mod control;
mod params;
mod weight;

use std::sync::Arc;

use serde_json::Value;

use self::params::Params;
use crate::{
    chain::{block::Block, state::State},
    faults::{Fault, OVERSIZE_MAX, is_broadcast},
    json::{fields::FieldError, write},
    world::{Shared, World},
};

/// A request, read in full.
pub(crate) struct Request {
    pub(crate) post: bool,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) api_key: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// What becomes of a request.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// An answer.
    Reply(Reply),
    /// The connection is cut.
    Cut,
    /// Nothing, for ever.
    Hang,
}

/// An answer.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) html: bool,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    fn json(status: u16, value: &Value) -> Self {
        // java-tron prints a line.
        let body = format!("{value}\n").into_bytes();
        Self { status, retry_after: None, html: false, body }
    }

    fn html(status: u16, text: &str) -> Self {
        let body = format!("<html><body><h2>HTTP ERROR {status}</h2>{text}</body></html>");
        Self { status, retry_after: None, html: true, body: body.into_bytes() }
    }
}

/// What a request may see: the chain up to a block.
struct View<'a> {
    world: &'a World,
    top: u64,
    /// Whether it shows only what is solid.
    solid: bool,
}

impl View<'_> {
    fn block(&self, number: u64) -> Option<&Block> {
        self.world.chain.block(number).filter(|_| number <= self.top)
    }

    fn head(&self) -> &Block {
        self.world.chain.block(self.top).expect("what is shown is there")
    }

    /// The state after the last block shown; of one that is long solid, that of the last solid one.
    fn state(&self) -> &State {
        let chain = &self.world.chain;
        let solid = chain.block(chain.solid_number());
        let after =
            [Some(self.head()), solid].into_iter().flatten().find_map(|b| b.after.as_deref());
        after.unwrap_or_else(|| chain.state())
    }
}

/// Answers a request.
pub(crate) fn answer(shared: &Arc<Shared>, request: &Request) -> Answer {
    if let Some(answer) = control::answer(shared, request) {
        return Answer::Reply(answer);
    }
    let mut world = shared.world();
    *world.asked.entry(request.path.clone()).or_default() += 1;
    if shared.rules.api_key.is_some() && shared.rules.api_key != request.api_key {
        let text = "the API key is not there or not known";
        return Answer::Reply(Reply::json(401, &write::error(text)));
    }
    match world.faults.next(&request.path) {
        None => Answer::Reply(serve(shared, &mut world, request)),
        Some(fault) => failing(shared, &mut world, request, fault),
    }
}

/// The answer to a body over the limit, with java-tron's status and words.
pub(crate) fn too_big(limit: usize) -> Reply {
    let text = format!("body size is too big, the limit is {limit}");
    Reply::json(200, &exception("java.lang.Exception", text))
}

fn failing(shared: &Shared, world: &mut World, request: &Request, fault: Fault) -> Answer {
    let refused = |status: u16, retry_after: Option<u64>, text: &str| {
        let reply = Reply::json(status, &write::error(text));
        Answer::Reply(Reply { retry_after, ..reply })
    };
    match fault {
        Fault::Broadcast { code, taken } => {
            if taken {
                serve(shared, world, request);
            }
            Answer::Reply(broadcast::scripted(request, code))
        }
        Fault::Cut => Answer::Cut,
        Fault::Lost => {
            serve(shared, world, request);
            Answer::Cut
        }
        Fault::Hang { taken } => {
            if taken {
                serve(shared, world, request);
            }
            Answer::Hang
        }
        Fault::TooMany { retry_after } => refused(429, retry_after, "too many requests"),
        Fault::Forbidden { retry_after } => refused(403, retry_after, "this is forbidden"),
        Fault::ErrorInside { text } => refused(200, None, &text),
        Fault::Html => Answer::Reply(Reply::html(500, "Server Error")),
        Fault::Truncated => {
            let mut reply = serve(shared, world, request);
            reply.body.truncate(reply.body.len() / 2);
            Answer::Reply(reply)
        }
        Fault::Oversize { bytes } => {
            let mut reply = serve(shared, world, request);
            let spaces = vec![b' '; bytes.min(OVERSIZE_MAX)];
            reply.body.splice(..0, spaces);
            Answer::Reply(reply)
        }
    }
}

/// What java-tron prints of an exception.
fn exception(class: &str, text: impl std::fmt::Display) -> Value {
    write::error(&format!("class {class} : {text}"))
}

fn serve(shared: &Shared, world: &mut World, request: &Request) -> Reply {
    if is_broadcast(&request.path) {
        return Reply::json(200, &broadcast::answer(world, request));
    }
    if request.path == "/wallet/getsignweight" {
        return Reply::json(200, &weight::answer(world, request));
    }
    let params = match Params::read(request) {
        Ok(params) => params,
        Err(error) => {
            return Reply::json(200, &exception("com.alibaba.fastjson.JSONException", error));
        }
    };
    let Some((service, method)) = request.path.trim_start_matches('/').split_once('/') else {
        return Reply::html(404, "Not Found");
    };
    let solid = match service {
        "wallet" => false,
        "walletsolidity" => true,
        _ => return Reply::html(404, "Not Found"),
    };
    let top = if solid { world.seen_solid() } else { world.seen() };
    let view = View { world, top, solid };
    match route(shared, &view, method, params) {
        None => Reply::html(404, "Not Found"),
        Some(Ok(value)) => Reply::json(200, &value),
        Some(Err(error)) => {
            Reply::json(200, &exception("java.security.InvalidParameterException", error))
        }
    }
}

fn route(
    shared: &Shared,
    view: &View<'_>,
    method: &str,
    params: Params,
) -> Option<Result<Value, FieldError>> {
    let answer = match method {
        "getnowblock" => Ok(blocks::now(view, &params)),
        "getblock" => blocks::block(view, params),
        "getblockbynum" => blocks::by_number(view, params),
        "getblockbyid" => blocks::by_id(view, params),
        "getblockbylatestnum" => blocks::latest(view, params),
        "gettransactionbyid" => blocks::transaction(view, params),
        "gettransactioninfobyid" => blocks::info(view, params),
        "gettransactioninfobyblocknum" => blocks::infos(view, params),
        "getaccount" => accounts::account(view, params),
        "getaccountresource" => accounts::resources(view, params, true),
        "getaccountnet" => accounts::resources(view, params, false),
        "getcontract" => accounts::contract(view, params),
        "getcontractinfo" => accounts::contract_info(view, params),
        "triggerconstantcontract" => Ok(constant::call(view, params)),
        "estimateenergy" => Ok(constant::estimate(shared, view, params)),
        _ if view.solid => return None,
        "getpendingsize" => Ok(blocks::pending_size(view)),
        "gettransactionfrompending" => blocks::pending(view, params),
        "gettransactionlistfrompending" => Ok(blocks::pending_ids(view)),
        "getchainparameters" => Ok(accounts::parameters(view)),
        "listwitnesses" => Ok(accounts::list_witnesses(&params)),
        "getnodeinfo" => Ok(accounts::node(view)),
        "createtransaction" => build::transfer(view, params),
        "triggersmartcontract" => Ok(build::trigger(view, params)),
        "deploycontract" => build::deploy(view, params),
        _ => return None,
    };
    Some(answer)
}
