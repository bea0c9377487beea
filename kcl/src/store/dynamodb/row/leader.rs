//! The leader's row, in the format of the DynamoDB lock client.
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `ownerName` | S | worker id |
//! | `leaseDuration` | S | milliseconds, as text |
//! | `recordVersionNumber` | S | a random UUID, new with each heartbeat |
//! | `isReleased` | S | `1` when given up without being deleted |
//! | `entityType` | S | `LEADER`; KCL 3.0 to 3.4 write none |

use std::time::Duration;

use super::ENTITY_TYPE;
use super::value::{Fault, Item, optional_text, required_text, text};
use crate::fleet::LeaderRow;
use crate::lease::{LEADER_KEY, WorkerId};

pub(in crate::store::dynamodb) const OWNER: &str = "ownerName";
pub(in crate::store::dynamodb) const DURATION: &str = "leaseDuration";
pub(in crate::store::dynamodb) const VERSION: &str = "recordVersionNumber";
pub(in crate::store::dynamodb) const RELEASED: &str = "isReleased";
pub(in crate::store::dynamodb) const RELEASED_VALUE: &str = "1";
const ENTITY: &str = "LEADER";

pub(in crate::store::dynamodb) fn decode(item: &Item) -> Result<LeaderRow, Fault> {
    let digits = required_text(item, DURATION)?;
    let millis = digits
        .parse()
        .map_err(|error| Fault::new(DURATION, format!("`{digits}`: {error}")))?;
    let owner = WorkerId::new(required_text(item, OWNER)?);
    let version = required_text(item, VERSION)?.to_owned();
    Ok(LeaderRow {
        released: optional_text(item, RELEASED)? == Some(RELEASED_VALUE),
        ..LeaderRow::new(owner, Duration::from_millis(millis), version)
    })
}

/// The whole row: acquisition replaces what was there.
pub(in crate::store::dynamodb) fn encode(row: &LeaderRow, key_name: &str) -> Item {
    Item::from([
        (key_name.to_owned(), text(LEADER_KEY)),
        (OWNER.to_owned(), text(row.owner.as_str())),
        (DURATION.to_owned(), text(&duration(row))),
        (VERSION.to_owned(), text(&row.version)),
        (ENTITY_TYPE.to_owned(), text(ENTITY)),
    ])
}

pub(in crate::store::dynamodb) fn duration(row: &LeaderRow) -> String {
    row.lease_duration.as_millis().to_string()
}
