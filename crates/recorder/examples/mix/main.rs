//! What a mix costs, and what it cannot cost less than: `./do bench mix` runs it.
//!
//! Standard input is one [`Job`] in JSON, standard output one [`Cost`]. The mix is the recorder's own, driven in virtual
//! time at full speed: coded pictures and packets of sound in, the finished file out.

mod floor;
mod inputs;
mod ours;

use std::path::PathBuf;

use nix::time::{ClockId, clock_gettime};
use recorder::messages::MixedAudio;
use rules::layout::{Arrangement, Overlays, Plan};
use rules::request::FrameFill;
use serde::{Deserialize, Serialize};

/// The sound of every mix here, the API's default.
const SOUND: MixedAudio = MixedAudio { rate: 48_000, channels: 2, bitrate: 64_000 };

#[derive(Deserialize)]
struct Job {
    what: What,
    inputs: Vec<Input>,
    /// Of the mix, pixels.
    width: u32,
    height: u32,
    fps: u32,
    /// Bit/s.
    bitrate: u32,
    /// Seconds from key frame to key frame.
    gop_s: u32,
    seconds: u32,
    /// Every user speaks all the time; else nobody does.
    sound: bool,
    /// An empty folder for the file.
    folder: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// The whole mix.
    Mix,
    /// Decoding and encoding alone.
    Floor,
}

/// A user.
#[derive(Deserialize)]
struct Input {
    /// H.264 in Annex B, one slice per picture, 25 pictures per second.
    clip: PathBuf,
    shows: Shows,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Shows {
    /// The whole clip.
    Clip,
    /// Its first picture, after which nothing comes, as from a screen that does not change.
    FirstPicture,
    /// No picture: the camera is off.
    Nothing,
}

/// Processor seconds, user and system, of the whole process.
#[derive(Serialize)]
struct Cost {
    cpu: f64,
    /// Those of them that went into decoding pictures and encoding pictures; of the floor only.
    decode: Option<f64>,
    encode: Option<f64>,
    /// Coded pictures of the mix, bytes as in the file; of the floor only.
    bytes: Option<u64>,
    /// The file; of the mix only.
    file: Option<PathBuf>,
}

impl Job {
    fn layout(&self) -> Plan {
        Plan {
            width: self.width,
            height: self.height,
            background: [0; 3],
            background_image: None,
            frame_fill: FrameFill::LastFrame,
            arrangement: Arrangement::Adaptive,
            max_cells: 17,
            overlays: Overlays::default(),
        }
    }
}

/// Processor time of this process so far, nanoseconds.
fn cpu_ns() -> anyhow::Result<i64> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    Ok(time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

fn main() -> anyhow::Result<()> {
    let job: Job = serde_json::from_reader(std::io::stdin())?;
    let users = inputs::users(&job)?;
    let cost = match job.what {
        What::Mix => ours::mix(&job, users)?,
        What::Floor => floor::floor(&job, &users)?,
    };
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}
