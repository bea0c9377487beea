//! The table at the end: what each application got, beside what was put. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::application::{Application, Duty};
use crate::ledger::{Balance, Numbers};
use crate::report::{Table, grouped, per_second};

/// What a run came to for one application.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The application.
    pub name: &'static str,
    /// Its balance.
    pub balance: Balance,
    /// Records that were none of ours.
    pub unreadable: u64,
    /// From the first put to its last delivery.
    pub elapsed: Duration,
    /// What its work came to.
    pub result: String,
}

impl Outcome {
    /// The outcome of `application` for what was put since `start`.
    #[must_use]
    pub fn of(application: &Application, put: &Numbers, start: Instant) -> Self {
        let result = match application.duty() {
            Duty::Stock(sold) => format!("{} sold", grouped(sold.values().sum())),
            Duty::Fraud(flagged) => format!("{} flagged", grouped(flagged)),
        };
        Self {
            name: application.name(),
            balance: application.balance(put),
            unreadable: application.unreadable(),
            elapsed: application
                .last_delivery()
                .map_or(Duration::ZERO, |last| last.saturating_duration_since(start)),
            result,
        }
    }

    /// Whether the promises held: everything delivered, each key's order kept, nothing garbled.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.balance.holds() && self.unreadable == 0
    }
}

/// The table.
#[must_use]
pub fn table(outcomes: &[Outcome], put_time: Duration, put: u64) -> Table {
    let mut table = Table::new(
        ["", "tills"]
            .into_iter()
            .chain(outcomes.iter().map(|o| o.name))
            .map(str::to_owned)
            .collect(),
    );
    let mut row = |name: &str, tills: String, of: &dyn Fn(&Outcome) -> String| {
        table.row(
            [name.to_owned(), tills]
                .into_iter()
                .chain(outcomes.iter().map(of))
                .collect(),
        );
    };
    let none = String::new;
    row("put", grouped(put), &|o| grouped(o.balance.put));
    row("delivered", none(), &|o| grouped(o.balance.delivered));
    row("lost", none(), &|o| grouped(o.balance.lost));
    row("duplicates", none(), &|o| grouped(o.balance.duplicates));
    row("order breaks", none(), &|o| grouped(o.balance.order_breaks));
    row("lease moves", none(), &|o| grouped(o.balance.lease_moves));
    row("seconds", seconds(put_time), &|o| seconds(o.elapsed));
    row("records/s", grouped(per_second(put, put_time)), &|o| {
        grouped(per_second(o.balance.delivered, o.elapsed))
    });
    row("result", none(), &|o| o.result.clone());
    table
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.1}", elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &'static str, lost: u64, order_breaks: u64) -> Outcome {
        Outcome {
            name,
            balance: Balance {
                put: 1000,
                delivered: 1000 - lost,
                lost,
                duplicates: 12,
                order_breaks,
                lease_moves: 2,
            },
            unreadable: 0,
            elapsed: Duration::from_millis(2500),
            result: "3 flagged".to_owned(),
        }
    }

    #[test]
    fn the_table_says_all_that_was_promised() {
        let text = table(
            &[outcome("stock", 1, 2), outcome("fraud", 0, 0)],
            Duration::from_secs(2),
            1000,
        )
        .to_string();
        let row = |name: &str| {
            let line = text
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap_or_else(|| panic!("no {name} in\n{text}"));
            line[name.len()..]
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(row("put"), ["1,000", "1,000", "1,000"]);
        assert_eq!(row("delivered"), ["999", "1,000"]);
        assert_eq!(row("lost"), ["1", "0"]);
        assert_eq!(row("duplicates"), ["12", "12"]);
        assert_eq!(row("order breaks"), ["2", "0"]);
        assert_eq!(row("lease moves"), ["2", "2"]);
        assert_eq!(row("seconds"), ["2.0", "2.5", "2.5"]);
        assert_eq!(row("records/s"), ["500", "400", "400"]);
    }

    #[test]
    fn each_broken_promise_counts() {
        assert!(outcome("a", 0, 0).holds());
        assert!(!outcome("a", 1, 0).holds());
        assert!(!outcome("a", 0, 1).holds());
        assert!(
            !Outcome {
                unreadable: 1,
                ..outcome("a", 0, 0)
            }
            .holds()
        );
    }
}
