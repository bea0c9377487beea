//! Settings of what happens to an application whose only stream was deleted and made again.

use super::ConsumerConfigBuilder;

/// What to do when the application's only stream was deleted and made again under its name, so that its leases are of a stream that is
/// no more. The KCL reads on with them, in silence. (Of several streams, each is told from its namesakes by its leases' keys.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnRecreated {
    /// Read nothing more and end with [`RunError::StreamRecreated`](crate::RunError::StreamRecreated), at the start too. The
    /// default: whoever made the stream again knows what the old leases are still good for.
    #[default]
    Stop,
    /// Delete the former stream's leases, whoever holds them, and read the new stream from the initial position. What was not
    /// read of the former one is gone. See
    /// [`ConsumerEvent::StreamBegunAnew`](crate::events::ConsumerEvent::StreamBegunAnew).
    BeginAnew,
}

impl ConsumerConfigBuilder {
    /// What to do when the only stream was deleted and made again. Set the same on all workers. Default [`OnRecreated::Stop`].
    ///
    /// It is noticed by the stream's creation time while the consumer runs, which takes the right to
    /// `kinesis:DescribeStreamSummary`; without it, and after a time in which no worker ran, by leases that cannot be of the
    /// shards there are ([`Mark`](crate::shard_sync::recreated::Mark)).
    pub fn on_recreated(mut self, policy: OnRecreated) -> Self {
        self.recreated = policy;
        self
    }
}
