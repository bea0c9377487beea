//! Single requests on rows of any kind. A condition that does not hold is an answer here, with the row as it was.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::DynamoDbLeaseStore;
use super::errors::Call;
use super::names::Row;
use super::row::value::{Item, text};
use super::update::Update;
use crate::error::StoreError;

/// What became of a conditional write.
#[derive(Debug)]
pub(super) enum Written {
    /// Done. The row after it, when it was asked for.
    Done(Option<Item>),
    /// The condition did not hold. The row at that moment, if there is one.
    Refused(Option<Item>),
}

impl Written {
    /// Whether the write happened: now, or before, as `ours` can tell from the row that refused it.
    pub(super) fn happened(self, ours: impl FnOnce(Option<Item>) -> bool) -> bool {
        match self {
            Self::Done(_) => true,
            Self::Refused(row) => ours(row),
        }
    }
}

/// Whether the row after a write is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Nothing,
    Row,
}

impl DynamoDbLeaseStore {
    /// One row, read consistently.
    pub(super) async fn read_row(&self, row: Row<'_>) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(row.table)
            .key(row.key_name, text(row.key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| call("GetItem", row.table).failed(error))?;
        Ok(answer.item.filter(|item| !item.is_empty()))
    }

    /// `UpdateItem`: touches the attributes named and no others.
    pub(super) async fn update_row(&self, update: Update<'_>, wanted: Answer) -> Result<Written, StoreError> {
        let row = update.row;
        let parts = update.finish();
        let answer = self
            .client
            .update_item()
            .table_name(row.table)
            .key(row.key_name, text(row.key))
            .update_expression(parts.update)
            .set_condition_expression(Some(parts.condition).filter(|clauses| !clauses.is_empty()))
            .set_expression_attribute_names(Some(parts.names))
            .set_expression_attribute_values(parts.values)
            .return_values(match wanted {
                Answer::Nothing => ReturnValue::None,
                Answer::Row => ReturnValue::AllNew,
            })
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match answer {
            Ok(answer) => return Ok(Written::Done(answer.attributes)),
            Err(error) => error,
        };
        let refused = match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => refused.item().cloned(),
            _ => return Err(call("UpdateItem", row.table).failed(error)),
        };
        self.refused(row, refused).await
    }

    /// `PutItem` of a whole row.
    pub(super) async fn put_row(&self, item: Item, condition: Update<'_>) -> Result<Written, StoreError> {
        let row = condition.row;
        let parts = condition.finish();
        let answer = self
            .client
            .put_item()
            .table_name(row.table)
            .set_item(Some(item))
            .condition_expression(parts.condition)
            .set_expression_attribute_names(Some(parts.names))
            .set_expression_attribute_values(parts.values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = answer else {
            return Ok(Written::Done(None));
        };
        let refused = match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => refused.item().cloned(),
            _ => return Err(call("PutItem", row.table).failed(error)),
        };
        self.refused(row, refused).await
    }

    /// `DeleteItem`, under a condition.
    pub(super) async fn delete_row_if(&self, condition: Update<'_>) -> Result<Written, StoreError> {
        let row = condition.row;
        let parts = condition.finish();
        let answer = self
            .client
            .delete_item()
            .table_name(row.table)
            .key(row.key_name, text(row.key))
            .condition_expression(parts.condition)
            .set_expression_attribute_names(Some(parts.names))
            .set_expression_attribute_values(parts.values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = answer else {
            return Ok(Written::Done(None));
        };
        let refused = match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(refused)) => refused.item().cloned(),
            _ => return Err(call("DeleteItem", row.table).failed(error)),
        };
        self.refused(row, refused).await
    }

    /// `DeleteItem`, whatever the row holds. Whether there was one.
    pub(super) async fn delete_row(&self, row: Row<'_>) -> Result<bool, StoreError> {
        let request = self
            .client
            .delete_item()
            .table_name(row.table)
            .key(row.key_name, text(row.key))
            .return_values(ReturnValue::AllOld);
        let answer = request
            .send()
            .await
            .map_err(|error| call("DeleteItem", row.table).failed(error))?;
        Ok(answer.attributes.is_some_and(|item| !item.is_empty()))
    }

    /// An endpoint may not return the row with its refusal.
    async fn refused(&self, row: Row<'_>, item: Option<Item>) -> Result<Written, StoreError> {
        match item {
            Some(item) if !item.is_empty() => Ok(Written::Refused(Some(item))),
            _ => Ok(Written::Refused(self.read_row(row).await?)),
        }
    }

    /// Every row of a table or of one of its segments, page by page. The number of pages.
    pub(super) async fn each_row(
        &self,
        table: &str,
        segment: Option<Segment>,
        mut visit: impl FnMut(&Item) + Send,
    ) -> Result<usize, StoreError> {
        let mut start = None;
        let mut pages = 0;
        loop {
            let page = self
                .client
                .scan()
                .table_name(table)
                .consistent_read(self.scan == super::ScanConsistency::Strong)
                .set_segment(segment.map(|segment| segment.number))
                .set_total_segments(segment.map(|segment| segment.total))
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(|error| call("Scan", table).failed(error))?;
            pages += 1;
            page.items().iter().for_each(&mut visit);
            match page.last_evaluated_key {
                // A page may be empty and still not be the last.
                Some(key) if !key.is_empty() => start = Some(key),
                _ => return Ok(pages),
            }
        }
    }
}

/// One of several parts of a table that are read at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) number: i32,
    pub(super) total: i32,
}

pub(super) fn call<'a>(operation: &'static str, table: &'a str) -> Call<'a> {
    Call { operation, table }
}

/// Whether the service refused for want of a right.
pub(super) fn is_denied(error: &StoreError) -> bool {
    matches!(error, StoreError::AccessDenied { .. })
}

/// Whether the service says that the request itself does not make sense, e.g. names an index that is not there.
pub(super) fn is_invalid<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("ValidationException")
}
