//! Which tracks are wanted and which have been asked for.

use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub(super) struct Wanted {
    desired: BTreeSet<String>,
    asked: BTreeSet<String>,
}

/// What to tell the server; sids in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub subscribe: Vec<String>,
    pub unsubscribe: Vec<String>,
}

impl Wanted {
    pub(super) fn set(&mut self, desired: BTreeSet<String>) {
        self.desired = desired;
    }

    /// The tracks asked for, which a resumed connection has to be told.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.iter().cloned().collect()
    }

    /// A new stay begins: nothing has been asked.
    pub(super) fn forget(&mut self) {
        self.asked.clear();
    }

    /// What is missing and what is too much, taken as done. Tracks that are not (or no longer) `published` are neither
    /// asked for nor unsubscribed.
    pub(super) fn difference(&mut self, published: impl Fn(&str) -> bool) -> Difference {
        self.asked.retain(|sid| published(sid));
        let subscribe: Vec<String> =
            self.desired.difference(&self.asked).filter(|sid| published(sid)).cloned().collect();
        let unsubscribe: Vec<String> = self.asked.difference(&self.desired).cloned().collect();
        self.asked.retain(|sid| self.desired.contains(sid));
        self.asked.extend(subscribe.iter().cloned());
        Difference { subscribe, unsubscribe }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(sids: &[&str]) -> BTreeSet<String> {
        sids.iter().map(|sid| (*sid).to_owned()).collect()
    }

    fn difference(subscribe: &[&str], unsubscribe: &[&str]) -> Difference {
        let list = |sids: &[&str]| sids.iter().map(|sid| (*sid).to_owned()).collect();
        Difference { subscribe: list(subscribe), unsubscribe: list(unsubscribe) }
    }

    #[test]
    fn only_the_difference_is_told() {
        let mut wanted = Wanted::default();
        wanted.set(set(&["a", "b"]));
        assert_eq!(wanted.difference(|_| true), difference(&["a", "b"], &[]));
        assert_eq!(wanted.difference(|_| true), difference(&[], &[]));
        wanted.set(set(&["b", "c"]));
        assert_eq!(wanted.difference(|_| true), difference(&["c"], &["a"]));
        assert_eq!(wanted.asked(), ["b", "c"]);
    }

    #[test]
    fn tracks_are_asked_for_once_they_are_published() {
        let mut wanted = Wanted::default();
        wanted.set(set(&["a", "b"]));
        assert_eq!(wanted.difference(|sid| sid == "a"), difference(&["a"], &[]));
        assert_eq!(wanted.difference(|sid| sid == "b"), difference(&["b"], &[]));
        assert_eq!(wanted.difference(|_| true), difference(&["a"], &[]));
    }

    #[test]
    fn a_new_stay_asks_again() {
        let mut wanted = Wanted::default();
        wanted.set(set(&["a"]));
        wanted.difference(|_| true);
        wanted.forget();
        assert_eq!(wanted.difference(|_| true), difference(&["a"], &[]));
    }
}
