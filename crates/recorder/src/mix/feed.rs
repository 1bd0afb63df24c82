//! One stream's picture on its way into the mix: coded pictures in, the one to be shown at a moment out.

use std::collections::VecDeque;

use codec::video;
use rules::time::Mono;

use crate::decode::{Counts, PictureDecoder};
use crate::unit::Picture;

/// Coded pictures that wait for their time: some seconds of a fast camera. More come only when the mix stands still.
const MAX_WAITING: usize = 600;
/// The same in bytes.
const MAX_BYTES: usize = 24 << 20;

/// See the module's head. Pictures are decoded when they are due, not before: what waits is coded, and small.
#[derive(Default)]
pub struct Feed {
    waiting: VecDeque<Picture>,
    bytes: usize,
    decoder: PictureDecoder,
    shown: Option<Shown>,
    /// Where the picture ends: the camera was switched off, or the track went.
    ends_at: Option<Mono>,
    /// What is shown is of the present.
    live: bool,
    serial: u64,
}

/// The picture of a stream at the present moment.
pub struct Shown {
    pub picture: video::Picture,
    /// Clockwise turn that shows it upright, degrees.
    pub rotation: u16,
    /// Another one for each picture of the stream.
    pub serial: u64,
}

impl Feed {
    /// A feed that shows a picture which was not sent.
    #[cfg(test)]
    pub fn showing(picture: video::Picture, rotation: u16, serial: u64, live: bool) -> Feed {
        Feed { shown: Some(Shown { picture, rotation, serial }), live, ..Feed::default() }
    }

    /// Takes a picture.
    pub fn push(&mut self, picture: Picture) {
        if self.waiting.len() >= MAX_WAITING || self.bytes >= MAX_BYTES {
            self.decoder.left_out(self.waiting.len() as u64);
            self.waiting.clear();
            self.bytes = 0;
        }
        self.bytes += picture.data.len();
        self.waiting.push_back(picture);
    }

    /// The picture ends at `at`; what was captured before is still shown until then.
    pub fn end(&mut self, at: Mono) {
        self.ends_at = Some(at);
    }

    /// The picture goes on after all: the camera was switched on again.
    pub fn go_on(&mut self) {
        self.ends_at = None;
    }

    /// Nothing that was captured before `at` is shown any more. Answers whether anything came after it.
    pub fn forget(&mut self, at: Mono) -> bool {
        while let Some(old) = self.waiting.pop_front_if(|picture| picture.at < at) {
            self.bytes -= old.data.len();
        }
        self.decoder.begin_anew();
        (self.shown, self.live) = (None, false);
        self.ends_at = self.ends_at.filter(|end| *end > at);
        !self.waiting.is_empty()
    }

    /// Decodes what is due at `at` and makes it what is shown.
    pub fn advance(&mut self, at: Mono) {
        while self.waiting.front().is_some_and(|picture| picture.at <= at) {
            let Some(picture) = self.waiting.pop_front() else { break };
            self.bytes -= picture.data.len();
            self.decode(&picture);
        }
        if self.ends_at.is_some_and(|end| end <= at) {
            self.ends_at = None;
            self.live = false;
        }
    }

    /// What is shown, if it is of the present: the stream has a picture now.
    pub fn live(&self) -> Option<&Shown> {
        self.shown.as_ref().filter(|_| self.live)
    }

    /// The last picture there was.
    pub fn last(&self) -> Option<&Shown> {
        self.shown.as_ref()
    }

    /// Whether only a key frame helps: nothing was decoded yet, or something is missing.
    pub fn needs_key_frame(&self) -> bool {
        let coming = self.waiting.iter().any(|picture| picture.key);
        !coming && self.decoder.needs_key_frame()
    }

    /// What became of its pictures.
    pub fn counts(&self) -> Counts {
        self.decoder.counts
    }

    fn decode(&mut self, picture: &Picture) {
        let Some(decoded) = self.decoder.decode(picture) else { return };
        self.serial += 1;
        self.live = true;
        self.shown = Some(Shown { picture: decoded, rotation: picture.rotation, serial: self.serial });
    }
}
