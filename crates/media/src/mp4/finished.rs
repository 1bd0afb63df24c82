//! What a finished file is, as its head tells it again to whoever asks a second time.

use std::time::Duration;

use super::{Codec, SampleEntry, TrackId, cursor::Cursor, duration};

/// A finished file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Unix time of media time 0, in nanoseconds.
    pub epoch_ns: i64,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes in front of the first fragment. What lies behind was not changed by finishing, only moved: from
    /// [`HEAD`](super::HEAD) to here.
    pub head: u64,
    /// Largest width and largest height of any picture, in pixels; zero without video.
    pub width: u16,
    pub height: u16,
    pub tracks: Vec<FinishedTrack>,
}

/// A track of a finished file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedTrack {
    pub id: TrackId,
    pub codec: Codec,
    /// As heard or seen.
    pub duration: Duration,
    /// Number of recorded samples.
    pub samples: u64,
    /// Number of filler samples: black pictures or silent frames.
    pub filler: u64,
    /// Time that is filler.
    pub filled: Duration,
}

impl Finished {
    /// The longest track's duration.
    pub fn duration(&self) -> Duration {
        self.tracks.iter().map(|track| track.duration).max().unwrap_or_default()
    }
}

/// The same with ticks in place of durations: what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    pub epoch_ns: i64,
    pub size: u64,
    pub head: u64,
    pub width: u16,
    pub height: u16,
    pub tracks: Vec<TrackSummary>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrackSummary {
    pub id: u32,
    pub codec: Codec,
    pub timescale: u32,
    /// As heard or seen.
    pub ticks: u64,
    pub samples: u64,
    pub filler: u64,
    pub filled: u64,
}

impl TrackSummary {
    pub fn new(id: u32, entry: &SampleEntry, ticks: u64) -> Self {
        let ticks = ticks.saturating_sub(entry.priming());
        Self { id, codec: entry.codec(), timescale: entry.timescale(), ticks, samples: 0, filler: 0, filled: 0 }
    }
}

/// By their numbers in files: new ones come at the end.
const CODECS: [Codec; 7] = [Codec::H264, Codec::Aac, Codec::Opus, Codec::H265, Codec::Vp8, Codec::Vp9, Codec::Av1];

impl Summary {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.epoch_ns.to_be_bytes());
        bytes.extend(self.size.to_be_bytes());
        bytes.extend(self.head.to_be_bytes());
        bytes.extend(self.width.to_be_bytes());
        bytes.extend(self.height.to_be_bytes());
        for track in &self.tracks {
            let codec = CODECS.iter().position(|codec| *codec == track.codec).expect("every codec is listed");
            bytes.push(codec as u8);
            bytes.extend(track.id.to_be_bytes());
            bytes.extend(track.timescale.to_be_bytes());
            for number in [track.ticks, track.samples, track.filler, track.filled] {
                bytes.extend(number.to_be_bytes());
            }
        }
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Cursor(bytes);
        let epoch_ns = fields.u64()? as i64;
        let (size, head, width, height) = (fields.u64()?, fields.u64()?, fields.u16()?, fields.u16()?);
        let mut tracks = Vec::new();
        while !fields.0.is_empty() {
            tracks.push(TrackSummary {
                codec: *CODECS.get(usize::from(fields.u8()?))?,
                id: fields.u32()?,
                timescale: fields.u32().filter(|timescale| *timescale > 0)?,
                ticks: fields.u64()?,
                samples: fields.u64()?,
                filler: fields.u64()?,
                filled: fields.u64()?,
            });
        }
        Some(Self { epoch_ns, size, head, width, height, tracks })
    }

    pub fn finished(&self) -> Finished {
        let tracks = self.tracks.iter().map(|track| FinishedTrack {
            id: TrackId(track.id),
            codec: track.codec,
            duration: duration(track.ticks, track.timescale),
            samples: track.samples,
            filler: track.filler,
            filled: duration(track.filled, track.timescale),
        });
        let tracks = tracks.collect();
        let Self { epoch_ns, size, head, width, height, .. } = *self;
        Finished { epoch_ns, size, head, width, height, tracks }
    }
}
