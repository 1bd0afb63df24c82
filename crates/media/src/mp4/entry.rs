//! Sample entries: what a decoder must know of the samples that name them.

use std::num::NonZeroU16;

use shiguredo_mp4::{
    Encode, FixedPointNumber, Uint,
    bitstream::{
        h264::{H264SampleEntryConfig, LengthSize, build_avc1_box},
        h265::{H265ConstantFrameRate, H265SampleEntryConfig, build_hev1_box},
    },
    boxes::{self, AudioSampleEntryFields, DopsBox, EsdsBox, Mp4aBox, OpusBox},
    descriptors::{DecoderConfigDescriptor, DecoderSpecificInfo, EsDescriptor, SlConfigDescriptor},
};

use super::{Error, MAX_TIME, Result, rotation};
use crate::bitstream::{annex_b, av1::Av1Config, h265, vp9::Vp9Config};

mod web;

/// Picture or sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Video,
    Audio,
}

/// The codecs that are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    H264,
    H265,
    Vp8,
    Vp9,
    Av1,
    Aac,
    Opus,
}

impl Codec {
    /// The name in lists of files.
    pub fn name(self) -> &'static str {
        match self {
            Codec::H264 => "h264",
            Codec::H265 => "h265",
            Codec::Vp8 => "vp8",
            Codec::Vp9 => "vp9",
            Codec::Av1 => "av1",
            Codec::Aac => "aac",
            Codec::Opus => "opus",
        }
    }

    pub fn kind(self) -> Kind {
        match self {
            Codec::H264 | Codec::H265 | Codec::Vp8 | Codec::Vp9 | Codec::Av1 => Kind::Video,
            Codec::Aac | Codec::Opus => Kind::Audio,
        }
    }
}

/// One entry of a track's sample description. Equal entries are one entry in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleEntry {
    codec: Codec,
    pub(super) raw: boxes::SampleEntry,
}

impl SampleEntry {
    /// H.264 with NAL units behind 4-byte lengths; `sps` and `pps` are NAL units without start codes, and every
    /// key-frame sample must carry them in band as well. Width and height are those of the first `sps`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when either list is empty or the first `sps` cannot be read.
    pub fn h264(sps: &[Vec<u8>], pps: &[Vec<u8>]) -> Result<Self> {
        let config = H264SampleEntryConfig { length_size: LengthSize::FourBytes };
        let raw = build_avc1_box(sps, pps, &config).map_err(|e| Error::Invalid(format!("H.264 entry: {e}")))?;
        Self::from_box(boxes::SampleEntry::Avc1(raw))
    }

    /// H.265, likewise: `hev1`, because `hvc1` forbids parameter sets in band. They are of one layer, and width and height
    /// those of the first `sps`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a list is empty or holds other NAL units, or the first `sps` cannot be read.
    pub fn h265(vps: &[Vec<u8>], sps: &[Vec<u8>], pps: &[Vec<u8>]) -> Result<Self> {
        let config = H265SampleEntryConfig {
            length_size: LengthSize::FourBytes,
            avg_frame_rate: H265SampleEntryConfig::AVG_FRAME_RATE_UNSPECIFIED,
            constant_frame_rate: H265ConstantFrameRate::Unknown,
        };
        let raw = build_hev1_box(vps, sps, pps, &config).map_err(|e| Error::Invalid(format!("H.265 entry: {e}")))?;
        Self::from_box(boxes::SampleEntry::Hev1(raw))
    }

    /// The same, by the parameter sets in a key frame with start codes.
    ///
    /// # Errors
    /// [`Error::Invalid`] as above.
    pub fn h265_of(key_frame: &[u8]) -> Result<Self> {
        let units = |wanted| -> Vec<Vec<u8>> {
            let found = annex_b::nal_units(key_frame).filter(|unit| h265::nal_type(unit[0]) == wanted);
            found.map(<[u8]>::to_vec).collect()
        };
        let [vps, sps, pps] = [h265::nal::VPS, h265::nal::SPS, h265::nal::PPS].map(units);
        Self::h265(&vps, &sps, &pps)
    }

    /// VP8: a sample is a frame.
    pub fn vp8(width: u16, height: u16) -> Self {
        Self { codec: Codec::Vp8, raw: web::vp8(width, height) }
    }

    /// VP9: a sample is a frame, or a superframe of all layers of a picture.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a picture that no entry can name.
    pub fn vp9(config: &Vp9Config) -> Result<Self> {
        Ok(Self { codec: Codec::Vp9, raw: web::vp9(config)? })
    }

    /// AV1: a sample is a temporal unit, all its OBUs with their sizes and without its delimiter; every key-frame sample
    /// must begin with the sequence header.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a picture that no entry can name.
    pub fn av1(config: &Av1Config) -> Result<Self> {
        Ok(Self { codec: Codec::Av1, raw: web::av1(config)? })
    }

    /// AAC-LC at `sample_rate` Hz: 16000, 32000, 44100 or 48000. `config` is the AudioSpecificConfig and must say the
    /// same; samples are raw frames without ADTS headers.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another rate.
    pub fn aac(channels: u8, sample_rate: u32, config: &[u8]) -> Result<Self> {
        let known = AAC_RATES.into_iter().find(|rate| u32::from(*rate) == sample_rate);
        let sample_rate = known.ok_or_else(|| Error::Invalid(format!("AAC at {sample_rate} Hz")))?;
        let info = DecoderSpecificInfo { payload: config.to_vec() };
        let es = EsDescriptor {
            es_id: EsDescriptor::MIN_ES_ID,
            stream_priority: EsDescriptor::LOWEST_STREAM_PRIORITY,
            depends_on_es_id: None,
            url_string: None,
            ocr_es_id: None,
            dec_config_descr: DecoderConfigDescriptor {
                object_type_indication: DecoderConfigDescriptor::OBJECT_TYPE_INDICATION_AUDIO_ISO_IEC_14496_3,
                stream_type: DecoderConfigDescriptor::STREAM_TYPE_AUDIO,
                up_stream: DecoderConfigDescriptor::UP_STREAM_FALSE,
                buffer_size_db: Uint::new(0),
                max_bitrate: 0,
                avg_bitrate: 0,
                dec_specific_info: Some(info),
            },
            sl_config_descr: SlConfigDescriptor,
        };
        let raw = Mp4aBox { audio: audio(channels, sample_rate), esds_box: EsdsBox { es }, unknown_boxes: Vec::new() };
        Self::from_box(boxes::SampleEntry::Mp4a(raw))
    }

    /// Opus: `pre_skip` samples (48 kHz) at the beginning of the track are not played.
    pub fn opus(channels: u8, pre_skip: u16) -> Self {
        let dops_box =
            DopsBox { output_channel_count: channels, pre_skip, input_sample_rate: OPUS_RATE.into(), output_gain: 0 };
        let raw = OpusBox { audio: audio(channels, OPUS_RATE), dops_box, unknown_boxes: Vec::new() };
        Self { codec: Codec::Opus, raw: boxes::SampleEntry::Opus(raw) }
    }

    /// The latest end of a sample of a track with this entry.
    pub(super) fn max_ticks(&self) -> u64 {
        MAX_TIME.as_secs() * u64::from(self.timescale())
    }

    pub(super) fn from_box(raw: boxes::SampleEntry) -> Result<Self> {
        let codec = match &raw {
            boxes::SampleEntry::Avc1(_) => Codec::H264,
            boxes::SampleEntry::Hev1(_) => Codec::H265,
            boxes::SampleEntry::Vp08(_) => Codec::Vp8,
            boxes::SampleEntry::Vp09(_) => Codec::Vp9,
            boxes::SampleEntry::Av01(_) => Codec::Av1,
            boxes::SampleEntry::Mp4a(mp4a) if AAC_RATES.contains(&mp4a.audio.samplerate.integer) => Codec::Aac,
            boxes::SampleEntry::Opus(_) => Codec::Opus,
            _ => return Err(Error::Corrupt("unknown sample entry".into())),
        };
        Ok(Self { codec, raw })
    }

    /// Whether samples of this entry and of the other can be in one track.
    pub(super) fn shares_track_with(&self, other: &SampleEntry) -> bool {
        self.codec == other.codec && self.timescale() == other.timescale()
    }

    pub fn codec(&self) -> Codec {
        self.codec
    }

    pub fn kind(&self) -> Kind {
        self.codec.kind()
    }

    /// Ticks per second of the times of a track with this entry: 90 000, or the sample rate.
    pub fn timescale(&self) -> u32 {
        match self.kind() {
            Kind::Video => 90_000,
            Kind::Audio => self.sample_rate(),
        }
    }

    /// Samples of sound per second; zero for a picture.
    pub fn sample_rate(&self) -> u32 {
        match &self.raw {
            boxes::SampleEntry::Mp4a(mp4a) => mp4a.audio.samplerate.integer.into(),
            boxes::SampleEntry::Opus(_) => OPUS_RATE.into(),
            _ => 0,
        }
    }

    /// Width and height in pixels; zero for sound.
    pub fn size(&self) -> (u16, u16) {
        self.raw.video_resolution().unwrap_or_default()
    }

    /// The same, of pictures that are shown upright by this clockwise turn: 90, 180 or 270 degrees.
    pub fn turned(mut self, degrees: u16) -> Self {
        rotation::set(&mut self.raw, degrees);
        self
    }

    /// The clockwise turn that shows its pictures upright, degrees.
    pub fn rotation(&self) -> u16 {
        rotation::of(&self.raw)
    }

    /// Width and height in pixels of its pictures when they are upright.
    pub fn upright_size(&self) -> (u16, u16) {
        rotation::upright(self.size(), self.rotation())
    }

    /// Channels of sound; zero for a picture.
    pub fn channels(&self) -> u8 {
        match &self.raw {
            boxes::SampleEntry::Mp4a(mp4a) => u8::try_from(mp4a.audio.channelcount).unwrap_or(u8::MAX),
            boxes::SampleEntry::Opus(opus) => opus.dops_box.output_channel_count,
            _ => 0,
        }
    }

    /// Ticks at the beginning of a track that a decoder makes but nobody hears: media time 0 is after them, so the
    /// sample of `dts` is presented at `dts - priming`.
    pub fn priming(&self) -> u64 {
        match &self.raw {
            boxes::SampleEntry::Mp4a(_) => 1024,
            boxes::SampleEntry::Opus(opus) => opus.dops_box.pre_skip.into(),
            _ => 0,
        }
    }

    /// What a decoder is told apart from the samples, as FFmpeg's extradata has it: the payload of `avcC`, `hvcC` or `av1C`,
    /// the AudioSpecificConfig, or an Opus identification header; nothing of VP8 and VP9.
    pub fn config(&self) -> Vec<u8> {
        let payload =
            |encoded: std::result::Result<Vec<u8>, _>| encoded.map_or(Vec::new(), |bytes| bytes[8..].to_vec());
        match &self.raw {
            boxes::SampleEntry::Avc1(avc1) => payload(avc1.avcc_box.encode_to_vec()),
            boxes::SampleEntry::Hev1(hev1) => payload(hev1.hvcc_box.encode_to_vec()),
            boxes::SampleEntry::Av01(av01) => payload(av01.av1c_box.encode_to_vec()),
            boxes::SampleEntry::Mp4a(mp4a) => {
                let info = &mp4a.esds_box.es.dec_config_descr.dec_specific_info;
                info.as_ref().map_or(Vec::new(), |info| info.payload.clone())
            }
            boxes::SampleEntry::Opus(opus) => {
                let DopsBox { output_channel_count, pre_skip, input_sample_rate, output_gain } = &opus.dops_box;
                let mut head = b"OpusHead\x01".to_vec();
                head.push(*output_channel_count);
                head.extend(pre_skip.to_le_bytes());
                head.extend(input_sample_rate.to_le_bytes());
                head.extend(output_gain.to_le_bytes());
                head.push(0);
                head
            }
            _ => Vec::new(),
        }
    }

    /// Ticks of one filler sample: a frame of silence, or 200 ms of a picture.
    pub fn filler_duration(&self) -> u32 {
        match self.codec {
            Codec::H264 | Codec::H265 | Codec::Vp8 | Codec::Vp9 | Codec::Av1 => self.timescale() / 5,
            Codec::Aac => 1024,
            Codec::Opus => 960,
        }
    }
}

/// In Hz, whatever went into the encoder.
const OPUS_RATE: u16 = 48_000;
/// Rates whose time units (see `timeline`) are whole numbers and that fit into a sample entry.
const AAC_RATES: [u16; 4] = [16_000, 32_000, 44_100, 48_000];

fn audio(channels: u8, sample_rate: u16) -> AudioSampleEntryFields {
    AudioSampleEntryFields {
        data_reference_index: NonZeroU16::MIN,
        channelcount: channels.into(),
        samplesize: AudioSampleEntryFields::DEFAULT_SAMPLESIZE,
        samplerate: FixedPointNumber::new(sample_rate, 0),
    }
}
