//! Reads a media file: its pictures and its sound at the times a player would present them (edit lists and encoder
//! priming are honoured by libavformat).

use crate::ff::{self, named, taken};
use crate::video::{Converter, Picture};
use crate::{Error, Result};
use ffmpeg_next::software::resampling;
use ffmpeg_next::{ChannelLayout, Packet, Rational, Rescale, codec, decoder, ffi, format, frame, media};
use std::path::Path;

/// Rate of all sound given out, Hz.
pub const RATE: u32 = 48_000;
pub(crate) const NANOSECONDS: Rational = Rational(1, 1_000_000_000);
const PACKED: format::Sample = format::Sample::F32(format::sample::Type::Packed);

/// What comes out of a file, in file order: pictures and sound each in presentation order, not sorted against each other.
pub enum Event {
    Picture(Picture),
    Sound(Sound),
    /// A packet that could not be decoded, or a place where the file could not be read; reading goes on after it.
    Broken(Error),
}

/// A block of sound.
pub struct Sound {
    /// Presentation time of the first sample, ns; `None` when the file gives none.
    pub pts: Option<i64>,
    /// 1 or 2.
    pub channels: usize,
    /// Interleaved, 48 kHz.
    pub samples: Vec<f32>,
}

/// What the file says about itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Info {
    /// Name of the container format, as FFmpeg calls it.
    pub format: String,
    /// Duration of the whole file, ns.
    pub duration: Option<i64>,
    /// The first video track.
    pub video: Option<Track>,
    /// The first audio track.
    pub audio: Option<Track>,
}

/// What the file says about one track.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Track {
    /// FFmpeg's name of the codec, such as `h264` or `aac`.
    pub codec: String,
    /// ns.
    pub start: Option<i64>,
    /// ns.
    pub duration: Option<i64>,
    /// Frames (video) or packets (audio), if the container counts them.
    pub frames: Option<u64>,
    /// Pixels; 0 for audio.
    pub width: u32,
    pub height: u32,
    /// Hz; 0 for video.
    pub sample_rate: u32,
    /// 0 for video.
    pub channels: u32,
}

/// Iterates over the decoded content of a file's first video and first audio track.
pub struct Reader {
    input: format::context::Input,
    info: Info,
    video: Option<VideoTrack>,
    audio: Option<AudioTrack>,
    ready: std::collections::VecDeque<Event>,
    at_end: bool,
}

struct VideoTrack {
    index: usize,
    time_base: Rational,
    decoder: decoder::Video,
    converter: Converter,
}

struct AudioTrack {
    index: usize,
    time_base: Rational,
    decoder: decoder::Audio,
    /// Made for the shape (format, rate, channels) of the frames that come; made anew when that changes.
    resampler: Option<(Shape, resampling::Context)>,
}

type Shape = (format::Sample, u32, usize);

impl Reader {
    /// Opens a file and its decoders.
    pub fn open(path: &Path) -> Result<Reader> {
        let input = input(path)?;
        let mut info = Info { format: input.format().name().to_owned(), ..Info::default() };
        info.duration = Some(input.duration()).filter(|&d| d > 0).map(|d| d * 1000);
        let (mut video, mut audio) = (None, None);
        for stream in input.streams() {
            let parameters = stream.parameters();
            match parameters.medium() {
                media::Type::Video if video.is_none() => {
                    info.video = Some(track(&stream));
                    video = Some(VideoTrack {
                        index: stream.index(),
                        time_base: stream.time_base(),
                        decoder: context(&stream)?.decoder().video().map_err(named("open video decoder"))?,
                        converter: Converter::default(),
                    });
                }
                media::Type::Audio if audio.is_none() => {
                    info.audio = Some(track(&stream));
                    audio = Some(AudioTrack {
                        index: stream.index(),
                        time_base: stream.time_base(),
                        decoder: context(&stream)?.decoder().audio().map_err(named("open audio decoder"))?,
                        resampler: None,
                    });
                }
                _ => {}
            }
        }
        Ok(Reader { input, info, video, audio, ready: Default::default(), at_end: false })
    }

    /// What the file says about itself, before decoding.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Does not decode pictures from here on, for readers that only want the sound.
    pub fn skip_video(&mut self) {
        self.video = None;
    }

    fn read_on(&mut self) {
        let mut packet = Packet::empty();
        match packet.read(&mut self.input) {
            Ok(()) => self.decode(&packet),
            Err(ffmpeg_next::Error::Eof) => {
                self.at_end = true;
                self.drain();
            }
            Err(error) => {
                // Also ends the reading: a demuxer that fails once may fail for ever at the same place.
                self.at_end = true;
                self.ready.push_back(Event::Broken(named("read media file")(error)));
                self.drain();
            }
        }
    }

    fn decode(&mut self, packet: &Packet) {
        let Reader { video, audio, ready, .. } = self;
        if let Some(track) = video.as_mut().filter(|track| track.index == packet.stream()) {
            let sent = track.decoder.send_packet(packet).map_err(named("decode video"));
            ready.extend(sent.err().map(Event::Broken));
            track.take(ready);
        } else if let Some(track) = audio.as_mut().filter(|track| track.index == packet.stream()) {
            let sent = track.decoder.send_packet(packet).map_err(named("decode audio"));
            ready.extend(sent.err().map(Event::Broken));
            track.take(ready);
        }
    }

    fn drain(&mut self) {
        let Reader { video, audio, ready, .. } = self;
        if let Some(track) = video {
            let sent = track.decoder.send_eof().map_err(named("flush video"));
            ready.extend(sent.err().map(Event::Broken));
            track.take(ready);
        }
        if let Some(track) = audio {
            let sent = track.decoder.send_eof().map_err(named("flush audio"));
            ready.extend(sent.err().map(Event::Broken));
            track.take(ready);
        }
    }
}

impl Iterator for Reader {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        while self.ready.is_empty() && !self.at_end {
            self.read_on();
        }
        self.ready.pop_front()
    }
}

impl VideoTrack {
    fn take(&mut self, ready: &mut std::collections::VecDeque<Event>) {
        loop {
            let mut frame = frame::Video::empty();
            match taken("decode video", self.decoder.receive_frame(&mut frame)) {
                Ok(None) => return,
                Ok(Some(())) => {}
                Err(error) => return ready.push_back(Event::Broken(error)),
            }
            ready.push_back(match self.converter.picture(frame) {
                Ok(mut picture) => {
                    picture.pts = picture.pts.map(|pts| pts.rescale(self.time_base, NANOSECONDS));
                    Event::Picture(picture)
                }
                Err(error) => Event::Broken(error),
            });
        }
    }
}

impl AudioTrack {
    fn take(&mut self, ready: &mut std::collections::VecDeque<Event>) {
        loop {
            let mut frame = frame::Audio::empty();
            match taken("decode audio", self.decoder.receive_frame(&mut frame)) {
                Ok(None) => return,
                Ok(Some(())) => {}
                Err(error) => return ready.push_back(Event::Broken(error)),
            }
            ready.push_back(match self.sound(&frame) {
                Ok(sound) => Event::Sound(sound),
                Err(error) => Event::Broken(error),
            });
        }
    }

    fn sound(&mut self, input: &frame::Audio) -> Result<Sound> {
        let shape = (input.format(), input.rate(), ff::channels(input));
        let channels = if shape.2 == 1 { 1 } else { 2 };
        let pts = input.timestamp().map(|pts| pts.rescale(self.time_base, NANOSECONDS));
        if self.resampler.as_ref().is_none_or(|(of, _)| *of != shape) {
            let layout = |channels: usize| ChannelLayout::default(channels as i32);
            let made = resampling::Context::get(shape.0, layout(shape.2), shape.1, PACKED, layout(channels), RATE);
            self.resampler = Some((shape, made.map_err(named("open resampler"))?));
        }
        let (_, resampler) = self.resampler.as_mut().expect("made above when it was missing");
        // What the resampler still holds comes first in its output.
        let held = resampler.delay().map_or(0, |delay| delay.output * 1_000_000_000 / i64::from(RATE));
        let room = ((input.samples() as u64 * u64::from(RATE)).div_ceil(u64::from(shape.1.max(1))) + 256) as usize;
        let mut output = ff::audio_frame(PACKED, room, channels, RATE)?;
        convert(resampler, input, &mut output)?;
        let samples = ff::samples_f32(&output, 0).unwrap_or_default().to_vec();
        Ok(Sound { pts: pts.map(|pts| pts - held), channels, samples })
    }
}

/// Opens a file of any format.
pub(crate) fn input(path: &Path) -> Result<format::context::Input> {
    crate::log::init();
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(Error::Argument("a path has no NUL byte".into()));
    }
    // With the protocol named, a colon in a path is not taken for an address.
    let mut url = std::ffi::OsString::from("file:");
    url.push(path);
    format::input(&Path::new(&url)).map_err(named("open media file"))
}

/// Converts a whole frame; afterwards `output` holds as many samples as came out.
fn convert(resampler: &mut resampling::Context, input: &frame::Audio, output: &mut frame::Audio) -> Result<()> {
    // SAFETY: both contexts and frames are owned and not null; `extended_data` of each holds one pointer per plane of its
    // own format, for which the resampler was made; the count given for the output is what its buffer was allocated for.
    let got = unsafe {
        let (from, to) = (input.as_ptr(), output.as_mut_ptr());
        ffi::swr_convert(
            resampler.as_mut_ptr(),
            (*to).extended_data,
            (*to).nb_samples,
            (*from).extended_data as *mut *const u8,
            (*from).nb_samples,
        )
    };
    if got < 0 {
        return Err(named("swr_convert")(got.into()));
    }
    output.set_samples(got as usize);
    Ok(())
}

fn context(stream: &format::stream::Stream<'_>) -> Result<codec::Context> {
    let mut context = codec::Context::from_parameters(stream.parameters()).map_err(named("read codec parameters"))?;
    // SAFETY: writes a plain field of an owned context that is not open yet. Decoders need the time base to move time
    // stamps when they cut priming.
    unsafe { (*context.as_mut_ptr()).pkt_timebase = stream.time_base().into() };
    context.set_threading(codec::threading::Config { count: 1, ..codec::threading::Config::default() });
    Ok(context)
}

pub(crate) fn track(stream: &format::stream::Stream<'_>) -> Track {
    let known = |time: i64| {
        Some(time).filter(|&time| time != ffi::AV_NOPTS_VALUE).map(|t| t.rescale(stream.time_base(), NANOSECONDS))
    };
    let parameters = stream.parameters();
    // SAFETY: reads plain fields of the stream's parameters, which the stream keeps alive.
    let (width, height, sample_rate, channels) = unsafe {
        let raw = parameters.as_ptr();
        ((*raw).width, (*raw).height, (*raw).sample_rate, (*raw).ch_layout.nb_channels)
    };
    Track {
        codec: parameters.id().name().to_owned(),
        start: known(stream.start_time()),
        duration: known(stream.duration()),
        frames: u64::try_from(stream.frames()).ok().filter(|&frames| frames > 0),
        width: width.max(0) as u32,
        height: height.max(0) as u32,
        sample_rate: sample_rate.max(0) as u32,
        channels: channels.max(0) as u32,
    }
}
