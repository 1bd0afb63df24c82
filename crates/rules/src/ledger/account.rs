//! One lane's account: of every moment either media is written, or there is a cause.

use std::collections::BTreeMap;

use super::{Cause, Further, Presence, Span, Spans, Tally};

/// Gaps listed of one lane: the longest. Of the others the number and the length are.
pub const MAX_GAPS: usize = 2_000;
/// A hole up to this length that nothing is known of is the rounding between two frames, and counts as written.
const ROUNDING_MS: i64 = 50;
/// Media ends up to this long before its sender's word of it comes.
const WORD_MS: i64 = 3_000;
/// A lost connection, or recorder, is noticed after up to this long.
const NOTICE_MS: i64 = 60_000;
/// Late packets belong to a gap that is at most this far from them.
const LATE_NEAR_MS: i64 = 100;

/// What the account says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    pub expected_ms: i64,
    pub written_ms: i64,
    /// In order of time.
    pub gaps: Vec<(Span, Cause)>,
    /// Those that are not listed.
    pub further: BTreeMap<Cause, Further>,
}

/// Why nothing is to be expected, from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub from: i64,
    /// Nothing while media is to be expected.
    pub cause: Option<Cause>,
}

impl State {
    /// What holds when, by what is the same for all streams and by the presence of this one.
    pub fn timeline(shared: &[(i64, Option<Cause>)], presence: &[(i64, Presence)]) -> Vec<State> {
        let mut moments: Vec<i64> =
            shared.iter().map(|(at, _)| *at).chain(presence.iter().map(|(at, _)| *at)).collect();
        moments.sort_unstable();
        moments.dedup();
        let mut states: Vec<State> = vec![State { from: i64::MIN, cause: Some(Cause::NotPublished) }];
        for from in moments {
            let all = at(shared, from).copied().flatten();
            let own = match at(presence, from) {
                None | Some(Presence::Away) => Some(Cause::NotPublished),
                Some(Presence::Muted) => Some(Cause::Muted),
                Some(Presence::Unshown) => Some(Cause::NotShown),
                Some(Presence::On) => None,
            };
            let cause = all.or(own);
            if states.last().map(|state| state.cause) != Some(cause) {
                states.push(State { from, cause });
            }
        }
        states
    }
}

/// The last of the changes up to `moment`.
fn at<T>(changes: &[(i64, T)], moment: i64) -> Option<&T> {
    changes[..changes.partition_point(|(at, _)| *at <= moment)].last().map(|(_, value)| value)
}

/// A part of a hole in which one state holds.
struct Piece {
    span: Span,
    cause: Option<Cause>,
    /// What held before, when the state began with this piece.
    before: Option<Cause>,
}

pub(super) fn account(period: Span, written: &Spans, states: &[State], tally: &Tally) -> Account {
    let missing = missing(tally);
    let mut there = Spans::default();
    let mut lacks = Spans::default();
    missing.iter().for_each(|(span, _)| lacks.add(*span));
    for span in written.iter() {
        lacks.holes(span).iter().for_each(|span| there.add(span));
    }
    let mut account = Account { expected_ms: period.length(), ..Account::default() };
    account.written_ms = there.iter().filter_map(|span| span.and(period)).map(Span::length).sum();
    let mut gaps: Vec<(Span, Cause)> = Vec::new();
    for hole in there.holes(period).iter() {
        let pieces = cut(hole, states, &missing);
        if hole.length() <= ROUNDING_MS && pieces.iter().all(|piece| piece.cause.is_none()) {
            account.written_ms += hole.length();
            continue;
        }
        for (span, cause) in explained(&pieces) {
            match gaps.last_mut() {
                Some((last, same)) if *same == cause && last.end == span.start => last.end = span.end,
                _ => gaps.push((span, cause)),
            }
        }
    }
    account.keep_longest(gaps);
    account
}

impl Account {
    fn keep_longest(&mut self, mut gaps: Vec<(Span, Cause)>) {
        gaps.sort_by_key(|(span, _)| (-span.length(), span.start));
        for (span, cause) in gaps.drain(MAX_GAPS.min(gaps.len())..) {
            let further = self.further.entry(cause).or_default();
            further.count += 1;
            further.length_ms += span.length();
        }
        gaps.sort();
        self.gaps = gaps;
    }
}

/// What is missing, in order, without overlaps; late packets make late what was lost.
fn missing(tally: &Tally) -> Vec<(Span, Cause)> {
    let mut late = tally.late.clone();
    late.sort_unstable();
    let mut all = tally.missing.clone();
    all.sort();
    let (mut missing, mut free_from) = (Vec::with_capacity(all.len()), i64::MIN);
    for (span, cause) in all {
        let span = Span { start: span.start.max(free_from), ..span };
        if span.length() == 0 {
            continue;
        }
        free_from = span.end;
        let next = late.get(late.partition_point(|at| *at < span.start - LATE_NEAR_MS));
        let is_late = cause == Cause::Lost && next.is_some_and(|at| *at < span.end + LATE_NEAR_MS);
        missing.push((span, if is_late { Cause::Late } else { cause }));
    }
    missing
}

/// Cuts a hole where the state changes and where something is known to be missing.
fn cut(hole: Span, states: &[State], missing: &[(Span, Cause)]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let first = states.partition_point(|state| state.from <= hole.start).saturating_sub(1);
    for (index, state) in states.iter().enumerate().skip(first).take_while(|(_, state)| state.from < hole.end) {
        let until = states.get(index + 1).map_or(i64::MAX, |next| next.from);
        let Some(span) = hole.and(Span { start: state.from, end: until }) else { continue };
        let began = span.start == state.from && index > 0;
        let mut before = states.get(index.wrapping_sub(1)).filter(|_| began).and_then(|state| state.cause);
        if state.cause.is_some() {
            pieces.push(Piece { span, cause: state.cause, before: None });
            continue;
        }
        let mut from = span.start;
        let known = missing.partition_point(|(missing, _)| missing.end <= span.start);
        for (part, cause) in missing[known..].iter().map_while(|(missing, cause)| Some((missing.and(span)?, *cause))) {
            if from < part.start {
                pieces.push(Piece { span: Span { start: from, end: part.start }, cause: None, before: before.take() });
            }
            before = None;
            pieces.push(Piece { span: part, cause: Some(cause), before: None });
            from = part.end;
        }
        if from < span.end {
            pieces.push(Piece { span: Span { start: from, end: span.end }, cause: None, before });
        }
    }
    pieces
}

/// Gives a cause to every piece: its own, else that of what follows soon or of what was before.
fn explained(pieces: &[Piece]) -> impl Iterator<Item = (Span, Cause)> + '_ {
    pieces.iter().enumerate().map(|(index, piece)| {
        let neighbour = |index: Option<usize>| index.and_then(|index| pieces.get(index)).and_then(|piece| piece.cause);
        let followed = neighbour(Some(index + 1)).filter(|cause| piece.span.length() <= patience(*cause));
        let begun = piece.before.map(|before| match before {
            Cause::NotPublished | Cause::Muted | Cause::NotShown => Cause::Starting,
            other => other,
        });
        let next_to = neighbour(index.checked_sub(1)).filter(|cause| is_of_media(*cause));
        (piece.span, piece.cause.or(followed).or(begun).or(next_to).unwrap_or(Cause::NotReceived))
    })
}

/// How long before the word of this cause its effect may be seen.
fn patience(cause: Cause) -> i64 {
    match cause {
        Cause::ConnectionLost | Cause::RecorderRestarted => NOTICE_MS,
        _ => WORD_MS,
    }
}

/// Whether the cause is one that befalls single pieces of media.
fn is_of_media(cause: Cause) -> bool {
    matches!(cause, Cause::Lost | Cause::Late | Cause::DecoderError | Cause::Overload)
}
