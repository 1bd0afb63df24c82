//! Plans that can be read, and what the account must say of them.

use super::*;
use crate::select::StreamKind;

fn stream() -> StreamId {
    StreamId { user: "alice".into(), kind: StreamKind::Camera }
}

/// A ledger of one picture that is written in `written`, after `facts`, with a recorder in the room from 0 on.
fn ledger(facts: &[(i64, Fact)], written: &[(i64, i64)]) -> Ledger {
    let mut ledger = Ledger::default();
    let begin = [(0, Fact::Recorder), (0, Fact::Room { up: true })];
    for (at, fact) in begin.iter().chain(facts) {
        ledger.take(Entry { at: *at, fact: fact.clone() });
    }
    let written = written.iter().copied().map(Span::from).collect();
    let tracks = vec![TrackFact { media: Media::Picture, written, still: Vec::new(), formats: Vec::new() }];
    let file = FileFact { source: stream().into(), sequence: 0, tracks };
    ledger.take(Entry { at: 0, fact: Fact::File(file) });
    ledger
}

fn is(is: Presence) -> Fact {
    Fact::Presence { stream: stream(), media: Media::Picture, is }
}

fn tally(tally: Tally) -> Fact {
    Fact::Tally { stream: stream(), media: Media::Picture, tally: Box::new(tally) }
}

/// The gaps, as start, length and cause.
fn gaps(ledger: &Ledger) -> Vec<(i64, i64, Cause)> {
    let mut report = Report::default();
    ledger.tell(0, &mut report);
    let picture = report.streams[0].picture.clone().expect("a picture was published");
    let sum: i64 = picture.gaps.iter().map(|gap| gap.length_ms).sum();
    assert_eq!(picture.written_ms + sum, picture.expected_ms);
    picture.gaps.iter().map(|gap| (gap.start, gap.length_ms, gap.cause)).collect()
}

#[test]
fn what_is_switched_off_has_its_cause_up_to_the_first_picture_after_it() {
    let facts = [
        (1_000, is(Presence::On)),
        (5_080, is(Presence::Muted)),
        (8_000, is(Presence::On)),
        (12_100, is(Presence::Away)),
        (15_000, is(Presence::On)),
        (20_000, Fact::End),
    ];
    let ledger = ledger(&facts, &[(1_300, 5_000), (8_150, 12_000), (15_400, 20_000)]);
    let expected = [
        (1_000, 300, Cause::Starting),
        (5_000, 3_000, Cause::Muted),
        (8_000, 150, Cause::Starting),
        (12_000, 3_000, Cause::NotPublished),
        (15_000, 400, Cause::Starting),
    ];
    assert_eq!(gaps(&ledger), expected);
}

#[test]
fn a_dead_recorder_and_a_lost_connection_last_until_media_is_there_again() {
    let facts = [
        (0, is(Presence::On)),
        (9_000, Fact::Alive),
        (11_000, Fact::Recorder),
        (11_600, Fact::Room { up: true }),
        (30_000, Fact::Room { up: false }),
        (33_000, Fact::Room { up: true }),
        (40_000, Fact::End),
    ];
    // It died at 10 000, later than its last word; the connection was gone before that was noticed.
    let ledger = ledger(&facts, &[(0, 9_700), (12_400, 22_000), (33_500, 40_000)]);
    let expected = [(9_700, 2_700, Cause::RecorderRestarted), (22_000, 11_500, Cause::ConnectionLost)];
    assert_eq!(gaps(&ledger), expected);
}

#[test]
fn a_still_picture_after_a_loss_is_a_gap_and_late_packets_make_it_late() {
    let lost = |start, end| (Span { start, end }, Cause::Lost);
    let missing = vec![lost(2_000, 2_700), lost(5_000, 5_500), (Span { start: 7_000, end: 7_200 }, Cause::Overload)];
    let facts = [
        (0, is(Presence::On)),
        (5_000, tally(Tally { missing, late: vec![5_020], ..Tally::default() })),
        (9_000, Fact::End),
    ];
    let expected = [(2_000, 700, Cause::Lost), (5_000, 500, Cause::Late), (7_000, 200, Cause::Overload)];
    assert_eq!(gaps(&ledger(&facts, &[(0, 9_000)])), expected);
}

#[test]
fn what_nothing_is_known_of_is_not_received_and_rounding_is_no_gap() {
    let facts = [(0, is(Presence::On)), (20_000, Fact::End)];
    let ledger = ledger(&facts, &[(0, 4_000), (4_030, 6_000), (10_000, 20_000)]);
    assert_eq!(gaps(&ledger), [(6_000, 4_000, Cause::NotReceived)]);
}

#[test]
fn gaps_that_are_not_listed_are_counted_once() {
    let missing: Vec<_> =
        (0..5_000).map(|n| (Span { start: n * 100, end: n * 100 + 60 + n % 7 }, Cause::Lost)).collect();
    let lengths = |few: bool| missing.iter().map(|(gap, _)| gap.length()).filter(move |length| (*length < 64) == few);
    let between = missing.iter().map(|(gap, _)| (gap.end, gap.start + 100)).collect::<Vec<_>>();
    // The picture stands still in them, or the file has nothing there.
    for written in [vec![(0, 500_000)], between] {
        let facts = [
            (0, is(Presence::On)),
            (500_000, tally(Tally { missing: missing.clone(), ..Tally::default() })),
            (500_000, Fact::End),
        ];
        let mut report = Report::default();
        ledger(&facts, &written).tell(0, &mut report);
        let picture = report.streams[0].picture.clone().expect("a picture was published");
        let further = picture.further_gaps[&Cause::Lost];
        assert_eq!((picture.gaps.len(), further.count), (MAX_GAPS, 5_000 - MAX_GAPS as u64));
        assert!(picture.gaps.iter().all(|gap| gap.length_ms >= 64), "the longest are listed");
        let listed: i64 = picture.gaps.iter().map(|gap| gap.length_ms).sum();
        let all = lengths(true).chain(lengths(false)).sum::<i64>();
        assert_eq!((listed + further.length_ms, picture.gap_ms.values().sum::<i64>()), (all, all));
        assert_eq!(picture.written_ms, 500_000 - all);
    }
}

#[test]
fn frames_that_a_mix_did_not_make_are_gaps_of_the_mix() {
    let mut ledger = ledger(&[(0, is(Presence::On))], &[]);
    let missing = vec![(Span { start: 1_040, end: 1_080 }, Cause::Overload)];
    let counts = Counts { frames_dropped: 1, ..Counts::default() };
    let tally = Tally { counts, missing, ..Tally::default() };
    ledger.take(Entry { at: 2_000, fact: Fact::Mixed { media: Media::Picture, tally: Box::new(tally) } });
    ledger.take(Entry { at: 3_000, fact: Fact::End });
    let written = vec![Span { start: 0, end: 3_000 }];
    let tracks = vec![TrackFact { media: Media::Picture, written, still: Vec::new(), formats: Vec::new() }];
    ledger.take(Entry { at: 0, fact: Fact::File(FileFact { source: Source::Mix, sequence: 0, tracks }) });
    let mut report = Report::default();
    ledger.tell(0, &mut report);
    let picture = report.mix.and_then(|mix| mix.picture).expect("the mix has a picture");
    assert_eq!((picture.expected_ms, picture.written_ms, picture.counts.frames_dropped), (3_000, 2_960, 1));
    assert_eq!(picture.gap_ms, [(Cause::Overload, 40)].into());
}

#[test]
fn facts_survive_the_way_into_a_line_and_back() {
    let whole = Tally {
        counts: Counts { packets_lost: 3, ..Counts::default() },
        missing: vec![(Span { start: 1, end: 2 }, Cause::DecoderError)],
        late: vec![5],
        came: vec![Span { start: 1, end: 9 }],
        clock: Some(Measured { drift_ppm: Some(1.5), delay_ms: None, error_ms: Some(-0.25) }),
    };
    let mixed = Fact::Mixed { media: Media::Picture, tally: Box::new(whole.clone()) };
    for fact in [tally(whole), mixed, tally(Tally::default()), is(Presence::Muted), Fact::Room { up: false }, Fact::End]
    {
        let entry = Entry { at: 7, fact };
        let line = serde_json::to_string(&entry).expect("a line");
        assert_eq!(serde_json::from_str::<Entry>(&line).expect("read back"), entry, "{line}");
    }
}

#[test]
fn files_behind_each_other_are_one_account() {
    let facts = [(0, is(Presence::On)), (9_000, Fact::End)];
    let mut ledger = ledger(&facts, &[(0, 5_000)]);
    let format = |start, width| Format { start, codec: "h264".into(), width, height: 360 };
    for (sequence, span, width) in [(1, (5_010, 6_000), 640), (2, (7_000, 9_000), 320)] {
        let formats = vec![format(span.0, width)];
        let tracks = vec![TrackFact { media: Media::Picture, written: vec![span.into()], still: Vec::new(), formats }];
        ledger.take(Entry { at: 0, fact: Fact::File(FileFact { source: stream().into(), sequence, tracks }) });
    }
    assert_eq!(gaps(&ledger), [(6_000, 1_000, Cause::NotReceived)]);
    let mut report = Report::default();
    ledger.tell(0, &mut report);
    let formats = report.streams[0].picture.clone().expect("a picture was published").formats;
    assert_eq!(formats, [format(5_010, 640), format(7_000, 320)]);
}
