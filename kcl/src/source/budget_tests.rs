use std::time::Duration;

use tokio::time::timeout;

use super::*;

const MIB: usize = 1 << 20;
const SOON: Duration = Duration::from_secs(1);

fn budget(mib: usize) -> ReadBudget {
    ReadBudget::of_bytes(NonZeroUsize::new(mib * MIB).unwrap())
}

#[tokio::test(start_paused = true)]
async fn what_came_beyond_the_reservation_is_waited_for_by_the_next() {
    let budget = budget(8);
    let mut first = budget.reserve(2 * MIB, 1).await;
    let other = budget.reserve(4 * MIB, 1).await;
    // 2 MiB are free, 8 more came: 6 of them are beyond the budget.
    first.settle(&budget, 10 * MIB, 1);
    assert_eq!(budget.used_bytes(), 14 * MIB);
    drop(other);
    assert!(
        timeout(SOON, budget.reserve(MIB, 1)).await.is_err(),
        "14 MiB were held of 8, and 4 went: none is free"
    );
    drop(first);
    let all = timeout(SOON, budget.reserve(8 * MIB, 1))
        .await
        .expect("all is free");
    drop(all);
    assert_eq!(budget.free_kib(), 8 * 1024);
}

#[tokio::test(start_paused = true)]
async fn merged_reservations_give_back_both() {
    let budget = budget(8);
    let mut one = budget.reserve(MIB, 10).await;
    let mut two = budget.reserve(MIB, 10).await;
    two.settle(&budget, 20 * MIB, 30);
    one.merge(two);
    assert_eq!(budget.free_kib(), 0);
    drop(one);
    assert_eq!(budget.free_kib(), 8 * 1024);
    timeout(SOON, budget.reserve(8 * MIB, 1))
        .await
        .expect("nothing is overdrawn");
}

#[tokio::test(start_paused = true)]
async fn records_are_bounded_too() {
    let budget = budget(8).with_records(NonZeroU32::new(100).unwrap());
    let mut held = budget.reserve(1, 1).await;
    held.settle(&budget, 1, 100);
    assert!(timeout(SOON, budget.reserve(1, 1)).await.is_err());
    drop(held);
    timeout(SOON, budget.reserve(1, 1)).await.expect("room again");
}

#[tokio::test(start_paused = true)]
async fn requests_take_turns() {
    let budget = budget(8).with_requests(NonZeroU32::new(1).unwrap());
    let first = budget.request().await;
    assert!(timeout(SOON, budget.request()).await.is_err());
    drop(first);
    let _second = timeout(SOON, budget.request()).await.expect("a turn");
}

#[tokio::test(start_paused = true)]
async fn applications_that_share_a_budget_share_the_rate_of_a_shard() {
    let budget = budget(8);
    let shard = ShardId::from_number(0);
    let one = budget.rate("eu/sales".to_owned(), shard.clone());
    let other = budget.clone().rate("eu/sales".to_owned(), shard.clone());
    let stranger = budget.rate("eu/stock".to_owned(), shard);
    let began = Instant::now();
    for _ in 0..10 {
        one.turn().await;
        other.turn().await;
    }
    assert_eq!(began.elapsed(), Duration::from_millis(19 * 200));
    let began = Instant::now();
    stranger.turn().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    one.on_page(10 * MIB);
    other.turn().await;
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_of_a_shard_is_owed_by_whoever_reads_it_next() {
    let budget = budget(8);
    let rate = |shard| budget.rate("eu/sales".to_owned(), ShardId::from_number(shard));
    let first = rate(0);
    first.turn().await;
    first.on_page(2 * MIB);
    drop(first);
    let began = Instant::now();
    rate(1).turn().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    rate(0).turn().await;
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    assert_eq!(lock(&budget.0.rates).len(), 2);
    sleep_until(Instant::now() + Duration::from_millis(200)).await;
    rate(2).turn().await;
    assert_eq!(
        lock(&budget.0.rates).len(),
        1,
        "what is paid and nobody reads is forgotten"
    );
}
