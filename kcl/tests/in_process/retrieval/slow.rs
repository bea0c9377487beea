//! Processors that take their time: the memory stays within its budget, and nobody subscribes again and again.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use kcl::{ReadBudget, Retrieval};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::stage::{Seen, Taker, calls, config, endpoint, put_sized, start};
use crate::running::SECOND;

const MIB: usize = 1 << 20;

/// Looks at the budget ten times a second; the most that was used.
fn watch(budget: &ReadBudget) -> (Arc<Mutex<usize>>, JoinSet<()>) {
    let (most, budget) = (Arc::new(Mutex::new(0)), budget.clone());
    let mut watching = JoinSet::new();
    let noted = Arc::clone(&most);
    watching.spawn(async move {
        loop {
            {
                let mut most = noted.lock().unwrap();
                *most = budget.used_bytes().max(*most);
            }
            sleep(SECOND / 10).await;
        }
    });
    (most, watching)
}

#[tokio::test(start_paused = true)]
async fn five_seconds_a_batch_with_fan_out_is_no_storm_of_subscriptions() {
    let local = endpoint(2).await;
    let (seen, budget) = (
        Seen::default(),
        ReadBudget::of_bytes(NonZeroUsize::new(8 * MIB).unwrap()),
    );
    let (most, _watching) = watch(&budget);
    let taken = seen.clone();
    let settings = config().retrieval(Retrieval::FanOut).max_records(100);
    let worker = start(&local, settings, Some(&budget), move || Taker {
        seen: taken.clone(),
        takes: SECOND * 5,
    });
    // 20 MiB in records of 10 KiB: of each shard a thousand, ten batches and more.
    put_sized(&local, 40, 0..50, 10 * 1024).await;
    let began = Instant::now();
    seen.wait_for(40 * 50).await;
    let took = began.elapsed();
    let subscribed = calls(&local, "SubscribeToShard", "-> 200");
    let most = *most.lock().unwrap();
    assert!(took > SECOND * 40, "it is slow: {took:?}");
    // Two shards; of each one in the beginning, and at most one for each time that the shelf has run empty.
    let at_most = 2 + 2 * usize::try_from(took.as_secs() / 15).unwrap();
    assert!(subscribed <= at_most, "{subscribed} in {took:?}");
    assert!(most <= 8 * MIB, "{most} bytes");
    worker.stop().await;
    seen.check(40, 50);
}

#[tokio::test(start_paused = true)]
async fn a_slow_processor_gets_what_has_gathered_as_one_batch() {
    let local = endpoint(1).await;
    let seen = Seen::default();
    let taken = seen.clone();
    let worker = start(&local, config(), None, move || Taker {
        seen: taken.clone(),
        takes: SECOND * 10,
    });
    for number in 0..60 {
        put_sized(&local, 5, number..number + 1, 100).await;
        sleep(SECOND).await;
    }
    seen.wait_for(300).await;
    let batches = seen.batches().len();
    assert!(batches <= 10, "{batches} batches in a minute");
    worker.stop().await;
    seen.check(5, 60);
}

#[tokio::test(start_paused = true)]
async fn two_applications_of_one_budget_stay_within_it_and_share_the_rate_of_a_shard() {
    let local = endpoint(1).await;
    let budget = ReadBudget::of_bytes(NonZeroUsize::new(32 * MIB).unwrap());
    let (most, _watching) = watch(&budget);
    put_sized(&local, 20, 0..100, 10 * 1024).await;
    let mut workers = Vec::new();
    for application in ["billing", "search"] {
        let seen = Seen::default();
        let taken = seen.clone();
        let config = kcl::ConsumerConfig::builder(application, "sales")
            .worker_id(application)
            .seed(7);
        let worker = start(&local, config, Some(&budget), move || Taker {
            seen: taken.clone(),
            takes: SECOND / 10,
        });
        workers.push((worker, seen));
    }
    for (worker, seen) in workers {
        seen.wait_for(2_000).await;
        sleep(SECOND * 30).await;
        worker.stop().await;
        seen.check(20, 100);
    }
    assert!(*most.lock().unwrap() <= 32 * MIB);
    let throttled = calls(&local, "GetRecords", "ProvisionedThroughputExceeded");
    assert_eq!(throttled, 0, "they take turns");
}
