//! Who is in the room: participants as the server tells them, as events for the owner.

use std::collections::BTreeMap;

use super::event::joined_ms;
use super::{Participant, RoomEvent, Track};
use crate::proto::{ParticipantInfo, ParticipantState};

/// The other participants of the room.
#[derive(Debug, Default)]
pub(super) struct Roster {
    own_sid: String,
    /// By identity, with the version of the last news.
    present: BTreeMap<String, (u32, Participant)>,
}

impl Roster {
    /// A new stay begins: who is not in it any more has left, and everybody else is told again, in the order of joining.
    pub(super) fn replace(&mut self, own_sid: String, mut others: Vec<ParticipantInfo>, out: &mut Vec<RoomEvent>) {
        self.own_sid = own_sid;
        others.sort_by_key(joined_ms);
        let former = std::mem::take(&mut self.present);
        self.update(others, out);
        let left = former.into_keys().filter(|identity| !self.present.contains_key(identity));
        out.extend(left.map(|identity| RoomEvent::ParticipantLeft { identity }));
    }

    /// Takes in news; those older than what is known are dropped.
    pub(super) fn update(&mut self, infos: Vec<ParticipantInfo>, out: &mut Vec<RoomEvent>) {
        for info in infos {
            if info.sid == self.own_sid {
                continue;
            }
            let known = self.present.get(&info.identity);
            let same_stay = known.is_some_and(|(_, participant)| participant.sid == info.sid);
            if info.state() == ParticipantState::Disconnected {
                // The end of an earlier stay says nothing about the present one.
                if same_stay {
                    self.present.remove(&info.identity);
                    out.push(RoomEvent::ParticipantLeft { identity: info.identity });
                }
                continue;
            }
            if same_stay && known.is_some_and(|(version, _)| *version > info.version) {
                continue;
            }
            let version = info.version;
            let participant = Participant::from(info);
            if same_stay && known.is_some_and(|(_, known)| *known == participant) {
                continue;
            }
            self.present.insert(participant.identity.clone(), (version, participant.clone()));
            out.push(RoomEvent::Participant(participant));
        }
    }

    pub(super) fn track(&self, sid: &str) -> Option<&Track> {
        self.present.values().flat_map(|(_, participant)| &participant.tracks).find(|track| track.sid == sid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(identity: &str, sid: &str, version: u32) -> ParticipantInfo {
        ParticipantInfo {
            identity: identity.into(),
            sid: sid.into(),
            version,
            state: ParticipantState::Active as i32,
            name: format!("version {version}"),
            ..ParticipantInfo::default()
        }
    }

    fn gone(identity: &str, sid: &str) -> ParticipantInfo {
        ParticipantInfo { state: ParticipantState::Disconnected as i32, ..info(identity, sid, 9) }
    }

    fn told(roster: &mut Roster, infos: Vec<ParticipantInfo>) -> Vec<String> {
        let mut out = Vec::new();
        roster.update(infos, &mut out);
        out.iter().map(brief).collect()
    }

    fn brief(event: &RoomEvent) -> String {
        match event {
            RoomEvent::Participant(p) => format!("{} {} {}", p.identity, p.sid, p.name),
            RoomEvent::ParticipantLeft { identity } => format!("{identity} left"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn news_are_told_once_and_in_order_of_version() {
        let mut roster = Roster::default();
        assert_eq!(told(&mut roster, vec![info("a", "PA_1", 2)]), ["a PA_1 version 2"]);
        assert_eq!(told(&mut roster, vec![info("a", "PA_1", 2), info("a", "PA_1", 1)]), [""; 0]);
        assert_eq!(told(&mut roster, vec![info("a", "PA_1", 3)]), ["a PA_1 version 3"]);
    }

    #[test]
    fn the_end_of_an_earlier_stay_is_not_the_end() {
        let mut roster = Roster::default();
        told(&mut roster, vec![info("a", "PA_1", 5)]);
        assert_eq!(told(&mut roster, vec![info("a", "PA_2", 1)]), ["a PA_2 version 1"]);
        assert_eq!(told(&mut roster, vec![gone("a", "PA_1")]), [""; 0]);
        assert_eq!(told(&mut roster, vec![gone("a", "PA_2")]), ["a left"]);
    }

    #[test]
    fn a_new_stay_tells_everybody_and_who_is_missing() {
        let mut roster = Roster::default();
        told(&mut roster, vec![info("a", "PA_1", 1), info("b", "PA_2", 1)]);
        let mut out = Vec::new();
        roster.replace("PA_me".into(), vec![info("a", "PA_1", 1), info("me", "PA_me", 1)], &mut out);
        assert_eq!(out.iter().map(brief).collect::<Vec<_>>(), ["a PA_1 version 1", "b left"]);
    }

    #[test]
    fn who_is_there_already_is_told_in_the_order_of_joining() {
        let joined = |identity: &str, joined_at_ms| ParticipantInfo { joined_at_ms, ..info(identity, identity, 1) };
        let by_seconds = ParticipantInfo { joined_at: 2, ..info("c", "c", 1) };
        let mut out = Vec::new();
        Roster::default().replace("me".into(), vec![joined("a", 3_000), joined("b", 1_500), by_seconds], &mut out);
        assert_eq!(out.iter().map(brief).collect::<Vec<_>>(), ["b b version 1", "c c version 1", "a a version 1"]);
    }
}
