//! Whatever the plan: every millisecond is either written or has one cause.

use proptest::prelude::*;

use super::*;
use crate::select::StreamKind;

/// What may happen in a room, and how long it then stays so.
#[derive(Debug, Clone)]
enum Step {
    Presence(Presence),
    Room(bool),
    Restart,
    /// Nothing, but so much of the time before is missing.
    Missing(i64, Cause),
}

fn step() -> impl Strategy<Value = Step> {
    let presence = prop_oneof![Just(Presence::Away), Just(Presence::Muted), Just(Presence::On)];
    let cause = prop_oneof![Just(Cause::Lost), Just(Cause::DecoderError), Just(Cause::Overload)];
    prop_oneof![
        4 => presence.prop_map(Step::Presence),
        1 => any::<bool>().prop_map(Step::Room),
        1 => Just(Step::Restart),
        2 => (0i64..3_000, cause).prop_map(|(length, cause)| Step::Missing(length, cause)),
    ]
}

proptest! {
    #[test]
    fn written_and_gaps_are_the_whole_time(
        steps in proptest::collection::vec((step(), 0i64..4_000), 0..40),
        written in proptest::collection::vec((0i64..3_000, 0i64..3_000), 0..40),
        late in proptest::collection::vec(0i64..60_000, 0..5),
    ) {
        let stream = StreamId { user: "u".into(), kind: StreamKind::Screen };
        let (mut ledger, mut at) = (Ledger::default(), 0);
        let mut take = |at, fact| ledger.take(Entry { at, fact });
        let presence = |is| Fact::Presence { stream: stream.clone(), media: Media::Sound, is };
        let tally = |tally| Fact::Tally { stream: stream.clone(), media: Media::Sound, tally: Box::new(tally) };
        take(0, Fact::Recorder);
        take(0, presence(Presence::On));
        take(0, tally(Tally { late, ..Tally::default() }));
        for (step, lasts) in steps {
            match step {
                Step::Presence(is) => take(at, presence(is)),
                Step::Room(up) => take(at, Fact::Room { up }),
                Step::Restart => take(at, Fact::Recorder),
                Step::Missing(length, cause) => {
                    let missing = vec![(Span { start: at - length, end: at }, cause)];
                    take(at, tally(Tally { missing, ..Tally::default() }));
                }
            }
            at += lasts;
        }
        take(at, Fact::End);
        let (mut end, mut spans) = (0, Vec::new());
        for (pause, length) in written {
            spans.push(Span { start: end + pause, end: end + pause + length });
            end += pause + length;
        }
        let tracks = vec![TrackFact { media: Media::Sound, written: spans.clone(), still: Vec::new(), formats: Vec::new() }];
        take(at, Fact::File(FileFact { source: stream.clone().into(), sequence: 0, tracks }));
        let mut report = Report::default();
        ledger.tell(0, &mut report);
        let lane = report.streams[0].sound.clone().expect("it was published");
        prop_assert_eq!(lane.expected_ms, at);
        prop_assert_eq!(lane.written_ms + lane.gap_ms.values().sum::<i64>(), lane.expected_ms);
        let mut free_from = 0;
        for gap in &lane.gaps {
            prop_assert!(gap.start >= free_from && gap.length_ms > 0);
            free_from = gap.start + gap.length_ms;
        }
        prop_assert!(free_from <= at);
        // What no file holds is never told to be written, but for the rounding between two frames.
        let mut held = Spans::default();
        spans.iter().filter_map(|span| span.and(Span { start: 0, end: at })).for_each(|span| held.add(span));
        let (held_ms, holes) = (held.iter().map(Span::length).sum::<i64>(), held.iter().count() as i64 + 80);
        prop_assert!(lane.written_ms <= held_ms + holes * 50);
    }

    #[test]
    fn sets_of_spans_are_those_of_single_moments(spans in proptest::collection::vec((0i64..60, 0i64..12), 0..20)) {
        let (mut set, mut moments) = (Spans::default(), std::collections::BTreeSet::new());
        for (start, length) in spans {
            set.add(Span { start, end: start + length });
            moments.extend(start..start + length);
        }
        let all: Vec<i64> = set.iter().flat_map(|span| span.start..span.end).collect();
        prop_assert_eq!(&all, &moments.iter().copied().collect::<Vec<_>>());
        let holes = set.holes(Span { start: 5, end: 50 });
        let free: Vec<i64> = holes.iter().flat_map(|span| span.start..span.end).collect();
        prop_assert_eq!(free, (5..50).filter(|at| !moments.contains(at)).collect::<Vec<_>>());
        prop_assert!(set.iter().zip(set.iter().skip(1)).all(|(a, b)| a.end < b.start));
    }
}
