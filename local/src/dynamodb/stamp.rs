//! Ids and times of tables: the engine draws them from outside, an endpoint that is to repeat itself must not.

use serde_json::Value;

use super::State;

/// What a table got when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    number: u64,
    created_ms: u64,
}

/// A reply with our ids and times in place of the engine's.
pub(super) fn stamped(state: &mut State, operation: &str, reply: String, now_ms: u64) -> String {
    let member = match operation {
        "CreateTable" | "DeleteTable" | "UpdateTable" => "TableDescription",
        "DescribeTable" => "Table",
        _ => return reply,
    };
    let Ok(mut value) = serde_json::from_str::<Value>(&reply) else {
        return reply;
    };
    let description = &mut value[member];
    let Some(name) = description["TableName"].as_str().map(str::to_owned) else {
        return reply;
    };
    if operation == "CreateTable" {
        state.tables_made += 1;
        let stamp = Stamp {
            number: state.tables_made,
            created_ms: now_ms,
        };
        state.stamps.insert(name.clone(), stamp);
    }
    let stamp = match operation {
        "DeleteTable" => state.stamps.remove(&name),
        _ => state.stamps.get(&name).copied(),
    };
    let Some(stamp) = stamp else { return reply };
    description["TableId"] = format!("00000000-0000-4000-8000-{:012x}", stamp.number).into();
    date(description, stamp.created_ms);
    value.to_string()
}

/// Every date in a description is that of the making.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 are far below 2^53"
)]
fn date(value: &mut Value, at_ms: u64) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if name.ends_with("DateTime") && member.is_number() {
                    *member = (at_ms as f64 / 1_000.0).into();
                } else {
                    date(member, at_ms);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| date(element, at_ms)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &Value, member: &str) -> Value {
        value[member].clone()
    }

    #[test]
    fn a_table_keeps_its_stamp_and_a_new_one_of_its_name_gets_another() {
        let mut state = State::default();
        let of = |member: &str| {
            format!(
                r#"{{"{member}":{{"TableName":"t","TableId":"drawn","CreationDateTime":1.0,
                "ProvisionedThroughput":{{"LastIncreaseDateTime":2.0,"ReadCapacityUnits":5}}}}}}"#
            )
        };
        let mut run = |operation: &str, member: &str, now_ms: u64| -> Value {
            let reply = stamped(&mut state, operation, of(member), now_ms);
            serde_json::from_str::<Value>(&reply).unwrap()[member].take()
        };
        let made = run("CreateTable", "TableDescription", 1_500);
        assert_eq!(text(&made, "TableId"), "00000000-0000-4000-8000-000000000001");
        assert_eq!(made["CreationDateTime"], 1.5);
        assert_eq!(made["ProvisionedThroughput"]["LastIncreaseDateTime"], 1.5);
        assert_eq!(made["ProvisionedThroughput"]["ReadCapacityUnits"], 5);
        assert_eq!(run("DescribeTable", "Table", 9_000), made);
        assert_eq!(run("DeleteTable", "TableDescription", 9_000), made);
        let again = run("CreateTable", "TableDescription", 9_000);
        assert_eq!(text(&again, "TableId"), "00000000-0000-4000-8000-000000000002");
    }

    #[test]
    fn other_replies_are_left_as_they_are() {
        let mut state = State::default();
        for (operation, reply) in [
            ("GetItem", r#"{"Table":{"TableName":"t","TableId":"x"}}"#),
            (
                "DescribeTable",
                r#"{"Table":{"TableName":"unknown","TableId":"x"}}"#,
            ),
            ("DescribeTable", "not json"),
        ] {
            assert_eq!(stamped(&mut state, operation, reply.to_owned(), 1), reply);
        }
    }
}
