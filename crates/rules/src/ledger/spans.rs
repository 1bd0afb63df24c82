//! Sets of time: spans in order that neither overlap nor touch.

use serde::{Deserialize, Serialize};

/// From `start` up to, but not including, `end`; Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(i64, i64)", into = "(i64, i64)")]
pub struct Span {
    pub start: i64,
    pub end: i64,
}

impl From<(i64, i64)> for Span {
    fn from((start, end): (i64, i64)) -> Span {
        Span { start, end }
    }
}

impl From<Span> for (i64, i64) {
    fn from(span: Span) -> (i64, i64) {
        (span.start, span.end)
    }
}

impl Span {
    pub fn length(self) -> i64 {
        self.end.saturating_sub(self.start).max(0)
    }

    /// What both have.
    pub fn and(self, other: Span) -> Option<Span> {
        let both = Span { start: self.start.max(other.start), end: self.end.min(other.end) };
        (both.start < both.end).then_some(both)
    }
}

/// See the module's head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spans(Vec<Span>);

impl Spans {
    /// Adds a span; cheap at the end.
    pub fn add(&mut self, span: Span) {
        if span.start >= span.end {
            return;
        }
        let first = self.0.partition_point(|known| known.end < span.start);
        let behind = self.0.partition_point(|known| known.start <= span.end);
        let touched = &self.0[first..behind];
        let start = touched.first().map_or(span.start, |known| known.start.min(span.start));
        let end = touched.last().map_or(span.end, |known| known.end.max(span.end));
        self.0.splice(first..behind, [Span { start, end }]);
    }

    pub fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.0.iter().copied()
    }

    /// What of `period` is not in the set.
    pub fn holes(&self, period: Span) -> Spans {
        let (mut holes, mut at) = (Spans::default(), period.start);
        let first = self.0.partition_point(|known| known.end <= period.start);
        for span in self.0[first..].iter().map_while(|span| span.and(period)) {
            holes.add(Span { start: at, end: span.start });
            at = span.end;
        }
        holes.add(Span { start: at, end: period.end });
        holes
    }
}
