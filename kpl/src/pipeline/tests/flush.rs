//! Flush: at once, and a true barrier.

use super::rig::{Rig, config, ms, throttled};

#[test]
fn flush_hurries_and_tells_when_all_before_it_is_done() {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    let id = rig.flush();
    assert_eq!(rig.sent.len(), 1, "no lingering");
    rig.put_at(2, 0);
    assert!(rig.flushed.is_empty());
    rig.stored_on(0);
    assert_eq!(rig.flushed, [id], "the record put later is not waited for");
    rig.wait(ms(99));
    assert!(rig.sent.is_empty(), "and not hurried");
}

#[test]
fn flush_waits_through_retries() {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    let id = rig.flush();
    for _ in 0..3 {
        let batch = rig.take_request();
        rig.reply(&batch, Ok(vec![throttled()]));
        assert!(rig.flushed.is_empty());
        rig.wait(ms(2_000));
    }
    rig.stored_on(0);
    assert_eq!(rig.flushed, [id]);
}

#[test]
fn flush_of_nothing_is_done_at_once() {
    let mut rig = Rig::with_shards(config(), 1);
    let ids = [rig.flush(), rig.flush()];
    assert_eq!(rig.flushed, ids);
    assert!(rig.sent.is_empty(), "no empty request");
    assert!(rig.pipeline.is_idle());
}

#[test]
fn flush_before_the_first_map_hurries_what_waits_for_it() {
    let mut rig = Rig::new(config());
    rig.put_at(1, 0);
    let id = rig.flush();
    assert!(rig.flushed.is_empty());
    rig.list(&super::rig::equal_shards(0, 1));
    rig.stored_on(0);
    assert_eq!(rig.flushed, [id]);
}

#[test]
fn a_failed_record_is_done_as_well() {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    let id = rig.flush();
    rig.request_fails("AccessDeniedException");
    assert_eq!(rig.flushed, [id]);
    assert_eq!(rig.failed_tokens(), [1]);
}
