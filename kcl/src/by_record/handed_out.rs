//! Records on their way to whoever polls the stream: as many as are still waited for, and few more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::stream::AckRecord;

/// The way from the lanes to the stream.
///
/// Records that nobody waits for any more, because the lease was lost or the attempt cut off, would stay for as long as the
/// stream is not polled. They are thrown out whenever the queue has doubled, so that it holds at most twice what the windows
/// of the shards allow.
#[derive(Debug, Clone, Default)]
pub(super) struct HandedOut(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<AckRecord>,
    /// As long as the queue may be before it is looked through.
    look_at: usize,
    waker: Option<Waker>,
    closed: bool,
}

impl HandedOut {
    /// Dropped, and so answered, where the stream is gone.
    pub(super) fn push(&self, record: AckRecord) {
        let waker = {
            let mut queue = self.queue();
            if queue.closed {
                return;
            }
            if queue.records.len() >= queue.look_at.max(LEAST_LOOK) {
                queue.records.retain(AckRecord::is_held);
                queue.look_at = queue.records.len() * 2;
            }
            queue.records.push_back(record);
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next record that is waited for.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<AckRecord> {
        let mut queue = self.queue();
        while let Some(record) = queue.records.pop_front() {
            if record.is_held() {
                return Poll::Ready(record);
            }
        }
        queue.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes no more, and drops what is there.
    pub(super) fn close(&self) {
        let dropped = {
            let mut queue = self.queue();
            queue.closed = true;
            std::mem::take(&mut queue.records)
        };
        drop(dropped);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ours: shorter queues are not worth a look.
const LEAST_LOOK: usize = 1_024;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kinesis_aggregation::ShardId;
    use tokio::sync::oneshot;

    use super::super::ReceivedRecord;
    use super::*;
    use crate::lanes::outcome::Outcome;
    use crate::lease::WorkerId;
    use crate::position::SequenceNumber;
    use crate::record::ClientRecord;
    use crate::stream::{ShardContext, StreamName};

    /// With whoever waits for its answer.
    fn record() -> (AckRecord, oneshot::Receiver<Outcome>) {
        let number = SequenceNumber::parse("1").unwrap();
        let record = ClientRecord::plain(number, Some("k"), Bytes::new(), None);
        let stream = StreamName::new("sales").unwrap();
        let shard = ShardContext::new(stream, ShardId::from_number(0), WorkerId::new("me"));
        let (token, answer) = oneshot::channel();
        (
            AckRecord::new(ReceivedRecord::for_test(record, shard), token),
            answer,
        )
    }

    #[test]
    fn what_nobody_waits_for_does_not_pile_up() {
        let out = HandedOut::default();
        let (first, waited_for) = record();
        out.push(first);
        for _ in 0..10 * LEAST_LOOK {
            // Its lease is lost at once.
            out.push(record().0);
        }
        assert!(out.queue().records.len() <= LEAST_LOOK + 1);
        let cx = Context::from_waker(Waker::noop());
        assert!(
            matches!(out.poll(&cx), Poll::Ready(record) if record.is_held()),
            "this one is waited for"
        );
        assert!(out.poll(&cx).is_pending());
        drop(waited_for);
        out.close();
        out.push(record().0);
        assert_eq!(out.queue().records.len(), 0);
    }
}
