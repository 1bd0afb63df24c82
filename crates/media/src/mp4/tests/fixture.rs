//! Sample entries, samples and filler that are enough like the real ones, and a second opinion on a finished file.

use bytes::Bytes;
use shiguredo_mp4::{
    Decode,
    aux::SampleTableAccessor,
    boxes::{FtypBox, MoovBox, RootBox},
};

use crate::mp4::{Codec, Filler, FillerError, Sample, SampleEntry};

/// Bits of an H.264 or H.265 header.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn ue(&mut self, value: u32) {
        let value = value + 1;
        let len = 32 - value.leading_zeros();
        self.0.extend((1..len).map(|_| false));
        self.0.extend((0..len).rev().map(|bit| value >> bit & 1 == 1));
    }

    fn bytes(mut self, first: &[u8]) -> Vec<u8> {
        self.0.push(true);
        let byte = |bits: &[bool]| (0..8).fold(0, |byte, bit| byte << 1 | u8::from(bits.get(bit) == Some(&true)));
        [first, &self.0.chunks(8).map(byte).collect::<Vec<u8>>()].concat()
    }
}

/// A baseline entry; `width` and `height` are multiples of 16, `variant` tells entries of one size apart.
pub fn video(width: u16, height: u16, variant: u8) -> SampleEntry {
    let mut sps = Bits::default();
    // Id 0, 16 frame numbers, display order is decoding order, one reference.
    [0, 0, 2, 1].into_iter().for_each(|value| sps.ue(value));
    sps.0.push(false);
    sps.ue(u32::from(width) / 16 - 1);
    sps.ue(u32::from(height) / 16 - 1);
    sps.0.extend([true, true, false, false]);
    let sps = sps.bytes(&[0x67, 66, 0xc0, 31]);
    SampleEntry::h264(&[sps], &[vec![0x68, 0xce, 0x3c, 0x80, variant]]).expect("the parameter sets are sound")
}

/// The same in H.265.
pub fn hevc(width: u16, height: u16, variant: u8) -> SampleEntry {
    let mut sps = Bits::default();
    // Id 0, 4:2:0, the size, no cropping, 8 bits.
    [0, 1, width.into(), height.into()].into_iter().for_each(|value| sps.ue(value));
    sps.0.push(false);
    [0, 0].into_iter().for_each(|value| sps.ue(value));
    // Main profile, level 3.1, one temporal layer.
    let sps = sps.bytes(&[0x42, 1, 1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93]);
    let (vps, pps) = (vec![0x40, 1, 0x0c, variant], vec![0x44, 1, 0xc1]);
    SampleEntry::h265(&[vps], &[sps], &[pps]).expect("the parameter sets are sound")
}

pub fn aac() -> SampleEntry {
    SampleEntry::aac(2, 48_000, &[0x11, 0x90]).expect("a known rate")
}

/// One NAL unit that holds `content`.
pub fn picture(key: bool, content: &[u8]) -> Bytes {
    let mut data = (content.len() as u32 + 1).to_be_bytes().to_vec();
    data.push(if key { 0x65 } else { 0x41 });
    data.extend(content);
    data.into()
}

/// The same in H.265.
pub fn hevc_picture(key: bool, content: &[u8]) -> Bytes {
    let mut data = (content.len() as u32 + 2).to_be_bytes().to_vec();
    data.extend([if key { 0x26 } else { 0x02 }, 1]);
    data.extend(content);
    data.into()
}

/// Filler by rule.
pub struct TestFiller;

pub const SILENCE: &[u8] = b"silence";
pub const BLACK: &[u8] = b"black";

impl Filler for TestFiller {
    fn black(&self, codec: Codec, width: u16, height: u16) -> Result<(SampleEntry, Bytes), FillerError> {
        Ok(match codec {
            Codec::H265 => (hevc(width, height, 255), hevc_picture(true, BLACK)),
            _ => (video(width, height, 255), picture(true, BLACK)),
        })
    }

    fn silence(&self, _: &SampleEntry) -> Result<Bytes, FillerError> {
        Ok(Bytes::from_static(SILENCE))
    }
}

/// A track of a finished file as another parser reads it.
pub struct Played {
    pub entries: Vec<shiguredo_mp4::boxes::SampleEntry>,
    pub samples: Vec<Sample>,
}

/// Reads all samples of a finished file.
pub fn play(file: &[u8]) -> Vec<Played> {
    let (_, mut at) = FtypBox::decode(file).expect("begins with ftyp");
    let moov: MoovBox = loop {
        let (found, len) = RootBox::decode(&file[at..]).expect("a box");
        at += len;
        if let RootBox::Moov(moov) = found {
            break moov;
        }
    };
    let tracks = moov.trak_boxes.into_iter().map(|trak| {
        let stbl = trak.mdia_box.minf_box.stbl_box;
        let table = SampleTableAccessor::new(&stbl).expect("sound tables");
        let samples = table.samples().map(|sample| {
            let at = sample.data_offset() as usize;
            Sample {
                entry: sample.chunk().sample_entry_index() as u32,
                dts: sample.timestamp(),
                duration: sample.duration(),
                key: sample.is_sync_sample(),
                after_still: false,
                data: Bytes::copy_from_slice(&file[at..at + sample.data_size() as usize]),
            }
        });
        Played { samples: samples.collect(), entries: stbl.stsd_box.entries.clone() }
    });
    tracks.collect()
}
