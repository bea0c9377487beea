//! The tills: they put events and keep what was acknowledged.

use std::collections::VecDeque;

use futures::FutureExt;
use kpl::{DeliveryTicket, Producer, Record, StreamName};
use tokio_util::sync::CancellationToken;

use super::application::pack;
use super::error::QuickstartError;
use super::goods::Goods;
use crate::ledger::Numbers;

/// Where the tills wait for what happens elsewhere: in a second they would be done before it.
#[derive(Debug)]
pub struct Pause {
    /// Events put before.
    pub after: u64,
    /// Ends the pause.
    pub until: CancellationToken,
}

/// Puts events one after the other and collects their outcomes.
#[derive(Debug)]
pub struct Tills {
    producer: Producer,
    stream: StreamName,
    tickets: VecDeque<(u64, DeliveryTicket)>,
    acknowledged: Numbers,
}

impl Tills {
    /// Tills that put into `stream`.
    #[must_use]
    pub fn new(producer: Producer, stream: StreamName) -> Self {
        Self {
            producer,
            stream,
            tickets: VecDeque::new(),
            acknowledged: Numbers::default(),
        }
    }

    /// Puts all events, and waits until each is acknowledged. `seen` is told how many are, now and then.
    ///
    /// # Errors
    /// When an event cannot be put or is not delivered.
    pub async fn ring_up(
        mut self,
        mut goods: Goods,
        pause: Pause,
        seen: impl Fn(u64),
    ) -> Result<Numbers, QuickstartError> {
        let mut number = 0;
        while let Some((key, line)) = goods.next().await? {
            let record = Record::new(key, pack(number, &line))
                .map_err(|source| QuickstartError::Record { number, source })?;
            let put = self.producer.put(&self.stream, record).await;
            let ticket = put.map_err(|source| QuickstartError::Put { number, source })?;
            self.tickets.push_back((number, ticket));
            number += 1;
            if number == pause.after {
                pause.until.cancelled().await;
            }
            if number % LOOK_EVERY == 0 {
                self.collect_ready()?;
                seen(self.acknowledged.len());
            }
            while self.tickets.len() >= MAX_TICKETS {
                self.collect_oldest().await?;
            }
        }
        // What the flush cannot do the tickets tell.
        let _ = self.producer.flush().await;
        while !self.tickets.is_empty() {
            self.collect_oldest().await?;
        }
        seen(self.acknowledged.len());
        let _ = self.producer.close().await;
        Ok(self.acknowledged)
    }

    fn collect_ready(&mut self) -> Result<(), QuickstartError> {
        while let Some((number, ticket)) = self.tickets.front_mut() {
            let Some(outcome) = ticket.now_or_never() else {
                break;
            };
            let number = *number;
            self.tickets.pop_front();
            self.acknowledge(number, outcome)?;
        }
        Ok(())
    }

    async fn collect_oldest(&mut self) -> Result<(), QuickstartError> {
        if let Some((number, ticket)) = self.tickets.front_mut() {
            let (number, outcome) = (*number, ticket.await);
            self.tickets.pop_front();
            self.acknowledge(number, outcome)?;
        }
        Ok(())
    }

    fn acknowledge(
        &mut self,
        number: u64,
        outcome: Result<kpl::Delivery, kpl::DeliveryError>,
    ) -> Result<(), QuickstartError> {
        match outcome {
            Ok(_) => {
                self.acknowledged.insert(number);
                Ok(())
            }
            Err(source) => Err(QuickstartError::Undelivered {
                number,
                source: Box::new(source),
            }),
        }
    }
}

/// Events between two looks at what has come back.
const LOOK_EVERY: u64 = 1000;

/// Most events waited for.
const MAX_TICKETS: usize = 100_000;
