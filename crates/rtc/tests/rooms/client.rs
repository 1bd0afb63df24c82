//! A room server for one test, and the least that can be called a client of it.

use futures_util::{SinkExt, StreamExt};
use rtc::proto::{self, Message as _, signal_request, signal_response};
use rtc::rooms::{RoomsConfig, Running, start};
use rtc::token::Claims;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub const KEY: &str = "devkey";
pub const SECRET: &str = "devsecret-devsecret-devsecret-00";
/// Far longer than anything takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(20);

/// Settings for 127.0.0.1 and free ports.
pub fn config() -> RoomsConfig {
    let local = "127.0.0.1:0".parse().expect("an address");
    let keys = [(KEY.to_owned(), SECRET.to_owned())].into();
    RoomsConfig { http: local, udp: local, keys, ..RoomsConfig::default() }
}

pub async fn server() -> Running {
    start(config()).await.expect("the server starts")
}

pub fn now_unix_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

/// Claims of an ordinary participant.
pub fn claims(identity: &str, room: &str) -> Claims {
    Claims::participant(KEY, identity, room, now_unix_s(), 600)
}

/// A client that speaks signalling only.
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub join: proto::JoinResponse,
}

/// How a socket ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// With a closing frame of this code.
    Closed(u16),
    Broken,
}

/// Opens a socket with a token; `Err` is the HTTP status of a refusal.
pub async fn open(
    server: &Running,
    claims: &Claims,
    query: &str,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, u16> {
    let url = format!("ws://{}/rtc?access_token={}{query}", server.http_addr(), claims.sign(SECRET));
    match tokio::time::timeout(LONG, tokio_tungstenite::connect_async(url)).await.expect("an answer") {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("no HTTP answer: {error}"),
    }
}

impl Client {
    pub async fn join(server: &Running, claims: &Claims) -> Client {
        Self::try_join(server, claims).await.expect("admitted")
    }

    pub async fn try_join(server: &Running, claims: &Claims) -> Result<Client, u16> {
        let socket = open(server, claims, "").await?;
        let mut client = Client { socket, join: proto::JoinResponse::default() };
        match client.next().await.expect("a first message") {
            signal_response::Message::Join(join) => client.join = *join,
            other => panic!("join comes first, not {other:?}"),
        }
        Ok(client)
    }

    pub fn sid(&self) -> &str {
        &self.join.participant.as_ref().expect("join names the participant").sid
    }

    pub async fn send(&mut self, message: signal_request::Message) {
        let request = proto::SignalRequest { message: Some(message) };
        self.send_bytes(request.encode_to_vec()).await;
    }

    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::Binary(bytes.into())).await.expect("the socket is open");
    }

    /// The next message of the server, or how the socket ended.
    pub async fn next(&mut self) -> Result<signal_response::Message, End> {
        next_of(&mut self.socket).await
    }

    /// Skips messages until one satisfies.
    pub async fn until<T>(&mut self, mut wanted: impl FnMut(signal_response::Message) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await.expect("the socket stays open")) {
                return found;
            }
        }
    }

    /// Skips messages until others tell of the participant `identity` in the state `state`.
    pub async fn until_seen(&mut self, identity: &str, state: proto::ParticipantState) -> proto::ParticipantInfo {
        self.until(|message| match message {
            signal_response::Message::Update(update) => {
                update.participants.into_iter().find(|p| p.identity == identity && p.state() == state)
            }
            _ => None,
        })
        .await
    }

    /// Skips messages until the socket ends.
    pub async fn until_closed(&mut self) -> End {
        loop {
            if let Err(end) = self.next().await {
                return end;
            }
        }
    }

    /// Skips messages until `leave`, and gives its reason and action and how the socket ended after it.
    pub async fn until_left(&mut self) -> (proto::DisconnectReason, proto::LeaveAction, End) {
        let leave = self
            .until(|message| match message {
                signal_response::Message::Leave(leave) => Some(leave),
                _ => None,
            })
            .await;
        let end = self.next().await.expect_err("nothing after leave");
        (leave.reason(), leave.action(), end)
    }
}

/// The next message on a socket.
pub async fn next_of(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Result<signal_response::Message, End> {
    loop {
        match tokio::time::timeout(LONG, socket.next()).await.expect("the server says something") {
            Some(Ok(Message::Binary(bytes))) => {
                let response = proto::SignalResponse::decode(&bytes[..]).expect("a readable message");
                return Ok(response.message.expect("a known message"));
            }
            Some(Ok(Message::Close(frame))) => return Err(End::Closed(frame.map_or(0, |frame| frame.code.into()))),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(End::Broken),
        }
    }
}
