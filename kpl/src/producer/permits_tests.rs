//! Room is taken, waited for in turn, and never lost.

use futures::FutureExt as _;
use proptest::prelude::*;

use super::*;

fn room(bytes: usize, records: usize) -> Arc<Room> {
    let config = ProducerConfig::builder()
        .max_in_flight_bytes(bytes)
        .max_in_flight_records(records)
        .build()
        .expect("valid");
    Arc::new(Room::new(&config))
}

fn amount(bytes: u32, records: u32) -> Amount {
    Amount { bytes, records }
}

#[test]
fn room_is_taken_and_given_back() {
    let room = room(65_536, 10);
    assert_eq!(room.try_take(amount(100, 1)), Ok(true));
    assert_eq!(room.free(), (65_436, 9));
    let held = Permit::of(&room, amount(100, 1));
    drop(held);
    assert_eq!(room.free(), (65_536, 10));
    assert_eq!(room.try_take(amount(65_536, 11)), Ok(false), "records");
    assert_eq!(room.try_take(amount(65_537, 1)), Ok(false), "bytes");
}

#[test]
fn waits_for_bytes_and_for_records() {
    for (bytes, records, held) in [(65_536, 10, amount(65_000, 1)), (1 << 20, 1, amount(1_000, 1))] {
        let room = room(bytes, records);
        assert_eq!(room.try_take(held), Ok(true));
        let held = Permit::of(&room, held);
        let mut waiting = room.wait_for(amount(1_000, 1));
        assert!((&mut waiting).now_or_never().is_none(), "no room");
        assert_eq!(room.try_take(amount(1_000, 1)), Ok(false));
        drop(held);
        assert!((&mut waiting).now_or_never().expect("room now").is_ok());
    }
}

#[test]
fn who_comes_first_is_served_first_however_large() {
    let room = room(65_536, 10);
    assert_eq!(room.try_take(amount(1, 9)), Ok(true));
    let mut large = room.wait_for(amount(1, 5));
    let mut small = room.wait_for(amount(1, 1));
    assert!(
        (&mut small).now_or_never().is_none(),
        "there is room for it, and somebody before it"
    );
    assert_eq!(room.try_take(amount(1, 1)), Ok(false), "nobody overtakes");
    room.give_back(amount(1, 4));
    let large = (&mut large).now_or_never().expect("room").expect("open");
    assert!((&mut small).now_or_never().is_none());
    drop(large);
    assert!((&mut small).now_or_never().expect("room").is_ok());
}

#[test]
fn a_cancelled_wait_leaves_nothing_behind() {
    let room = room(1 << 20, 1);
    assert_eq!(room.try_take(amount(10, 1)), Ok(true));
    let held = Permit::of(&room, amount(10, 1));
    let first = room.wait_for(amount(10, 1));
    let mut second = room.wait_for(amount(20, 1));
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    drop(held);
    let second = (&mut second)
        .now_or_never()
        .expect("first in line")
        .expect("open");
    assert_eq!(room.free(), ((1 << 20) - 20, 0));
    drop(second);
    assert_eq!(room.free(), (1 << 20, 1));
    // Granted, and dropped before it was looked at.
    drop(room.wait_for(amount(10, 1)));
    assert_eq!(room.free(), (1 << 20, 1));
}

#[test]
fn leaving_the_head_of_the_line_lets_the_next_in() {
    let room = room(65_536, 10);
    assert_eq!(room.try_take(amount(1, 8)), Ok(true));
    let large = room.wait_for(amount(1, 5));
    let mut small = room.wait_for(amount(1, 2));
    assert!((&mut small).now_or_never().is_none());
    drop(large);
    assert!((&mut small).now_or_never().expect("room").is_ok());
}

#[test]
fn closing_ends_all_waits() {
    let room = room(1 << 20, 1);
    assert_eq!(room.try_take(amount(10, 1)), Ok(true));
    let waiting = room.wait_for(amount(10, 1));
    room.close();
    assert_eq!(waiting.now_or_never().expect("woken").map(drop), Err(Closed));
    assert_eq!(room.try_take(amount(10, 1)), Err(Closed));
    room.give_back(amount(10, 1));
    assert_eq!(room.try_take(amount(10, 1)), Err(Closed));
    let late = room.wait_for(amount(10, 1)).now_or_never();
    assert_eq!(late.expect("at once").map(drop), Err(Closed));
    assert_eq!(room.free(), (1 << 20, 1));
}

#[derive(Debug, Clone)]
enum Step {
    Take(u32, u32),
    Wait(u32, u32),
    GiveBack(prop::sample::Index),
    GiveUp(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1_u32..40_000, 1_u32..5).prop_map(|(b, r)| Step::Take(b, r)),
        (1_u32..40_000, 1_u32..5).prop_map(|(b, r)| Step::Wait(b, r)),
        any::<prop::sample::Index>().prop_map(Step::GiveBack),
        any::<prop::sample::Index>().prop_map(Step::GiveUp),
    ];
    prop::collection::vec(step, 1..100)
}

proptest! {
    /// Whatever comes, goes and gives up: no room is lost or made, and nobody waits who could be served.
    #[test]
    fn room_is_conserved_and_served_in_order(steps in steps()) {
        let room = room(65_536, 10);
        let mut held: Vec<Permit> = Vec::new();
        let mut line: VecDeque<(Amount, Waiting)> = VecDeque::new();
        for step in steps {
            match step {
                Step::Take(bytes, records) => {
                    let wanted = amount(bytes, records);
                    let (free_bytes, free_records) = room.free();
                    let fits = free_bytes >= bytes as usize && free_records >= records as usize;
                    let taken = room.try_take(wanted).expect("open");
                    prop_assert_eq!(taken, fits && line.is_empty());
                    if taken {
                        held.push(Permit::of(&room, wanted));
                    }
                }
                Step::Wait(bytes, records) => {
                    let wanted = amount(bytes, records);
                    line.push_back((wanted, room.wait_for(wanted)));
                }
                Step::GiveBack(which) if !held.is_empty() => {
                    drop(held.swap_remove(which.index(held.len())));
                }
                Step::GiveUp(which) if !line.is_empty() => {
                    drop(line.remove(which.index(line.len())));
                }
                Step::GiveBack(_) | Step::GiveUp(_) => {}
            }
            while let Some((_, first)) = line.front_mut() {
                match first.now_or_never() {
                    Some(permit) => held.push(permit.expect("open")),
                    None => break,
                }
                line.pop_front();
            }
            for (_, waiting) in line.iter_mut().skip(1) {
                prop_assert!(waiting.now_or_never().is_none(), "out of turn");
            }
            let (bytes, records) = room.free();
            if let Some((wanted, _)) = line.front() {
                prop_assert!(bytes < wanted.bytes as usize || records < wanted.records as usize);
            }
            let taken: usize = held.iter().map(|permit| permit.amount.bytes as usize).sum();
            prop_assert_eq!(bytes + taken, 65_536);
        }
    }
}
