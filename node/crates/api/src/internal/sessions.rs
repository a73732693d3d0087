//! [`Sessions`] and [`Ledger`] over HTTP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, body::Body, response::IntoResponse, routing::post};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{StreamExt, future, stream, stream::BoxStream};
use http::header;
use lucid_core::{
    ChunkIndex, EntryIndex, Hash, NodeId, SessionId,
    entry::{AnchorTron, ParametersChanged, UserChanged},
    merkle::TreeHead,
};

use super::{Caller, answer, method, serving::parsed};
use crate::{
    Problem,
    ports::{
        Answer, Event, Lease, LeaseId, Ledger, LedgerProof, ListSessions, LoggedAnchor, NewSession,
        ParameterChanges, Session, Sessions, Summary, UploadState, UserChanges,
    },
    server::EVENT_LINES,
};

/// Where nothing happens for so long, an empty line says so.
const QUIET_FOR: Duration = Duration::from_secs(15);
/// An event's line is not longer.
const LINE_BYTES_MAX: usize = 4096;

/// The called end.
pub fn sessions(port: Arc<dyn Sessions>) -> Router {
    macro_rules! route {
        ($router:ident, $name:literal, |$port:ident, $arguments:tt: $kind:ty| $call:expr) => {{
            let shared = Arc::clone(&port);
            $router.route(
                concat!("/internal/v1/sessions/", $name),
                post(move |body: Bytes| {
                    let $port = Arc::clone(&shared);
                    async move { method(body, |$arguments: $kind| async move { $call.await }).await }
                }),
            )
        }};
    }
    let router = Router::new();
    let router = route!(router, "mint", |port, new: NewSession| port.mint(new));
    let router = route!(router, "session", |port, id: SessionId| port.session(id));
    let router = route!(router, "list", |port, list: ListSessions| port.list(list));
    let router = route!(router, "set_length", |port, (id, length): (SessionId, u64)| port
        .set_length(id, length));
    let router = route!(router, "begin_upload", |port, (id, offset): (SessionId, u64)| port
        .begin_upload(id, offset));
    let router = route!(router, "acknowledge", |port,
                                                (lease, id, chunks): (
        LeaseId,
        SessionId,
        Vec<Summary>
    )| port.acknowledge(lease, id, chunks));
    let router = route!(router, "end_upload", |port, (lease, id): (LeaseId, SessionId)| port
        .end_upload(lease, id));
    let router =
        route!(router, "seal", |port, (id, complete): (SessionId, bool)| port.seal(id, complete));
    let router =
        route!(router, "void", |port, (id, reason): (SessionId, String)| port.void(id, reason));
    let router = route!(router, "erase", |port, id: SessionId| port.erase(id));
    let router =
        route!(router, "chunks", |port, (id, from, limit): (SessionId, ChunkIndex, u32)| port
            .chunks(id, from, limit));
    let router = route!(router, "ledger_proof", |port, id: SessionId| port.ledger_proof(id));
    let (for_manifest, for_manifests) = (Arc::clone(&port), Arc::clone(&port));
    let for_events = port;
    router
        .route(
            "/internal/v1/sessions/manifest",
            post(move |body: Bytes| {
                let port = Arc::clone(&for_manifest);
                async move {
                    answer(match parsed(&body) {
                        Ok(id) => port.manifest(id).await,
                        Err(problem) => Err(problem),
                    })
                }
            }),
        )
        .route(
            "/internal/v1/sessions/manifests",
            post(move |body: Bytes| {
                let port = Arc::clone(&for_manifests);
                async move {
                    answer(match parsed::<Vec<(SessionId, Hash)>>(&body) {
                        Ok(ids) => port.manifests(&ids).await.and_then(|some| together(&some)),
                        Err(problem) => Err(problem),
                    })
                }
            }),
        )
        .route(
            "/internal/v1/sessions/events",
            post(move || {
                let port = Arc::clone(&for_events);
                async move {
                    answer(port.events().await.map(|events| {
                        let lines = events.map(|event| {
                            let mut line = serde_json::to_vec(&event).unwrap_or_default();
                            line.push(b'\n');
                            Ok::<_, Problem>(Bytes::from(line))
                        });
                        // The first line at once, so that the caller knows that it is listened to.
                        let begin = stream::once(future::ready(Ok(Bytes::from_static(b"\n"))));
                        let kind = [(header::CONTENT_TYPE, EVENT_LINES)];
                        let lines = kept_up(lines.boxed());
                        (kind, Body::from_stream(begin.chain(lines))).into_response()
                    }))
                }
            }),
        )
}

/// Several manifests in one answer: a line that tells of each how long it is, or why it is not there, and then
/// their bytes.
fn together(manifests: &[Answer<Bytes>]) -> Answer<Bytes> {
    let told: Vec<Result<usize, &Problem>> =
        manifests.iter().map(|manifest| manifest.as_ref().map(Bytes::len)).collect();
    let mut body = serde_json::to_vec(&told).map_err(|_| Problem::internal())?;
    body.push(b'\n');
    for manifest in manifests.iter().flatten() {
        body.extend_from_slice(manifest);
    }
    Ok(Bytes::from(body))
}

/// Takes apart what [`together`] made; nothing where it is not that.
fn apart(mut body: Bytes) -> Option<Vec<Answer<Bytes>>> {
    let line = body.iter().position(|byte| *byte == b'\n')?;
    let told: Vec<Answer<usize>> = serde_json::from_slice(&body.split_to(line)).ok()?;
    body.advance(1);
    let mut manifests = Vec::with_capacity(told.len());
    for one in told {
        manifests.push(match one {
            Ok(count) if count > body.len() => return None,
            Ok(count) => Ok(body.split_to(count)),
            Err(problem) => Err(problem),
        });
    }
    body.is_empty().then_some(manifests)
}

/// The lines, and an empty one where nothing happens for a while: who listens then knows that there is somebody.
fn kept_up(
    lines: BoxStream<'static, Result<Bytes, Problem>>,
) -> impl futures_util::Stream<Item = Result<Bytes, Problem>> {
    stream::unfold(lines, |mut lines| async {
        let next = tokio::time::timeout(QUIET_FOR, lines.next()).await;
        let line = next.unwrap_or_else(|_| Some(Ok(Bytes::from_static(b"\n"))))?;
        Some((line, lines))
    })
}

/// The ledger's called end.
pub fn ledger(port: Arc<dyn Ledger>) -> Router {
    let (for_node, for_changes) = (Arc::clone(&port), Arc::clone(&port));
    let (for_parameters, for_history) = (Arc::clone(&port), Arc::clone(&port));
    let (for_anchor, for_anchors) = (Arc::clone(&port), Arc::clone(&port));
    let anchored = move |body: Bytes| {
        let port = Arc::clone(&for_anchor);
        async move {
            method(body, |anchor: AnchorTron| async move { port.anchored(anchor).await }).await
        }
    };
    let anchors = move |body: Bytes| {
        let port = Arc::clone(&for_anchors);
        async move {
            method(body, |(before, limit)| async move { port.anchors(before, limit).await }).await
        }
    };
    let change = move |body: Bytes| {
        let port = Arc::clone(&port);
        async move {
            method(body, |change: UserChanged| async move { port.user_changed(change).await }).await
        }
    };
    let changes = move |body: Bytes| {
        let port = Arc::clone(&for_changes);
        async move {
            method(body, |after: TreeHead| async move { port.user_changes(after).await }).await
        }
    };
    let node = move |body: Bytes| {
        let port = Arc::clone(&for_node);
        async move {
            method(body, |()| async move { port.node_id().await.map(|id| id.to_string()) }).await
        }
    };
    let parameters = move |body: Bytes| {
        let port = Arc::clone(&for_parameters);
        async move { method(body, |()| async move { port.parameters().await }).await }
    };
    let history = move |body: Bytes| {
        let port = Arc::clone(&for_history);
        async move {
            method(body, |from: EntryIndex| async move { port.parameter_changes(from).await }).await
        }
    };
    Router::new()
        .route("/internal/v1/ledger/anchored", post(anchored))
        .route("/internal/v1/ledger/anchors", post(anchors))
        .route("/internal/v1/ledger/parameters", post(parameters))
        .route("/internal/v1/ledger/parameter_changes", post(history))
        .route("/internal/v1/ledger/user_changed", post(change))
        .route("/internal/v1/ledger/user_changes", post(changes))
        .route("/internal/v1/ledger/node_id", post(node))
}

/// The calling end.
pub struct RemoteSessions(pub Caller);

#[async_trait]
impl Ledger for RemoteSessions {
    async fn user_changed(&self, change: UserChanged) -> Answer<()> {
        self.0.call("ledger/user_changed", &change).await
    }

    async fn user_changes(&self, after: TreeHead) -> Answer<UserChanges> {
        self.0.call("ledger/user_changes", &after).await
    }

    async fn parameters(&self) -> Answer<Option<ParametersChanged>> {
        self.0.call("ledger/parameters", &()).await
    }

    async fn parameter_changes(&self, from: EntryIndex) -> Answer<ParameterChanges> {
        self.0.call("ledger/parameter_changes", &from).await
    }

    async fn anchored(&self, anchor: AnchorTron) -> Answer<()> {
        self.0.call("ledger/anchored", &anchor).await
    }

    async fn anchors(&self, before: Option<u64>, limit: u32) -> Answer<Vec<LoggedAnchor>> {
        self.0.call("ledger/anchors", &(before, limit)).await
    }

    async fn node_id(&self) -> Answer<NodeId> {
        let text: String = self.0.call("ledger/node_id", &()).await?;
        text.parse().map_err(|_| self.0.nonsense())
    }
}

#[async_trait]
impl Sessions for RemoteSessions {
    async fn mint(&self, new: NewSession) -> Answer<Session> {
        self.0.call("sessions/mint", &new).await
    }

    async fn session(&self, session: SessionId) -> Answer<Session> {
        self.0.call("sessions/session", &session).await
    }

    async fn list(&self, list: ListSessions) -> Answer<Vec<Session>> {
        self.0.call("sessions/list", &list).await
    }

    async fn set_length(&self, session: SessionId, length: u64) -> Answer<UploadState> {
        self.0.call("sessions/set_length", &(session, length)).await
    }

    async fn begin_upload(&self, session: SessionId, offset: u64) -> Answer<Lease> {
        self.0.call("sessions/begin_upload", &(session, offset)).await
    }

    async fn acknowledge(
        &self,
        lease: LeaseId,
        session: SessionId,
        chunks: Vec<Summary>,
    ) -> Answer<u64> {
        self.0.call("sessions/acknowledge", &(lease, session, chunks)).await
    }

    async fn end_upload(&self, lease: LeaseId, session: SessionId) -> Answer<Session> {
        self.0.call("sessions/end_upload", &(lease, session)).await
    }

    async fn seal(&self, session: SessionId, complete: bool) -> Answer<Session> {
        self.0.call("sessions/seal", &(session, complete)).await
    }

    async fn void(&self, session: SessionId, reason: String) -> Answer<Session> {
        self.0.call("sessions/void", &(session, reason)).await
    }

    async fn erase(&self, session: SessionId) -> Answer<Session> {
        self.0.call("sessions/erase", &session).await
    }

    async fn manifest(&self, session: SessionId) -> Answer<Bytes> {
        self.0.call_for_bytes("sessions/manifest", &session).await
    }

    async fn manifests(&self, sessions: &[(SessionId, Hash)]) -> Answer<Vec<Answer<Bytes>>> {
        let body = self.0.call_for_bytes("sessions/manifests", sessions).await?;
        apart(body).ok_or_else(|| self.0.nonsense())
    }

    async fn chunks(
        &self,
        session: SessionId,
        from: ChunkIndex,
        limit: u32,
    ) -> Answer<Vec<Summary>> {
        self.0.call("sessions/chunks", &(session, from, limit)).await
    }

    async fn ledger_proof(&self, session: SessionId) -> Answer<LedgerProof> {
        self.0.call("sessions/ledger_proof", &session).await
    }

    async fn events(&self) -> Answer<BoxStream<'static, Event>> {
        let (_, content) = self.0.call_for_stream("sessions/events", &()).await?;
        let lines =
            stream::unfold((content, BytesMut::new()), |(mut content, mut rest)| async move {
                loop {
                    if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                        let line = rest.split_to(end + 1);
                        // An empty line only keeps the connection.
                        if line.len() > 1 {
                            let event = serde_json::from_slice::<Event>(&line[..end]).ok()?;
                            return Some((event, (content, rest)));
                        }
                        continue;
                    }
                    if rest.len() > LINE_BYTES_MAX {
                        return None;
                    }
                    // A machine that went away without a word says nothing any more, not even that nothing happens.
                    let more = tokio::time::timeout(3 * QUIET_FOR, content.next()).await.ok()?;
                    rest.extend_from_slice(&more?.ok()?);
                }
            });
        Ok(lines.boxed())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;
    use crate::Code;

    #[test]
    fn several_manifests_go_in_one_answer_and_nothing_else_does() {
        let gone = || Err(Problem::new(Code::Gone, "with\na line's end"));
        let manifests = vec![Ok(Bytes::from_static(b"{}\n")), gone(), Ok(Bytes::new())];
        let body = together(&manifests).unwrap();
        assert_eq!(apart(body.clone()), Some(manifests));
        assert_eq!(apart(together(&[]).unwrap()), Some(vec![]));
        for end in 0..body.len() {
            assert_eq!(apart(body.slice(..end)), None, "cut after {end}");
        }
        assert_eq!(apart([&body[..], b"x"].concat().into()), None, "with more behind it");
        assert_eq!(apart(Bytes::from_static(b"[{\"Ok\":18446744073709551615}]\n{}")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_happens_an_empty_line_says_so() {
        let event = || stream::once(async { Ok(Bytes::from_static(b"{}\n")) });
        let mut lines = pin!(kept_up(event().chain(stream::pending()).boxed()));
        let began = tokio::time::Instant::now();
        for line in [&b"{}\n"[..], b"\n", b"\n"] {
            assert_eq!(lines.next().await.unwrap().unwrap(), line);
        }
        assert_eq!(began.elapsed(), 2 * QUIET_FOR);
        let ended: Vec<_> = kept_up(event().boxed()).collect().await;
        assert_eq!(ended.len(), 1, "what ends, ends");
    }
}
