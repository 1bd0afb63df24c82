//! Publisher and subscriber together through a room server: every test runs against the embedded server, and against a
//! real LiveKit server where `E2E_LIVEKIT_SERVER` names its binary.

mod host;
mod proxy;
mod scene;

use std::time::{Duration, Instant};

use host::{Embedded, Host, LiveKit};
use proxy::Proxy;
use rtc::client::{CloseReason, PublishEvent, RoomEvent, RoomServer, Subscriber, TrackKind, TrackSource};
use scene::{Scene, frames, join, number_in, video_frame};

const LONG: Duration = Duration::from_secs(30);

/// Makes one test per server of each scenario.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod embedded {
            $(#[test] fn $name() { super::$name(&mut super::Embedded::new(), false); })+
        }
        mod livekit {
            $(#[test] fn $name() {
                if let Some(mut host) = super::LiveKit::new(stringify!($name)) {
                    super::$name(&mut host, true);
                }
            })+
        }
    };
}

on_both!(
    every_frame_arrives_once_and_in_time,
    mute_unpublish_and_republish_are_seen,
    both_come_back_after_the_server_restarts,
    a_cut_signalling_connection_is_replaced,
    the_best_layer_of_simulcast_arrives,
    a_wrong_secret_is_final,
    the_same_identity_ends_the_first,
    leaving_is_confirmed,
);

fn every_frame_arrives_once_and_in_time(host: &mut dyn Host, _: bool) {
    let mut scene = Scene::new(&host.access(), &host.access(), "frames");
    let reports = |scene: &Scene, sid: &str| {
        let of_track =
            |event: &&RoomEvent| matches!(event, RoomEvent::SenderReport { track_sid, .. } if **track_sid == *sid);
        scene.told.iter().filter(of_track).count()
    };
    scene.run_until("media and reports of both tracks", LONG, |scene| {
        let (Some(video), Some(audio)) = (scene.subscribed("video"), scene.subscribed("audio")) else { return false };
        scene.packets_of(&video).len() > 400 && reports(scene, &video) > 0 && reports(scene, &audio) > 0
    });
    let participant = &scene.participants["alice"];
    assert_eq!((participant.name.as_str(), participant.attributes["business_id"].as_str()), ("alice's name", "shop"));
    let video = scene.subscribed("video").expect("subscribed");
    let track = participant.tracks.iter().find(|track| track.sid == *video).expect("the camera");
    assert_eq!((track.kind, track.source, track.width), (TrackKind::Video, TrackSource::Camera, 640));
    assert_eq!(track.mime.to_ascii_lowercase(), "video/h264");

    check_video(&scene, &video);
    let audio = scene.subscribed("audio").expect("subscribed");
    check_audio(&scene, &audio);
    for (sid, stream) in [(&video, 0), (&audio, 1)] {
        check_reports(&scene, sid, stream);
    }
    let stats = scene.subscriber.stats();
    assert_eq!((stats.lost, stats.kernel_drops), (0, 0), "{stats:?}");
    assert!(stats.datagrams >= stats.packets && stats.batches <= stats.datagrams, "{stats:?}");
}

/// From the first key frame on, every frame is whole and there once, but the last, which may still be on its way.
fn check_video(scene: &Scene, sid: &str) {
    let got = frames(&scene.packets_of(sid));
    let numbers: Vec<u64> = got.iter().filter_map(|(_, frame)| number_in(frame)).collect();
    assert_eq!(numbers.len(), got.len(), "every frame begins with its first packet");
    assert!(numbers.len() > 30, "{numbers:?}");
    let expected: Vec<u64> = (numbers[0]..numbers[0] + numbers.len() as u64).collect();
    assert_eq!(numbers, expected);
    let is_key = |frame: &[u8]| frame[4] & 0x1f != 1;
    assert!(is_key(&got[0].1), "media begins with a key frame");
    for ((_, frame), number) in got.iter().zip(&numbers).take(numbers.len() - 1) {
        assert!(*frame == *video_frame(*number, 0, is_key(frame)), "frame {number} is as it was sent");
    }
}

fn check_audio(scene: &Scene, sid: &str) {
    let numbers: Vec<u64> = scene.packets_of(sid).iter().filter_map(|packet| number_in(&packet.payload)).collect();
    assert!(numbers.len() > 100, "{numbers:?}");
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

/// Sender reports map RTP time to when the frames were captured, within 20 ms.
fn check_reports(scene: &Scene, sid: &str, stream: usize) {
    let packets = scene.packets_of(sid);
    let known = packets.iter().rev().find_map(|packet| {
        let captured = scene.captured[stream].get(&number_in(&packet.payload)?)?;
        Some((packet.rtp_time, *captured, i64::from(packet.clock_rate)))
    });
    let (rtp_time, captured, clock_rate) = known.expect("a packet with a number");
    for event in &scene.told {
        let RoomEvent::SenderReport { track_sid, ntp_ns, rtp_time: at, arrival } = event else { continue };
        if **track_sid != *sid {
            continue;
        }
        let mapped = ntp_ns + (rtp_time as i64 - *at as i64) * 1_000_000_000 / clock_rate;
        let off_ms = (mapped - captured) / 1_000_000;
        assert!(off_ms.abs() <= 20, "{sid}: {off_ms} ms off");
        assert!(*arrival <= Instant::now());
    }
}

fn mute_unpublish_and_republish_are_seen(host: &mut dyn Host, _: bool) {
    let mut scene = Scene::new(&host.access(), &host.access(), "mute");
    scene.run_until("media", LONG, |scene| scene.subscribed("audio").is_some() && scene.subscribed("video").is_some());
    let (audio, video) = (scene.subscribed("audio").expect("seen"), scene.subscribed("video").expect("seen"));
    let muted = |scene: &Scene| {
        let tracks = scene.participants.get("alice").map(|alice| &alice.tracks[..]).unwrap_or_default();
        tracks.iter().find(|track| track.sid == *audio).map(|track| track.muted)
    };
    scene.publisher.mute(scene.audio, true);
    scene.run_until("the mute", LONG, |scene| muted(scene) == Some(true));
    let before = scene.captured[1].len();
    scene.publisher.mute(scene.audio, false);
    scene.run_until("the unmute", LONG, |scene| muted(scene) == Some(false));
    scene.run_until("sound again", LONG, |scene| {
        let last = scene.packets_of(&audio).last().and_then(|packet| number_in(&packet.payload));
        last.is_some_and(|last| last > before as u64)
    });

    scene.publisher.unpublish(scene.video);
    scene.run_until("the unpublish", LONG, |scene| {
        scene.participants["alice"].tracks.iter().all(|track| track.sid != *video)
    });
    scene.video = scene.publisher.add_video(scene::camera(&[(640, 360)]));
    scene.run_until("the new track", LONG, |scene| {
        scene.subscribed("video").is_some_and(|sid| sid != video && scene.packets_of(&sid).len() > 100)
    });
    check_video(&scene, &scene.subscribed("video").expect("seen"));
}

fn both_come_back_after_the_server_restarts(host: &mut dyn Host, _: bool) {
    let mut scene = Scene::new(&host.access(), &host.access(), "restart");
    scene.run_until("media", LONG, |scene| scene.subscribed("video").is_some());
    host.stop();
    scene.run_until("the loss", LONG, |scene| {
        scene.told.iter().any(|event| matches!(event, RoomEvent::Interrupted { .. }))
            && scene.published.iter().any(|event| matches!(event, PublishEvent::Interrupted { .. }))
    });
    host.start();
    scene.told.clear();
    scene.packets.clear();
    scene.run_until("media again", LONG, |scene| {
        scene.subscribed("video").is_some_and(|sid| scene.packets_of(&sid).len() > 100)
    });
    assert!(scene.told.contains(&RoomEvent::Connected { rejoined: true }), "{:?}", scene.told);
    assert!(scene.published.contains(&PublishEvent::Connected { rejoined: true }));
    check_video(&scene, &scene.subscribed("video").expect("seen"));
}

/// LiveKit resumes, so that not a packet is missing; a server that cannot resume makes the subscriber join anew.
fn a_cut_signalling_connection_is_replaced(host: &mut dyn Host, resumes: bool) {
    let proxy = Proxy::new(host.http());
    let access = host.access();
    let through = RoomServer { url: format!("http://{}/", proxy.addr()), ..access.clone() };
    let mut scene = Scene::new(&access, &through, "cut");
    scene.run_until("media", LONG, |scene| scene.packets.len() > 100);
    let connected = |scene: &Scene| scene.told.iter().filter(|e| matches!(e, RoomEvent::Connected { .. })).count();
    let sent = scene.captured[0].len() as u64;
    proxy.cut();
    scene.run_until("the connection is back", LONG, |scene| connected(scene) == 2);
    scene.run_until("media goes on", LONG, |scene| {
        let Some(sid) = scene.subscribed("video") else { return false };
        frames(&scene.packets_of(&sid)).iter().filter_map(|(_, frame)| number_in(frame)).max() > Some(sent + 90)
    });
    if resumes {
        assert!(scene.told.contains(&RoomEvent::Connected { rejoined: false }));
        assert!(!scene.told.contains(&RoomEvent::Connected { rejoined: true }), "{:?}", scene.told);
        check_video(&scene, &scene.subscribed("video").expect("seen"));
    }
    // A track that is published afterwards is seen: the new connection is a whole one.
    scene.publisher.add_audio(scene::microphone());
    scene.run_until("a third track", LONG, |scene| scene.participants["alice"].tracks.len() == 3);
}

fn the_best_layer_of_simulcast_arrives(host: &mut dyn Host, _: bool) {
    let sizes = [(320, 180), (640, 360), (1280, 720)];
    let mut scene = Scene::with_layers(&host.access(), &host.access(), "simulcast", &sizes);
    scene.run_until("frames of the best layer", LONG, |scene| {
        let Some(sid) = scene.subscribed("video") else { return false };
        let got = frames(&scene.packets_of(&sid));
        got.iter().filter(|(_, frame)| frame.ends_with(b"layer 2")).count() > 30
    });
    let video = scene.subscribed("video").expect("seen");
    let track = scene.participants["alice"].tracks.iter().find(|track| track.sid == *video).expect("published");
    assert!(track.simulcast && (track.width, track.height) == (1280, 720), "{track:?}");
    let best: Vec<u64> = frames(&scene.packets_of(&video))
        .iter()
        .filter(|(_, frame)| frame.ends_with(b"layer 2"))
        .filter_map(|(_, frame)| number_in(frame))
        .collect();
    assert!(best.windows(2).all(|pair| pair[1] == pair[0] + 1), "{best:?}");
}

/// The server's sockets stay open but nothing answers: noticed by media, before signalling notices.
#[test]
fn a_dead_media_path_is_noticed() {
    let Some(host) = LiveKit::new("a_dead_media_path_is_noticed") else { return };
    let mut scene = Scene::new(&host.access(), &host.access(), "frozen");
    scene.run_until("media", LONG, |scene| scene.packets.len() > 100);
    host.freeze(true);
    let lost = RoomEvent::Interrupted { reason: "media path lost".into() };
    scene.run_until("the loss", LONG, |scene| scene.told.contains(&lost));
    host.freeze(false);
    scene.told.clear();
    scene.packets.clear();
    scene.run_until("media again", LONG, |scene| !scene.packets.is_empty());
    assert!(scene.told.contains(&RoomEvent::Connected { rejoined: true }), "{:?}", scene.told);
}

fn a_wrong_secret_is_final(host: &mut dyn Host, _: bool) {
    let access = RoomServer { api_secret: "wrong, but also more than thirty-two characters".into(), ..host.access() };
    let mut subscriber = Subscriber::join(&access, join("refused", "recorder"), Instant::now()).expect("a good URL");
    let reason = closed(&mut subscriber, &mut Vec::new());
    assert!(matches!(reason, CloseReason::Refused { status: 401, .. }), "{reason:?}");
}

fn the_same_identity_ends_the_first(host: &mut dyn Host, _: bool) {
    let now = Instant::now();
    let mut first = Subscriber::join(&host.access(), join("twice", "recorder"), now).expect("a good URL");
    let mut events = Vec::new();
    poll_until(&mut first, &mut events, |event| matches!(event, RoomEvent::Connected { rejoined: false }));
    let _second = spawn_polling(Subscriber::join(&host.access(), join("twice", "recorder"), now).expect("a good URL"));
    assert_eq!(closed(&mut first, &mut events), CloseReason::DuplicateIdentity);
}

fn leaving_is_confirmed(host: &mut dyn Host, _: bool) {
    let mut scene = Scene::new(&host.access(), &host.access(), "leave");
    scene.run_until("the publisher", LONG, |scene| {
        scene.participants.contains_key("alice") && !scene.packets.is_empty()
    });
    scene.publisher.leave(Instant::now());
    scene.run_until("the publisher is gone", LONG, |scene| {
        let left = |event: &PublishEvent| *event == PublishEvent::Closed { reason: CloseReason::Left };
        scene.participants.is_empty() && scene.published.iter().any(left)
    });
    scene.subscriber.leave(Instant::now());
    assert_eq!(closed(&mut scene.subscriber, &mut Vec::new()), CloseReason::Left);
}

/// Polls until the client gives up, and says why.
fn closed(subscriber: &mut Subscriber, events: &mut Vec<RoomEvent>) -> CloseReason {
    match poll_until(subscriber, events, |event| matches!(event, RoomEvent::Closed { .. })) {
        RoomEvent::Closed { reason } => reason,
        other => unreachable!("asked for Closed, got {other:?}"),
    }
}

fn poll_until(
    subscriber: &mut Subscriber,
    events: &mut Vec<RoomEvent>,
    wanted: impl Fn(&RoomEvent) -> bool,
) -> RoomEvent {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(at) = events.iter().position(&wanted) {
            return events.swap_remove(at);
        }
        assert!(Instant::now() < deadline, "not within {LONG:?}: {events:?}");
        subscriber.poll(Instant::now(), events);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Keeps a second subscriber going beside the test until the sender is dropped.
fn spawn_polling(mut subscriber: Subscriber) -> std::sync::mpsc::Sender<()> {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        let mut events = Vec::new();
        let five_ms = Duration::from_millis(5);
        while stopped.recv_timeout(five_ms) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            subscriber.poll(Instant::now(), &mut events);
            events.clear();
        }
    });
    stop
}
