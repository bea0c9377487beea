//! What an operator wants to see before anything runs: the tables, and the rights that a worker needs. Text only.

use std::fmt::Write as _;

use super::TableNames;
use super::row::lease::LEASE_OWNER;
use super::row::{COORDINATOR_KEY, LEASE_KEY, WORKER_KEY};
use super::settings::{Billing, TableSettings};
use super::table::INDEX_NAME;
use crate::stream::StreamName;

/// Whose rights [`iam_policy`] is to list, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyScope {
    partition: String,
    region: String,
    account: String,
    streams: Vec<StreamName>,
    separate_tables: bool,
    fan_out: bool,
    metrics: bool,
}

impl PolicyScope {
    /// For an application in one region of one account, without streams yet.
    #[must_use]
    pub fn new(region: impl Into<String>, account: impl Into<String>) -> Self {
        Self {
            partition: "aws".to_owned(),
            region: region.into(),
            account: account.into(),
            streams: Vec::new(),
            separate_tables: false,
            fan_out: false,
            metrics: false,
        }
    }

    /// The partition, e.g. `aws-cn`. Default: `aws`.
    #[must_use]
    pub fn partition(mut self, partition: impl Into<String>) -> Self {
        self.partition = partition.into();
        self
    }

    /// One more stream to read.
    #[must_use]
    pub fn stream(mut self, stream: StreamName) -> Self {
        self.streams.push(stream);
        self
    }

    /// Also for the separate tables of a fleet with KCL 3.0 to 3.4. Default: no.
    #[must_use]
    pub fn separate_tables(mut self, wanted: bool) -> Self {
        self.separate_tables = wanted;
        self
    }

    /// Also for enhanced fan-out. Default: no.
    #[must_use]
    pub fn fan_out(mut self, wanted: bool) -> Self {
        self.fan_out = wanted;
        self
    }

    /// Also for metrics in CloudWatch. Default: no.
    #[must_use]
    pub fn metrics(mut self, wanted: bool) -> Self {
        self.metrics = wanted;
        self
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        let Self {
            partition,
            region,
            account,
            ..
        } = self;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// The IAM policy of a worker, as JSON: what it calls on which resource, and nothing else.
///
/// Without the statement `CreateTables` a worker runs on tables that exist; without `DescribeTable` it finds out by
/// reading, and without the index (`UpdateTable`, `Query`) it scans instead.
///
/// Source: Amazon Kinesis Data Streams developer guide, IAM permissions required for KCL consumer applications.
#[must_use]
pub fn iam_policy(names: &TableNames, settings: &TableSettings, scope: &PolicyScope) -> String {
    let table = |name: &str| scope.arn("dynamodb", &format!("table/{name}"));
    let mut tables = vec![table(names.lease_table())];
    if scope.separate_tables {
        tables.push(table(names.coordinator_table()));
        tables.push(table(names.worker_metrics_table()));
    }
    let mut statements = Vec::new();
    if !scope.streams.is_empty() {
        let streams: Vec<String> = scope
            .streams
            .iter()
            .map(|stream| scope.arn("kinesis", &format!("stream/{stream}")))
            .collect();
        statements.push(statement("ReadStreams", STREAM_ACTIONS, &streams));
        if scope.fan_out {
            statements.push(statement(
                "RegisterConsumers",
                &["kinesis:RegisterStreamConsumer"],
                &streams,
            ));
            let consumers: Vec<String> = streams.iter().map(|arn| format!("{arn}/consumer/*")).collect();
            statements.push(statement("FanOut", FAN_OUT_ACTIONS, &consumers));
        }
    }
    statements.push(statement("ReadAndWriteTables", TABLE_ACTIONS, &tables));
    if scope.separate_tables {
        statements.push(statement(
            "MigrateTables",
            &["dynamodb:ConditionCheckItem"],
            &tables,
        ));
    }
    let index = format!("{}/index/{INDEX_NAME}", table(names.lease_table()));
    statements.push(statement("AskTheIndex", &["dynamodb:Query"], &[index]));
    statements.push(statement(
        "BuildTheIndex",
        &["dynamodb:UpdateTable"],
        &tables[..1],
    ));
    if settings.create {
        let mut actions = vec!["dynamodb:CreateTable"];
        if settings.point_in_time_recovery {
            actions.push("dynamodb:UpdateContinuousBackups");
        }
        if !settings.tags.is_empty() {
            actions.push("dynamodb:TagResource");
        }
        statements.push(statement("CreateTables", &actions, &tables));
    }
    if scope.metrics {
        statements.push(statement(
            "PublishMetrics",
            &["cloudwatch:PutMetricData"],
            &["*".to_owned()],
        ));
    }
    format!(
        "{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n{}\n  ]\n}}\n",
        statements.join(",\n")
    )
}

/// The tables as JSON: for each, what CreateTable would be asked, ready for a template of yours. The lease table comes
/// first, its index included; the separate tables, which only fleets with KCL 3.0 to 3.4 have, after it.
#[must_use]
pub fn table_schema(names: &TableNames, settings: &TableSettings) -> String {
    let lease = schema(
        names.lease_table(),
        &[LEASE_KEY, LEASE_OWNER],
        LEASE_KEY,
        settings,
        true,
    );
    let coordinator = schema(
        names.coordinator_table(),
        &[COORDINATOR_KEY],
        COORDINATOR_KEY,
        settings,
        false,
    );
    let workers = schema(
        names.worker_metrics_table(),
        &[WORKER_KEY],
        WORKER_KEY,
        settings,
        false,
    );
    format!("[\n{lease},\n{coordinator},\n{workers}\n]\n")
}

fn schema(name: &str, attributes: &[&str], key: &str, settings: &TableSettings, indexed: bool) -> String {
    let attributes: Vec<String> = attributes
        .iter()
        .map(|name| format!("{{ \"AttributeName\": \"{name}\", \"AttributeType\": \"S\" }}"))
        .collect();
    let element =
        |name: &str, role: &str| format!("{{ \"AttributeName\": \"{name}\", \"KeyType\": \"{role}\" }}");
    let units = match settings.billing {
        Billing::OnDemand => String::new(),
        Billing::Provisioned { read, write } => format!(
            ",\n    \"ProvisionedThroughput\": {{ \"ReadCapacityUnits\": {read}, \"WriteCapacityUnits\": {write} }}"
        ),
    };
    let mut text = format!(
        "  {{\n    \"TableName\": {},\n    \"AttributeDefinitions\": [{}],\n    \"KeySchema\": [{}],\n    \"BillingMode\": \"{}\"{units}",
        quoted(name),
        attributes.join(", "),
        element(key, "HASH"),
        settings.billing_mode().as_str(),
    );
    if indexed {
        let keys = [element(LEASE_OWNER, "HASH"), element(LEASE_KEY, "RANGE")].join(", ");
        write!(
            text,
            ",\n    \"GlobalSecondaryIndexes\": [{{\n      \"IndexName\": \"{INDEX_NAME}\",\n      \"KeySchema\": [{keys}],\n      \"Projection\": {{ \"ProjectionType\": \"KEYS_ONLY\" }}{}\n    }}]",
            units.replace("\n    ", "\n      ")
        )
        .expect("invariant: writing to a string does not fail");
    }
    if settings.deletion_protection {
        text.push_str(",\n    \"DeletionProtectionEnabled\": true");
    }
    if !settings.tags.is_empty() {
        let tag = |(key, value): &(String, String)| {
            format!("{{ \"Key\": {}, \"Value\": {} }}", quoted(key), quoted(value))
        };
        let tags: Vec<String> = settings.tags.iter().map(tag).collect();
        write!(text, ",\n    \"Tags\": [{}]", tags.join(", "))
            .expect("invariant: writing to a string does not fail");
    }
    text.push_str("\n  }");
    text
}

fn statement(id: &str, actions: &[&str], resources: &[String]) -> String {
    let list = |items: &[String]| items.join(", ");
    let actions: Vec<String> = actions.iter().map(|action| quoted(action)).collect();
    let resources: Vec<String> = resources.iter().map(|resource| quoted(resource)).collect();
    format!(
        "    {{\n      \"Sid\": \"{id}\",\n      \"Effect\": \"Allow\",\n      \"Action\": [{}],\n      \"Resource\": [{}]\n    }}",
        list(&actions),
        list(&resources)
    )
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                write!(quoted, "\\u{:04x}", u32::from(c))
                    .expect("invariant: writing to a string does not fail");
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

const STREAM_ACTIONS: &[&str] = &[
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:ListShards",
    "kinesis:GetShardIterator",
    "kinesis:GetRecords",
];
const FAN_OUT_ACTIONS: &[&str] = &["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"];
const TABLE_ACTIONS: &[&str] = &[
    "dynamodb:DescribeTable",
    "dynamodb:Scan",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
];

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
