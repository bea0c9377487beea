//! When to read a shard again, and how much memory to ask for beforehand.

use std::time::{Duration, Instant};

use super::cadence::Cadence;

/// The pace of one shard's reads: five a second while behind, slowly at the tip.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    idle: Duration,
    cadence: Cadence,
    last_call: Option<Instant>,
    at_tip: bool,
}

impl Pace {
    pub(crate) fn new(idle: Duration, cadence: Cadence) -> Self {
        Self {
            idle: idle.max(MIN_GAP),
            cadence,
            last_call: None,
            at_tip: false,
        }
    }

    /// When the next call may be made; at once for the first. At the tip in step with other shards.
    pub(crate) fn next_call(&self, now: Instant) -> Instant {
        let Some(last) = self.last_call else {
            return now;
        };
        let soonest = last + MIN_GAP;
        match self.at_tip {
            true => soonest.max(self.cadence.before(last) + self.idle),
            false => soonest,
        }
    }

    pub(crate) fn on_call(&mut self, now: Instant) {
        self.last_call = Some(now);
    }

    /// A page came. An empty one says nothing about the records behind it: only the lag does. Where the service does not say how
    /// far behind the page is, an empty one counts as the tip.
    pub(crate) fn on_page(&mut self, empty: bool, behind: Option<Duration>) {
        self.at_tip = behind.map_or(empty, |lag| lag.is_zero());
    }
}

/// How many bytes the next page of a shard is expected to have: the memory to reserve before it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    bytes: usize,
    /// Whether a page has been seen.
    known: bool,
    of_events: bool,
}

impl Default for Expectation {
    fn default() -> Self {
        Self {
            bytes: FIRST_PAGE,
            known: false,
            of_events: false,
        }
    }
}

impl Expectation {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Pages are asked for, events come by themselves: a shard waits for one for seconds, and must not hold the memory of a
    /// whole page meanwhile.
    pub(crate) fn on_mode(&mut self, of_events: bool) {
        if of_events && !self.of_events {
            self.bytes = FIRST_EVENT;
            self.known = false;
        }
        self.of_events = of_events;
    }

    /// Rises at once, falls slowly, so that a burst is not underrated twice.
    pub(crate) fn on_page(&mut self, bytes: usize) {
        if !std::mem::replace(&mut self.known, true) {
            self.bytes = SMALLEST_PAGE;
        }
        let fades = if self.of_events {
            self.bytes / 2
        } else {
            self.bytes / 4
        };
        let faded = self.bytes - fades;
        self.bytes = bytes.max(faded).clamp(SMALLEST_PAGE, LARGEST_PAGE);
    }
}

/// The memory that a page of so many bytes takes until its records are taken out: the body and what is made of it.
pub(crate) fn while_parsed(page: usize) -> usize {
    page.saturating_mul(2)
}

/// How far a shard reads ahead of its processor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Depth {
    bytes: usize,
}

impl Depth {
    /// At most an eighth of the memory, so that a slow processor leaves the others some.
    pub(crate) fn of_budget(bytes: usize) -> Self {
        Self {
            bytes: (bytes / 8).min(DEEPEST),
        }
    }

    /// Whether a shard with so much read and not taken reads on. One batch it may always have.
    pub(crate) fn has_room(self, batches: usize, bytes: usize, expected: usize) -> bool {
        batches == 0 || (batches < MOST_BATCHES && bytes.saturating_add(expected) <= self.bytes)
    }
}

/// What waits for the processor of a shard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) batches: usize,
    /// User records in them.
    pub(crate) records: usize,
    /// How far the last batch was behind the tip when it was read, where that is known.
    pub(crate) lag: Option<Duration>,
}

/// For how long a processor that is free leaves what waits for it to grow, since more comes by itself. Nothing is lost by it far behind
/// the tip, where it is a tenth of the lag at most, and each call of a processor, with its checkpoint, has more to do. Near the tip
/// nothing waits.
pub(crate) fn patience(waiting: Waiting, max_records: usize) -> Duration {
    let Waiting {
        batches,
        records,
        lag,
    } = waiting;
    let one_more = records + records.div_ceil(batches.max(1));
    match lag.filter(|lag| *lag >= FAR_BEHIND) {
        Some(lag) if one_more <= max_records => (lag / 10).min(MOST_PATIENCE),
        _ => Duration::ZERO,
    }
}

/// Ours: who is that far behind notices no tenth of it.
const FAR_BEHIND: Duration = Duration::from_secs(2);
/// Ours: what a shard gives in that time, 2 MiB, is a batch worth a checkpoint.
const MOST_PATIENCE: Duration = Duration::from_secs(1);
/// Ours: two seconds of a shard. More only grows cold.
const DEEPEST: usize = 4 << 20;
/// Ours: more than a minute of reads that bring next to nothing.
const MOST_BATCHES: usize = 512;
/// Source: AWS API reference, GetRecords: five calls a second for each shard.
const MIN_GAP: Duration = Duration::from_millis(200);
/// Of a shard that nothing is known of: the largest page.
const FIRST_PAGE: usize = LARGEST_PAGE;
/// Ours: what a busy shard gathers in a tenth of a second.
const FIRST_EVENT: usize = 128 << 10;
/// Ours: a page without records is not free either.
const SMALLEST_PAGE: usize = 4 << 10;
/// Source: AWS API reference, GetRecords: 10 MiB for each call.
const LARGEST_PAGE: usize = 10 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Any instant does: only differences count.
    #[expect(clippy::disallowed_methods, reason = "an origin for made-up times")]
    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn the_first_call_is_at_once_and_the_next_depends_on_the_lag() {
        let cases = [
            (false, Some(Duration::ZERO), SECOND),
            (true, Some(Duration::ZERO), SECOND),
            (false, Some(SECOND), MIN_GAP),
            (true, Some(SECOND), MIN_GAP),
            (true, None, SECOND),
            (false, None, MIN_GAP),
        ];
        for (empty, behind, gap) in cases {
            let now = origin();
            let mut pace = Pace::new(SECOND, Cadence::from(now));
            assert_eq!(pace.next_call(now), now);
            pace.on_call(now);
            assert_eq!(
                pace.next_call(now),
                now + MIN_GAP,
                "nothing is known of the tip yet"
            );
            pace.on_page(empty, behind);
            assert_eq!(pace.next_call(now), now + gap, "{empty} {behind:?}");
        }
    }

    #[test]
    fn an_idle_time_below_the_limit_is_raised_to_it() {
        let now = origin();
        let mut pace = Pace::new(Duration::ZERO, Cadence::from(now));
        pace.on_call(now);
        pace.on_page(true, Some(Duration::ZERO));
        assert_eq!(pace.next_call(now), now + MIN_GAP);
    }

    #[test]
    fn expectations_rise_at_once_and_fade() {
        let mut expected = Expectation::default();
        expected.on_page(8 << 20);
        assert_eq!(expected.bytes(), 8 << 20);
        expected.on_page(0);
        assert_eq!(expected.bytes(), 6 << 20);
        for _ in 0..100 {
            expected.on_page(0);
        }
        assert_eq!(expected.bytes(), SMALLEST_PAGE);
    }

    #[test]
    fn events_are_expected_to_be_small_until_they_are_not() {
        let mut expected = Expectation::default();
        assert_eq!(expected.bytes(), LARGEST_PAGE);
        expected.on_mode(true);
        assert_eq!(expected.bytes(), FIRST_EVENT);
        expected.on_page(2 << 20);
        expected.on_mode(true);
        assert_eq!(expected.bytes(), 2 << 20, "the same as before");
        expected.on_page(0);
        assert_eq!(expected.bytes(), 1 << 20);
    }

    #[test]
    fn a_shard_reads_ahead_by_its_share_or_one_batch() {
        let depth = Depth::of_budget(64 << 20);
        let cases = [
            (0, 0, 100 << 20, true),
            (1, 1 << 20, 1 << 20, true),
            (1, 1 << 20, 4 << 20, false),
            (MOST_BATCHES, 0, 1, false),
            (1, 4 << 20, 1, false),
        ];
        for (batches, bytes, expected, room) in cases {
            assert_eq!(
                depth.has_room(batches, bytes, expected),
                room,
                "{batches} {bytes}"
            );
        }
    }

    #[test]
    fn what_waits_far_behind_is_left_to_grow_if_more_fits() {
        let ms = Duration::from_millis;
        let cases = [
            (1, 100, None, 0),
            (1, 100, Some(0), 0),
            (1, 100, Some(1_999), 0),
            (1, 100, Some(2_000), 200),
            (3, 100, Some(5_000), 500),
            (1, 100, Some(3_600_000), 1_000),
            (1, 500, Some(60_000), 1_000),
            (1, 501, Some(60_000), 0),
            (3, 750, Some(60_000), 1_000),
            (3, 751, Some(60_000), 0),
            (1, 2_000, Some(60_000), 0),
        ];
        for (batches, records, lag, expected) in cases {
            let waiting = Waiting {
                batches,
                records,
                lag: lag.map(ms),
            };
            assert_eq!(patience(waiting, 1_000), ms(expected), "{waiting:?}");
        }
    }

    proptest! {
        #[test]
        fn expectations_stay_within_a_page(pages in proptest::collection::vec(0..20_usize << 20, 0..40)) {
            let mut expected = Expectation::default();
            for bytes in pages {
                expected.on_page(bytes);
                prop_assert!((SMALLEST_PAGE..=LARGEST_PAGE).contains(&expected.bytes()));
                prop_assert!(expected.bytes() >= bytes.min(LARGEST_PAGE));
            }
        }

        #[test]
        fn never_more_than_five_calls_a_second(
            pages in proptest::collection::vec((any::<bool>(), proptest::option::of(0..3000_u64)), 1..50),
            idle in 0..5000_u64,
        ) {
            let mut now = origin();
            let mut pace = Pace::new(Duration::from_millis(idle), Cadence::from(now - Duration::from_millis(7)));
            let mut last: Option<Instant> = None;
            for (empty, behind) in pages {
                now = pace.next_call(now).max(now);
                if let Some(last) = last {
                    prop_assert!(now - last >= MIN_GAP);
                }
                pace.on_call(now);
                last = Some(now);
                pace.on_page(empty, behind.map(Duration::from_millis));
            }
        }
    }
}
