//! The heartbeat of a worker in a private fleet. Ours; no other library writes or reads it.
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `leaseKey` | S | `heartbeat:` and the worker id |
//! | `worker` | S | worker id |
//! | `incarnation` | S | drawn at each start |
//! | `beat` | N | counts the beats |
//! | `calls` | N | how often others called on it to look at the table; absent: never |
//! | `lifetimeMillis` | N | how long watchers wait for the next beat |
//! | `entityType` | S | `KINESIS_KIT_HEARTBEAT` |

use std::time::Duration;

use super::value::{Fault, Item, number, optional_number, required, required_text, text};
use super::{ENTITY_TYPE, LEASE_KEY};
use crate::fleet::Heartbeat;
use crate::lease::{HEARTBEAT_PREFIX, WorkerId};

const WORKER: &str = "worker";
pub(in crate::store::dynamodb) const INCARNATION: &str = "incarnation";
pub(in crate::store::dynamodb) const BEAT: &str = "beat";
pub(in crate::store::dynamodb) const CALLS: &str = "calls";
const LIFETIME: &str = "lifetimeMillis";
pub(in crate::store::dynamodb) const ENTITY: &str = "KINESIS_KIT_HEARTBEAT";

pub(in crate::store::dynamodb) fn key(worker: &WorkerId) -> String {
    format!("{HEARTBEAT_PREFIX}{worker}")
}

pub(in crate::store::dynamodb) fn decode(item: &Item) -> Result<Heartbeat, Fault> {
    let lifetime = required(LIFETIME, optional_number(item, LIFETIME)?)?;
    Ok(Heartbeat {
        worker: WorkerId::new(required_text(item, WORKER)?),
        incarnation: required_text(item, INCARNATION)?.to_owned(),
        beat: required(BEAT, optional_number(item, BEAT)?)?,
        lifetime: Duration::from_millis(lifetime),
    })
}

/// One that cannot be read is none: all that it costs is time.
pub(in crate::store::dynamodb) fn calls(item: &Item) -> u64 {
    optional_number(item, CALLS).ok().flatten().unwrap_or_default()
}

pub(in crate::store::dynamodb) fn encode(heartbeat: &Heartbeat) -> Item {
    let lifetime = u64::try_from(heartbeat.lifetime.as_millis()).unwrap_or(u64::MAX);
    Item::from([
        (LEASE_KEY.to_owned(), text(&key(&heartbeat.worker))),
        (WORKER.to_owned(), text(heartbeat.worker.as_str())),
        (INCARNATION.to_owned(), text(&heartbeat.incarnation)),
        (BEAT.to_owned(), number(heartbeat.beat)),
        (LIFETIME.to_owned(), number(lifetime)),
        (ENTITY_TYPE.to_owned(), text(ENTITY)),
    ])
}
