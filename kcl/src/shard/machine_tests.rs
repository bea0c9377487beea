use proptest::prelude::*;

use super::*;

/// Feeds events and collects the steps, the first included.
fn steps(machine: &mut Machine, events: &[Event]) -> Vec<Step> {
    let mut steps = vec![machine.first()];
    steps.extend(events.iter().map(|&event| machine.on(event)));
    steps
}

fn reading() -> Machine {
    let mut machine = Machine::new(false);
    assert_eq!(machine.on(Event::ParentsFinished), Step::Initialize);
    assert_eq!(machine.on(Event::Initialized), Step::Read);
    machine
}

const RECORDS: Event = Event::Batch {
    empty: false,
    ended: false,
};
const LAST_RECORDS: Event = Event::Batch {
    empty: false,
    ended: true,
};
const NOTHING: Event = Event::Batch {
    empty: true,
    ended: false,
};
const END_ONLY: Event = Event::Batch {
    empty: true,
    ended: true,
};
const FINISH: Step = Step::Finish { hurry: false };

#[test]
fn a_whole_life_delivers_records_before_the_end() {
    let mut machine = Machine::new(false);
    let life = steps(
        &mut machine,
        &[
            Event::ParentsUnfinished,
            Event::Paused,
            Event::ParentsFinished,
            Event::Initialized,
            NOTHING,
            RECORDS,
            Event::Processed,
            LAST_RECORDS,
            Event::Processed,
            Event::Finished,
            Event::ChildrenRecorded,
            Event::EndCheckpointed,
            Event::GivenUp,
        ],
    );
    assert_eq!(
        life,
        [
            Step::CheckParents,
            Step::WaitForParents,
            Step::CheckParents,
            Step::Initialize,
            Step::Read,
            Step::Read,
            Step::Process,
            Step::Read,
            Step::Process,
            FINISH,
            Step::RecordChildren,
            Step::EndShard,
            Step::GiveUp,
            Step::Done(End::Finished),
        ]
    );
}

#[test]
fn an_end_without_records_goes_to_the_children_once_all_is_finished() {
    let mut machine = reading();
    assert_eq!(machine.on(END_ONLY), FINISH);
    assert_eq!(machine.on(Event::Finished), Step::RecordChildren);
}

#[test]
fn a_stop_does_not_wait_for_what_is_unfinished_at_the_end() {
    let mut waiting = reading();
    assert_eq!(waiting.on(END_ONLY), FINISH);
    assert_eq!(waiting.interrupt(Interrupt::Stop), Some(Step::RequestShutdown));

    for (event, next) in [
        (Event::Unfinished, Step::RequestShutdown),
        (Event::Finished, Step::RecordChildren),
    ] {
        let mut machine = reading();
        assert_eq!(machine.on(LAST_RECORDS), Step::Process);
        assert_eq!(machine.interrupt(Interrupt::Stop), None);
        assert_eq!(machine.on(Event::Processed), Step::Finish { hurry: true });
        assert_eq!(machine.on(event), next);
    }
}

#[test]
fn a_failed_batch_is_processed_again_and_never_skipped() {
    let mut machine = reading();
    let again = steps(
        &mut machine,
        &[
            RECORDS,
            Event::Failed,
            Event::Paused,
            Event::Failed,
            Event::Paused,
        ],
    );
    let expected = [
        Step::Read,
        Step::Process,
        Step::Pause,
        Step::Process,
        Step::Pause,
        Step::Process,
    ];
    assert_eq!(again, expected);
}

#[test]
fn an_end_that_is_not_checkpointed_is_told_again() {
    let mut machine = reading();
    let again = steps(
        &mut machine,
        &[
            END_ONLY,
            Event::Finished,
            Event::ChildrenRecorded,
            Event::Failed,
            Event::Paused,
        ],
    );
    assert_eq!(
        again,
        [
            Step::Read,
            FINISH,
            Step::RecordChildren,
            Step::EndShard,
            Step::Pause,
            Step::EndShard
        ]
    );
}

#[test]
fn a_finished_lease_only_makes_sure_of_the_children() {
    assert_eq!(Machine::new(true).first(), Step::RecordChildren);
}

#[test]
fn a_stop_lets_the_batch_in_hand_end() {
    let mut machine = reading();
    assert_eq!(machine.on(RECORDS), Step::Process);
    assert_eq!(machine.interrupt(Interrupt::Stop), None);
    assert_eq!(machine.on(Event::Processed), Step::RequestShutdown);
    assert_eq!(machine.on(Event::ShutdownAnswered), Step::GiveUp);
    assert_eq!(machine.on(Event::GivenUp), Step::Done(End::Stopped));
}

#[test]
fn a_stop_does_not_wait_for_records_or_pauses() {
    assert_eq!(reading().interrupt(Interrupt::Stop), Some(Step::RequestShutdown));

    let mut failing = reading();
    let _ = steps(&mut failing, &[RECORDS, Event::Failed]);
    assert_eq!(failing.interrupt(Interrupt::Stop), Some(Step::RequestShutdown));

    let mut fails_then = reading();
    assert_eq!(fails_then.on(RECORDS), Step::Process);
    assert_eq!(fails_then.interrupt(Interrupt::Stop), None);
    assert_eq!(fails_then.on(Event::Failed), Step::RequestShutdown);
}

#[test]
fn a_stop_before_initialize_calls_nobody() {
    assert_eq!(Machine::new(false).interrupt(Interrupt::Stop), Some(Step::GiveUp));

    let mut initializing = Machine::new(false);
    let _ = initializing.on(Event::ParentsFinished);
    assert_eq!(initializing.interrupt(Interrupt::Stop), None);
    let mut failed = initializing.clone();
    assert_eq!(failed.on(Event::Failed), Step::GiveUp);
    assert_eq!(initializing.on(Event::Initialized), Step::RequestShutdown);
}

#[test]
fn a_stop_at_the_end_lets_the_end_be_told() {
    let mut machine = reading();
    assert_eq!(machine.on(END_ONLY), FINISH);
    assert_eq!(machine.on(Event::Finished), Step::RecordChildren);
    assert_eq!(machine.interrupt(Interrupt::Stop), None);
    assert_eq!(machine.on(Event::ChildrenRecorded), Step::EndShard);
    assert_eq!(machine.on(Event::EndCheckpointed), Step::GiveUp);
    assert_eq!(machine.on(Event::GivenUp), Step::Done(End::Finished));
}

#[test]
fn a_lost_lease_cuts_the_step_and_is_told_once() {
    for events in [
        vec![],
        vec![RECORDS],
        vec![RECORDS, Event::Failed],
        vec![END_ONLY],
    ] {
        let mut machine = reading();
        let _ = steps(&mut machine, &events);
        assert_eq!(
            machine.interrupt(Interrupt::LeaseLost),
            Some(Step::TellLost),
            "{events:?}"
        );
        assert_eq!(machine.interrupt(Interrupt::LeaseLost), None);
        assert_eq!(machine.on(Event::LossAnswered), Step::Done(End::Lost));
    }
    let mut stopping = reading();
    let _ = stopping.interrupt(Interrupt::Stop);
    assert_eq!(stopping.interrupt(Interrupt::LeaseLost), Some(Step::TellLost));
}

#[test]
fn a_lease_lost_before_initialize_is_not_told() {
    assert_eq!(
        Machine::new(false).interrupt(Interrupt::LeaseLost),
        Some(Step::Done(End::Lost))
    );
}

#[test]
fn a_panic_gives_the_lease_up_and_calls_nothing_more() {
    let mut machine = reading();
    assert_eq!(machine.on(RECORDS), Step::Process);
    assert_eq!(machine.on(Event::Panicked), Step::GiveUp);
    assert_eq!(machine.on(Event::GivenUp), Step::Done(End::Panicked));

    let mut losing = reading();
    let _ = losing.interrupt(Interrupt::LeaseLost);
    assert_eq!(losing.on(Event::Panicked), Step::Done(End::Lost));
}

/// The events that may answer a step.
fn answers(step: Step) -> Vec<Event> {
    let own = match step {
        Step::CheckParents => vec![Event::ParentsFinished, Event::ParentsUnfinished, Event::Failed],
        Step::WaitForParents | Step::Pause => vec![Event::Paused],
        Step::Initialize => vec![Event::Initialized, Event::Failed, Event::Panicked],
        Step::Read => vec![RECORDS, LAST_RECORDS, NOTHING, END_ONLY],
        Step::Process => vec![Event::Processed, Event::Failed, Event::Panicked],
        Step::Finish { hurry: false } => vec![Event::Finished, Event::Panicked],
        Step::Finish { hurry: true } => vec![Event::Finished, Event::Unfinished, Event::Panicked],
        Step::RecordChildren => vec![Event::ChildrenRecorded, Event::Failed],
        Step::EndShard => vec![Event::EndCheckpointed, Event::Failed, Event::Panicked],
        Step::RequestShutdown => vec![Event::ShutdownAnswered, Event::Panicked],
        Step::TellLost => vec![Event::LossAnswered, Event::Panicked],
        Step::GiveUp => vec![Event::GivenUp, Event::Failed],
        Step::Done(_) => vec![],
    };
    assert!(!own.is_empty() || matches!(step, Step::Done(_)));
    own
}

proptest! {
    /// Whatever happens in whatever order: nothing is processed once the lease is lost, given up or ended, records in
    /// hand are processed before anything else is read, and a stop leads to the end within a bounded number of steps.
    #[test]
    fn every_life_is_in_order_and_ends(
        choices in proptest::collection::vec((0..6_usize, 0..12_u8), 1..200),
        finished in any::<bool>(),
    ) {
        let mut machine = Machine::new(finished);
        let mut step = machine.first();
        let (mut lost, mut over, mut in_hand, mut initialized) = (false, false, false, false);
        for (choice, dice) in choices {
            let interrupt = match dice {
                0 => Some(Interrupt::Stop),
                1 => Some(Interrupt::LeaseLost),
                _ => None,
            };
            if let Some(interrupt) = interrupt {
                if let Some(next) = machine.interrupt(interrupt) {
                    step = next;
                    in_hand = false;
                    lost |= interrupt == Interrupt::LeaseLost;
                }
            } else {
                let possible = answers(step);
                let Some(&event) = possible.get(choice % possible.len().max(1)) else { break };
                in_hand = match event {
                    Event::Batch { empty, .. } => !empty,
                    Event::Processed => false,
                    _ => in_hand,
                };
                initialized |= event == Event::Initialized;
                step = machine.on(event);
            }
            over |= matches!(step, Step::GiveUp | Step::Done(_));
            let calls_user = matches!(step, Step::Process | Step::EndShard | Step::RequestShutdown | Step::Initialize);
            prop_assert!(!(lost || over) || !calls_user, "{step:?} after the end");
            prop_assert!(step != Step::Read || !in_hand, "reads past a batch that is not processed");
            prop_assert!(step != Step::TellLost || initialized || finished);
            prop_assert!(!over || matches!(step, Step::GiveUp | Step::Done(_)));
        }
        // From anywhere, a stop and answers without failure end it.
        if let Some(next) = machine.interrupt(Interrupt::Stop) {
            step = next;
        }
        for _ in 0..9 {
            if let Some(&event) = answers(step).first() {
                step = machine.on(event);
            }
        }
        prop_assert!(matches!(step, Step::Done(_)), "still at {step:?}");
    }
}
