//! VP9 payloads (RFC 9628) to frames. The spatial layers of a picture become one superframe, of which the last frame is shown.
//! Its size is the picture's, which may change without a key frame: when the server sends fewer layers, or more.

use std::sync::Arc;

use super::vp8::{PictureId, take};
use super::{DropReason, Format, LastConfig, Picture};
use crate::bitstream::vp9::{self, Vp9Config, layers::Layers};
use crate::packet::VideoConfig;

/// Frames a superframe index can list.
const MAX_LAYERS: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Vp9 {
    data: Vec<u8>,
    /// Where in `data` each layer's frame begins.
    layers: Vec<usize>,
    stream: Layers,
    /// The last packet ended a layer's frame.
    layer_ended: bool,
    picture_id: Option<PictureId>,
    last_id: Option<PictureId>,
    last: LastConfig,
}

/// The payload descriptor.
struct Descriptor {
    picture_id: Option<PictureId>,
    begins_layer: bool,
    ends_layer: bool,
    spatial_layer: usize,
    /// Refers to the layer below in the same picture.
    uses_lower_layer: bool,
}

impl Descriptor {
    fn read(data: &mut &[u8]) -> Result<Self, DropReason> {
        let first = take(data)?;
        let has = |bit: u8| first & bit != 0;
        let picture_id = has(0x80).then(|| PictureId::read(data)).transpose()?;
        let flexible = has(0x10);
        let mut layer = 0;
        if has(0x20) {
            layer = take(data)?;
            if !flexible {
                take(data)?; // TL0PICIDX
            }
        }
        if flexible && has(0x40) {
            // Up to three differences of picture ids; the lowest bit says that one more follows.
            for i in 0.. {
                if take(data)? & 1 == 0 {
                    break;
                }
                if i == 2 {
                    return Err(DropReason::Malformed);
                }
            }
        }
        if has(0x02) {
            skip_structure(data)?;
        }
        Ok(Self {
            picture_id,
            begins_layer: has(0x08),
            ends_layer: has(0x04),
            spatial_layer: usize::from(layer >> 1 & 7),
            uses_lower_layer: layer & 1 != 0,
        })
    }
}

/// The scalability structure. The layers' sizes, which it may have, are those that their frames say.
fn skip_structure(data: &mut &[u8]) -> Result<(), DropReason> {
    let first = take(data)?;
    if first & 0x10 != 0 {
        let sizes = 4 * (usize::from(first >> 5) + 1);
        *data = data.get(sizes..).ok_or(DropReason::Malformed)?;
    }
    if first & 0x08 != 0 {
        for _ in 0..take(data)? {
            let references = take(data)? >> 2 & 3;
            for _ in 0..references {
                take(data)?;
            }
        }
    }
    Ok(())
}

impl Format for Vp9 {
    fn starts_picture(&self, mut payload: &[u8]) -> bool {
        // A server may leave out lower layers that nothing refers to.
        Descriptor::read(&mut payload).is_ok_and(|d| d.begins_layer && (d.spatial_layer == 0 || !d.uses_lower_layer))
    }

    fn push(&mut self, mut payload: &[u8]) -> Result<(), DropReason> {
        let descriptor = Descriptor::read(&mut payload)?;
        let may_begin = self.layers.is_empty() || self.layer_ended;
        if descriptor.begins_layer != may_begin || payload.is_empty() {
            return Err(DropReason::Malformed);
        }
        if descriptor.begins_layer {
            if self.layers.len() == MAX_LAYERS {
                return Err(DropReason::Malformed);
            }
            self.layers.push(self.data.len());
        }
        self.layer_ended = descriptor.ends_layer;
        self.picture_id = descriptor.picture_id;
        self.data.extend_from_slice(payload);
        Ok(())
    }

    fn finish(&mut self, missing: u64) -> Result<Option<Picture>, DropReason> {
        if !self.layer_ended {
            return Err(DropReason::Incomplete);
        }
        let lowest = vp9::key_frame(&self.data)?;
        let key = lowest.is_some();
        let continuous = key || PictureId::continuous(self.last_id, self.picture_id, missing);
        self.last_id = self.picture_id;
        self.hide_lower_layers();
        self.write_index();
        let config = self.config(lowest);
        let data = std::mem::take(&mut self.data);
        self.discard();
        Ok(Some(Picture { data, key, config, continuous }))
    }

    fn discard(&mut self) {
        self.data.clear();
        self.layers.clear();
        self.layer_ended = false;
        self.picture_id = None;
    }
}

impl Vp9 {
    /// That of a key frame, whose lowest layer's is given, and of a picture of another size than the one before.
    fn config(&mut self, lowest: Option<Vp9Config>) -> Option<Arc<VideoConfig>> {
        let of = match (lowest, self.last.0.as_deref()) {
            (Some(lowest), _) => lowest,
            (None, Some(VideoConfig::Vp9(last))) => *last,
            (None, _) => return None,
        };
        let (width, height) = self.stream.size().unwrap_or((of.width, of.height));
        let changed = (width, height) != (of.width, of.height);
        (lowest.is_some() || changed).then(|| self.last.share(VideoConfig::Vp9(Vp9Config { width, height, ..of })))
    }

    fn hide_lower_layers(&mut self) {
        if self.layers.len() == 1 {
            // What cannot be read is followed by what cannot be read, up to a key frame.
            _ = self.stream.follow(&self.data, false);
            return;
        }
        let data = std::mem::take(&mut self.data);
        let ends: Vec<usize> = self.layers.iter().skip(1).copied().chain([data.len()]).collect();
        let last = ends.len() - 1;
        for (n, (begin, end)) in self.layers.iter_mut().zip(ends).enumerate() {
            let frame = &data[*begin..end];
            *begin = self.data.len();
            match self.stream.follow(frame, n < last) {
                Ok(Some(hidden)) => self.data.extend(hidden),
                _ => self.data.extend_from_slice(frame),
            }
        }
    }

    /// Appends the superframe index when there is more than one frame (VP9 specification, annex B).
    fn write_index(&mut self) {
        if self.layers.len() < 2 {
            return;
        }
        const SIZE_BYTES: u8 = 4;
        let marker = 0xc0 | (SIZE_BYTES - 1) << 3 | (self.layers.len() - 1) as u8;
        let ends: Vec<usize> = self.layers[1..].iter().copied().chain([self.data.len()]).collect();
        self.data.push(marker);
        for (start, end) in self.layers.iter().zip(ends) {
            // A picture is far below 4 GiB.
            self.data.extend_from_slice(&((end - start) as u32).to_le_bytes());
        }
        self.data.push(marker);
    }
}
