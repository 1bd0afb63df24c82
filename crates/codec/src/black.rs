//! One black key frame of any size. That of H.264 is written bit by bit, so that no encoder is needed for most filler;
//! those of the other codecs come from their encoders.
//!
//! The picture of H.264 is one IDR slice of the constrained baseline profile, CAVLC, without deblocking. Its first macroblock is
//! sent as plain samples (luma 16, chroma 128); every other one is predicted from its neighbours without residual, a
//! byte each.

use crate::video::{Codec, Config, Encoder, I420};
use crate::{Error, Result};
use bytes::Bytes;

/// Id of both parameter sets: high, so that they can stand beside those of a camera's encoder, which count from 0.
const SET_ID: u32 = 31;
/// Macroblock type I_16x16 with DC prediction and no residual, table 7-11 of the standard.
const MB_DC: u32 = 3;
/// Macroblock type I_PCM.
const MB_PCM: u32 = 25;

/// A black key frame and its parameter sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlackFrame {
    /// Sequence parameter set: the NAL unit without start code or length.
    pub sps: Bytes,
    /// Picture parameter set, likewise.
    pub pps: Bytes,
    /// A sample for MP4: SPS, PPS and the picture, each after its length in 4 bytes (big endian).
    pub sample: Bytes,
}

/// A black closed key frame of `width` x `height` pixels, 2..=4096 each. Odd numbers are rounded up: 4:2:0 pictures of
/// H.264 have even sizes.
pub fn h264_key_frame(width: u32, height: u32) -> Result<BlackFrame> {
    if !(2..=4096).contains(&width) || !(2..=4096).contains(&height) {
        return Err(Error::Argument(format!("{width}x{height}: a black frame has 2 to 4096 pixels each way")));
    }
    let (width, height) = (width.next_multiple_of(2), height.next_multiple_of(2));
    let (columns, rows) = (width.div_ceil(16), height.div_ceil(16));
    let sps = nal(0x67, sps(width, height, columns, rows));
    let pps = nal(0x68, pps());
    let slice = nal(0x65, slice(columns, rows));
    let mut sample = Vec::with_capacity(12 + sps.len() + pps.len() + slice.len());
    for unit in [&sps, &pps, &slice] {
        sample.extend_from_slice(&(unit.len() as u32).to_be_bytes());
        sample.extend_from_slice(unit);
    }
    Ok(BlackFrame { sps: sps.into(), pps: pps.into(), sample: sample.into() })
}

/// A black key frame of `width` x `height` pixels, 2..=8192 each, as the encoder of the codec gives it. Not for H.264. Sides
/// in H.265 are even and at least 16: others are rounded up.
pub fn key_frame(codec: Codec, width: u32, height: u32) -> Result<Bytes> {
    let (width, height) = match codec {
        Codec::H264 => return Err(Error::Argument("that of H.264 needs no encoder".into())),
        Codec::H265 => (x265_side(width), x265_side(height)),
        _ => (width, height),
    };
    let mut encoder = Encoder::new(&Config::live(codec, width, height, 25, 4_000_000, 1_000))?;
    let mut planes = vec![16; (width * height) as usize];
    planes.resize(planes.len() + 2 * (width.div_ceil(2) * height.div_ceil(2)) as usize, 128);
    let picture = I420::packed(&planes, width, height);
    let picture = picture.ok_or_else(|| Error::Argument(format!("no picture of {width}x{height}")))?;
    let packet = encoder.encode(&picture, 0, true)?.pop();
    let packet = packet.filter(|packet| packet.key);
    packet
        .map(|packet| packet.data)
        .ok_or_else(|| Error::Argument(format!("the {} encoder gave no key frame", codec.name())))
}

/// The nearest side that x265 takes.
fn x265_side(pixels: u32) -> u32 {
    pixels.max(16).next_multiple_of(2)
}

/// `seq_parameter_set_rbsp`, section 7.3.2.1.1.
fn sps(width: u32, height: u32, columns: u32, rows: u32) -> Bits {
    let mut bits = Bits::default();
    bits.put(66, 8); // profile: baseline
    bits.put(0b1100_0000, 8); // constraint sets 0 and 1: constrained baseline
    bits.put(level(columns, rows), 8);
    bits.ue(SET_ID);
    bits.ue(0); // frame numbers of 4 bits
    bits.ue(2); // output order is decoding order
    bits.ue(1); // reference frames
    bits.put(0, 1); // no gaps in frame numbers
    bits.ue(columns - 1);
    bits.ue(rows - 1);
    bits.put(1, 1); // frames only
    bits.put(1, 1); // direct 8x8 inference
    let (right, bottom) = ((columns * 16 - width) / 2, (rows * 16 - height) / 2);
    bits.put(u32::from(right + bottom > 0), 1);
    if right + bottom > 0 {
        [0, right, 0, bottom].into_iter().for_each(|edge| bits.ue(edge));
    }
    bits.put(0, 1); // no VUI
    bits.stop();
    bits
}

/// `pic_parameter_set_rbsp`, section 7.3.2.2.
fn pps() -> Bits {
    let mut bits = Bits::default();
    bits.ue(SET_ID);
    bits.ue(SET_ID);
    bits.put(0, 1); // CAVLC
    bits.put(0, 1); // no field order in slice headers
    bits.ue(0); // one slice group
    bits.ue(0); // default active references, list 0
    bits.ue(0); // list 1
    bits.put(0, 1); // no weighted prediction
    bits.put(0, 2); // nor of B slices
    bits.ue(0); // QP 26
    bits.ue(0); // QS 26
    bits.ue(0); // chroma QP as luma
    bits.put(1, 1); // deblocking is controlled in the slice header
    bits.put(0, 1); // intra prediction not constrained
    bits.put(0, 1); // no redundant pictures
    bits.stop();
    bits
}

/// Slice header and macroblocks, sections 7.3.3 and 7.3.5.
fn slice(columns: u32, rows: u32) -> Bits {
    let mut bits = Bits::default();
    bits.ue(0); // first macroblock
    bits.ue(7); // only I slices in this picture
    bits.ue(SET_ID);
    bits.put(0, 4); // frame number
    bits.ue(0); // IDR picture id
    bits.put(0, 1); // keep earlier pictures for output
    bits.put(0, 1); // not a long-term reference
    bits.ue(0); // QP delta
    bits.ue(1); // no deblocking
    bits.ue(MB_PCM);
    bits.align();
    for index in 0..384 {
        bits.put(if index < 256 { 16 } else { 128 }, 8);
    }
    for address in 1..columns * rows {
        let (column, row) = (address % columns, address / columns);
        bits.ue(MB_DC);
        bits.ue(0); // chroma prediction: DC
        bits.ue(0); // QP delta
        // "No coefficients" is coded by what the neighbours have: the first macroblock counts as full.
        if row == 0 && column == 1 || row == 1 && column == 0 {
            bits.put(0b00_0011, 6);
        } else {
            bits.put(1, 1);
        }
    }
    bits.stop();
    bits
}

/// Lowest level (times 10) whose frame size fits, table A-1: largest macroblock count per frame, and no side longer than
/// the root of eight times that.
fn level(columns: u32, rows: u32) -> u32 {
    const LEVELS: [(u32, u32); 9] =
        [(10, 99), (11, 396), (21, 792), (22, 1620), (31, 3600), (32, 5120), (40, 8192), (50, 22_080), (51, 36_864)];
    let fits = |most: u32| columns * rows <= most && columns.max(rows).pow(2) <= 8 * most;
    LEVELS.into_iter().find(|&(_, most)| fits(most)).map_or(60, |(level, _)| level)
}

/// A NAL unit: header byte and payload, with emulation prevention.
fn nal(header: u8, payload: Bits) -> Vec<u8> {
    let mut out = vec![header];
    let mut zeros = 0;
    for byte in payload.bytes {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// Bits from the highest of each byte to the lowest.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits still free in the last byte.
    free: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free -= 1;
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> shift & 1) as u8) << self.free;
            }
        }
    }

    /// Exp-Golomb code.
    fn ue(&mut self, value: u32) {
        let length = 32 - (value + 1).leading_zeros();
        self.put(0, length - 1);
        self.put(value + 1, length);
    }

    /// Zero bits up to the next whole byte.
    fn align(&mut self) {
        self.free = 0;
    }

    /// The stop bit; the rest of the byte is zero already.
    fn stop(&mut self) {
        self.put(1, 1);
    }
}
