//! What is noted of a task while it is recorded, as the lines of its file of facts have it.

use serde::ser::Error;
use serde::{Deserialize, Serialize, Serializer};

use super::Span;
use crate::select::{Source, StreamId};

/// What an account is about: one kind of media of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    Picture,
    Sound,
}

impl Media {
    pub const ALL: [Media; 2] = [Media::Picture, Media::Sound];
}

/// Why something is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Nobody published it.
    NotPublished,
    /// Its sender had switched it off.
    Muted,
    /// Published, and without a place in the layout of the mix, so that it was not received.
    NotShown,
    /// Published or switched on, and its first picture or sound had not come yet.
    Starting,
    /// Published, switched on and connected, and nothing came.
    NotReceived,
    /// Packets were lost; of pictures, up to the next one that can be decoded without them.
    Lost,
    /// The same, but packets came after they had been given up.
    Late,
    /// It came and could not be decoded.
    DecoderError,
    /// It came and was dropped, because the machine could not keep up.
    Overload,
    /// The recorder had no connection to the room.
    ConnectionLost,
    /// No recorder was running, or its first media had not come yet.
    RecorderRestarted,
}

/// Whether a track is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    Away,
    Muted,
    /// It is there, and the layout of the mix shows nothing of it.
    Unshown,
    On,
}

/// One line of the facts: what was the case at `at` (Unix milliseconds).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub at: i64,
    pub fact: Fact,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A recorder begins with the task, or goes on with it.
    Recorder,
    /// Whether it is connected to the room.
    Room {
        up: bool,
    },
    Presence {
        stream: StreamId,
        media: Media,
        is: Presence,
    },
    /// The codec that arrives.
    Sent {
        stream: StreamId,
        media: Media,
        mime: String,
    },
    /// What happened since the last one.
    Tally {
        stream: StreamId,
        media: Media,
        tally: Box<Tally>,
    },
    /// The same of the mix itself.
    Mixed {
        media: Media,
        tally: Box<Tally>,
    },
    /// A complete file.
    File(FileFact),
    /// The recorder is still there.
    Alive,
    /// The recording ended.
    End,
}

/// Numbers and spans of one stream's pictures or sound, from one moment to the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    #[serde(skip_serializing_if = "Counts::is_zero", serialize_with = "without_zeros")]
    pub counts: Counts,
    /// What is missing though the file may seem to have it: a picture that stood still, silence that was put in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<(Span, Cause)>,
    /// When media was captured whose packets came after they had been given up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<i64>,
    /// Media that came, where no file of its own tells of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub came: Vec<Span>,
    /// The newest measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Measured>,
}

/// Every line has the numbers of some seconds, of which most are zero.
fn without_zeros<S: Serializer>(counts: &Counts, serializer: S) -> Result<S::Ok, S::Error> {
    let serde_json::Value::Object(mut all) = serde_json::to_value(counts).map_err(S::Error::custom)? else {
        return Err(S::Error::custom("counts are an object"));
    };
    all.retain(|_, count| *count != 0);
    all.serialize(serializer)
}

/// Gaps that are not listed one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Further {
    pub count: u64,
    pub length_ms: i64,
}

/// Counters of one stream's pictures or sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Counts {
    /// RTP packets that came, copies and late ones included.
    pub packets_received: u64,
    /// Never came, or too late.
    pub packets_lost: u64,
    /// Were missing, and came in time: overtaken, or sent again.
    pub packets_recovered: u64,
    /// Of the lost ones, those that came after they had been given up.
    pub packets_late: u64,
    /// Came a second time.
    pub packets_duplicate: u64,
    /// Whole pictures, or packets of sound, that came.
    pub frames_received: u64,
    /// Pictures of which a part was lost.
    pub frames_lost: u64,
    /// Came whole and were left out: they refer to a lost one, or there was no key frame yet.
    pub frames_dropped: u64,
    /// Could not be decoded.
    pub frames_undecodable: u64,
    /// Lost sound that was taken from the copy in a later packet (in-band FEC).
    pub recovered_ms: u64,
    /// Lost sound that the decoder made up.
    pub concealed_ms: u64,
}

impl Counts {
    pub fn is_zero(&self) -> bool {
        *self == Counts::default()
    }

    pub fn add(&mut self, other: &Counts) {
        self.packets_received += other.packets_received;
        self.packets_lost += other.packets_lost;
        self.packets_recovered += other.packets_recovered;
        self.packets_late += other.packets_late;
        self.packets_duplicate += other.packets_duplicate;
        self.frames_received += other.frames_received;
        self.frames_lost += other.frames_lost;
        self.frames_dropped += other.frames_dropped;
        self.frames_undecodable += other.frames_undecodable;
        self.recovered_ms += other.recovered_ms;
        self.concealed_ms += other.concealed_ms;
    }
}

/// What was measured of a track's clock.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Measured {
    /// How much faster the track's RTP clock runs than the recorder's, in millionths.
    pub drift_ppm: Option<f64>,
    /// How long after the moment that the sender's reports tell its fastest packets came, in milliseconds. Its origin is
    /// the user's; the difference of two tracks of one user is what their media came apart.
    pub delay_ms: Option<f64>,
    /// How far from the moment that the reports tell the media is placed, in milliseconds.
    pub error_ms: Option<f64>,
}

impl Measured {
    /// By more than is worth a line of its own: a millionth, or a tenth of a millisecond.
    pub fn differs_from(&self, other: &Measured) -> bool {
        let differ = |a: Option<f64>, b: Option<f64>, by: f64| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() > by,
            (a, b) => a.is_some() != b.is_some(),
        };
        differ(self.drift_ppm, other.drift_ppm, 1.0)
            || differ(self.delay_ms, other.delay_ms, 0.1)
            || differ(self.error_ms, other.error_ms, 0.1)
    }
}

/// A complete file, by what is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileFact {
    pub source: Source,
    pub sequence: u32,
    pub tracks: Vec<TrackFact>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackFact {
    pub media: Media,
    /// Where there is media and no filler.
    pub written: Vec<Span>,
    /// Where the picture before stands still, because no other was to come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub still: Vec<Span>,
    pub formats: Vec<Format>,
}

/// Codec and size from a moment on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Format {
    pub start: i64,
    pub codec: String,
    /// Pixels; 0 of sound.
    pub width: u32,
    pub height: u32,
}
