//! A stream that the fleet wrote down: key and `streamId` (S) both hold `account:stream:epoch`.

use super::ENTITY_TYPE;
use super::value::{Fault, Item, required_text, text};
use crate::lease::StreamId;

pub(in crate::store::dynamodb) const STREAM_ID: &str = "streamId";
pub(in crate::store::dynamodb) const ENTITY: &str = "STREAM";

pub(super) fn decode(item: &Item, key_name: &'static str) -> Result<StreamId, Fault> {
    let name = if item.contains_key(STREAM_ID) {
        STREAM_ID
    } else {
        key_name
    };
    StreamId::parse(required_text(item, name)?).map_err(|error| Fault::new(name, error))
}

pub(in crate::store::dynamodb) fn encode(stream: &StreamId, key_name: &str) -> Item {
    Item::from([
        (key_name.to_owned(), text(stream.as_str())),
        (STREAM_ID.to_owned(), text(stream.as_str())),
        (ENTITY_TYPE.to_owned(), text(ENTITY)),
    ])
}
