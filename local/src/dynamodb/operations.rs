//! The engine's operations by name, JSON in and JSON out.
//!
//! The engine's own server keeps its routes to itself and draws ids and times from outside; its operations are
//! public, so this is its server's table once more, without the outside.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Runs one operation. `None` if there is none of this name.
pub(super) fn run(
    database: &Database,
    operation: &str,
    body: &[u8],
) -> Option<Result<String, DynoxideError>> {
    let db = database;
    Some(match operation {
        "BatchExecuteStatement" => call(body, |request| db.batch_execute_statement(request)),
        "BatchGetItem" => call(body, |request| db.batch_get_item(request)),
        "BatchWriteItem" => call(body, |request| db.batch_write_item(request)),
        "CreateTable" => call(body, |request| db.create_table(request)),
        "DeleteItem" => call(body, |request| db.delete_item(request)),
        "DeleteTable" => call(body, |request| db.delete_table(request)),
        "DescribeStream" => call(body, |request| db.describe_stream(request)),
        "DescribeTable" => call(body, |request| db.describe_table(request)),
        "DescribeTimeToLive" => call(body, |request| db.describe_time_to_live(request)),
        "ExecuteStatement" => call(body, |request| db.execute_statement(request)),
        "ExecuteTransaction" => call(body, |request| db.execute_transaction(request)),
        "GetItem" => call(body, |request| db.get_item(request)),
        "GetRecords" => call(body, |request| db.get_records(request)),
        "GetShardIterator" => call(body, |request| db.get_shard_iterator(request)),
        "ListStreams" => call(body, |request| db.list_streams(request)),
        "ListTables" => call(body, |request| db.list_tables(request)),
        "ListTagsOfResource" => call(body, |request| db.list_tags_of_resource(request)),
        "PutItem" => call(body, |request| db.put_item(request)),
        "Query" => call(body, |request| db.query(request)),
        "Scan" => call(body, |request| db.scan(request)),
        "SearchVectors" => call(body, |request| db.search_vectors(request)),
        "TagResource" => call(body, |request| db.tag_resource(request)),
        "TransactGetItems" => call(body, |request| db.transact_get_items(request)),
        "TransactWriteItems" => call(body, |request| db.transact_write_items(request)),
        "UntagResource" => call(body, |request| db.untag_resource(request)),
        "UpdateItem" => call(body, |request| db.update_item(request)),
        "UpdateTable" => call(body, |request| db.update_table(request)),
        "UpdateTimeToLive" => call(body, |request| db.update_time_to_live(request)),
        _ => return None,
    })
}

/// Whether an operation may change what a table holds.
pub(super) fn is_write(operation: &str) -> bool {
    matches!(
        operation,
        "BatchExecuteStatement"
            | "BatchWriteItem"
            | "CreateTable"
            | "DeleteItem"
            | "DeleteTable"
            | "ExecuteStatement"
            | "ExecuteTransaction"
            | "PutItem"
            | "TransactWriteItems"
            | "UpdateItem"
            | "UpdateTable"
    )
}

fn call<Q, R>(body: &[u8], work: impl FnOnce(Q) -> Result<R, DynoxideError>) -> Result<String, DynoxideError>
where
    Q: DeserializeOwned,
    R: Serialize,
{
    let request = serde_json::from_slice(body).map_err(|error| unread(&error))?;
    let reply = work(request).map_err(bare)?;
    serde_json::to_string(&reply).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// What the service answers to a body that is no request of the operation. The engine marks what it worded itself.
fn unread(error: &serde_json::Error) -> DynoxideError {
    let full = error.to_string();
    let text = match full.rfind(" at line ") {
        Some(position) => &full[..position],
        None => &full,
    };
    let marked = |marks: &[&str]| {
        marks
            .iter()
            .find_map(|mark| text.strip_prefix(mark))
            .map(str::to_owned)
    };
    if let Some(message) = marked(&["VALIDATION:", "VALIDATION_REQUEST:", "VALIDATION_AS_READ:"]) {
        return DynoxideError::ValidationException(message);
    }
    if let Some(message) = marked(&["SERIALIZATION:", "SERIALIZATION_AS_READ:"]) {
        return DynoxideError::SerializationException(message);
    }
    if text.contains("empty AttributeValue") {
        return DynoxideError::ValidationException(EMPTY_VALUE.to_owned());
    }
    let is_missing = [
        "missing field",
        "unknown variant",
        "invalid type: null",
        "Supplied AttributeValue",
    ];
    if is_missing.iter().any(|phrase| text.contains(phrase)) {
        return DynoxideError::ValidationException(text.to_owned());
    }
    DynoxideError::SerializationException(text.to_owned())
}

/// The engine's mark for its server, which is no error of the service.
fn bare(error: DynoxideError) -> DynoxideError {
    match error {
        DynoxideError::EnvelopedValidation(message) => DynoxideError::ValidationException(message),
        other => other,
    }
}

/// Source: the service's answer, as the engine's server has it too.
const EMPTY_VALUE: &str =
    "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::DYNAMODB_OPERATIONS;

    #[test]
    fn every_operation_is_there_and_refuses_what_it_cannot_read() {
        let database = Database::memory().unwrap();
        for operation in DYNAMODB_OPERATIONS {
            let refused = run(&database, operation, b"{")
                .expect("known")
                .expect_err("not json");
            assert_eq!(refused.status_code(), 400, "{operation}");
            assert!(
                refused.to_json().contains("SerializationException"),
                "{operation}: {refused:?}"
            );
        }
        assert!(run(&database, "PutRecords", b"{}").is_none());
    }

    #[test]
    fn refusals_are_the_services() {
        let database = Database::memory().unwrap();
        let cases = [
            ("GetItem", "{}", "ValidationException"),
            ("GetItem", r#"{"TableName":7,"Key":{}}"#, "SerializationException"),
            (
                "GetItem",
                r#"{"TableName":"none","Key":{"k":{"S":"a"}}}"#,
                "ResourceNotFoundException",
            ),
            (
                "PutItem",
                r#"{"TableName":"none","Item":{"k":{}}}"#,
                "ValidationException",
            ),
            (
                "PutItem",
                r#"{"TableName":"none","Item":{"k":{"NULL":false}}}"#,
                "ValidationException",
            ),
            ("CreateTable", r#"{"TableName":"x"}"#, "ValidationException"),
        ];
        for (operation, body, code) in cases {
            let refused = run(&database, operation, body.as_bytes())
                .expect("known")
                .expect_err(body);
            assert!(
                refused.to_json().contains(code),
                "{operation} {body}: {}",
                refused.to_json()
            );
            assert!(!refused.to_json().contains("VALIDATION"), "{}", refused.to_json());
        }
    }
}
