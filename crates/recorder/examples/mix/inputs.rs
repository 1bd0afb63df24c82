//! What the users send: pictures from clips, and made-up speech.

use std::sync::Arc;

use bytes::Bytes;
use codec::opus::Encoder;
use media::bitstream::{annex_b, h264};
use media::packet::VideoConfig;
use recorder::{Picture, SoundPacket};
use rules::layout::Member;
use rules::select::{StreamId, StreamKind};
use rules::time::{MILLI_NS, Mono};

use crate::{Input, Job, Shows};

const PICTURE_NS: i64 = 40 * MILLI_NS;
pub const PACKET_NS: i64 = 20 * MILLI_NS;
/// Samples of 48 kHz in a packet.
pub const PACKET: u32 = 960;
/// Bit/s of the Opus packets, one channel.
const SPEECH_BITRATE: u32 = 32_000;

pub struct User {
    pub member: Member,
    /// In the order of their times, which begin at 0.
    pub pictures: Vec<Picture>,
    pub sound: Vec<SoundPacket>,
}

pub fn users(job: &Job) -> anyhow::Result<Vec<User>> {
    let each = job.inputs.iter().enumerate();
    each.map(|(number, input)| user(job, number, input)).collect()
}

fn user(job: &Job, number: usize, input: &Input) -> anyhow::Result<User> {
    let stream = StreamId { user: format!("user-{number:02}"), kind: StreamKind::Camera };
    let mut pictures = pictures(&std::fs::read(&input.clip)?)?;
    pictures.truncate(match input.shows {
        Shows::Clip => job.seconds as usize * 25,
        Shows::FirstPicture => 1,
        Shows::Nothing => 0,
    });
    let sound = if job.sound { speech(number, job.seconds)? } else { Vec::new() };
    Ok(User { member: Member { stream, name: String::new(), video: input.shows != Shows::Nothing }, pictures, sound })
}

fn pictures(stream: &[u8]) -> anyhow::Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    let (mut data, mut sps, mut pps) = (Vec::new(), &[][..], &[][..]);
    for nal in annex_b::nal_units(stream) {
        data.extend((nal.len() as u32).to_be_bytes());
        data.extend(nal);
        let kind = h264::nal_type(nal[0]);
        match kind {
            h264::nal::SPS => sps = nal,
            h264::nal::PPS => pps = nal,
            _ => {}
        }
        if kind != h264::nal::SLICE && kind != h264::nal::IDR_SLICE {
            continue;
        }
        let key = kind == h264::nal::IDR_SLICE;
        let config = if key { Some(Arc::new(VideoConfig::H264(h264::H264Config::new(sps, pps)?))) } else { None };
        let at = Mono(pictures.len() as i64 * PICTURE_NS);
        let data = Bytes::from(std::mem::take(&mut data));
        pictures.push(Picture {
            at,
            arrival: at,
            data,
            key,
            after_loss: false,
            missing_before: None,
            config,
            rotation: 0,
        });
    }
    Ok(pictures)
}

/// A buzz with harmonics that swells and sinks four times a second, and a hiss: somebody who never stops talking.
fn speech(number: usize, seconds: u32) -> anyhow::Result<Vec<SoundPacket>> {
    let mut encoder = Encoder::new(1, SPEECH_BITRATE)?;
    let pitch = 100.0 + 17.0 * number as f32;
    let mut noise = number as u32 + 1;
    let mut packets = Vec::new();
    for index in 0..i64::from(seconds * 50) {
        let block: Vec<f32> = (0..PACKET)
            .map(|sample| {
                let time = index as f32 * 0.02 + sample as f32 / 48_000.0;
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let hiss = (noise >> 16) as f32 / 65_536.0 - 0.5;
                let phase = std::f32::consts::TAU * pitch * time;
                let buzz: f32 = (1..=8).map(|n| (phase * n as f32).sin() / n as f32).sum();
                let loud = 0.5 - 0.5 * (std::f32::consts::TAU * 4.0 * time + number as f32).cos();
                0.1 * loud * (buzz + 0.3 * hiss)
            })
            .collect();
        let at = Mono(index * PACKET_NS);
        let data = encoder.encode(&block)?;
        packets.push(SoundPacket { at, arrival: at, data, duration: PACKET, after_loss: false });
    }
    Ok(packets)
}
