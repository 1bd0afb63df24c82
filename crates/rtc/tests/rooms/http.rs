//! HTTP answers: statuses, texts and the header without which browsers hide them.

use crate::client::{KEY, claims, config, now_unix_s, server};
use rtc::proto::{self, Message as _};
use rtc::rooms::{Limits, RoomsConfig, start};
use rtc::token::Claims;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Answer {
    status: u16,
    head: String,
    body: String,
}

async fn request(addr: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(addr).await.expect("connects");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: rooms\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("an answer in UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let answer = Answer { status, head: head.to_lowercase(), body: body.to_owned() };
    assert!(answer.head.contains("access-control-allow-origin: *"), "{method} {path}: {}", answer.head);
    answer
}

fn bearer(claims: &Claims) -> String {
    format!("Authorization: Bearer {}\r\n", claims.sign(crate::client::SECRET))
}

#[tokio::test]
async fn requests_are_refused_with_the_documented_status() {
    let server = server().await;
    let addr = server.http_addr();
    let good = claims("alice", "room");
    let expired = Claims { exp: Some(now_unix_s() - 3600), ..good.clone() };
    let nameless = Claims { sub: String::new(), ..good.clone() };
    let roomless = claims("alice", "");
    let long = claims(&"x".repeat(1000), "room");
    let powerless = Claims { video: None, ..good.clone() };
    let wrong_key = format!("Authorization: Bearer {}\r\n", good.sign("another secret"));
    for (path, headers, status) in [
        ("/rtc", bearer(&good), 404),
        ("/rtc/v1", bearer(&good), 404),
        ("/nothing", String::new(), 404),
        ("/rtc/validate", String::new(), 401),
        ("/rtc/validate", "Authorization: Bearer rubbish\r\n".to_owned(), 401),
        ("/rtc/validate", wrong_key, 401),
        ("/rtc/validate", bearer(&expired), 401),
        ("/rtc/validate", bearer(&powerless), 401),
        ("/rtc/validate", bearer(&nameless), 400),
        ("/rtc/validate", bearer(&roomless), 400),
        ("/rtc/validate", bearer(&long), 400),
        ("/rtc/validate?attributes=%21", bearer(&good), 400),
        ("/rtc/v1/validate", bearer(&good), 400),
        ("/rtc/v1/validate?join_request=rubbish", bearer(&good), 400),
    ] {
        let answer = request(addr, "GET", path, &headers).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_good_token_validates_by_header_and_by_query() {
    let server = server().await;
    let addr = server.http_addr();
    let good = claims("alice", "room");
    let by_header = request(addr, "GET", "/rtc/validate?unknown=1", &bearer(&good)).await;
    assert_eq!((by_header.status, by_header.body.as_str()), (200, "success"));
    let token = good.sign(crate::client::SECRET);
    assert_eq!(request(addr, "GET", &format!("/rtc/validate?access_token={token}"), "").await.status, 200);
    let wrapped =
        proto::WrappedJoinRequest { join_request: proto::JoinRequest::default().encode_to_vec(), ..Default::default() };
    let join = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, wrapped.encode_to_vec());
    let path = format!("/rtc/v1/validate?join_request={join}&access_token={token}");
    assert_eq!(request(addr, "GET", &path, "").await.status, 200);
    server.shutdown().await;
}

#[tokio::test]
async fn preflights_are_answered() {
    let server = server().await;
    let answer = request(server.http_addr(), "OPTIONS", "/rtc/validate", "Origin: http://a\r\n").await;
    assert_eq!(answer.status, 204);
    assert!(answer.head.contains("access-control-allow-headers: authorization"));
    server.shutdown().await;
}

#[tokio::test]
async fn a_server_without_keys_does_not_start() {
    assert!(start(RoomsConfig { keys: Default::default(), ..config() }).await.is_err());
}

#[tokio::test]
async fn rooms_and_participants_are_bounded() {
    let limits = Limits { rooms: 1, participants_per_room: 2, ..Limits::default() };
    let server = start(RoomsConfig { limits, ..config() }).await.expect("starts");
    let join = |identity: &'static str, room: &'static str| {
        let (server, claims) = (&server, claims(identity, room));
        async move { crate::client::Client::try_join(server, &claims).await }
    };
    let first = join("a", "one").await.expect("the first room");
    assert_eq!(join("b", "two").await.err(), Some(503), "a second room");
    let second = join("b", "one").await.expect("the second participant");
    assert_eq!(join("c", "one").await.err(), Some(503), "a third participant");
    drop((first, second));
    server.shutdown().await;
}

#[tokio::test]
async fn recorders_and_users_do_not_take_each_others_places() {
    let limits = Limits { participants_per_room: 1, ..Limits::default() };
    let server = start(RoomsConfig { limits, ..config() }).await.expect("starts");
    let recorder = |n: usize| Claims::recorder(KEY, &format!("EG_{n}"), "one", now_unix_s());
    let join = |claims: Claims| {
        let server = &server;
        async move { crate::client::Client::try_join(server, &claims).await }
    };
    let mut inside = vec![join(recorder(0)).await.expect("the recorder before the user")];
    inside.push(join(claims("a", "one")).await.expect("the only user"));
    assert_eq!(join(claims("b", "one")).await.err(), Some(503), "a second user");
    for n in 1..16 {
        inside.push(join(recorder(n)).await.expect("a recorder in a full room"));
    }
    assert_eq!(join(recorder(16)).await.err(), Some(503), "recorders are bounded too");
    drop(inside);
    server.shutdown().await;
}
