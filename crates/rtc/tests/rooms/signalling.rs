//! Signalling: what participants are told, and when.

use crate::client::{Client, End, claims, config, next_of, now_unix_s, open, server};
use rtc::proto::{
    self, DisconnectReason, LeaveAction, ParticipantState, RequestReason, signal_request as request,
    signal_response as response,
};
use rtc::rooms::{Limits, RoomFact, RoomsConfig, start};
use rtc::token::Claims;
use std::time::Duration;

fn video_track(cid: &str) -> request::Message {
    request::Message::AddTrack(proto::AddTrackRequest {
        cid: cid.into(),
        r#type: proto::TrackType::Video as i32,
        source: proto::TrackSource::Camera as i32,
        simulcast_codecs: vec![proto::SimulcastCodec { codec: "vp9".into(), ..Default::default() }],
        ..Default::default()
    })
}

#[tokio::test]
async fn join_carries_what_sdks_cannot_do_without() {
    let server = server().await;
    let mut made = claims("alice", "room");
    made.attributes.insert("business_id".into(), "shop".into());
    let alice = Client::join(&server, &made).await;
    let join = &alice.join;
    let room = join.room.as_ref().expect("a room");
    assert!(room.sid.starts_with("RM_") && room.name == "room");
    assert!(alice.sid().starts_with("PA_"));
    assert!(join.ping_interval > 0 && join.ping_timeout > join.ping_interval);
    assert!(!join.server_info.as_ref().expect("server info").version.is_empty());
    assert!(join.subscriber_primary);
    let mimes: Vec<&str> = join.enabled_publish_codecs.iter().map(|codec| codec.mime.as_str()).collect();
    assert_eq!(mimes, ["video/H264", "video/VP8", "video/VP9", "video/AV1", "video/H265", "audio/opus"]);
    assert_eq!(join.participant.as_ref().expect("participant").attributes["business_id"], "shop");
    server.shutdown().await;
}

#[tokio::test]
async fn the_first_offer_has_data_channels_and_the_advertised_address() {
    let advertised = "192.0.2.7:4000".parse().expect("an address");
    let server = start(RoomsConfig { advertise: vec![advertised], ..config() }).await.expect("starts");
    let mut alice = Client::join(&server, &claims("alice", "room")).await;
    let offer = alice
        .until(|message| match message {
            response::Message::Offer(offer) => Some(offer),
            _ => None,
        })
        .await;
    assert!(offer.id > 0 && offer.sdp.contains("m=application") && offer.sdp.contains("a=ice-lite"));
    assert!(offer.sdp.contains("192.0.2.7 4000 typ host"), "{}", offer.sdp);
    server.shutdown().await;
}

#[tokio::test]
async fn both_kinds_of_ping_are_answered() {
    let server = server().await;
    let mut alice = Client::join(&server, &claims("alice", "room")).await;
    alice.send(request::Message::Ping(7)).await;
    let now_ms = alice
        .until(|message| match message {
            response::Message::Pong(at) => Some(at),
            _ => None,
        })
        .await;
    assert!((now_ms / 1000 - now_unix_s()).abs() < 30);
    alice.send(request::Message::PingReq(proto::Ping { timestamp: 42, rtt: 0 })).await;
    let pong = alice
        .until(|message| match message {
            response::Message::PongResp(pong) => Some(pong),
            _ => None,
        })
        .await;
    assert_eq!(pong.last_ping_timestamp, 42);
    server.shutdown().await;
}

#[tokio::test]
async fn the_same_identity_throws_the_first_one_out() {
    let server = server().await;
    let mut first = Client::join(&server, &claims("alice", "room")).await;
    let second = Client::join(&server, &claims("alice", "room")).await;
    assert_eq!(
        first.until_left().await,
        (DisconnectReason::DuplicateIdentity, LeaveAction::Disconnect, End::Closed(1000))
    );
    assert!(second.join.other_participants.is_empty());
    assert_ne!(first.sid(), second.sid());
    server.shutdown().await;
}

#[tokio::test]
async fn a_resume_is_told_to_join_anew() {
    let server = server().await;
    let mut socket = open(&server, &claims("alice", "room"), "&reconnect=1&sid=PA_x").await.expect("upgrades");
    let Ok(response::Message::Leave(leave)) = next_of(&mut socket).await else { panic!("leave comes first") };
    assert_eq!((leave.reason(), leave.action()), (DisconnectReason::StateMismatch, LeaveAction::Reconnect));
    assert_eq!(next_of(&mut socket).await, Err(End::Closed(1000)));
    server.shutdown().await;
}

#[tokio::test]
async fn others_see_participants_come_and_go() {
    let server = server().await;
    let mut alice = Client::join(&server, &claims("alice", "room")).await;
    let mut bob = Client::join(&server, &claims("bob", "room")).await;
    assert_eq!(bob.join.other_participants[0].identity, "alice");
    let came = alice.until_seen("bob", ParticipantState::Joined).await;
    bob.send(request::Message::Leave(proto::LeaveRequest::default())).await;
    assert_eq!(bob.until_closed().await, End::Closed(1000));
    let went = alice.until_seen("bob", ParticipantState::Disconnected).await;
    assert!(went.version > came.version);
    assert_eq!(went.disconnect_reason(), DisconnectReason::ClientInitiated);
    let carol = Client::join(&server, &claims("carol", "room")).await;
    drop(carol);
    let went = alice.until_seen("carol", ParticipantState::Disconnected).await;
    assert_eq!(went.disconnect_reason(), DisconnectReason::SignalClose, "a socket that dies before any media");
    server.shutdown().await;
}

#[tokio::test]
async fn a_recorder_is_announced_but_never_shown_and_does_not_keep_the_room() {
    let server = start(RoomsConfig { empty_timeout: Duration::from_millis(300), ..config() }).await.expect("starts");
    let mut facts = server.facts();
    let mut alice = Client::join(&server, &claims("alice", "room")).await;
    let recorder = Claims::recorder(crate::client::KEY, "EG_1", "room", now_unix_s());
    let mut recorder = Client::join(&server, &recorder).await;
    assert_eq!(recorder.join.other_participants.len(), 1);
    let mut shown = false;
    let recording = alice
        .until(|message| match message {
            response::Message::RoomUpdate(update) => update.room.map(|room| room.active_recording),
            response::Message::Update(update) => {
                shown |= update.participants.iter().any(|p| p.identity == "EG_1");
                None
            }
            _ => None,
        })
        .await;
    assert!(recording && !shown);
    let bob = Client::join(&server, &claims("bob", "room")).await;
    assert!(bob.join.other_participants.iter().all(|p| p.identity != "EG_1"));
    assert!(bob.join.room.as_ref().expect("a room").active_recording);
    drop((alice, bob));
    let (reason, action, _) = recorder.until_left().await;
    assert_eq!((reason, action), (DisconnectReason::RoomClosed, LeaveAction::Disconnect));
    let mut told = Vec::new();
    while !matches!(told.last(), Some(RoomFact::RoomClosed { .. })) {
        told.push(facts.recv().await.expect("a fact"));
    }
    assert!(matches!(told[0], RoomFact::RoomOpened { .. }));
    let joined = RoomFact::ParticipantJoined { room: "room".into(), identity: "EG_1".into(), hidden: true };
    assert!(told.contains(&joined));
    server.shutdown().await;
}

#[tokio::test]
async fn metadata_changes_need_the_grant() {
    let server = server().await;
    let mut allowed = claims("alice", "room");
    allowed.video.as_mut().expect("a grant").can_update_own_metadata = Some(true);
    let mut alice = Client::join(&server, &allowed).await;
    let mut bob = Client::join(&server, &claims("bob", "room")).await;
    let update = proto::UpdateParticipantMetadata {
        name: "Alice".into(),
        attributes: [("mood".to_owned(), "fine".to_owned())].into(),
        request_id: 5,
        ..Default::default()
    };
    let answer = |message| match message {
        response::Message::RequestResponse(response) => Some((response.request_id, response.reason())),
        _ => None,
    };
    alice.send(request::Message::UpdateMetadata(update.clone())).await;
    assert_eq!(alice.until(answer).await, (5, RequestReason::Ok));
    let seen = bob.until_seen("alice", ParticipantState::Joined).await;
    assert_eq!((seen.name.as_str(), seen.attributes["mood"].as_str()), ("Alice", "fine"));
    bob.send(request::Message::UpdateMetadata(update)).await;
    assert_eq!(bob.until(answer).await, (5, RequestReason::NotAllowed));
    server.shutdown().await;
}

#[tokio::test]
async fn tracks_are_accepted_or_refused_with_a_reason() {
    let limits = Limits { tracks_per_participant: 1, ..Limits::default() };
    let server = start(RoomsConfig { limits, ..config() }).await.expect("starts");
    let mut alice = Client::join(&server, &claims("alice", "room")).await;
    alice.send(video_track("one")).await;
    let published = alice
        .until(|message| match message {
            response::Message::TrackPublished(published) => Some(published),
            _ => None,
        })
        .await;
    let track = published.track.expect("a track");
    assert!(published.cid == "one" && track.sid.starts_with("TR_") && track.mime_type == "video/VP9");
    let refused = |message| match message {
        response::Message::RequestResponse(response) => Some((response.reason(), response.request)),
        _ => None,
    };
    alice.send(video_track("two")).await;
    let (reason, of) = alice.until(refused).await;
    assert_eq!(reason, RequestReason::LimitExceeded);
    let Some(proto::request_response::Request::AddTrack(add)) = of else { panic!("names the request") };
    assert_eq!(add.cid, "two");
    let mut listener = claims("bob", "room");
    listener.video.as_mut().expect("a grant").can_publish = Some(false);
    let mut bob = Client::join(&server, &listener).await;
    bob.send(video_track("one")).await;
    assert_eq!(bob.until(refused).await.0, RequestReason::NotAllowed);
    server.shutdown().await;
}

#[tokio::test]
async fn bad_input_costs_its_sender_only() {
    let server = server().await;
    let mut alice = Client::join(&server, &claims("alice", "room")).await;
    let mut bob = Client::join(&server, &claims("bob", "room")).await;
    bob.send_bytes(vec![0xff; 100]).await;
    let trickle = proto::TrickleRequest { candidate_init: "{".into(), ..Default::default() };
    bob.send(request::Message::Trickle(trickle)).await;
    let answer = proto::SessionDescription { sdp: "v=0".into(), id: 99, ..Default::default() };
    bob.send(request::Message::Answer(answer)).await;
    bob.send(request::Message::Mute(proto::MuteTrackRequest { sid: "TR_x".into(), muted: true })).await;
    bob.send(request::Message::Ping(1)).await;
    bob.until(|message| matches!(message, response::Message::Pong(_)).then_some(())).await;
    let offer = proto::SessionDescription {
        r#type: "offer".into(),
        sdp: "m=video rubbish".into(),
        id: 1,
        ..Default::default()
    };
    bob.send(request::Message::Offer(offer)).await;
    let (reason, _, end) = bob.until_left().await;
    assert_eq!((reason, end), (DisconnectReason::JoinFailure, End::Closed(1000)));
    alice.until_seen("bob", ParticipantState::Disconnected).await;
    alice.send(request::Message::Ping(1)).await;
    alice.until(|message| matches!(message, response::Message::Pong(_)).then_some(())).await;
    server.shutdown().await;
}

#[tokio::test]
async fn shutdown_is_announced() {
    let server = server().await;
    let mut alice = Client::join(&server, &claims("alice", "room")).await;
    let (left, ()) = tokio::join!(alice.until_left(), server.shutdown());
    assert_eq!((left.0, left.2), (DisconnectReason::ServerShutdown, End::Closed(1000)));
}
