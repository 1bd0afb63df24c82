//! Who is in a mix, and in which order: a pure decision.

use rules::layout::Member;
use rules::select::{MAX_STREAMS, StreamId};

/// The order of a mix's streams: as they came. Whoever leaves and comes back is the last one, except where it was not
/// them who left: after a restart of the recorder and a loss of the room they have their places again.
#[derive(Debug, Default)]
pub(super) struct Seats {
    /// Those in the mix, and those expected back.
    order: Vec<StreamId>,
}

impl Seats {
    /// `order`: those expected back, after a restart.
    pub fn of(order: Vec<StreamId>) -> Seats {
        Seats { order }
    }

    pub fn order(&self) -> &[StreamId] {
        &self.order
    }

    /// Changes the `members` to those who are there now: `present` are the streams that the mix wants, those who are new
    /// in the order in which they shall follow. `connected`: who is not present has left. Returns who had to go for
    /// `main`, who always has a place, or for somebody who was expected back.
    pub fn update(
        &mut self,
        members: &mut Vec<Member>,
        present: &[StreamId],
        main: Option<&StreamId>,
        connected: bool,
    ) -> Vec<StreamId> {
        for gone in members.extract_if(.., |member| !present.contains(&member.stream)) {
            if connected {
                self.forget(&gone.stream);
            }
        }
        let mut displaced = Vec::new();
        for stream in present {
            if members.iter().any(|member| member.stream == *stream) {
                continue;
            }
            if members.len() >= MAX_STREAMS {
                let Some(at) = self.place_for(stream, members, main) else { continue };
                let other = members.remove(at).stream;
                self.forget(&other);
                displaced.push(other);
            }
            if self.rank(stream).is_none() {
                self.order.push(stream.clone());
            }
            let rank = self.rank(stream);
            let at = members.partition_point(|member| self.rank(&member.stream) < rank);
            members.insert(at, Member { stream: stream.clone(), name: String::new(), video: false });
        }
        displaced
    }

    /// Whose place the stream takes in a full mix, if it takes one.
    fn place_for(&self, stream: &StreamId, members: &[Member], main: Option<&StreamId>) -> Option<usize> {
        let last = members.iter().rposition(|member| Some(&member.stream) != main)?;
        let had_it = self.rank(stream).is_some_and(|rank| Some(rank) < self.rank(&members[last].stream));
        (had_it || Some(stream) == main).then_some(last)
    }

    fn rank(&self, stream: &StreamId) -> Option<usize> {
        self.order.iter().position(|other| other == stream)
    }

    fn forget(&mut self, stream: &StreamId) {
        self.order.retain(|other| other != stream);
    }
}

#[cfg(test)]
mod tests {
    use rules::select::StreamKind;

    use super::*;

    fn streams(users: &str) -> Vec<StreamId> {
        users.chars().map(|user| StreamId { user: user.into(), kind: StreamKind::Camera }).collect()
    }

    /// Users of one letter each.
    fn users(members: &[Member]) -> String {
        members.iter().map(|member| member.stream.user.as_str()).collect()
    }

    /// The members after these were there, one after the other.
    fn after(seats: &mut Seats, members: &mut Vec<Member>, present: &[&str]) -> String {
        present.iter().for_each(|users| _ = seats.update(members, &streams(users), None, true));
        users(members)
    }

    #[test]
    fn whoever_comes_follows_and_whoever_comes_back_is_the_last() {
        let (mut seats, mut members) = (Seats::default(), Vec::new());
        assert_eq!(after(&mut seats, &mut members, &["b", "ab", "abc"]), "bac");
        assert_eq!(after(&mut seats, &mut members, &["ac", "abc"]), "acb");
        assert_eq!(seats.order(), streams("acb"));
    }

    #[test]
    fn after_a_restart_everybody_has_the_own_place() {
        let (mut seats, mut members) = (Seats::of(streams("dbac")), Vec::new());
        assert_eq!(after(&mut seats, &mut members, &["a", "abx", "abcx"]), "bacx", "one is not there yet");
        assert_eq!(seats.order(), streams("dbacx"));
        assert_eq!(after(&mut seats, &mut members, &["abcdx"]), "dbacx");
        assert_eq!(after(&mut seats, &mut members, &["abcx", "abcdx"]), "bacxd", "left, and was not lost");
    }

    #[test]
    fn who_is_gone_with_the_connection_keeps_the_place() {
        let (mut seats, mut members) = (Seats::default(), Vec::new());
        after(&mut seats, &mut members, &["c", "cb", "cba"]);
        assert_eq!(seats.update(&mut members, &[], None, false), []);
        assert!(members.is_empty());
        assert_eq!(after(&mut seats, &mut members, &["a", "ab", "abcd"]), "cbad");
    }

    #[test]
    fn in_a_full_mix_nobody_follows_but_who_was_lost_comes_back() {
        let (mut seats, mut members) = (Seats::of(streams("z")), Vec::new());
        let full = "abcdefghijklmnopq";
        assert_eq!(after(&mut seats, &mut members, &[full, "abcdefghijklmnopqr"]), full);
        let displaced = seats.update(&mut members, &streams("abcdefghijklmnopqrz"), None, true);
        assert_eq!((users(&members).as_str(), displaced), ("zabcdefghijklmnop", streams("q")));
        assert_eq!(after(&mut seats, &mut members, &["abcdefghijklmnopqrz"]), "zabcdefghijklmnop", "and no further");
        assert_eq!(after(&mut seats, &mut members, &["bcdefghijklmnopqrz"]), "zbcdefghijklmnopq");
    }

    #[test]
    fn main_has_a_place_whenever_it_comes() {
        let (mut seats, mut members) = (Seats::default(), Vec::new());
        let main = &streams("z")[0];
        let mut now = |present: &str| {
            let displaced = seats.update(&mut members, &streams(present), Some(main), true);
            (users(&members), displaced)
        };
        assert_eq!(now("abcdefghijklmnopqr"), ("abcdefghijklmnopq".into(), vec![]), "seventeen while it is away");
        assert_eq!(now("abcdefghijklmnopqrz"), ("abcdefghijklmnopz".into(), streams("q")));
        assert_eq!(now("abcdefghijklmnopqrz"), ("abcdefghijklmnopz".into(), vec![]));
        assert_eq!(now("abcdefghijklmnopqr"), ("abcdefghijklmnopq".into(), vec![]), "the place is free again");
    }
}
