use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

fn names() -> TableNames {
    TableNames::of_application("app").with_lease_table("leases")
}

fn scope() -> PolicyScope {
    PolicyScope::new("eu-west-1", "123456789012").stream(StreamName::new("orders").unwrap())
}

/// Every action with the resources it is allowed on.
fn rights(settings: &TableSettings, scope: &PolicyScope) -> BTreeMap<String, BTreeSet<String>> {
    let policy: Value = serde_json::from_str(&iam_policy(&names(), settings, scope)).unwrap();
    assert_eq!(policy["Version"], "2012-10-17");
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().unwrap().iter();
        texts.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut rights: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        for action in texts(&statement["Action"]) {
            rights
                .entry(action)
                .or_default()
                .extend(texts(&statement["Resource"]));
        }
    }
    rights
}

#[test]
fn a_worker_gets_what_it_calls_and_nothing_else() {
    let settings = TableSettings::builder().create_if_missing(false).build().unwrap();
    let rights = rights(&settings, &scope());
    let table = "arn:aws:dynamodb:eu-west-1:123456789012:table/leases";
    let stream = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
    let expected: BTreeMap<String, BTreeSet<String>> = [
        ("dynamodb:DescribeTable", table.to_owned()),
        ("dynamodb:Scan", table.to_owned()),
        ("dynamodb:GetItem", table.to_owned()),
        ("dynamodb:PutItem", table.to_owned()),
        ("dynamodb:UpdateItem", table.to_owned()),
        ("dynamodb:DeleteItem", table.to_owned()),
        ("dynamodb:UpdateTable", table.to_owned()),
        (
            "dynamodb:Query",
            format!("{table}/index/LeaseOwnerToLeaseKeyIndex"),
        ),
        ("kinesis:DescribeStream", stream.to_owned()),
        ("kinesis:DescribeStreamSummary", stream.to_owned()),
        ("kinesis:ListShards", stream.to_owned()),
        ("kinesis:GetShardIterator", stream.to_owned()),
        ("kinesis:GetRecords", stream.to_owned()),
    ]
    .into_iter()
    .map(|(action, resource)| (action.to_owned(), BTreeSet::from([resource])))
    .collect();
    assert_eq!(rights, expected);
}

#[test]
fn settings_add_the_rights_they_need() {
    let settings = TableSettings::builder()
        .point_in_time_recovery(true)
        .tag("a", "b")
        .build()
        .unwrap();
    let scope = scope()
        .partition("aws-cn")
        .separate_tables(true)
        .fan_out(true)
        .metrics(true);
    let rights = rights(&settings, &scope);
    let tables: BTreeSet<String> = ["leases", "app-CoordinatorState", "app-WorkerMetricStats"]
        .map(|name| format!("arn:aws-cn:dynamodb:eu-west-1:123456789012:table/{name}"))
        .into();
    for action in [
        "CreateTable",
        "UpdateContinuousBackups",
        "TagResource",
        "ConditionCheckItem",
        "Scan",
    ] {
        assert_eq!(rights[&format!("dynamodb:{action}")], tables, "{action}");
    }
    let consumers = "arn:aws-cn:kinesis:eu-west-1:123456789012:stream/orders/consumer/*";
    assert_eq!(
        rights["kinesis:SubscribeToShard"],
        BTreeSet::from([consumers.to_owned()])
    );
    assert_eq!(
        rights["cloudwatch:PutMetricData"],
        BTreeSet::from(["*".to_owned()])
    );
}

#[test]
fn the_schema_is_the_one_of_kcl() {
    let settings = TableSettings::builder()
        .billing(Billing::Provisioned { read: 10, write: 5 })
        .deletion_protection(true)
        .tag("quote", "\"\\\n")
        .build()
        .unwrap();
    let tables: Value = serde_json::from_str(&table_schema(&names(), &settings)).unwrap();
    let units = serde_json::json!({ "ReadCapacityUnits": 10, "WriteCapacityUnits": 5 });
    let lease = serde_json::json!({
        "TableName": "leases",
        "AttributeDefinitions": [
            { "AttributeName": "leaseKey", "AttributeType": "S" },
            { "AttributeName": "leaseOwner", "AttributeType": "S" },
        ],
        "KeySchema": [{ "AttributeName": "leaseKey", "KeyType": "HASH" }],
        "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": units,
        "GlobalSecondaryIndexes": [{
            "IndexName": "LeaseOwnerToLeaseKeyIndex",
            "KeySchema": [
                { "AttributeName": "leaseOwner", "KeyType": "HASH" },
                { "AttributeName": "leaseKey", "KeyType": "RANGE" },
            ],
            "Projection": { "ProjectionType": "KEYS_ONLY" },
            "ProvisionedThroughput": units,
        }],
        "DeletionProtectionEnabled": true,
        "Tags": [{ "Key": "quote", "Value": "\"\\\n" }],
    });
    assert_eq!(tables[0], lease);
    let keys: Vec<_> = tables
        .as_array()
        .unwrap()
        .iter()
        .map(|table| &table["KeySchema"][0]["AttributeName"])
        .collect();
    assert_eq!(keys, ["leaseKey", "key", "wid"]);
    let on_demand: Value = serde_json::from_str(&table_schema(&names(), &TableSettings::default())).unwrap();
    assert_eq!(on_demand[0]["BillingMode"], "PAY_PER_REQUEST");
    assert!(on_demand[0]["ProvisionedThroughput"].is_null());
}
