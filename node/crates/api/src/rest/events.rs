//! What happens, as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event as SseEvent, KeepAlive},
    },
};
use futures_util::{StreamExt, future};
use lucid_core::access::{Access, SessionAction};
use serde_json::json;

use super::{Api, extract::Caller, openapi::Plain};
use crate::{
    Problem,
    ports::{Event, EventKind},
};

/// A line now and then, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// State changes and progress of sessions the caller may see, from now on, until the token's end. A
/// listener that does not keep up is disconnected; there is no going back to earlier events.
#[utoipa::path(get, path = "/api/v1/events", tag = "sessions",
    responses((status = 200, description = "Events `state` and `progress`.",
        content_type = "text/event-stream"), Plain))]
pub(super) async fn events(
    State(api): State<Api>,
    Caller(caller): Caller,
) -> Result<Response, Problem> {
    let events = api.sessions.events().await?;
    let seen = events.filter_map(move |event| {
        let may = caller.may_with(SessionAction::See, &event.owner) == Access::Allowed;
        future::ready(may.then(|| Ok::<_, Infallible>(sse(&event))))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(seen).keep_alive(keep_alive).into_response())
}

fn sse(event: &Event) -> SseEvent {
    let (name, mut data) = match event.kind {
        EventKind::State { state } => ("state", json!({"state": state})),
        EventKind::Progress { offset, length } => {
            ("progress", json!({"offset": offset, "length": length}))
        }
    };
    data["session_id"] = json!(event.session_id);
    data["owner"] = json!(event.owner);
    data["at"] = json!(event.at);
    SseEvent::default().event(name).data(data.to_string())
}
