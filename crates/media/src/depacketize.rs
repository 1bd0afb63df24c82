//! From packets in order to whole pictures: one [`Depacketizer`] for all video codecs. Here is what the codecs
//! share (where a picture begins and ends, what a loss does to it); one file per codec knows its payload format.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::bitstream::Malformed;
use crate::packet::{EncodedFrame, RtpPacket, VideoCodec, VideoConfig};
use crate::rtp::reorder::Item;

mod av1;
mod h264;
mod h265;
pub mod opus;
mod parameter_sets;
mod sized;
mod vp8;
mod vp9;

/// Bytes of RTP payload in one picture at most.
const MAX_PICTURE: usize = 8 << 20;

/// What comes out, in decoding order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    Frame(EncodedFrame),
    /// A picture of which something came and that cannot be shown. Pictures lost as a whole leave no trace here.
    Dropped {
        rtp_time: u64,
        reason: DropReason,
    },
}

/// Why a picture was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DropReason {
    #[error("packets of it were lost")]
    Incomplete,
    #[error("its payload does not follow the format")]
    Malformed,
    #[error("it is too large")]
    TooLarge,
    #[error("a key frame whose parameter sets were never received")]
    NoParameterSets,
}

impl From<Malformed> for DropReason {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// One codec's payload format.
trait Format: std::fmt::Debug + Send {
    /// Whether this payload can be the first of a picture; asked after a loss.
    fn starts_picture(&self, payload: &[u8]) -> bool;

    /// Takes the next payload (never empty) of the current picture.
    fn push(&mut self, payload: &[u8]) -> Result<(), DropReason>;

    /// Ends the current picture; `None` when there was no picture in it (only parameter sets, say).
    /// `missing` bounds how many pictures are missing since the last one returned from here.
    fn finish(&mut self, missing: u64) -> Result<Option<Picture>, DropReason>;

    /// Forgets the current picture.
    fn discard(&mut self);
}

/// What a [`Format`] makes of a picture's payloads.
struct Picture {
    data: Vec<u8>,
    key: bool,
    /// Set on key frames, and where the size changes without one.
    config: Option<Arc<VideoConfig>>,
    /// No picture it may refer to is missing since the one before.
    continuous: bool,
}

/// The picture whose packets are coming in.
#[derive(Debug)]
struct Current {
    rtp_time: u64,
    arrival_ns: i64,
    bytes: usize,
    fault: Option<DropReason>,
}

/// Packets and losses in, pictures out. Call [`Self::poll`] until it returns `None` after each
/// [`Self::handle`].
#[derive(Debug)]
pub struct Depacketizer {
    format: Box<dyn Format>,
    current: Option<Current>,
    /// The packet before the next one was lost.
    gap: bool,
    /// Packets lost and pictures dropped since the last picture passed on.
    missing: u64,
    after_loss: bool,
    rotation: Option<u16>,
    /// This sender marks the last packet of a picture.
    marks: bool,
    ready: VecDeque<Output>,
}

impl Depacketizer {
    pub fn new(codec: VideoCodec) -> Self {
        let format: Box<dyn Format> = match codec {
            VideoCodec::H264 => Box::new(h264::H264::default()),
            VideoCodec::H265 => Box::new(h265::H265::default()),
            VideoCodec::Vp8 => Box::new(vp8::Vp8::default()),
            VideoCodec::Vp9 => Box::new(vp9::Vp9::default()),
            VideoCodec::Av1 => Box::new(av1::Av1::default()),
        };
        Self {
            format,
            current: None,
            gap: false,
            missing: 0,
            after_loss: true,
            rotation: None,
            marks: false,
            ready: VecDeque::new(),
        }
    }

    pub fn handle(&mut self, item: Item) {
        match item {
            Item::Packet(packet) => self.handle_packet(&packet),
            Item::Lost { count, .. } => self.handle_loss(count),
            Item::Restart => {
                // Nobody knows how many.
                self.handle_loss(u64::from(u32::MAX));
                self.finish();
            }
        }
    }

    /// Ends the picture at hand; for the end of a stream.
    pub fn flush(&mut self) {
        if self.marks
            && let Some(current) = &mut self.current
        {
            current.fault.get_or_insert(DropReason::Incomplete);
        }
        self.finish();
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.ready.pop_front()
    }

    /// True from the first loss that may show to the next key frame, and before the first key frame: the time to
    /// ask the sender for one.
    pub fn needs_key_frame(&self) -> bool {
        self.after_loss
    }

    fn handle_packet(&mut self, packet: &RtpPacket) {
        if packet.payload.is_empty() {
            return;
        }
        if self.current.as_ref().is_some_and(|current| current.rtp_time != packet.rtp_time) {
            self.finish();
        }
        if self.current.is_none() {
            let headless = self.gap && !self.format.starts_picture(&packet.payload);
            self.current = Some(Current {
                rtp_time: packet.rtp_time,
                arrival_ns: packet.arrival_ns,
                bytes: 0,
                fault: headless.then_some(DropReason::Incomplete),
            });
        }
        self.gap = false;
        self.rotation = packet.rotation.or(self.rotation);
        if let Some(current) = &mut self.current {
            current.arrival_ns = current.arrival_ns.min(packet.arrival_ns);
            current.bytes += packet.payload.len();
            if current.bytes > MAX_PICTURE {
                current.fault.get_or_insert(DropReason::TooLarge);
            }
            if current.fault.is_none() {
                current.fault = self.format.push(&packet.payload).err();
            }
        }
        if packet.marker {
            self.marks = true;
            self.finish();
        }
    }

    fn handle_loss(&mut self, count: u64) {
        self.gap = true;
        self.missing = self.missing.saturating_add(count);
        if let Some(current) = &mut self.current {
            // Its last packet has not come (that one has the marker), so what is lost may be of it.
            current.fault.get_or_insert(DropReason::Incomplete);
        }
    }

    fn finish(&mut self) {
        let Some(current) = self.current.take() else { return };
        let picture = match current.fault {
            Some(reason) => Err(reason),
            None => self.format.finish(self.missing),
        };
        match picture {
            Ok(None) => {}
            Ok(Some(picture)) => {
                let Picture { data, key, config, continuous } = picture;
                self.after_loss = !key && (self.after_loss || !continuous);
                // What goes on from the picture before tells that no packet of one was lost.
                let lost_before = if key || !continuous { self.missing } else { 0 };
                self.missing = 0;
                self.ready.push_back(Output::Frame(EncodedFrame {
                    rtp_time: current.rtp_time,
                    arrival_ns: current.arrival_ns,
                    data,
                    key,
                    rotation: self.rotation,
                    after_loss: self.after_loss,
                    lost_before,
                    config,
                }));
            }
            Err(reason) => {
                self.format.discard();
                self.missing = self.missing.saturating_add(1);
                self.ready.push_back(Output::Dropped { rtp_time: current.rtp_time, reason });
            }
        }
    }
}

/// Keeps one `Arc` per run of equal configurations, so that a change shows by comparing pointers.
#[derive(Debug, Default)]
struct LastConfig(Option<Arc<VideoConfig>>);

impl LastConfig {
    fn share(&mut self, config: VideoConfig) -> Arc<VideoConfig> {
        match &self.0 {
            Some(last) if **last == config => last.clone(),
            _ => self.0.insert(Arc::new(config)).clone(),
        }
    }
}

/// Whether a counter that wraps at `modulus` went up by exactly one although up to `missing` counts are missing.
fn follows(last: u32, now: u32, modulus: u32, missing: u64) -> bool {
    missing == 0 || (missing < u64::from(modulus) && now == (last + 1) % modulus)
}
