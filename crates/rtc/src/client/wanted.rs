//! Which tracks are wanted, in which quality, and which have been asked for.

use std::collections::BTreeMap;

use super::event::{Quality, Track, TrackKind};

/// Tracks by sid, with the size in pixels that a picture of them has to cover: the smallest simulcast layer that does is
/// enough. Without a size the best one is wanted.
pub type Wants = BTreeMap<String, Option<(u32, u32)>>;

#[derive(Debug, Default)]
pub(super) struct Wanted {
    desired: Wants,
    asked: BTreeMap<String, Option<Quality>>,
}

/// What to tell the server; sids in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub subscribe: Vec<String>,
    pub unsubscribe: Vec<String>,
    /// Pictures of other qualities than asked for before, or asked for the first time.
    pub qualities: Vec<(String, Quality)>,
}

impl Wanted {
    pub(super) fn set(&mut self, desired: Wants) {
        self.desired = desired;
    }

    /// The tracks asked for, which a resumed connection has to be told.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.keys().cloned().collect()
    }

    /// A new stay begins: nothing has been asked.
    pub(super) fn forget(&mut self) {
        self.asked.clear();
    }

    /// What is missing and what is too much, taken as done. Tracks that are not (or no longer) `published` are neither
    /// asked for nor unsubscribed.
    pub(super) fn difference<'a>(&mut self, published: impl Fn(&str) -> Option<&'a Track>) -> Difference {
        let mut told = Difference::default();
        self.asked.retain(|sid, _| published(sid).is_some());
        for (sid, size) in &self.desired {
            let Some(track) = published(sid) else { continue };
            let quality = (track.kind == TrackKind::Video).then(|| sufficient(track, *size));
            match self.asked.insert(sid.clone(), quality) {
                None => told.subscribe.push(sid.clone()),
                Some(before) if before == quality => continue,
                Some(_) => {}
            }
            told.qualities.extend(quality.map(|quality| (sid.clone(), quality)));
        }
        told.unsubscribe = self.asked.keys().filter(|sid| !self.desired.contains_key(*sid)).cloned().collect();
        self.asked.retain(|sid, _| self.desired.contains_key(sid));
        told
    }
}

/// The lowest quality whose picture covers the size.
fn sufficient(track: &Track, size: Option<(u32, u32)>) -> Quality {
    let Some((width, height)) = size else { return Quality::High };
    let covers = track.layers.iter().filter(|layer| layer.width >= width && layer.height >= height);
    covers.map(|layer| layer.quality).min().unwrap_or(Quality::High)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{TrackLayer, TrackSource};

    fn track(kind: TrackKind) -> Track {
        let layer = |quality, width, height| TrackLayer { quality, width, height };
        let layers =
            vec![layer(Quality::Low, 320, 180), layer(Quality::Medium, 640, 360), layer(Quality::High, 1280, 720)];
        Track {
            sid: "TR".into(),
            name: String::new(),
            kind,
            source: TrackSource::Camera,
            muted: false,
            mime: String::new(),
            width: 1280,
            height: 720,
            layers: if kind == TrackKind::Video { layers } else { Vec::new() },
            encrypted: false,
            simulcast: true,
        }
    }

    fn set(sids: &[&str]) -> Wants {
        sids.iter().map(|sid| ((*sid).to_owned(), None)).collect()
    }

    fn difference(subscribe: &[&str], unsubscribe: &[&str]) -> Difference {
        let list = |sids: &[&str]| sids.iter().map(|sid| (*sid).to_owned()).collect();
        Difference { subscribe: list(subscribe), unsubscribe: list(unsubscribe), qualities: Vec::new() }
    }

    #[test]
    fn only_the_difference_is_told() {
        let (mut wanted, sound) = (Wanted::default(), track(TrackKind::Audio));
        wanted.set(set(&["a", "b"]));
        assert_eq!(wanted.difference(|_| Some(&sound)), difference(&["a", "b"], &[]));
        assert_eq!(wanted.difference(|_| Some(&sound)), difference(&[], &[]));
        wanted.set(set(&["b", "c"]));
        assert_eq!(wanted.difference(|_| Some(&sound)), difference(&["c"], &["a"]));
        assert_eq!(wanted.asked(), ["b", "c"]);
    }

    #[test]
    fn tracks_are_asked_for_once_they_are_published() {
        let (mut wanted, sound) = (Wanted::default(), track(TrackKind::Audio));
        wanted.set(set(&["a", "b"]));
        assert_eq!(wanted.difference(|sid| (sid == "a").then_some(&sound)), difference(&["a"], &[]));
        assert_eq!(wanted.difference(|sid| (sid == "b").then_some(&sound)), difference(&["b"], &[]));
        assert_eq!(wanted.difference(|_| Some(&sound)), difference(&["a"], &[]));
    }

    #[test]
    fn a_new_stay_asks_again() {
        let (mut wanted, video) = (Wanted::default(), track(TrackKind::Video));
        wanted.set(set(&["a"]));
        let first = wanted.difference(|_| Some(&video));
        wanted.forget();
        assert_eq!(wanted.difference(|_| Some(&video)), first);
    }

    #[test]
    fn the_smallest_picture_that_covers_the_size_is_asked_for() {
        let (mut wanted, video) = (Wanted::default(), track(TrackKind::Video));
        let mut quality = |size| {
            wanted.set(BTreeMap::from([("a".to_owned(), size)]));
            wanted.difference(|_| Some(&video)).qualities.pop().map(|(_, quality)| quality)
        };
        assert_eq!(quality(Some((320, 180))), Some(Quality::Low));
        assert_eq!(quality(Some((100, 100))), None, "as before");
        assert_eq!(quality(Some((321, 180))), Some(Quality::Medium));
        assert_eq!(quality(Some((200, 361))), Some(Quality::High));
        assert_eq!(quality(Some((2, 2))), Some(Quality::Low));
        assert_eq!(quality(None), Some(Quality::High));
    }

    #[test]
    fn without_layers_there_is_one_quality() {
        let video = Track { layers: Vec::new(), ..track(TrackKind::Video) };
        assert_eq!(sufficient(&video, Some((2, 2))), Quality::High);
    }
}
