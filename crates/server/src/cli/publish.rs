//! `tapedeck publish`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rtc::client::Rotation;

use super::options::{ConfigArgs, KeyArgs};
use crate::config::duration;
use crate::publish::mute::Mute;

/// Who publishes what, where and for how long.
#[derive(Debug, Args)]
#[command(after_help = "\
Synthetic users show a moving picture with a number in each frame, and flash and beep together at every whole second,
each in a colour and a tone of their own. What they send is encoded once and kept in a cache, so that many of them fit
on one core.

Examples:
  tapedeck publish --room demo
  tapedeck publish --room demo --user film film.mp4
  tapedeck publish --room demo --users 50 --size 320x180 --fps 15
  tapedeck publish --room demo --user alice --user bob --size 1280x720 --simulcast --duration 30s
  tapedeck publish --room demo --user desk --screen --mute audio:10s-20s --loss 0.05
  tapedeck publish --room demo --user phone --rotation 0 --change 640x360/90 --change 320x180
  tapedeck publish --room demo --url wss://livekit.example.com --key APIexample --secret \"$SECRET\"")]
pub struct PublishArgs {
    /// A media file to send instead, over and over; its first five minutes
    #[arg(conflicts_with_all = ["simulcast", "size", "width", "height", "rotation", "change"])]
    pub file: Option<PathBuf>,
    /// Room to join
    #[arg(long)]
    pub room: String,
    /// Room server [default: the embedded one of this configuration, on this machine]
    #[arg(long, env = "LIVEKIT_URL")]
    pub url: Option<String>,
    /// Identity of a user; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "users")]
    pub user: Vec<String>,
    /// Number of users, named user-1, user-2, ...; from the 17th on they look and sound like the first ones again
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub users: u16,
    /// How long [default: until SIGINT or SIGTERM]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    #[command(flatten)]
    pub media: MediaArgs,
    #[command(flatten)]
    pub keys: KeyArgs,
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// What is sent.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Media")]
pub struct MediaArgs {
    /// How pictures are coded
    #[arg(long, value_enum, default_value_t = VideoCodec::H264)]
    pub codec: VideoCodec,
    /// Width and height in pixels, both even
    #[arg(long, value_name = "WxH", default_value = "640x360", value_parser = size, conflicts_with_all = ["width", "height"])]
    pub size: (u32, u32),
    /// The width alone
    #[arg(long, requires = "height", value_name = "PIXELS")]
    pub width: Option<u32>,
    /// The height alone
    #[arg(long, requires = "width", value_name = "PIXELS")]
    pub height: Option<u32>,
    /// Frames per second; must divide 48000
    #[arg(long, default_value_t = 30)]
    pub fps: u32,
    /// Kilobits per second of the picture [default: by size and frames per second, 600 for 640x360 at 30]
    #[arg(long, value_name = "KBITS")]
    pub bitrate: Option<u32>,
    /// Send three sizes: whole, half and a quarter of width and height
    #[arg(long)]
    pub simulcast: bool,
    /// Tell receivers to turn pictures clockwise by 90, 180 or 270 degrees, as a phone does; what is drawn is not turned
    #[arg(long, value_name = "DEGREES", value_parser = rotation)]
    pub rotation: Option<Rotation>,
    /// Send pictures of this size in turn with the others, or those to be turned, such as 320x180/90; may be repeated
    #[arg(long, value_name = "WxH[/DEGREES]", value_parser = look, conflicts_with = "simulcast")]
    pub change: Vec<Look>,
    /// How long each of these is sent, in whole seconds
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
    pub change_every: Duration,
    /// Share a screen as well, with sound
    #[arg(long)]
    pub screen: bool,
    /// No sound
    #[arg(long)]
    pub no_audio: bool,
    /// No picture
    #[arg(long, conflicts_with = "no_audio")]
    pub no_video: bool,
    /// Mute sound or picture for a while, counted from the start, such as audio:5s-20s; may be repeated
    #[arg(long, value_name = "KIND:FROM-TO", value_parser = Mute::parse)]
    pub mute: Vec<Mute>,
    /// Lose this share (0 to 1) of the datagrams that go out
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub loss: f64,
    /// Chooses which datagrams are lost
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Where encoded clips are kept [default: tapedeck/clips in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

/// How pictures look for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Pixels.
    pub size: (u32, u32),
    pub rotation: Option<Rotation>,
}

/// A video codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VideoCodec {
    H264,
    Vp8,
    Vp9,
    Av1,
    H265,
}

impl MediaArgs {
    /// Pixels.
    pub fn pixels(&self) -> (u32, u32) {
        self.width.zip(self.height).unwrap_or(self.size)
    }

    /// Bit/s of a picture of this size.
    pub fn bits(&self, width: u32, height: u32) -> u32 {
        let pixels = u64::from(width) * u64::from(height) * u64::from(self.fps);
        // 600 kbit/s for 640x360 at 30.
        let by_size = (pixels * 600_000 / (640 * 360 * 30)).clamp(60_000, 20_000_000);
        self.bitrate.map_or(u32::try_from(by_size).expect("it is clamped"), |kbits| kbits.saturating_mul(1_000))
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "must be a number from 0 to 1".to_owned())
}

fn look(text: &str) -> Result<Look, String> {
    let (pixels, degrees) = text.split_once('/').map_or((text, None), |(pixels, degrees)| (pixels, Some(degrees)));
    Ok(Look { size: size(pixels)?, rotation: degrees.map(rotation).transpose()? })
}

fn rotation(text: &str) -> Result<Rotation, String> {
    match text {
        "0" => Ok(Rotation::None),
        "90" => Ok(Rotation::Clockwise90),
        "180" => Ok(Rotation::Clockwise180),
        "270" => Ok(Rotation::Clockwise270),
        _ => Err("must be 0, 90, 180 or 270".to_owned()),
    }
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let (width, height) = text.split_once('x').ok_or("must be WIDTHxHEIGHT, such as 1280x720")?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("{text:?} is no number of pixels"));
    Ok((number(width)?, number(height)?))
}
