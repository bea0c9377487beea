//! The table: an item for each effect, and an item for each shard that says how far its effects are.
//!
//! | `id` | attributes |
//! | --- | --- |
//! | `effect#<data>` | `applied` (N): how often |
//! | `shard#<lease key>` | `token` (N): of the tenure that may write; `number` (S), `sub` (N): the last record posted |

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, DisplayErrorContext};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ReturnValue,
    ScalarAttributeType, TransactWriteItem, Update,
};
use kcl::{ClientRecord, FencingToken, LeaseKey, Position, SequenceNumber};

/// Effects and positions in one table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Books {
    client: Client,
    table: String,
}

/// The books cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BooksError {
    /// DynamoDB refused or did not answer; in the case of a transaction it may have happened.
    #[error("{operation} on `{table}` failed: {reason}")]
    Refused {
        /// Which operation.
        operation: &'static str,
        /// Which table.
        table: String,
        /// What the service or the SDK says.
        reason: String,
    },
    /// An item is not of ours.
    #[error("item `{id}` has no usable `{attribute}`")]
    Item {
        /// Its key.
        id: String,
        /// The attribute at fault.
        attribute: &'static str,
    },
    /// A request cannot be made.
    #[error("a request is incomplete")]
    Request(#[from] BuildError),
}

impl Books {
    /// Opens the table, and makes it if it is not there.
    ///
    /// # Errors
    /// [`BooksError`].
    pub async fn open(client: Client, table: &str) -> Result<Self, BooksError> {
        let books = Self {
            client,
            table: table.to_owned(),
        };
        let key = KeySchemaElement::builder()
            .attribute_name(ID)
            .key_type(KeyType::Hash);
        let id = AttributeDefinition::builder().attribute_name(ID);
        let created = books
            .client
            .create_table()
            .table_name(table)
            .key_schema(key.build()?)
            .attribute_definitions(id.attribute_type(ScalarAttributeType::S).build()?)
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await;
        match created {
            Ok(_) => {}
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_in_use_exception()) => {}
            Err(error) => return Err(books.refused("CreateTable", &error)),
        }
        Ok(books)
    }

    /// Begins a tenure: from now on no earlier one can post. How far the books are. Claiming again with the same token is safe.
    ///
    /// # Errors
    /// [`BooksError::Refused`] if a later tenure has begun.
    pub async fn claim(&self, shard: &LeaseKey, token: FencingToken) -> Result<Option<Position>, BooksError> {
        let id = shard_item(shard);
        let claimed = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(ID, text(&id))
            .update_expression("SET #token = :token")
            .condition_expression("attribute_not_exists(#token) OR #token <= :token")
            .expression_attribute_names("#token", TOKEN)
            .expression_attribute_values(":token", number(token.get()))
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(|error| self.refused("UpdateItem", &error))?;
        position(&id, &claimed.attributes.unwrap_or_default())
    }

    /// Posts the effects of at most `MOST_EFFECTS` records and moves the position from `posted` to the last of them, all or nothing.
    /// Where it is then.
    ///
    /// # Errors
    /// [`BooksError::Refused`] if a later tenure has begun, or the books are not at `posted`, or nobody knows whether it happened.
    pub async fn post(
        &self,
        shard: &LeaseKey,
        token: FencingToken,
        posted: Option<&Position>,
        records: &[&ClientRecord],
    ) -> Result<Option<Position>, BooksError> {
        let Some(last) = records.last().map(|record| record.position()) else {
            return Ok(posted.cloned());
        };
        let mut effects: BTreeMap<String, u64> = BTreeMap::new();
        for record in records {
            let data = String::from_utf8_lossy(record.data());
            *effects.entry(format!("{EFFECT_PREFIX}{data}")).or_default() += 1;
        }
        let mut items = vec![self.move_from(shard, token, posted, last)?];
        for (id, times) in effects {
            let effect = Update::builder()
                .table_name(&self.table)
                .key(ID, text(&id))
                // Not idempotent, on purpose: a record that came twice would show.
                .update_expression("ADD #applied :times")
                .expression_attribute_names("#applied", APPLIED)
                .expression_attribute_values(":times", number(times));
            items.push(TransactWriteItem::builder().update(effect.build()?).build());
        }
        self.client
            .transact_write_items()
            .set_transact_items(Some(items))
            .send()
            .await
            .map_err(|error| self.refused("TransactWriteItems", &error))?;
        Ok(Some(last.clone()))
    }

    fn move_from(
        &self,
        shard: &LeaseKey,
        token: FencingToken,
        from: Option<&Position>,
        to: &Position,
    ) -> Result<TransactWriteItem, BooksError> {
        let mut update = Update::builder()
            .table_name(&self.table)
            .key(ID, text(&shard_item(shard)))
            .update_expression("SET #number = :number, #sub = :sub")
            .expression_attribute_names("#token", TOKEN)
            .expression_attribute_names("#number", NUMBER)
            .expression_attribute_names("#sub", SUB)
            .expression_attribute_values(":token", number(token.get()))
            .expression_attribute_values(":number", text(to.sequence_number().as_str()))
            .expression_attribute_values(":sub", number(to.sub_sequence_number()));
        update = match from {
            None => update.condition_expression("#token = :token AND attribute_not_exists(#number)"),
            Some(from) => update
                .condition_expression("#token = :token AND #number = :from AND #sub = :from_sub")
                .expression_attribute_values(":from", text(from.sequence_number().as_str()))
                .expression_attribute_values(":from_sub", number(from.sub_sequence_number())),
        };
        Ok(TransactWriteItem::builder().update(update.build()?).build())
    }

    fn refused<E: std::error::Error>(&self, operation: &'static str, error: &E) -> BooksError {
        BooksError::Refused {
            operation,
            table: self.table.clone(),
            reason: DisplayErrorContext(error).to_string(),
        }
    }
}

fn position(id: &str, item: &HashMap<String, AttributeValue>) -> Result<Option<Position>, BooksError> {
    let Some(value) = item.get(NUMBER) else {
        return Ok(None);
    };
    let bad = |attribute| BooksError::Item {
        id: id.to_owned(),
        attribute,
    };
    let sequence = value.as_s().map_err(|_| bad(NUMBER))?;
    let sequence = SequenceNumber::parse(sequence).map_err(|_| bad(NUMBER))?;
    let sub = item.get(SUB).and_then(|value| value.as_n().ok());
    let sub = sub.and_then(|sub| sub.parse().ok()).ok_or_else(|| bad(SUB))?;
    Ok(Some(Position::new(sequence, sub)))
}

fn shard_item(shard: &LeaseKey) -> String {
    format!("shard#{shard}")
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// What the key of an effect's item begins with.
pub const EFFECT_PREFIX: &str = "effect#";
/// Source: AWS API reference, TransactWriteItems: 100 actions, one of which moves the position.
pub(super) const MOST_EFFECTS: usize = 99;

const ID: &str = "id";
const TOKEN: &str = "token";
const NUMBER: &str = "number";
const SUB: &str = "sub";
const APPLIED: &str = "applied";
