//! The two applications: what each does with a sale, and the books that all its workers share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kcl::{BoxError, Checkpointer, Initialization, RecordBatch, RecordProcessor, ShardContext};
use tokio::time::Instant;

use super::sale;
use crate::ledger::{Arrival, Balance, Ledger, Numbers};

/// One application, as its owner sees it. The lock stands for the application's database.
#[derive(Debug)]
pub struct Application {
    name: &'static str,
    books: Mutex<Books>,
}

/// What an application is for.
#[derive(Debug, Clone)]
pub enum Duty {
    /// Counts what left the shelves, by product.
    Stock(BTreeMap<Box<str>, u64>),
    /// Counts sales that somebody should look at.
    Fraud(u64),
}

#[derive(Debug)]
struct Books {
    ledger: Ledger,
    duty: Duty,
    unreadable: u64,
    last_delivery: Option<Instant>,
}

impl Application {
    /// An application with empty books.
    #[must_use]
    pub fn new(name: &'static str, duty: Duty) -> Self {
        let books = Books {
            ledger: Ledger::default(),
            duty,
            unreadable: 0,
            last_delivery: None,
        };
        Self {
            name,
            books: Mutex::new(books),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How many different events it was given.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.books().ledger.delivered_count()
    }

    /// How many shards `worker` was the last to start on.
    #[must_use]
    pub fn shards_of(&self, worker: &str) -> usize {
        self.books().ledger.shards_of(worker)
    }

    /// When it was given its last event, if any.
    #[must_use]
    pub fn last_delivery(&self) -> Option<Instant> {
        self.books().last_delivery
    }

    /// Its balance against what was put.
    #[must_use]
    pub fn balance(&self, put: &Numbers) -> Balance {
        self.books().ledger.balance(put)
    }

    /// Records which were none of ours.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.books().unreadable
    }

    /// What its work has come to.
    #[must_use]
    pub fn duty(&self) -> Duty {
        self.books().duty.clone()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // The killed worker is dropped between two steps, never inside one.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn enter(&mut self, key: &str, data: &[u8]) {
        let Some((number, line)) = unpack(data) else {
            self.unreadable += 1;
            return;
        };
        // Delivery is at least once. The application knows what it has done, so once more changes nothing.
        if self.ledger.delivered(number, key) == Arrival::First {
            self.duty.on_event(key, line);
        }
    }
}

impl Duty {
    fn on_event(&mut self, key: &str, line: &str) {
        let sale = sale::read(line);
        match self {
            Self::Stock(sold) => {
                // Of a line that is no sale the key went off the shelf.
                let (product, quantity) = sale.unwrap_or((key, 1));
                match sold.get_mut(product) {
                    Some(count) => *count += u64::from(quantity),
                    None => {
                        sold.insert(product.into(), u64::from(quantity));
                    }
                }
            }
            Self::Fraud(flagged) => {
                let suspicious = sale.is_some_and(|(_, quantity)| sale::is_suspicious(quantity));
                *flagged += u64::from(suspicious);
            }
        }
    }
}

/// An event on the stream: its number, a blank, its line.
#[must_use]
pub fn pack(number: u64, line: &str) -> String {
    format!("{number} {line}")
}

fn unpack(data: &[u8]) -> Option<(u64, &str)> {
    let (number, line) = std::str::from_utf8(data).ok()?.split_once(' ')?;
    Some((number.parse().ok()?, line))
}

/// Works on one shard for an application.
#[derive(Debug)]
pub struct Clerk {
    application: Arc<Application>,
    worker: &'static str,
    shard: String,
}

impl Clerk {
    /// A clerk of `worker` for `shard`.
    #[must_use]
    pub fn new(application: Arc<Application>, worker: &'static str, shard: &ShardContext) -> Self {
        Self {
            application,
            worker,
            shard: shard.shard_id().to_string(),
        }
    }
}

impl RecordProcessor for Clerk {
    async fn initialize(&mut self, _: Initialization<'_>) -> Result<(), BoxError> {
        self.application.books().ledger.reads(self.worker, &self.shard);
        Ok(())
    }

    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        for piece in batch.records().chunks(PIECE) {
            {
                let mut books = self.application.books();
                for record in piece {
                    books.enter(record.partition_key().unwrap_or_default(), record.data());
                }
                books.last_delivery = Some(Instant::now());
            }
            // Lets the others at the books, and death come in the middle of a batch.
            tokio::task::yield_now().await;
        }
        checkpointer.checkpoint().await?;
        Ok(())
    }
}

/// Records entered while the books are held.
const PIECE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn books(duty: Duty) -> Application {
        Application::new("test", duty)
    }

    #[test]
    fn events_come_back_as_they_were_packed() {
        assert_eq!(
            unpack(pack(17, "a, b,\"c d\"").as_bytes()),
            Some((17, "a, b,\"c d\""))
        );
        assert_eq!(unpack(pack(0, "").as_bytes()), Some((0, "")));
        for bad in [&b"17"[..], b"x line", b"-1 line", b"1 \xff"] {
            assert_eq!(unpack(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn stock_counts_each_event_once() {
        let app = books(Duty::Stock(BTreeMap::new()));
        for (number, line) in [
            (0, "till-001,tea,3,1.00"),
            (1, "till-001,tea,2,1.00"),
            (0, "till-001,tea,3,1.00"),
            (2, "no sale"),
        ] {
            app.books().enter("till-001", pack(number, line).as_bytes());
        }
        app.books().enter("till-001", b"garbage");
        let Duty::Stock(sold) = app.duty() else {
            panic!("it was made for stock")
        };
        let expected = BTreeMap::from([("tea".into(), 5), ("till-001".into(), 1)]);
        assert_eq!(sold, expected);
        assert_eq!((app.delivered(), app.unreadable()), (3, 1));
    }

    #[test]
    fn fraud_flags_what_nobody_buys() {
        let app = books(Duty::Fraud(0));
        for (number, line) in [
            (0, "till-001,tea,49,1.00"),
            (1, "till-001,tea,50,1.00"),
            (1, "till-001,tea,50,1.00"),
            (2, "x"),
        ] {
            app.books().enter("till-001", pack(number, line).as_bytes());
        }
        assert!(matches!(app.duty(), Duty::Fraud(1)));
    }
}
