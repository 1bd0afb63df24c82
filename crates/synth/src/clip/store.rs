//! Clips on disk: made once, found again by a key of all parameters, sent from memory.
//!
//! A file is [`MAGIC`], then the number of tracks (layers, then sound), each track's number of pieces and the length of
//! every piece (highest bit: key frame), all `u32` little endian, then the pieces one after the other.

use super::live::Sound;
use super::{ClipSpec, Frame, Live};
use crate::schedule::{PACKET, RATE};
use crate::{Error, Result};
use bytes::{Buf, Bytes};
use std::fs;
use std::path::{Path, PathBuf};

/// Changes whenever pictures, sound or this format do: what older versions cached is then no longer found.
const MAGIC: &[u8; 8] = b"tdclip01";
const KEY: u32 = 1 << 31;
/// A second of sound, in packets.
const SECOND: u64 = RATE / PACKET;

/// One loop of a user, encoded. Clones share the memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    spec: ClipSpec,
    layers: Vec<Vec<Frame>>,
    sound: Vec<Bytes>,
}

/// Where clips are kept if nothing else is said: `tapedeck/clips` in the user's cache folder.
pub fn default_cache() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    base.or_else(home).unwrap_or_else(std::env::temp_dir).join("tapedeck").join("clips")
}

impl Clip {
    /// Reads the clip from `cache`, or encodes it and writes it there. `progress` hears the share that is done, 0 to 1,
    /// while encoding.
    pub fn load_or_make(spec: &ClipSpec, cache: &Path, progress: &mut dyn FnMut(f64)) -> Result<Clip> {
        spec.check()?;
        let path = cache.join(format!("{:016x}.clip", key(spec)));
        // A file that cannot be read or is damaged is made anew.
        if let Some(clip) = fs::read(&path).ok().and_then(|data| Clip::parse(spec, data.into())) {
            return Ok(clip);
        }
        let clip = Clip::make(spec, progress)?;
        let failed = |error| Error::Io(path.display().to_string(), error);
        fs::create_dir_all(cache).map_err(failed)?;
        // Several processes may make the same clip at once: each writes its own file and renames it.
        let own = cache.join(format!("{:016x}.{}.part", key(spec), std::process::id()));
        fs::write(&own, clip.to_bytes()).and_then(|()| fs::rename(&own, &path)).map_err(failed)?;
        Ok(clip)
    }

    /// Encodes the clip.
    pub fn make(spec: &ClipSpec, progress: &mut dyn FnMut(f64)) -> Result<Clip> {
        let mut live = Live::new(spec)?;
        let mut layers = vec![Vec::new(); spec.layers];
        let frames = spec.frames();
        for frame in 0..frames {
            for (layer, encoded) in layers.iter_mut().zip(live.video(frame, frame == 0)?) {
                layer.push(encoded);
            }
            progress((frame + 1) as f64 / frames as f64);
        }
        // The loop's last second goes before it, so that the encoder's state fits where the loop closes.
        let packets = u64::from(spec.loop_seconds) * SECOND;
        let mut encoder = Sound::new(spec)?;
        for packet in packets - SECOND..packets {
            encoder.packet(packet)?;
        }
        let sound = (packets..2 * packets).map(|packet| encoder.packet(packet)).collect::<Result<_>>()?;
        Ok(Clip { spec: spec.clone(), layers, sound })
    }

    /// The parameters it was made with.
    pub fn spec(&self) -> &ClipSpec {
        &self.spec
    }

    /// All frames of a layer (0 is the smallest); the first is a key frame.
    pub fn video(&self, layer: usize) -> &[Frame] {
        &self.layers[layer]
    }

    /// All Opus packets of 20 ms.
    pub fn audio(&self) -> &[Bytes] {
        &self.sound
    }

    /// The frame of a layer with this index since the epoch.
    pub fn frame(&self, layer: usize, frame: u64) -> &Frame {
        &self.layers[layer][(frame % self.spec.frames()) as usize]
    }

    /// The sound packet with this index since the epoch.
    pub fn packet(&self, packet: u64) -> &Bytes {
        &self.sound[(packet % self.sound.len() as u64) as usize]
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut tracks: Vec<Vec<(&Bytes, u32)>> = Vec::new();
        for layer in &self.layers {
            tracks.push(layer.iter().map(|frame| (&frame.data, if frame.key { KEY } else { 0 })).collect());
        }
        tracks.push(self.sound.iter().map(|packet| (packet, 0)).collect());
        let mut out = MAGIC.to_vec();
        out.extend((tracks.len() as u32).to_le_bytes());
        for track in &tracks {
            out.extend((track.len() as u32).to_le_bytes());
            for (data, flag) in track {
                out.extend((data.len() as u32 | flag).to_le_bytes());
            }
        }
        tracks.iter().flatten().for_each(|(data, _)| out.extend_from_slice(data));
        out
    }

    /// The clip in a file, if the file is whole and has what the spec says.
    fn parse(spec: &ClipSpec, mut data: Bytes) -> Option<Clip> {
        let magic = data.try_get_u64().ok()?;
        if magic.to_be_bytes() != *MAGIC || data.try_get_u32_le().ok()? as usize != spec.layers + 1 {
            return None;
        }
        let mut lengths = Vec::new();
        for _ in 0..=spec.layers {
            let count = data.try_get_u32_le().ok()? as usize;
            let track: Option<Vec<u32>> = (0..count).map(|_| data.try_get_u32_le().ok()).collect();
            lengths.push(track?);
        }
        let mut tracks: Vec<Vec<Frame>> = Vec::new();
        for track in lengths {
            let mut frames = Vec::with_capacity(track.len());
            for length in track {
                let size = (length & !KEY) as usize;
                if size > data.len() {
                    return None;
                }
                frames.push(Frame { data: data.split_to(size), key: length & KEY != 0 });
            }
            tracks.push(frames);
        }
        let sound: Vec<Bytes> = tracks.pop()?.into_iter().map(|frame| frame.data).collect();
        let whole = data.is_empty()
            && tracks.iter().all(|layer| layer.len() as u64 == spec.frames() && layer[0].key)
            && sound.len() as u64 == u64::from(spec.loop_seconds) * SECOND;
        whole.then(|| Clip { spec: spec.clone(), layers: tracks, sound })
    }
}

/// FNV-1a of everything that decides the content.
fn key(spec: &ClipSpec) -> u64 {
    let text = format!("{spec:?}");
    MAGIC
        .iter()
        .chain(text.as_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
