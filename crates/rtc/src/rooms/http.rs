//! HTTP and WebSocket of the room server: requests are admitted or refused, sockets pass messages to and from the
//! engine. What messages mean does not belong here.

use super::admission::{self, Admission, Refusal};
use super::config::Limits;
use super::engine::Command;
use super::media_thread::Commands;
use super::participant::{Outgoing, leave_message};
use super::peer::Pid;
use crate::proto::{self, Message as _};
use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// A client that sends nothing for this long, not even its pings, is gone.
const SILENCE: Duration = Duration::from_secs(30);
const PING_EVERY: Duration = Duration::from_secs(10);
/// A message that cannot be written for this long ends the socket.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// What requests need.
pub struct Front {
    pub commands: Commands,
    pub keys: BTreeMap<String, String>,
    pub limits: Limits,
}

type Parameters = Query<BTreeMap<String, String>>;
type MaybeUpgrade = Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>;

/// The two paths of the protocol.
#[derive(Clone, Copy)]
enum Path {
    V0,
    V1,
}

pub fn router(front: Arc<Front>) -> Router {
    Router::new()
        .route("/", get(|| async { "OK" }))
        .route("/rtc", get(|front, query, headers, upgrade| connect(Path::V0, front, query, headers, upgrade)))
        .route("/rtc/v1", get(|front, query, headers, upgrade| connect(Path::V1, front, query, headers, upgrade)))
        .route("/rtc/validate", get(|front, query, headers| validate(Path::V0, front, query, headers)))
        .route("/rtc/v1/validate", get(|front, query, headers| validate(Path::V1, front, query, headers)))
        .layer(from_fn(allow_any_origin))
        .with_state(front)
}

/// Browsers hide answers without this header from SDKs, errors included.
async fn allow_any_origin(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let any = HeaderValue::from_static("*");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any.clone());
    if preflight {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_METHODS, any);
        let headers = HeaderValue::from_static("authorization, *");
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, headers);
    }
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, self.text).into_response()
    }
}

async fn validate(
    path: Path,
    State(front): State<Arc<Front>>,
    Query(query): Parameters,
    headers: HeaderMap,
) -> Result<&'static str, Refusal> {
    admit(path, &front, &query, &headers).map(|_| "success")
}

async fn connect(
    path: Path,
    State(front): State<Arc<Front>>,
    Query(query): Parameters,
    headers: HeaderMap,
    upgrade: MaybeUpgrade,
) -> Result<Response, Refusal> {
    let upgrade = upgrade.map_err(|_| Refusal::new(404, "not a WebSocket request"))?;
    let admission = admit(path, &front, &query, &headers)?;
    let upgrade = upgrade.max_message_size(front.limits.message_bytes).max_frame_size(front.limits.message_bytes);
    if admission.resume {
        // Sessions do not outlive their socket yet: the client has to join anew, which it then does by itself.
        return Ok(upgrade.on_upgrade(refuse_resume));
    }
    let (signal, outgoing) = mpsc::channel(front.limits.signal_queue);
    let (reply, joined) = oneshot::channel();
    let stopped = || Refusal::new(503, "the server is shutting down");
    if !front.commands.send(Command::Join { admission: Box::new(admission), signal, reply }).await {
        return Err(stopped());
    }
    let participant = joined.await.map_err(|_| stopped())??;
    let commands = front.commands.clone();
    Ok(upgrade.on_upgrade(move |socket| serve_socket(socket, participant, commands, outgoing)))
}

fn admit(
    path: Path,
    front: &Front,
    query: &BTreeMap<String, String>,
    headers: &HeaderMap,
) -> Result<Admission, Refusal> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|value| value.strip_prefix("Bearer "));
    let token = bearer.or(query.get("access_token").map(String::as_str)).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
    let claims = admission::verify(token, now, &front.keys)?;
    match path {
        Path::V0 => admission::admit_v0(&claims, query, &front.limits),
        Path::V1 => admission::admit_v1(&claims, query, &front.limits),
    }
}

async fn refuse_resume(mut socket: WebSocket) {
    let leave = leave_message(proto::DisconnectReason::StateMismatch, proto::LeaveAction::Reconnect);
    let response = proto::SignalResponse { message: Some(leave) };
    if write(&mut socket, Message::Binary(response.encode_to_vec().into())).await {
        close(&mut socket).await;
    }
}

/// Passes messages until either side ends. The engine learns of the end by the closed channel.
async fn serve_socket(
    mut socket: WebSocket,
    participant: Pid,
    commands: Commands,
    mut outgoing: mpsc::Receiver<Outgoing>,
) {
    let mut ping = tokio::time::interval(PING_EVERY);
    let silence = tokio::time::sleep(SILENCE);
    tokio::pin!(silence);
    loop {
        let goes_on = tokio::select! {
            message = outgoing.recv() => match message {
                Some(Outgoing::Message(bytes)) => write(&mut socket, Message::Binary(bytes)).await,
                Some(Outgoing::Close) | None => {
                    close(&mut socket).await;
                    false
                }
            },
            received = socket.recv() => {
                silence.as_mut().reset(tokio::time::Instant::now() + SILENCE);
                match received {
                    Some(Ok(Message::Binary(bytes))) => pass_on(participant, &commands, bytes).await,
                    Some(Ok(Message::Close(_))) => {
                        finish(&mut socket).await;
                        false
                    }
                    Some(Err(_)) | None => false,
                    Some(Ok(_)) => true,
                }
            }
            _ = ping.tick() => write(&mut socket, Message::Ping(Bytes::new())).await,
            () = &mut silence => false,
        };
        if !goes_on {
            return;
        }
    }
}

/// Whether the socket goes on: a message that cannot be read is skipped.
async fn pass_on(participant: Pid, commands: &Commands, bytes: Bytes) -> bool {
    let request = proto::SignalRequest::decode(bytes);
    match request.ok().and_then(|request| request.message) {
        Some(message) => commands.send(Command::Message { participant, message }).await,
        None => true,
    }
}

async fn write(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(WRITE_TIMEOUT, socket.send(message)).await, Ok(Ok(())))
}

/// Ends the socket the way clients expect, and waits for their side of it.
async fn close(socket: &mut WebSocket) {
    let frame = CloseFrame { code: close_code::NORMAL, reason: "".into() };
    if write(socket, Message::Close(Some(frame))).await {
        finish(socket).await;
    }
}

/// Lets the closing handshake run to its end: clients take a cut connection for an error.
async fn finish(socket: &mut WebSocket) {
    let rest = async { while let Some(Ok(_)) = socket.recv().await {} };
    let _ = timeout(Duration::from_secs(2), rest).await;
}
