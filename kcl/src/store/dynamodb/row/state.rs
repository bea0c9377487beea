//! The rows of the two state machines.
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `cv` or `tm` | S | the value |
//! | `mb` | S | who set it |
//! | `mts` | N | when, milliseconds |
//! | `h` | L of M of these three | former values, newest first |
//! | `entityType` | S | `CLIENT_VERSION_MIGRATION` or `TABLE_MIGRATION` |

use aws_sdk_dynamodb::types::AttributeValue;

use super::ENTITY_TYPE;
use super::value::{Fault, Item, number, optional_number, optional_text, required_text, text};
use crate::fleet::{PastState, StateKind, StateRow};
use crate::lease::{CLIENT_VERSION_KEY, TABLE_MIGRATION_KEY};

pub(in crate::store::dynamodb) const BY: &str = "mb";
pub(in crate::store::dynamodb) const AT: &str = "mts";
pub(in crate::store::dynamodb) const HISTORY: &str = "h";

/// The attribute of a machine's value.
pub(in crate::store::dynamodb) fn value_name(kind: StateKind) -> &'static str {
    match kind {
        StateKind::ClientVersion => "cv",
        StateKind::TableMigration => "tm",
    }
}

/// The key of a machine's row.
pub(in crate::store::dynamodb) fn key(kind: StateKind) -> &'static str {
    match kind {
        StateKind::ClientVersion => CLIENT_VERSION_KEY,
        StateKind::TableMigration => TABLE_MIGRATION_KEY,
    }
}

/// What kind of row a key of one of the machines stands for.
pub(in crate::store::dynamodb) fn entity_of_key(text: &str) -> Option<&'static str> {
    [StateKind::ClientVersion, StateKind::TableMigration]
        .into_iter()
        .find(|kind| key(*kind) == text)
        .map(entity)
}

fn entity(kind: StateKind) -> &'static str {
    match kind {
        StateKind::ClientVersion => "CLIENT_VERSION_MIGRATION",
        StateKind::TableMigration => "TABLE_MIGRATION",
    }
}

pub(in crate::store::dynamodb) fn decode(kind: StateKind, item: &Item) -> Result<StateRow, Fault> {
    Ok(StateRow {
        value: required_text(item, value_name(kind))?.to_owned(),
        by: optional_text(item, BY)?.unwrap_or_default().to_owned(),
        at_ms: optional_number(item, AT)?.unwrap_or(0),
        history: past(kind, item),
    })
}

/// The history is for people: what cannot be read of it is no reason to stop.
fn past(kind: StateKind, item: &Item) -> Vec<PastState> {
    let entries = item.get(HISTORY).and_then(|value| value.as_l().ok());
    let entry = |value: &AttributeValue| {
        let entry = value.as_m().ok()?;
        Some(PastState {
            value: required_text(entry, value_name(kind)).ok()?.to_owned(),
            by: optional_text(entry, BY).ok()?.unwrap_or_default().to_owned(),
            at_ms: optional_number(entry, AT).ok()?.unwrap_or(0),
        })
    };
    entries.map_or_else(Vec::new, |entries| entries.iter().filter_map(entry).collect())
}

pub(in crate::store::dynamodb) fn encode(kind: StateKind, row: &StateRow, key_name: &str) -> Item {
    Item::from([
        (key_name.to_owned(), text(key(kind))),
        (ENTITY_TYPE.to_owned(), text(entity(kind))),
        (value_name(kind).to_owned(), text(&row.value)),
        (BY.to_owned(), text(&row.by)),
        (AT.to_owned(), number(row.at_ms)),
        (HISTORY.to_owned(), history(kind, row)),
    ])
}

pub(in crate::store::dynamodb) fn history(kind: StateKind, row: &StateRow) -> AttributeValue {
    let entry = |past: &PastState| {
        AttributeValue::M(Item::from([
            (value_name(kind).to_owned(), text(&past.value)),
            (BY.to_owned(), text(&past.by)),
            (AT.to_owned(), number(past.at_ms)),
        ]))
    };
    AttributeValue::L(row.history.iter().map(entry).collect())
}
