use kcl::SequenceNumber;

use super::*;

const ZERO: Duration = Duration::ZERO;

fn at(number: u32) -> Position {
    let sequence_number = SequenceNumber::parse(&(number / 10 + 1).to_string()).expect("digits");
    Position::new(sequence_number, u64::from(number % 10))
}

fn lease() -> LeaseKey {
    LeaseKey::new("shardId-000000000000")
}

/// So many records of two keys in turn, in one shard, and who begins with it.
fn books(records: u32) -> (Books, TenureId) {
    let mut books = Books::default();
    for number in 0..records {
        assert_eq!(
            books.put(number % 2, Duration::from_secs(u64::from(number))),
            number
        );
        books.placed(number, &lease(), at(number));
    }
    let tenure = books.begin("one", &lease());
    (books, tenure)
}

fn process(books: &mut Books, by: TenureId, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        books.handed(by, number, &at(number));
        books.done(number, ZERO);
    }
}

#[test]
fn what_is_as_it_should_be_leaves_no_trace() {
    let (mut books, one) = books(40);
    process(&mut books, one, 0..40);
    books.checkpoint(&lease(), &Checkpoint::At(at(39)));
    let expected = Balance {
        put: 40,
        done: 40,
        handed: 40,
        tenures: 1,
        by_worker: BTreeMap::from([("one", 40)]),
        ..Balance::default()
    };
    assert_eq!(books.balance(), expected);
}

#[test]
fn what_never_comes_is_lost_and_what_no_checkpoint_covers_is_told() {
    let (mut books, one) = books(4);
    process(&mut books, one, [0, 1, 9]);
    let balance = books.balance();
    assert_eq!(
        (balance.lost(), balance.not_checkpointed, balance.strangers),
        (2, 2, 1)
    );
}

#[test]
fn repeats_are_explained_by_a_loss_and_only_behind_the_checkpoint() {
    let (mut books, one) = books(30);
    process(&mut books, one, 0..20);
    books.checkpoint(&lease(), &Checkpoint::At(at(9)));
    books.died("one");
    let two = books.begin("two", &lease());
    process(&mut books, two, 8..30);
    let balance = books.balance();
    assert_eq!(balance.repeated, BTreeMap::from([("one", 10)]));
    assert_eq!(
        (balance.unexplained, balance.order_breaks, balance.strays),
        (2, 0, 0)
    );

    books.leave(two, Leaving::InOrder);
    let three = books.begin("three", &lease());
    process(&mut books, three, 28..30);
    assert_eq!(
        books.balance().unexplained,
        4,
        "what was left in order does not come again"
    );
}

#[test]
fn what_is_handed_over_twice_by_one_processor_is_explained_by_a_failure() {
    let (mut books, one) = books(4);
    process(&mut books, one, [0, 1, 1]);
    assert_eq!((books.balance().unexplained, books.balance().retried), (1, 0));
    books.handed(one, 2, &at(2));
    books.failed(2);
    process(&mut books, one, [2, 3]);
    assert_eq!((books.balance().unexplained, books.balance().retried), (1, 1));
    books.batch_failed(one);
    process(&mut books, one, 0..4);
    assert_eq!((books.balance().unexplained, books.balance().retried), (1, 5));
    books.settled(one);
    process(&mut books, one, [3]);
    assert_eq!((books.balance().unexplained, books.balance().retried), (2, 5));
    assert_eq!(books.balance().order_breaks, 0);
}

#[test]
fn order_is_kept_per_key() {
    let (mut books, one) = books(8);
    process(&mut books, one, [1, 0, 3, 2]);
    assert_eq!(books.balance().order_breaks, 0, "keys are independent");
    process(&mut books, one, [6, 4]);
    assert_eq!(books.balance().order_breaks, 1, "first seen behind a later one");
    books.handed(one, 5, &at(5));
    books.handed(one, 7, &at(7));
    assert_eq!(
        books.balance().order_breaks,
        2,
        "handed over while another one is not done"
    );
}

#[test]
fn what_a_dead_or_replaced_worker_is_given_is_a_stray() {
    let (mut books, one) = books(6);
    let two = books.begin("two", &lease());
    process(&mut books, one, [0, 1]);
    assert_eq!(books.balance().strays, 2);
    process(&mut books, two, [2]);
    books.died("two");
    process(&mut books, two, [3]);
    assert_eq!(books.balance().strays, 3);
}

#[test]
fn a_checkpoint_may_neither_pass_what_is_not_done_nor_go_back() {
    let (mut books, one) = books(30);
    process(&mut books, one, 0..12);
    books.checkpoint(&lease(), &Checkpoint::At(at(9)));
    assert_eq!(books.balance().passed_over, 0);
    books.checkpoint(&lease(), &Checkpoint::At(at(14)));
    assert_eq!(books.balance().passed_over, 3);
    books.checkpoint(&lease(), &Checkpoint::At(at(13)));
    assert_eq!(books.balance().went_back, 1);
    books.checkpoint(&lease(), &Checkpoint::ShardEnd);
    assert_eq!(
        books.balance().passed_over,
        19,
        "13 to 29, 14 for the second time"
    );
    let number = books.put(0, ZERO);
    books.placed(number, &lease(), at(number));
    assert_eq!(books.balance().passed_over, 20, "told too late");
}

#[test]
fn lag_is_the_age_of_the_oldest_that_is_not_done() {
    let (mut books, one) = books(3);
    let now = Duration::from_secs(10);
    assert_eq!(books.lag(now), now);
    process(&mut books, one, [1]);
    assert_eq!(books.lag(now), now);
    process(&mut books, one, [0]);
    assert_eq!(books.lag(now), Duration::from_secs(8));
    process(&mut books, one, [2]);
    assert_eq!(books.lag(now), ZERO);
}

#[test]
fn tenures_that_nobody_tells_begin_with_a_record_and_end_with_an_event() {
    let (mut books, _) = books(6);
    let hand = |books: &mut Books, worker, number| {
        books.handed_by(worker, &lease(), number, &at(number));
        books.done(number, ZERO);
    };
    hand(&mut books, "two", 0);
    hand(&mut books, "two", 1);
    assert_eq!((books.balance().tenures, books.balance().strays), (2, 0));
    books.left("two", &lease(), Leaving::Bad);
    hand(&mut books, "three", 1);
    assert_eq!(books.balance().repeated, BTreeMap::from([("two", 1)]));
    books.left("three", &lease(), Leaving::InOrder);
    hand(&mut books, "two", 2);
    assert_eq!((books.balance().tenures, books.balance().strays), (4, 0));
}

#[test]
fn waits_of_keys_with_failures_are_kept_apart_and_dead_letters_end_them() {
    let (mut books, one) = books(4);
    let now = Duration::from_secs(8);
    books.handed(one, 0, &at(0));
    books.failed(0);
    books.handed(one, 1, &at(1));
    books.done(1, Duration::from_secs(2));
    books.dead(0, true, now);
    books.dead(0, true, now);
    books.dead(3, false, now);
    let balance = books.balance();
    assert_eq!((balance.dead, balance.wrong_letters, balance.done), (2, 1, 3));
    let most = |waits: &Latencies| waits.percentile(100).expect("one at least");
    assert!(most(&books.waits().failing) > Duration::from_secs(7));
    assert!(most(&books.waits().calm) <= Duration::from_secs(5));
}
