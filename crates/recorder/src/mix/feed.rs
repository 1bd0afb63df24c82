//! One stream's picture on its way into the mix: coded pictures in, the one to be shown at a moment out.

use std::collections::VecDeque;

use codec::video;
use rules::ledger::Cause;
use rules::time::Mono;

use crate::decode::{Counts, PictureDecoder};
use crate::tally::Happened;
use crate::unit::Picture;

/// Coded pictures that wait for their time: some seconds of a fast camera. More come only when the mix stands still.
const MAX_WAITING: usize = 600;
/// The same in bytes.
const MAX_BYTES: usize = 24 << 20;

/// See the module's head. Pictures are decoded when they are due, not before: what waits is coded, and small.
#[derive(Default)]
pub struct Feed {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Since when pictures before the next one are left out, and how many.
    left_out: Option<(Mono, u64)>,
    decoder: PictureDecoder,
    /// Since when, and why, the last picture stands still though others came. What was lost in the network the room
    /// notes.
    frozen: Option<(Mono, Cause)>,
    happened: Happened,
    shown: Option<Shown>,
    /// Where the picture ends: the camera was switched off, or the track went.
    ends_at: Option<Mono>,
    /// What is shown is of the present.
    live: bool,
    serial: u64,
}

struct Waiting {
    picture: Picture,
    /// See [`Feed`].
    left_out: Option<(Mono, u64)>,
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
            self.bytes = 0;
            for Waiting { picture, left_out } in std::mem::take(&mut self.waiting) {
                self.left_out = self.left_out.or(left_out);
                self.leave_out(picture.at, 1);
            }
        }
        self.bytes += picture.data.len();
        self.waiting.push_back(Waiting { picture, left_out: self.left_out.take() });
    }

    /// So many pictures of `since` and later are missing before the next one, because the mix cannot keep up.
    pub fn leave_out(&mut self, since: Mono, pictures: u64) {
        self.happened.counts.frames_dropped += pictures;
        self.left_out.get_or_insert((since, 0)).1 += pictures;
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
        while let Some(old) = self.waiting.pop_front_if(|waiting| waiting.picture.at < at) {
            self.bytes -= old.picture.data.len();
        }
        self.decoder.begin_anew();
        self.thaw(at);
        (self.shown, self.live) = (None, false);
        self.ends_at = self.ends_at.filter(|end| *end > at);
        !self.waiting.is_empty()
    }

    /// Decodes what is due at `at` and makes it what is shown.
    pub fn advance(&mut self, at: Mono) {
        while let Some(due) = self.waiting.pop_front_if(|waiting| waiting.picture.at <= at) {
            self.bytes -= due.picture.data.len();
            self.decode(&due);
        }
        if let Some(end) = self.ends_at.take_if(|end| *end <= at) {
            self.live = false;
            self.thaw(end);
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
        let needed = |needed: bool, next: &Waiting| !next.picture.key && (needed || next.left_out.is_some());
        self.waiting.iter().fold(self.decoder.needs_key_frame(), needed) || self.left_out.is_some()
    }

    /// What happened up to `at` since the last call: the mix is made up to there.
    pub fn take_happened(&mut self, at: Mono) -> Happened {
        if let Some((since, cause)) = self.frozen.take_if(|(since, _)| *since < at) {
            self.happened.lacks(since, at, cause);
            self.frozen = Some((at, cause));
        }
        std::mem::take(&mut self.happened)
    }

    /// What became of its pictures.
    pub fn counts(&self) -> Counts {
        self.decoder.counts
    }

    fn decode(&mut self, Waiting { picture, left_out }: &Waiting) {
        if let Some((since, pictures)) = *left_out {
            self.decoder.left_out(pictures);
            self.frozen.get_or_insert((since, Cause::Overload));
        }
        let before = self.decoder.counts;
        let decoded = self.decoder.decode(picture);
        let counts = self.decoder.counts;
        if counts.undecodable > before.undecodable {
            self.happened.counts.frames_undecodable += 1;
            self.frozen.get_or_insert((picture.at, Cause::DecoderError));
        } else if counts.skipped > before.skipped && !picture.after_loss {
            self.happened.counts.frames_dropped += 1;
            self.frozen.get_or_insert((picture.at, self.decoder.fault.unwrap_or(Cause::DecoderError)));
        }
        let Some(decoded) = decoded else { return };
        self.decoder.fault = None;
        self.thaw(picture.at);
        self.serial += 1;
        self.live = true;
        self.shown = Some(Shown { picture: decoded, rotation: picture.rotation, serial: self.serial });
    }

    /// The picture does not stand still any more, or goes, at `at`.
    fn thaw(&mut self, at: Mono) {
        if let Some((since, cause)) = self.frozen.take().filter(|(since, _)| *since < at) {
            self.happened.lacks(since, at, cause);
        }
    }
}
