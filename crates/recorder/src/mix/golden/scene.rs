//! Who is in a room, and what of them is seen.

use std::collections::BTreeMap;

use rules::layout::Member;
use rules::request::{StartRecord, Version};
use rules::select::{StreamId, StreamKind};
use serde_json::{Value, json};

use super::image::Image;
use super::with_common_fields;
use crate::mix::feed::Feed;

/// A request, and the room at a moment.
pub struct Scene {
    pub request: Value,
    /// In the order of joining.
    pub participants: Vec<Participant>,
}

/// What a stream has of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Camera {
    On,
    /// It was on before.
    Off,
    /// Published; the first picture has not come yet.
    Coming,
    Never,
}

#[derive(Debug, Clone, Copy)]
pub struct Participant {
    pub number: usize,
    kind: StreamKind,
    /// Upright width and height, pixels.
    size: (usize, usize),
    /// How far the sender says that its pictures must be turned clockwise.
    rotation: u16,
    pub camera: Camera,
}

impl Scene {
    /// The first `count` participants in a layout that is not custom.
    pub fn of_room(count: usize, layout: Value) -> Scene {
        Scene { request: json!({ "Layout": layout }), participants: (1..=count).map(Participant::new).collect() }
    }

    pub fn request(&self) -> StartRecord {
        let body = with_common_fields(self.request.clone());
        StartRecord::parse(Version::V2023_11_01, &body).unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    /// What the participants show; with `other` every second one something else.
    pub fn feeds(&self, other: bool) -> BTreeMap<StreamId, Feed> {
        let feed = |(index, participant): (usize, &Participant)| {
            Some((participant.stream(), participant.feed(other && index % 2 == 0)?))
        };
        self.participants.iter().enumerate().filter_map(feed).collect()
    }
}

impl Participant {
    /// From 1 to 17.
    pub fn new(number: usize) -> Participant {
        let kind = if [3, 12].contains(&number) { StreamKind::Screen } else { StreamKind::Camera };
        let size = match number {
            // A phone held upright; 5 and 14 send the same lying.
            2 | 5 | 14 => (90, 160),
            3 | 12 => (160, 120),
            6 => (161, 91),
            8 => (99, 99),
            10 => (320, 180),
            13 => (32, 18),
            15 => (240, 60),
            16 => (91, 161),
            _ => (160, 90),
        };
        let rotation = match number {
            5 => 90,
            11 => 180,
            14 => 270,
            _ => 0,
        };
        let camera = match number {
            4 => Camera::Never,
            7 | 12 => Camera::Off,
            9 => Camera::Coming,
            _ => Camera::On,
        };
        Participant { number, kind, size, rotation, camera }
    }

    pub fn stream(&self) -> StreamId {
        StreamId { user: self.number.to_string(), kind: self.kind }
    }

    pub fn member(&self) -> Member {
        Member { stream: self.stream(), name: String::new(), video: matches!(self.camera, Camera::On | Camera::Coming) }
    }

    fn feed(&self, other: bool) -> Option<Feed> {
        if matches!(self.camera, Camera::Never | Camera::Coming) {
            return None;
        }
        let (colour, text) =
            if other { ([128; 3], "X".into()) } else { (colour(self.number), self.number.to_string()) };
        let sent = Image::test_card(self.size, colour, &text).turned_back(self.rotation);
        let picture = codec::image::decode(&sent.to_png(), [0; 3]).expect("a picture");
        let serial = if other { 1 } else { 2 };
        Some(Feed::showing(picture, self.rotation, serial, self.camera == Camera::On))
    }
}

/// Neighbours differ.
fn colour(number: usize) -> [u8; 3] {
    let light = if number.is_multiple_of(2) { 110.0 } else { 80.0 };
    let angle = number as f64 * 2.399_963;
    [0.0, 2.1, 4.2].map(|turn| (light + 75.0 * (angle + turn).cos()) as u8)
}
