//! One signalling WebSocket, run on a shared background thread and reached through bounded channels, so that its owner
//! never waits. What the messages mean does not belong here.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use crate::proto::{SignalRequest, SignalResponse, signal_request, signal_response};

/// Requests that may wait for the socket; more means that the server does not read.
const MAX_REQUESTS: usize = 256;
/// Responses that may wait for the owner; then the socket is read no further.
const MAX_RESPONSES: usize = 256;
/// Longest message in bytes: a join of some thousand participants.
const MAX_MESSAGE: usize = 4 << 20;
/// For TCP, TLS and the upgrade together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For the last requests and the close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// As much of an error page as is worth telling, in characters.
const MAX_REFUSAL: usize = 200;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A signalling connection, or the attempt at one. Dropping it sends what was given to `send`, then closes.
pub(super) struct Link {
    /// `None` once the link is to close.
    requests: Option<mpsc::Sender<SignalRequest>>,
    events: mpsc::Receiver<LinkEvent>,
}

#[derive(Debug)]
pub(super) enum LinkEvent {
    /// The socket is open; `local` is this machine's address towards the server.
    Open {
        local: IpAddr,
    },
    Message(Box<signal_response::Message>),
    /// The server answered the upgrade with an HTTP error.
    Refused {
        status: u16,
        message: String,
    },
    /// The connection is gone or was never made. The last event.
    Closed {
        reason: String,
    },
}

impl Link {
    /// Starts connecting to a complete `ws` or `wss` URL with a bearer token.
    pub(super) fn open(runtime: &Handle, url: &str, token: &str) -> Link {
        let (requests, request_queue) = mpsc::channel(MAX_REQUESTS);
        let (event_queue, events) = mpsc::channel(MAX_RESPONSES);
        let request = upgrade(url, token);
        runtime.spawn(async move {
            let reason = run(request, request_queue, &event_queue).await;
            // The owner may be gone; then nobody needs the reason.
            let _ = event_queue.send(LinkEvent::Closed { reason }).await;
        });
        Link { requests: Some(requests), events }
    }

    /// Queues a request. `false` when the link is down or clogged: it should be given up.
    pub(super) fn send(&self, message: signal_request::Message) -> bool {
        let request = SignalRequest { message: Some(message) };
        self.requests.as_ref().is_some_and(|requests| requests.try_send(request).is_ok())
    }

    /// Sends what is queued, then closes the socket; `Closed` follows.
    pub(super) fn close(&mut self) {
        self.requests = None;
    }

    /// What came in the meantime, one at a time.
    pub(super) fn try_recv(&mut self) -> Option<LinkEvent> {
        self.events.try_recv().ok()
    }
}

/// The thread of all links of this process, started with the first one.
pub(super) fn runtime() -> std::io::Result<&'static Handle> {
    static RUNTIME: OnceLock<Handle> = OnceLock::new();
    if let Some(handle) = RUNTIME.get() {
        return Ok(handle);
    }
    // Fails only when another provider was installed before, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("rtc-signal".into())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    // Two first callers at once start two threads; the loser's stays idle.
    Ok(RUNTIME.get_or_init(|| handle))
}

fn upgrade(url: &str, token: &str) -> Result<Request, String> {
    let mut request = url.into_client_request().map_err(|e| e.to_string())?;
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|e| e.to_string())?;
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    Ok(request)
}

/// Runs one connection to its end and says why it ended.
async fn run(
    request: Result<Request, String>,
    mut requests: mpsc::Receiver<SignalRequest>,
    events: &mpsc::Sender<LinkEvent>,
) -> String {
    let connected = match request {
        Ok(request) => timeout(CONNECT_TIMEOUT, connect(request)).await,
        Err(reason) => return reason,
    };
    let (mut socket, local) = match connected {
        Ok(Ok(connected)) => connected,
        Ok(Err(Error::Http(response))) => {
            let status = response.status().as_u16();
            let body = response.body().as_deref().unwrap_or_default();
            let message: String = String::from_utf8_lossy(body).trim().chars().take(MAX_REFUSAL).collect();
            let reason = format!("server answered {status} {message}");
            let _ = events.send(LinkEvent::Refused { status, message }).await;
            return reason;
        }
        Ok(Err(e)) => return format!("cannot connect: {e}"),
        Err(_) => return format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()),
    };
    if events.send(LinkEvent::Open { local }).await.is_err() {
        return "dropped".into();
    }
    let reason = exchange(&mut socket, &mut requests, events).await;
    let _ = timeout(CLOSE_TIMEOUT, finish(&mut socket, &mut requests)).await;
    reason
}

async fn connect(request: Request) -> Result<(Socket, IpAddr), Error> {
    let uri = request.uri();
    let default_port = if uri.scheme_str() == Some("wss") { 443 } else { 80 };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(default_port))).await?;
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?.ip();
    let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    let (socket, _) = client_async_tls_with_config(request, stream, Some(config), None).await?;
    Ok((socket, local))
}

/// Moves messages both ways until either side ends. Requests come first, so that a last `leave` is never overtaken.
async fn exchange(
    socket: &mut Socket,
    requests: &mut mpsc::Receiver<SignalRequest>,
    events: &mpsc::Sender<LinkEvent>,
) -> String {
    loop {
        tokio::select! {
            biased;
            request = requests.recv() => {
                let Some(request) = request else { return "closed by this side".into() };
                if let Err(e) = socket.send(Message::binary(request.encode_to_vec())).await {
                    return format!("cannot send: {e}");
                }
            }
            received = socket.next() => {
                let message = match received {
                    None => return "server closed the connection".into(),
                    Some(Err(e)) => return format!("connection lost: {e}"),
                    Some(Ok(Message::Binary(bytes))) => SignalResponse::decode(bytes),
                    Some(Ok(_)) => continue,
                };
                let event = match message {
                    Ok(SignalResponse { message: Some(message) }) => LinkEvent::Message(Box::new(message)),
                    // A kind of message that this client does not know.
                    Ok(SignalResponse { message: None }) => continue,
                    Err(e) => return format!("unreadable message: {e}"),
                };
                // While the queue is full the socket is not read, but requests must not wait for it either.
                if deliver(event, socket, requests, events).await.is_err() {
                    return "closed by this side".into();
                }
            }
        }
    }
}

/// Hands one event to the owner, sending requests meanwhile. An error means that the owner is gone.
async fn deliver(
    event: LinkEvent,
    socket: &mut Socket,
    requests: &mut mpsc::Receiver<SignalRequest>,
    events: &mpsc::Sender<LinkEvent>,
) -> Result<(), ()> {
    let room = events.reserve();
    tokio::pin!(room);
    loop {
        tokio::select! {
            biased;
            room = &mut room => {
                room.map_err(|_| ())?.send(event);
                return Ok(());
            }
            Some(request) = requests.recv() => {
                socket.send(Message::binary(request.encode_to_vec())).await.map_err(|_| ())?;
            }
        }
    }
}

/// Sends what is still queued and closes in good order.
async fn finish(socket: &mut Socket, requests: &mut mpsc::Receiver<SignalRequest>) {
    while let Ok(request) = requests.try_recv() {
        if socket.send(Message::binary(request.encode_to_vec())).await.is_err() {
            return;
        }
    }
    if socket.close(None).await.is_ok() {
        while let Some(Ok(_)) = socket.next().await {}
    }
}
