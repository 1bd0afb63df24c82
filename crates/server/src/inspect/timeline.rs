//! A timeline in text: one letter for each part of the time.

use rules::ledger::Cause;

/// Columns of a timeline.
pub const COLUMNS: i64 = 72;

/// Of each column that which lasts longest in it, but nothing that is not written disappears: `=` is for columns that are
/// written from end to end. `spans`: from, to and letter of what is not written, in order.
pub fn draw(start: i64, end: i64, spans: &[(i64, i64, char)]) -> String {
    let length = (end - start).max(1);
    let column = |column: i64| {
        let (from, to) = (start + length * column / COLUMNS, start + length * (column + 1) / COLUMNS);
        let inside = |(a, b, _): &&(i64, i64, char)| *a < to.max(from + 1) && *b > from;
        let longest = spans.iter().filter(inside).max_by_key(|(a, b, _)| b.min(&to) - a.max(&from));
        longest.map_or('=', |(_, _, letter)| *letter)
    };
    (0..COLUMNS).map(column).collect()
}

/// The letter of a cause.
pub fn letter(cause: Cause) -> char {
    match cause {
        Cause::NotPublished => ' ',
        Cause::Muted => '.',
        Cause::NotShown => ',',
        Cause::Starting => '>',
        Cause::NotReceived => '?',
        Cause::Lost => 'x',
        Cause::Late => 'l',
        Cause::DecoderError => 'e',
        Cause::Overload => 'o',
        Cause::ConnectionLost => '/',
        Cause::RecorderRestarted => '!',
    }
}

/// In words.
pub fn words(cause: Cause) -> &'static str {
    match cause {
        Cause::NotPublished => "not published",
        Cause::Muted => "muted",
        Cause::NotShown => "not shown",
        Cause::Starting => "starting",
        Cause::NotReceived => "not received",
        Cause::Lost => "lost in the network",
        Cause::Late => "late",
        Cause::DecoderError => "decoder error",
        Cause::Overload => "dropped by overload",
        Cause::ConnectionLost => "connection lost",
        Cause::RecorderRestarted => "recorder restarted",
    }
}
