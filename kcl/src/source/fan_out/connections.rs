//! Clients for subscriptions: a connection carries so many, then the next one is opened.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::Builder;

/// The clients of one consumer. A client without an `http_client` of the user's has connections of its own, so each of them is a
/// connection: over HTTP/2 all requests of a client share one.
#[derive(Clone)]
pub(crate) struct Connections {
    builder: Builder,
    open: Arc<Mutex<Vec<Connection>>>,
}

struct Connection {
    client: Client,
    /// As many more as there are seats taken.
    seats: Arc<()>,
}

/// A place on a connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) client: Client,
    _taken: Arc<()>,
}

impl Connections {
    pub(crate) fn new(builder: Builder) -> Self {
        Self {
            builder,
            open: Arc::default(),
        }
    }

    pub(super) fn seat(&self) -> Seat {
        // Each holder leaves it whole.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = |connection: &&Connection| Arc::strong_count(&connection.seats) <= SEATS;
        let seat = |connection: &Connection| Seat {
            client: connection.client.clone(),
            _taken: Arc::clone(&connection.seats),
        };
        if let Some(connection) = open.iter().find(is_free) {
            return seat(connection);
        }
        let connection = Connection {
            client: Client::from_conf(self.builder.clone().build()),
            seats: Arc::default(),
        };
        let taken = seat(&connection);
        open.push(connection);
        taken
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

/// Ours. Servers allow a hundred or more streams on a connection; the client's window for all of them is 5 MiB, two and a half
/// seconds of one shard, so fewer that stall hold up fewer others.
const SEATS: usize = 32;

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::config::{BehaviorVersion, Region};

    use super::*;

    #[test]
    fn seats_that_are_left_are_taken_again() {
        let builder = aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"));
        let connections = Connections::new(builder);
        let mut seats: Vec<_> = (0..SEATS * 2 + 1).map(|_| connections.seat()).collect();
        assert_eq!(connections.count(), 3);
        seats.truncate(SEATS);
        seats.extend((0..SEATS).map(|_| connections.seat()));
        assert_eq!(connections.count(), 3);
    }
}
