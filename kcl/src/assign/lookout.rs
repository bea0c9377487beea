//! Who looks at a large table often, for all.

use super::quota::scatter_of;
use crate::lease::WorkerId;

/// Whether worker `me` is one of the few that look often, of those that can be seen. Everybody computes the same from the same
/// workers, and it has nothing to do with when they came. Where views differ there are a few more or less of them for a while:
/// each write has its condition.
pub(crate) fn is_lookout<'a>(me: &WorkerId, others: impl Iterator<Item = &'a WorkerId>) -> bool {
    let rank = |worker: &WorkerId| blur(scatter_of(worker.as_str()));
    let mine = (rank(me), me);
    let before = others.filter(|other| (rank(other), *other) < mine);
    before.take(LOOKOUTS).count() < LOOKOUTS
}

/// Names that differ in their last letters only have neighbouring numbers, and workers of such names often die together.
/// Source: the finalizer of MurmurHash3, fixed for all time.
fn blur(number: u64) -> u64 {
    let number = (number ^ (number >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let number = (number ^ (number >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ (number >> 33)
}

/// Ours: seldom do all of them die at once; then it takes as long as a look of the others.
pub(crate) const LOOKOUTS: usize = 3;

#[cfg(test)]
mod tests {
    use super::super::tests::worker;
    use super::*;

    fn lookouts(workers: &[WorkerId]) -> Vec<&WorkerId> {
        let is_one = |me: &&WorkerId| is_lookout(me, workers.iter().filter(|other| other != me));
        workers.iter().filter(is_one).collect()
    }

    #[test]
    fn there_are_three_whoever_is_there_and_others_follow_them() {
        for count in [1, 2, 3, 4, 100] {
            let mut workers: Vec<_> = (0..count).map(|n| worker(&format!("w{n:03}"))).collect();
            let before: Vec<_> = lookouts(&workers).into_iter().cloned().collect();
            assert_eq!(before.len(), count.min(3), "{count}");
            if count == 100 {
                let numbers = before
                    .iter()
                    .map(|worker| worker.as_str()[1..].parse::<i32>().unwrap());
                let (first, last) = (numbers.clone().min().unwrap(), numbers.max().unwrap());
                assert!(last - first > 9, "{before:?}");
            }
            workers.retain(|worker| *worker != before[0]);
            let after = lookouts(&workers);
            assert_eq!(after.len(), (count - 1).min(3));
            assert!(
                before[1..].iter().all(|worker| after.contains(&worker)),
                "who stays goes on"
            );
        }
    }
}
