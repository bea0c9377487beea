//! `consume` where it cannot work: one line, a cause, a way out, exit code 1, in time.

use crate::stage::{Stage, closed_port, ended, listener, program, run};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::task::JoinSet;

fn consume(stream: &str, kinesis: &str, dynamodb: &str) -> Command {
    consume_as("app", stream, kinesis, dynamodb)
}

fn consume_as(application: &str, stream: &str, kinesis: &str, dynamodb: &str) -> Command {
    let args = [
        "--stream",
        stream,
        "--application",
        application,
        "--endpoint-url",
        kinesis,
        "--dynamodb-endpoint-url",
        dynamodb,
    ];
    program(env!("CARGO_BIN_EXE_consume"), &args)
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_are_none_are_said() {
    let stage = Stage::with_shards(2).await;
    let down = format!("http://127.0.0.1:{}", closed_port());
    let (_silent, silent_url) = listener().await;
    let (kinesis, dynamodb) = (stage.local.kinesis_url(), stage.local.dynamodb_url());
    let mut commands = [
        consume("nowhere", kinesis, dynamodb),
        consume("s", &down, dynamodb),
        consume("s", kinesis, &down),
        consume("s", kinesis, &silent_url),
        consume("s", kinesis, kinesis),
    ];
    let [missing, no_kinesis, no_dynamodb, silent_run, wrong] = &mut commands;
    let (missing, no_kinesis, no_dynamodb, silent_run, wrong) = tokio::join!(
        run(missing),
        run(no_kinesis),
        run(no_dynamodb),
        run(silent_run),
        run(wrong)
    );
    missing.assert_gave_up("missing stream", &["stream nowhere", "does not exist"]);
    no_kinesis.assert_gave_up("no Kinesis", &["Kinesis", &down, "no answer", "refused"]);
    no_dynamodb.assert_gave_up("no DynamoDB", &["DynamoDB", &down, "no answer", "refused"]);
    silent_run.assert_gave_up("silent", &["DynamoDB", &silent_url, "no answer"]);
    wrong.assert_gave_up("wrong service", &["DynamoDB", kinesis]);
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_needs_credentials_even_if_half_is_here() {
    let stage = Stage::with_shards(2).await;
    let args = [
        "--stream",
        "s",
        "--application",
        "app",
        "--region",
        "eu-central-1",
    ];
    let (mut nobody, mut half) = (
        program(env!("CARGO_BIN_EXE_consume"), &args),
        program(
            env!("CARGO_BIN_EXE_consume"),
            &[&args[..], &["--endpoint-url", stage.local.kinesis_url()]].concat(),
        ),
    );
    let (nobody, half) = tokio::join!(run(&mut nobody), run(&mut half));
    nobody.assert_gave_up(
        "no credentials",
        &["credentials", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"],
    );
    half.assert_gave_up("only one endpoint", &["credentials", "if all of them are given"]);
}

/// Listens until dropped.
struct FakeDynamoDb {
    url: String,
    _serving: JoinSet<()>,
}

/// Answers each request with `answer(action)`, where the action is the one after the dot of `X-Amz-Target`.
async fn dynamodb_that_answers(answer: fn(&str) -> (u16, String)) -> FakeDynamoDb {
    let (listener, url) = listener().await;
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let read = connection.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..read]).to_lowercase();
            let target = request
                .split("x-amz-target: ")
                .nth(1)
                .and_then(|rest| rest.lines().next());
            let (status, body) = answer(
                target
                    .and_then(|target| target.split('.').next_back())
                    .unwrap_or(""),
            );
            let reply = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = connection.write_all(reply.as_bytes()).await;
        }
    });
    FakeDynamoDb {
        url,
        _serving: serving,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rights_are_said() {
    let stage = Stage::with_shards(2).await;
    let denied = dynamodb_that_answers(|action| {
        let text = format!(
            r#"{{"__type":"com.amazon.coral.service#AccessDeniedException","message":"User x is not authorized to perform {action}"}}"#
        );
        (400, text)
    })
    .await;
    let may_look = dynamodb_that_answers(|action| match action {
        "describetable" => (
            400,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}"#.to_owned(),
        ),
        _ => (
            400,
            r#"{"__type":"AccessDeniedException","message":"not authorized"}"#.to_owned(),
        ),
    })
    .await;
    let stranger = dynamodb_that_answers(|_| {
        let text = r#"{"__type":"UnrecognizedClientException","message":"The security token is invalid."}"#;
        (400, text.to_owned())
    })
    .await;
    let kinesis = stage.local.kinesis_url();
    let mut commands = [&denied, &may_look, &stranger].map(|fake| consume("s", kinesis, &fake.url));
    let [no_right, to_look, unknown] = &mut commands;
    let (no_right, to_look, unknown) = tokio::join!(run(no_right), run(to_look), run(unknown));
    no_right.assert_gave_up(
        "no right at all",
        &["table app", "no permission", "allow dynamodb:DescribeTable"],
    );
    to_look.assert_gave_up("no right to create", &["app", "permission", "not authorized"]);
    unknown.assert_gave_up(
        "unknown credentials",
        &["credentials", "not accepted", "security token"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_none_and_a_row_of_garbage_are_said() {
    let stage = Stage::with_shards(2).await;
    let dynamodb = stage.local.dynamodb_client();
    for (table, key) in [("strange", "somethingElse"), ("garbage", "leaseKey")] {
        let key_type =
            |b: aws_sdk_dynamodb::types::builders::KeySchemaElementBuilder| b.key_type(KeyType::Hash);
        let schema = key_type(KeySchemaElement::builder().attribute_name(key))
            .build()
            .expect("complete");
        let definition = AttributeDefinition::builder()
            .attribute_name(key)
            .attribute_type(ScalarAttributeType::S);
        dynamodb
            .create_table()
            .table_name(table)
            .key_schema(schema)
            .attribute_definitions(definition.build().expect("complete"))
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .expect("a table");
    }
    let shard = "shardId-000000000000";
    let row = [
        ("leaseKey", shard),
        ("checkpoint", "halfway through"),
        ("leaseOwner", "w"),
    ];
    let mut put = dynamodb.put_item().table_name("garbage");
    for (name, value) in row {
        put = put.item(name, AttributeValue::S(value.to_owned()));
    }
    put.item("leaseCounter", AttributeValue::N("1".to_owned()))
        .send()
        .await
        .expect("a row");

    let (kinesis, dynamodb) = (stage.local.kinesis_url(), stage.local.dynamodb_url());
    let consume = |application| consume_as(application, "s", kinesis, dynamodb);
    let (mut strange, mut garbage) = (consume("strange"), consume("garbage"));
    let (strange, garbage) = tokio::join!(run(&mut strange), run(&mut garbage));
    strange.assert_gave_up("strange table", &["strange", "--application"]);
    garbage.assert_gave_up("garbage", &["garbage", shard, "checkpoint", "halfway through"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_that_are_none_are_said() {
    let stage = Stage::with_shards(2).await;
    let kinesis = stage.local.kinesis_client();
    let put = kinesis.put_record().stream_name("s").partition_key("k");
    put.data(aws_sdk_kinesis::primitives::Blob::new("event"))
        .send()
        .await
        .expect("stored");

    let directory = run(&mut stage.consume(&["--output", "/"])).await;
    directory.assert_gave_up("directory", &["output /", "directory"]);

    let mut closed = stage.consume(&[]).spawn().expect("a built program");
    drop(closed.stdout.take());
    ended(closed)
        .await
        .assert_gave_up("closed stdout", &["output -", "roken pipe", "checkpointed"]);
    // Nothing was checkpointed, so the next worker still gets it.
    let next = run(&mut stage.consume(&["--expect", "1"])).await;
    next.assert_done();
    assert_eq!(next.summary()["data"], "event");

    let full = run(&mut stage.consume(&["--idle-exit", "1", "--summary", "/nonexistent/summary.json"])).await;
    full.assert_gave_up("summary", &["summary /nonexistent/summary.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_exit_code_2_and_a_wrong_setting_1() {
    let stage = Stage::with_shards(2).await;
    let ended = run(&mut program(env!("CARGO_BIN_EXE_consume"), &["--stream", "s"])).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let ended = run(&mut stage.consume(&["--failover-ms", "1"])).await;
    ended.assert_gave_up("setting", &["failover", "--help"]);
}
