//! Secondary indexes that lag: a second database which hears of every write later.

use std::collections::VecDeque;

use bytes::Bytes;
use dynoxide::{Database, DynoxideError};
use serde_json::{Map, Value, json};

use super::operations::run;

/// The tables as they were some time ago.
pub(super) struct Replica {
    database: Database,
    /// Writes that it has not heard of yet, with their moments, Unix milliseconds.
    pending: VecDeque<(u64, &'static str, Bytes)>,
}

impl Replica {
    /// A copy of all tables as they are.
    pub(super) fn of(primary: &Database) -> Result<Self, DynoxideError> {
        let database = Database::memory()?;
        for table in tables(primary)? {
            copy(primary, &database, &table)?;
        }
        Ok(Self {
            database,
            pending: VecDeque::new(),
        })
    }

    /// Takes down a write that happened.
    pub(super) fn heard(&mut self, at_ms: u64, operation: &'static str, body: Bytes) {
        self.pending.push_back((at_ms, operation, body));
        if self.pending.len() > MOST_PENDING {
            self.apply_oldest();
        }
    }

    /// Answers as of a moment, or of the latest that was ever asked for.
    pub(super) fn read(
        &mut self,
        as_of_ms: u64,
        operation: &str,
        body: &[u8],
    ) -> Option<Result<String, DynoxideError>> {
        while self.pending.front().is_some_and(|(at_ms, ..)| *at_ms <= as_of_ms) {
            self.apply_oldest();
        }
        run(&self.database, operation, body)
    }

    fn apply_oldest(&mut self) {
        if let Some((_, operation, body)) = self.pending.pop_front()
            && let Some(Err(error)) = run(&self.database, operation, &body)
        {
            // The same writes in the same order on the same tables end alike.
            tracing::warn!(operation, %error, "a lagging index did not take a write");
        }
    }
}

fn ask(database: &Database, operation: &str, request: &Value) -> Result<Value, DynoxideError> {
    let body = request.to_string();
    match run(database, operation, body.as_bytes()) {
        Some(Ok(reply)) => serde_json::from_str(&reply)
            .map_err(|error| DynoxideError::InternalServerError(error.to_string())),
        Some(Err(error)) => Err(error),
        None => Ok(Value::Null),
    }
}

fn tables(database: &Database) -> Result<Vec<String>, DynoxideError> {
    let mut names = Vec::new();
    let mut after = Value::Null;
    loop {
        let request = match &after {
            Value::Null => json!({}),
            after => json!({ "ExclusiveStartTableName": after }),
        };
        let mut page = ask(database, "ListTables", &request)?;
        if let Value::Array(found) = page["TableNames"].take() {
            names.extend(
                found
                    .into_iter()
                    .filter_map(|name| name.as_str().map(str::to_owned)),
            );
        }
        after = page["LastEvaluatedTableName"].take();
        if after.is_null() {
            return Ok(names);
        }
    }
}

fn copy(from: &Database, to: &Database, table: &str) -> Result<(), DynoxideError> {
    let mut described = ask(from, "DescribeTable", &json!({ "TableName": table }))?;
    let described = &mut described["Table"];
    let mut create = json!({
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": described["KeySchema"].take(),
        "AttributeDefinitions": described["AttributeDefinitions"].take(),
    });
    for kind in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        if let Value::Array(indexes) = described[kind].take() {
            create[kind] = indexes.iter().map(definition).collect();
        }
    }
    ask(to, "CreateTable", &create)?;
    let mut after = Value::Null;
    loop {
        let mut request = json!({ "TableName": table });
        if !after.is_null() {
            request["ExclusiveStartKey"] = after;
        }
        let mut page = ask(from, "Scan", &request)?;
        if let Value::Array(items) = page["Items"].take() {
            for item in items {
                ask(to, "PutItem", &json!({ "TableName": table, "Item": item }))?;
            }
        }
        after = page["LastEvaluatedKey"].take();
        if after.is_null() {
            return Ok(());
        }
    }
}

/// What defines an index, of what describes it.
fn definition(index: &Value) -> Value {
    let members = ["IndexName", "KeySchema", "Projection"];
    let defined: Map<String, Value> = members
        .into_iter()
        .map(|name| (name.to_owned(), index[name].clone()))
        .collect();
    Value::Object(defined)
}

/// Writes held back at most; beyond that the oldest are heard of early, to bound memory.
const MOST_PENDING: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn primary() -> Database {
        let database = Database::memory().unwrap();
        let table = json!({
            "TableName": "leases",
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
            "AttributeDefinitions": [
                {"AttributeName": "key", "AttributeType": "S"},
                {"AttributeName": "owner", "AttributeType": "S"},
            ],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-owner",
                "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }],
        });
        ask(&database, "CreateTable", &table).unwrap();
        database
    }

    fn put(key: &str) -> Bytes {
        let item = json!({"key": {"S": key}, "owner": {"S": "me"}});
        Bytes::from(json!({"TableName": "leases", "Item": item}).to_string())
    }

    fn found(replica: &mut Replica, as_of_ms: u64) -> u64 {
        let query = json!({
            "TableName": "leases",
            "IndexName": "by-owner",
            "KeyConditionExpression": "#owner = :me",
            "ExpressionAttributeNames": {"#owner": "owner"},
            "ExpressionAttributeValues": {":me": {"S": "me"}},
        });
        let reply = replica
            .read(as_of_ms, "Query", query.to_string().as_bytes())
            .unwrap()
            .unwrap();
        serde_json::from_str::<Value>(&reply).unwrap()["Count"]
            .as_u64()
            .unwrap()
    }

    #[test]
    fn it_starts_with_what_was_there_and_hears_the_rest_in_time() {
        let primary = primary();
        for key in ["a", "b"] {
            run(&primary, "PutItem", &put(key)).unwrap().unwrap();
        }
        let mut replica = Replica::of(&primary).unwrap();
        replica.heard(1_000, "PutItem", put("c"));
        replica.heard(2_000, "PutItem", put("d"));
        assert_eq!(found(&mut replica, 0), 2);
        assert_eq!(found(&mut replica, 1_000), 3);
        assert_eq!(found(&mut replica, 500), 3, "an index does not go back");
        assert_eq!(found(&mut replica, 5_000), 4);
    }

    #[test]
    fn what_it_holds_back_is_bounded() {
        let mut replica = Replica::of(&primary()).unwrap();
        let body = put("same");
        for _ in 0..=MOST_PENDING {
            replica.heard(10, "PutItem", body.clone());
        }
        assert_eq!(replica.pending.len(), MOST_PENDING);
    }
}
