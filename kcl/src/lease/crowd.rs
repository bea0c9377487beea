//! Whether others are at the same work just now. Pure.

/// How often somebody else was faster. Of workers that start at the same moment each finds the same table, and wants the same rows:
/// what the first one wrote is asked for in vain by all the others, unless they look again.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    score: u32,
    won: bool,
}

impl Crowd {
    pub(crate) fn on_answer(&mut self, was_first: bool) {
        self.won |= was_first;
        self.score = match was_first {
            true => self.score.saturating_sub(1),
            false => self.score.saturating_add(LOST),
        };
    }

    /// Whether to leave the rest to others: the last look is worth nothing any more.
    pub(crate) fn is_dense(&self) -> bool {
        self.score >= DENSE
    }

    /// At the end: whether to look again soon.
    pub(crate) fn outdates(&self) -> bool {
        self.is_dense() || (self.score > 0 && !self.won)
    }
}

/// Ours: it grows dense when more than a third of many attempts is lost, or a dozen in a row.
const LOST: u32 = 2;
const DENSE: u32 = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn dense_after(answers: impl IntoIterator<Item = bool>) -> Option<usize> {
        let mut crowd = Crowd::default();
        let dense = |was_first| {
            crowd.on_answer(was_first);
            crowd.is_dense()
        };
        answers.into_iter().map(dense).position(|dense| dense)
    }

    #[test]
    fn a_crowd_shows_by_many_attempts_in_vain() {
        let each = |n: usize| (0..10_000).map(move |attempt| attempt % n != 0);
        let cases = [
            ("all are ours", dense_after([true; 10_000]), None),
            ("a dozen are not", dense_after([false; 12]), Some(11)),
            ("eleven", dense_after([false; 11]), None),
            ("one in four", dense_after(each(4)), None),
            (
                "a hundred of ours first",
                dense_after([[true; 100].as_slice(), &[false; 20]].concat()),
                Some(111),
            ),
        ];
        for (case, dense, expected) in cases {
            assert_eq!(dense, expected, "{case}");
        }
        assert!(dense_after(each(2)).is_some(), "every second one");
    }

    #[test]
    fn who_gets_nothing_looks_again() {
        let cases: [(&[bool], bool); 5] = [
            (&[], false),
            (&[true], false),
            (&[false], true),
            (&[false, true], false),
            (&[false; 12], true),
        ];
        for (answers, expected) in cases {
            let mut crowd = Crowd::default();
            answers.iter().for_each(|was_first| crowd.on_answer(*was_first));
            assert_eq!(crowd.outdates(), expected, "{answers:?}");
        }
    }
}
