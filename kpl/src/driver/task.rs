//! The task of one stream.

use std::sync::Arc;

use kinesis_aggregation::HashKey;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::transport::Transport;
use crate::config::ProducerConfig;
use crate::producer::ticket::Token;
use crate::record::Record;
use crate::stream::StreamName;

/// What handles ask of a stream's task; in this order it is done.
#[derive(Debug)]
pub(crate) enum Command {
    /// Deliver a record.
    Put {
        record: Record,
        hash_key: HashKey,
        token: Token,
    },
    /// Tell when all records put before have their outcome.
    Flush(oneshot::Sender<()>),
}

/// The task of one stream.
#[derive(Debug)]
pub(crate) struct StreamTask {
    commands: mpsc::Receiver<Command>,
}

impl StreamTask {
    pub(crate) fn new(
        _stream: StreamName,
        _config: Arc<ProducerConfig>,
        _transport: Arc<dyn Transport>,
        commands: mpsc::Receiver<Command>,
        _closing: CancellationToken,
    ) -> Self {
        Self { commands }
    }

    pub(crate) async fn run(mut self) {
        while self.commands.recv().await.is_some() {}
    }
}
