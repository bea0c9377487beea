//! One conditional write in the making: expressions instead of strings at the call sites.
//!
//! Only `UpdateItem` may touch a lease that exists: attributes we do not know stay as they are. The conditions serve
//! `PutItem` and `DeleteItem` as well.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::names::Row;
use super::row::value::number;

/// An update of one row and the condition under which it happens.
#[derive(Debug, Clone)]
pub(super) struct Update<'a> {
    pub(super) row: Row<'a>,
    set: Vec<String>,
    remove: Vec<String>,
    add: Vec<String>,
    conditions: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

/// The parts of the request.
#[derive(Debug)]
pub(super) struct Expressions {
    pub(super) update: String,
    pub(super) condition: String,
    pub(super) names: HashMap<String, String>,
    /// `None` when empty, because the service refuses an empty map.
    pub(super) values: Option<HashMap<String, AttributeValue>>,
}

impl<'a> Update<'a> {
    pub(super) fn of(row: Row<'a>) -> Self {
        Self {
            row,
            set: Vec::new(),
            remove: Vec::new(),
            add: Vec::new(),
            conditions: Vec::new(),
            names: HashMap::new(),
            values: HashMap::new(),
        }
    }

    pub(super) fn set(mut self, name: &str, value: AttributeValue) -> Self {
        let clause = format!("{} = {}", self.name(name), self.value("set", name, value));
        self.set.push(clause);
        self
    }

    pub(super) fn remove(mut self, name: &str) -> Self {
        let clause = self.name(name);
        self.remove.push(clause);
        self
    }

    /// Adds to a number, or to a set.
    pub(super) fn add(mut self, name: &str, value: AttributeValue) -> Self {
        let clause = format!("{} {}", self.name(name), self.value("add", name, value));
        self.add.push(clause);
        self
    }

    pub(super) fn add_one(self, name: &str) -> Self {
        self.add(name, number(1))
    }

    pub(super) fn if_exists(mut self) -> Self {
        let clause = format!("attribute_exists({})", self.name(self.row.key_name));
        self.conditions.push(clause);
        self
    }

    pub(super) fn if_new(self) -> Self {
        let key_name = self.row.key_name;
        self.if_absent(key_name)
    }

    pub(super) fn if_absent(mut self, name: &str) -> Self {
        let clause = format!("attribute_not_exists({})", self.name(name));
        self.conditions.push(clause);
        self
    }

    pub(super) fn if_equal(mut self, name: &str, value: AttributeValue) -> Self {
        let clause = format!("{} = {}", self.name(name), self.value("if", name, value));
        self.conditions.push(clause);
        self
    }

    /// The attribute is as read: this value, or absent.
    pub(super) fn if_as_read(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.if_equal(name, value),
            None => self.if_absent(name),
        }
    }

    pub(super) fn finish(self) -> Expressions {
        let clauses = [("SET", self.set), ("REMOVE", self.remove), ("ADD", self.add)];
        let update: Vec<String> = clauses
            .into_iter()
            .filter(|(_, parts)| !parts.is_empty())
            .map(|(verb, parts)| format!("{verb} {}", parts.join(", ")))
            .collect();
        Expressions {
            update: update.join(" "),
            condition: self.conditions.join(" AND "),
            names: self.names,
            values: Some(self.values).filter(|values| !values.is_empty()),
        }
    }

    /// Placeholders everywhere: several of the names could be reserved words some day.
    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, role: &str, name: &str, value: AttributeValue) -> String {
        let placeholder = format!(":{role}_{name}");
        self.values.insert(placeholder.clone(), value);
        placeholder
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::value::text;
    use super::*;

    const ROW: Row<'_> = Row {
        table: "app",
        key_name: "leaseKey",
        key: "k",
    };

    #[test]
    fn puts_each_clause_in_its_place() {
        let made = Update::of(ROW)
            .set("a", text("x"))
            .set("b", number(2))
            .remove("c")
            .add_one("d")
            .if_exists()
            .if_equal("a", text("old"))
            .if_as_read("e", None)
            .finish();
        assert_eq!(
            made.update,
            "SET #a = :set_a, #b = :set_b REMOVE #c ADD #d :add_d"
        );
        assert_eq!(
            made.condition,
            "attribute_exists(#leaseKey) AND #a = :if_a AND attribute_not_exists(#e)"
        );
        assert_eq!(made.names.len(), 6);
        let values = made.values.unwrap();
        assert_eq!(values[":set_a"], text("x"));
        assert_eq!(values[":if_a"], text("old"));
        assert_eq!(values[":add_d"], number(1));
    }

    #[test]
    fn no_values_are_no_map() {
        let made = Update::of(ROW).remove("c").if_absent("c").finish();
        assert_eq!(made.update, "REMOVE #c");
        assert!(made.values.is_none());
    }
}
