//! Pictures of H.265, VP8, VP9 and AV1 in files, and files whose pictures change their codec.

use codec::file::{Event, Reader};
use codec::video::{Canvas, Codec, Config, Decoder, Encoder, Rect};
use media::bitstream::h265::{self, H265Config};
use media::bitstream::{annex_b, av1, vp8, vp9};

use super::*;

/// Pictures of 25 a second as a depacketiser gives them, every 25th a key frame: picture `n` has a luma of its own.
pub(super) struct Camera {
    codec: Codec,
    size: (u32, u32),
    encoder: Encoder,
    canvas: Canvas,
}

impl Camera {
    pub fn new(codec: Codec, (width, height): (u32, u32)) -> Camera {
        let encoder = Encoder::new(&Config::live(codec, width, height, 25, 200_000, 1_000)).expect("an encoder");
        Camera { codec, size: (width, height), encoder, canvas: Canvas::new(width, height).expect("a canvas") }
    }

    pub fn picture(&mut self, n: i64) -> Picture {
        self.canvas.fill(Rect::sized(self.size.0, self.size.1), [luma(n), 100, 150]);
        let packet = self.encoder.encode_canvas(&mut self.canvas, n, n % 25 == 0).expect("encoded").remove(0);
        let (data, config) = match self.codec {
            Codec::H264 => {
                let unit =
                    |kind| annex_b::nal_units(&packet.data).find(|unit| unit[0] & 31 == kind).unwrap_or_default();
                let config = packet.key.then(|| H264Config::new(unit(7), unit(8)).expect("parameter sets"));
                (annex_b::to_lengths(&packet.data).into(), config.map(VideoConfig::H264))
            }
            Codec::H265 => {
                let unit = |kind: u8| {
                    annex_b::nal_units(&packet.data).find(|unit| h265::nal_type(unit[0]) == kind).unwrap_or_default()
                };
                let sets = || H265Config::new(unit(32), unit(33), unit(34)).expect("parameter sets");
                (annex_b::to_lengths(&packet.data).into(), packet.key.then(sets).map(VideoConfig::H265))
            }
            Codec::Vp8 => {
                let size = vp8::key_frame(&packet.data).expect("a frame");
                (packet.data, size.map(|(width, height)| VideoConfig::Vp8 { width, height }))
            }
            Codec::Vp9 => {
                let config = vp9::key_frame(&packet.data).expect("a frame");
                (packet.data, config.map(VideoConfig::Vp9))
            }
            _ => {
                let (data, config) = av1::to_sample(&packet.data).expect("a temporal unit");
                (data.into(), config.map(VideoConfig::Av1))
            }
        };
        let at = ms(n * FRAME_MS);
        let (key, config) = (packet.key, config.map(Arc::new));
        assert_eq!(key, config.is_some());
        Picture { at, arrival: at, data, key, after_loss: false, missing_before: None, config, rotation: 0 }
    }
}

/// The codecs that are kept beside H.264.
const KEPT: [(Codec, mp4::Codec); 4] = [
    (Codec::H265, mp4::Codec::H265),
    (Codec::Vp8, mp4::Codec::Vp8),
    (Codec::Vp9, mp4::Codec::Vp9),
    (Codec::Av1, mp4::Codec::Av1),
];

fn luma(n: i64) -> u8 {
    40 + (n * 3 % 150) as u8
}

/// Sends pictures `from..to` of a camera and sound beside them.
fn send(user: &mut User, camera: &mut Camera, pictures: std::ops::Range<i64>) -> Vec<TakeEvent> {
    let take = user.take.as_mut().expect("a take");
    let mut events = Vec::new();
    for n in pictures {
        let picture = camera.picture(n);
        let now = picture.at;
        events.extend(take.push(Unit::Picture(picture), &user.clock, now).expect("taken"));
        for at in [now, now.plus(PACKET_MS * MILLI_NS)] {
            let sound = SoundPacket { at, arrival: at, data: user.sound.clone(), duration: 960, after_loss: false };
            events.extend(take.push(Unit::Sound(sound), &user.clock, at).expect("taken"));
        }
        events.extend(take.handle_time(&user.clock, now, true).expect("the disk works"));
    }
    events
}

fn only_sound(user: &mut User, from: i64, to: i64) -> Vec<Closed> {
    user.send(from, to, false, true)
}

/// Luma and size of each picture of a file, and when it begins, ms.
fn seen(path: &std::path::Path) -> Vec<(u8, (u32, u32), i64)> {
    let mut seen = Vec::new();
    for event in Reader::open(path).expect("a file") {
        match event {
            Event::Picture(picture) => {
                let view = picture.view();
                let at = (picture.pts.expect("a time") + MILLI_NS / 2) / MILLI_NS;
                seen.push((
                    view.row(0, view.height as usize / 2)[view.width as usize / 2],
                    (view.width, view.height),
                    at,
                ));
            }
            Event::Sound(_) => {}
            Event::Broken(error) => panic!("{error}"),
        }
    }
    seen
}

fn complain(path: &std::path::Path) -> String {
    let arguments =
        ["-nostdin", "-v", "error", "-i", path.to_str().expect("UTF-8"), "-enc_time_base", "-1", "-f", "null", "-"];
    let done = std::process::Command::new("ffmpeg").args(arguments).output().expect("ffmpeg is here");
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn last(user: &mut User, now: i64) -> Vec<Closed> {
    user.take.take().expect("a take").close(true, &user.clock, ms(now)).expect("closed").0
}

#[test]
fn pictures_of_every_codec_are_kept_with_black_between_them() {
    for (codec, kind) in KEPT {
        let mut user = User::new(AAC);
        // A second; another size for a second, the recorder dies; two seconds without a picture; a second more.
        let (small, large) = ((160, 90), (320, 180));
        let sent = |size, range: std::ops::Range<i64>| {
            let mut camera = Camera::new(codec, size);
            range.map(|n| camera.picture(n)).collect::<Vec<_>>()
        };
        send(&mut user, &mut Camera::new(codec, small), 0..25);
        send(&mut user, &mut Camera::new(codec, large), 25..50);
        user.take.take().expect("a take").suspend(&user.clock, ms(2_000)).expect("written");
        user.take = Some(user.new_take(AAC));
        only_sound(&mut user, 2_000, 4_000);
        send(&mut user, &mut Camera::new(codec, small), 100..125);
        let closed = last(&mut user, 5_000).pop().expect("a file");
        assert_eq!(closed.file.sequence, 0, "{codec:?}");
        let finished = user.complete(&closed);
        let track = finished.tracks.iter().find(|track| track.codec == kind).expect("the picture as it came");
        assert_eq!((track.samples, track.filled.as_millis()), (75, 2_000), "{codec:?}");
        assert_eq!((finished.width, finished.height), (320, 180));
        let bytes = std::fs::read(&closed.path).expect("readable");
        for picture in sent(small, 0..25).iter().chain(&sent(large, 25..50)).chain(&sent(small, 100..125)) {
            assert!(bytes.windows(picture.data.len()).any(|part| *part == picture.data), "{codec:?}: bit for bit");
        }
        assert_eq!(complain(&closed.path), "", "{codec:?}");
        let seen = seen(&closed.path);
        let (black, shown): (Vec<_>, Vec<_>) = seen.iter().partition(|(luma, ..)| *luma < 20);
        assert!(black.iter().all(|(_, size, at)| *size == large && (2_000..4_000).contains(at)), "{codec:?} {black:?}");
        assert_eq!((black.len(), shown.len()), (10, 75), "{codec:?}");
        for ((found, size, at), n) in shown.into_iter().zip((0..50).chain(100..125)) {
            assert!(found.abs_diff(luma(n)) <= 4 && at == n * FRAME_MS, "{codec:?} {n}: {found} at {at}");
            assert_eq!(size, if (25..50).contains(&n) { large } else { small }, "{codec:?} {n}");
        }
    }
}

#[test]
fn another_codec_goes_on_in_the_next_file_without_a_gap() {
    for audio in [AAC, AudioPlan::Aac { rate: 16_000, channels: 1, bitrate: 32_000 }, AudioPlan::Opus] {
        let mut user = User::new(audio);
        let size = (160, 90);
        assert!(send(&mut user, &mut Camera::new(Codec::Vp9, size), 0..75).len() == 1);
        user.take.as_mut().expect("a take").video_ended().expect("ended");
        let mut closed = only_sound(&mut user, 3_000, 4_000);
        assert!(closed.is_empty());
        let told = send(&mut user, &mut Camera::new(Codec::H264, size), 100..150);
        let opened = told.iter().filter(|event| matches!(event, TakeEvent::Opened { resumed: false, .. })).count();
        assert_eq!(opened, 1, "{audio:?}");
        closed.extend(
            told.into_iter().filter_map(|event| if let TakeEvent::Ended(file) = event { Some(file) } else { None }),
        );
        user.take.as_mut().expect("a take").video_ended().expect("ended");
        // A restart in the gap, and a third codec: its first key frame behind a restart is waited for once more.
        closed.extend(only_sound(&mut user, 6_000, 7_000));
        user.take.take().expect("a take").suspend(&user.clock, ms(7_000)).expect("written");
        user.take = Some(user.new_take(audio));
        let told = send(&mut user, &mut Camera::new(Codec::Av1, size), 175..250);
        closed.extend(
            told.into_iter().filter_map(|event| if let TakeEvent::Ended(file) = event { Some(file) } else { None }),
        );
        closed.extend(last(&mut user, 10_000));
        assert_eq!(closed.len(), 3, "{audio:?}");
        let (mut ends, mut codecs) = (user.clock.wall(ms(0)).0, Vec::new());
        for file in &closed {
            let finished = user.complete(file);
            // A packet of Opus is in one of the two.
            let most = if audio == AudioPlan::Opus { PACKET_MS * MILLI_NS } else { 1_000 };
            assert!((finished.epoch_ns - ends).abs() < most, "{audio:?}: off by {} ns", finished.epoch_ns - ends);
            ends = finished.epoch_ns + finished.duration().as_nanos() as i64;
            codecs.push(finished.tracks.iter().find(|track| track.codec.kind() == mp4::Kind::Video).expect("it").codec);
            assert_eq!(complain(&file.path), "", "{audio:?}");
        }
        assert_eq!(codecs, [mp4::Codec::Vp9, mp4::Codec::H264, mp4::Codec::Av1], "{audio:?}");
        let length = (ends - user.clock.wall(ms(0)).0) / MILLI_NS;
        assert!(near(length, 10_000, 70), "{audio:?}: {length}");
        let shown = closed.iter().map(|file| seen(&file.path).iter().filter(|(luma, ..)| *luma >= 20).count());
        assert_eq!(shown.collect::<Vec<_>>(), [75, 50, 50], "{audio:?}");
    }
}

#[test]
fn a_decoder_goes_on_from_black_to_the_next_key_frame() {
    let frame = crate::disk::BlackAndSilence;
    for (codec, kind) in KEPT {
        // Pictures of H.265 have even sides.
        let (width, height) = if codec == Codec::H265 { (214, 122) } else { (213, 121) };
        let (entry, black) = mp4::Filler::black(&frame, kind, 213, 121).expect("black");
        assert_eq!((entry.codec(), entry.size()), (kind, (width, height)));
        let mut decoder = Decoder::new(codec, 1).expect("a decoder");
        let mut camera = Camera::new(codec, (160, 90));
        let first = camera.picture(0);
        let sizes: Vec<_> = [&first.data, &black, &black, &first.data]
            .into_iter()
            .flat_map(|data| match codec {
                Codec::H265 => decoder.decode_sized(data, 0).expect("decoded"),
                _ => decoder.decode(data, 0).expect("decoded"),
            })
            .map(|picture| (picture.view().width, picture.damaged))
            .collect();
        assert_eq!(sizes, [160, width, width, 160].map(|width| (u32::from(width), false)), "{codec:?}");
    }
}

/// Superframes of a browser, of 320x180 and 640x360 each.
const LAYERS: &[u8] = include_bytes!("../../../media/tests/fixtures/vp9_layers.ivf");

#[test]
fn of_several_layers_the_last_is_shown_and_as_it_was() {
    let (mut file, mut stream) = (&LAYERS[32..], vp9::layers::Layers::default());
    let [mut before, mut behind] = [(); 2].map(|()| Decoder::new(Codec::Vp9, 1).expect("a decoder"));
    let mut count = 0;
    while let Some((header, rest)) = file.split_first_chunk::<12>() {
        let [a, b, c, d, ..] = *header;
        let (superframe, rest) = rest.split_at(u32::from_le_bytes([a, b, c, d]) as usize);
        file = rest;
        let index = superframe.len() - 10;
        let low = u32::from_le_bytes(superframe[index + 1..index + 5].try_into().expect("four bytes")) as usize;
        let (low, high) = superframe[..index].split_at(low);
        let shown = before.decode(superframe, 0).expect("decoded");
        assert_eq!(shown.len(), 2, "FFmpeg shows both");
        let low = stream.follow(low, true).expect("readable").expect("shown as it came");
        assert_eq!(stream.follow(high, false), Ok(None));
        let hidden = behind.decode(&low, 0).expect("decoded");
        assert!(hidden.is_empty(), "{count}");
        let picture = behind.decode(high, 0).expect("decoded").remove(0);
        let rows = |picture: &codec::video::Picture| -> Vec<Vec<u8>> {
            let view = picture.view();
            let plane = |plane| (0..view.plane_size(plane).1).map(move |row| view.row(plane, row).to_vec());
            (0..3).flat_map(plane).collect()
        };
        assert!(picture.view().width == 640 && rows(&picture) == rows(&shown[1]), "{count}");
        count += 1;
    }
    assert_eq!(count, 10);
}
