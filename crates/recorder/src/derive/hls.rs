//! HLS: segments of MPEG-TS, cut at key frames, and a playlist that grows with them.
//!
//! Where segments are cut depends on nothing but the order of pieces, so that the same segments come out when all is made
//! again. A recording that begins with sound alone has segments of sound until its first picture.

use std::path::PathBuf;

use codec::mux;
use media::bitstream::annex_b;
use media::mp4::{Codec, Content, Kind, Played, SampleEntry, Tail};

use super::aac::{AacFrame, AacFrames};
use super::playlist::{self, LONGEST, Segment};
use super::{Facts, Output, clock, files};
use crate::{Error, Result};

/// Ticks per second of all times here.
const RATE: i64 = crate::video::RATE as i64;
/// A segment ends at the first key frame after so long.
const WANTED: i64 = 6 * RATE;
/// At the beginning a picture is waited for up to this media time.
const WAIT: i64 = 3 * RATE;

/// How pictures are coded: their size, and whether they are black ones of ours. Players are told when that changes: they
/// put parameter sets of one and the other together.
type Look = ((u16, u16), bool);

/// Numbers of the streams in a segment.
const SOUND: usize = 0;
const PICTURE: usize = 1;

pub struct Hls {
    playlist: PathBuf,
    folder: PathBuf,
    segments: Vec<Segment>,
    /// Segments that players know of already.
    known: usize,
    /// Bytes of all segments.
    size: u64,
    state: State,
}

enum State {
    /// Pieces of before it is known what there is.
    Held(Vec<Played>),
    Open(Box<Open>),
}

/// The segment being made.
struct Open {
    muxer: mux::Muxer,
    audio: AacFrames,
    /// Whether there are pictures, and how the last one was coded.
    video: Option<Look>,
    start: i64,
    discontinuity: bool,
    independent: bool,
    /// The last black picture that was needed, and its size.
    black: Option<((u16, u16), Vec<u8>)>,
    /// No picture and no sound may begin before these any more.
    earliest: [i64; 2],
    /// The black picture that comes once more, and when.
    again: Option<(i64, Vec<u8>)>,
}

impl Hls {
    pub fn new(playlist: PathBuf, folder: PathBuf) -> Result<Hls> {
        std::fs::create_dir_all(&folder)?;
        let known = std::fs::read_to_string(&playlist).map_or(0, |text| playlist::read(&text).0);
        let state = State::Held(Vec::new());
        Ok(Hls { playlist, folder, segments: Vec::new(), known, size: 0, state })
    }

    fn take(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        let State::Open(open) = &mut self.state else { return Err(Error::Internal("no segment is open")) };
        let at = clock(played, tail);
        if let Some(cut) = open.cut_before(played, at, tail) {
            self.close_segment(at, tail)?;
            let State::Open(open) = &mut self.state else { return Err(Error::Internal("no segment is open")) };
            open.start = at;
            open.discontinuity = cut.discontinuity;
            open.independent = cut.independent;
            if cut.anew {
                open.muxer = muxer(tail, true, &open.audio)?;
            }
        }
        let State::Open(open) = &mut self.state else { return Err(Error::Internal("no segment is open")) };
        open.write(played, at, tail)
    }

    /// Begins with what is held.
    fn begin(&mut self, tail: &Tail) -> Result<()> {
        let State::Held(held) = &mut self.state else { return Ok(()) };
        let held = std::mem::take(held);
        let first = held.iter().find(|played| played.kind == Kind::Video);
        let audio = AacFrames::new(tail, -crate::pcm::FRAME)?;
        let black = first.filter(|first| first.at > 0).map(|first| Played {
            at: 0,
            duration: first.at as u32,
            content: Content::Filler,
            ..first.clone()
        });
        let video = black.as_ref().or(first).and_then(|first| look(first, tail));
        let muxer = muxer(tail, video.is_some(), &audio)?;
        let mut open = Open {
            muxer,
            audio,
            video,
            start: 0,
            discontinuity: false,
            independent: true,
            black: None,
            earliest: [0; 2],
            again: None,
        };
        if let Some(black) = black {
            open.write(&black, 0, tail)?;
        }
        self.state = State::Open(Box::new(open));
        held.iter().try_for_each(|played| self.take(played, tail))
    }

    /// Ends the segment at this time; the playlist names it when it is written.
    fn close_segment(&mut self, end: i64, tail: &Tail) -> Result<()> {
        let State::Open(open) = &mut self.state else { return Ok(()) };
        open.black_again(end)?;
        let bytes = open.muxer.take()?;
        if end <= open.start {
            return Ok(());
        }
        files::replace(&self.folder.join(playlist::name(self.segments.len())), &bytes)?;
        self.size += bytes.len() as u64;
        let (start, discontinuity, independent) = (open.start, open.discontinuity, open.independent);
        let start_ns = tail.anchor().epoch_ns + rules::time::ticks_to_ns(start, RATE as u32);
        self.segments.push(Segment { start_ns, duration: end - start, discontinuity, independent });
        if self.segments.len() > self.known { self.write_playlist(false).map(|_| ()) } else { Ok(()) }
    }

    /// Its size.
    fn write_playlist(&self, ended: bool) -> Result<u64> {
        let folder = self.folder.file_name().unwrap_or_default().to_string_lossy();
        let text = playlist::text(&folder, &self.segments, ended);
        match ended {
            false => files::replace(&self.playlist, text.as_bytes())?,
            true => {
                std::fs::write(files::partial(&self.playlist), &text)?;
                files::complete(&self.playlist)?;
            }
        }
        Ok(text.len() as u64)
    }

    /// Has the segments on the medium, and none beside them.
    fn tidy(&self) -> Result<()> {
        let names: Vec<String> = (0..self.segments.len()).map(playlist::name).collect();
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            match path.file_name().is_some_and(|name| names.iter().any(|known| **known == *name)) {
                true => std::fs::File::open(&path)?.sync_all()?,
                false => std::fs::remove_file(&path)?,
            }
        }
        Ok(std::fs::File::open(&self.folder)?.sync_all()?)
    }
}

/// A segment ends, and how the next one begins.
struct Cut {
    discontinuity: bool,
    independent: bool,
    /// With a muxer of its own: there were no pictures before.
    anew: bool,
}

impl Open {
    fn cut_before(&mut self, played: &Played, at: i64, tail: &Tail) -> Option<Cut> {
        let long = at - self.start >= WANTED;
        let duration = if played.content == Content::Filler { i64::from(played.duration) } else { 0 };
        let last_moment = at + duration * RATE / ticks(played, tail) - self.start > LONGEST * RATE;
        let plain = |independent| Cut { discontinuity: false, independent, anew: false };
        if at <= self.start && self.video.is_some() {
            return None;
        }
        match (played.kind, &mut self.video) {
            (Kind::Video, video) => {
                let key =
                    played.content == Content::Filler || matches!(played.content, Content::Sample { key: true, .. });
                let look = look(played, tail)?;
                let before = video.replace(look);
                match before {
                    None => Some(Cut { discontinuity: true, independent: key, anew: true }),
                    Some(before) if before != look => Some(Cut { discontinuity: true, independent: key, anew: false }),
                    Some(_) if long && key || last_moment => Some(plain(key)),
                    Some(_) => None,
                }
            }
            (Kind::Audio, None) => long.then(|| plain(true)),
            (Kind::Audio, Some(_)) => last_moment.then(|| plain(false)),
        }
    }

    fn write(&mut self, played: &Played, at: i64, tail: &Tail) -> Result<()> {
        self.black_again(at)?;
        if played.kind == Kind::Audio {
            let frames = self.audio.push(played, tail)?;
            return self.sound(&frames);
        }
        let Some(entry) = tail.entry(Kind::Video, played.entry) else { return Ok(()) };
        match &played.content {
            Content::Sample { key, data } => {
                self.again = None;
                self.picture(at, *key, &annex_b::from_lengths(data))
            }
            Content::Filler => {
                let data = self.black(entry)?;
                self.picture(at, true, &data)?;
                self.again = Some((at + i64::from(played.duration) / 2, data));
                Ok(())
            }
        }
    }

    /// Before what begins at this time: the second half of a black picture, if it is due. Nothing says how long a segment's
    /// last picture is shown, and players take it to be as long as the one before (hls.js, which moves all that follows);
    /// of two halves that is true.
    fn black_again(&mut self, before: i64) -> Result<()> {
        match self.again.take_if(|(at, _)| *at < before) {
            Some((at, data)) => self.picture(at, true, &data),
            None => Ok(()),
        }
    }

    fn picture(&mut self, at: i64, key: bool, data: &[u8]) -> Result<()> {
        // What came later than it was waited for is behind the black in its place, but may be needed for what follows.
        let at = at.max(self.earliest[PICTURE]);
        self.earliest[PICTURE] = at + 1;
        let packet = mux::Packet { stream: PICTURE, pts: at, dts: at, key, data, ..mux::Packet::default() };
        Ok(self.muxer.write(&packet)?)
    }

    /// A black picture of the entry's codec and size.
    fn black(&mut self, entry: &SampleEntry) -> Result<Vec<u8>> {
        if let Some((_, black)) = self.black.as_ref().filter(|(size, _)| *size == entry.size()) {
            return Ok(black.clone());
        }
        let black = annex_b::from_lengths(&super::black(entry)?);
        self.black = Some((entry.size(), black.clone()));
        Ok(black)
    }

    fn sound(&mut self, frames: &[AacFrame]) -> Result<()> {
        let shape = self.audio.shape();
        for AacFrame { at, data } in frames {
            let at = at * RATE / i64::from(shape.rate);
            if at < self.earliest[SOUND] {
                continue;
            }
            self.earliest[SOUND] = at + 1;
            let data = &shape.with_header(data)?[..];
            let packet = mux::Packet { stream: SOUND, pts: at, dts: at, key: true, data, ..mux::Packet::default() };
            self.muxer.write(&packet)?;
        }
        Ok(())
    }
}

fn look(picture: &Played, tail: &Tail) -> Option<Look> {
    let entry = tail.entry(Kind::Video, picture.entry)?;
    Some((entry.size(), picture.content == Content::Filler))
}

/// Ticks per second of a piece.
fn ticks(played: &Played, tail: &Tail) -> i64 {
    tail.entry(played.kind, 0).map_or(48_000, SampleEntry::timescale).into()
}

fn muxer(tail: &Tail, video: bool, audio: &AacFrames) -> Result<mux::Muxer> {
    // The sound comes first, and so has the same number in the stream whether there are pictures or not.
    let (rate, channels) = (audio.shape().rate, audio.shape().channels);
    let shape = mux::Shape { rate, channels, ..mux::Shape::default() };
    let mut streams = vec![mux::Stream { codec: mux::Codec::Aac, timescale: RATE as u32, shape }];
    if let Some(entry) = tail.entry(Kind::Video, 0).filter(|_| video) {
        let codec = match entry.codec() {
            Codec::H264 => mux::Codec::H264,
            Codec::H265 => mux::Codec::H265,
            other => return Err(Error::Format(format!("HLS takes no {}", other.name()))),
        };
        streams.push(mux::Stream { codec, timescale: RATE as u32, shape: mux::Shape::default() });
    }
    Ok(mux::Muxer::in_memory(mux::Format::MpegTs, &streams)?)
}

impl Output for Hls {
    fn push(&mut self, played: &Played, tail: &Tail) -> Result<()> {
        if let State::Held(held) = &mut self.state {
            let sound_alone = clock(played, tail) >= WAIT;
            if sound_alone {
                self.begin(tail)?;
                return self.take(played, tail);
            }
            held.push(played.clone());
            return if played.kind == Kind::Video { self.begin(tail) } else { Ok(()) };
        }
        self.take(played, tail)
    }

    fn finish(mut self: Box<Self>, tail: &Tail) -> Result<Facts> {
        self.begin(tail)?;
        let length = tail.length().ok_or(Error::Internal("the master is not finished"))?;
        let end = rules::time::ns_to_ticks(length.as_nanos() as i64, RATE as u32);
        if let State::Open(open) = &mut self.state {
            let rest = open.audio.finish(tail)?;
            open.sound(&rest)?;
            let end = end.max(open.start + 1);
            self.close_segment(end, tail)?;
        }
        self.tidy()?;
        let size = self.size + self.write_playlist(true)?;
        let name = |kind| tail.entry(kind, 0).map(|entry| entry.codec().name());
        Ok(Facts { size, video: name(Kind::Video), audio: name(Kind::Audio).map(|_| "aac") })
    }
}
