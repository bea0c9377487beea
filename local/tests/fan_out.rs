//! SubscribeToShard over sockets: HTTP/1.1, HTTP/2 behind TLS, and HTTP/2 in the clear; and what is no request.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod registered;

use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{ShardIteratorType, StartingPosition, SubscribeToShardEventStream};
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kinesis_local::{Fault, Local};
use tokio::net::TcpStream;
use tokio::time::timeout;

use self::registered::consumer;

const FIRST: &str = "shardId-000000000000";
const SOON: Duration = Duration::from_secs(20);

async fn put(local: &Local, data: &str) {
    let put = local
        .kinesis_client()
        .put_record()
        .stream_name("orders")
        .partition_key("k")
        .data(Blob::new(data));
    put.send().await.unwrap();
}

#[tokio::test]
async fn records_are_pushed_with_and_without_tls() {
    for tls in [false, true] {
        let local = Local::builder().tls(tls).start().await.unwrap();
        local.create_stream("orders", 1).await.unwrap();
        put(&local, "before").await;
        let start = StartingPosition::builder()
            .r#type(ShardIteratorType::TrimHorizon)
            .build()
            .unwrap();
        let subscribe = local
            .kinesis_client()
            .subscribe_to_shard()
            .consumer_arn(consumer(&local.kinesis_client(), "billing").await)
            .shard_id(FIRST)
            .starting_position(start);
        let mut events = subscribe.send().await.unwrap().event_stream;
        let mut seen = Vec::new();
        while seen.len() < 2 {
            let event = timeout(SOON, events.recv())
                .await
                .expect("an event")
                .unwrap()
                .unwrap();
            let SubscribeToShardEventStream::SubscribeToShardEvent(event) = event else {
                continue;
            };
            for record in event.records() {
                seen.push(String::from_utf8_lossy(record.data().as_ref()).into_owned());
            }
            if seen.len() == 1 {
                put(&local, "after").await;
            }
        }
        assert_eq!(seen, ["before", "after"], "tls {tls}");
        local.faults().add(Fault::subscription_cut()).unwrap();
        put(&local, "cut").await;
        timeout(SOON, events.recv()).await.expect("an end").unwrap_err();
        drop(events);
        local.stop().await;
    }
}

async fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.trim_start_matches("http://"))
        .await
        .unwrap();
    // One small request after the other must not wait for delayed acknowledgements.
    stream.set_nodelay(true).unwrap();
    stream
}

fn request(url: &str, target: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(url)
        .version(Version::HTTP_2)
        .header("x-amz-target", format!("Kinesis_20131202.{target}"))
        .header("content-type", "application/x-amz-json-1.1")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=me/20260101/us-east-1/kinesis/aws4_request",
        )
        .body(body.into())
        .unwrap()
}

#[tokio::test]
async fn many_subscriptions_share_one_connection_in_the_clear() {
    let local = Local::start().await.unwrap();
    local.create_stream("orders", 300).await.unwrap();
    let arn = consumer(&local.kinesis_client(), "billing").await;
    let url = local.kinesis_url();
    let stream = connect(url).await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let driver = async { connection.await.unwrap() };
    let subscriptions = async {
        let mut bodies = Vec::new();
        for shard in 0..300 {
            let body = format!(
                r#"{{"ConsumerARN":"{arn}","ShardId":"shardId-{shard:012}","StartingPosition":{{"Type":"LATEST"}}}}"#
            );
            let response = sender
                .send_request(request(url, "SubscribeToShard", body))
                .await
                .unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(
                response.headers()["content-type"],
                "application/vnd.amazon.eventstream"
            );
            bodies.push(response.into_body());
        }
        assert_eq!(bodies.len(), 300);
    };
    tokio::select! {
        () = driver => panic!("the connection ended"),
        done = timeout(SOON, subscriptions) => done.expect("300 subscriptions stand"),
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_the_endpoint_lives_on() {
    let local = Local::start().await.unwrap();
    local.create_stream("orders", 1).await.unwrap();
    for url in [local.kinesis_url(), local.dynamodb_url()] {
        let stream = connect(url).await;
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        let requests = async {
            let kinds: [&[u8]; 8] = [
                b"",
                b"{",
                b"[]",
                b"null",
                b"\xff\xfe",
                br#"{"StreamName":7}"#,
                br#"{"Records":"no list","StreamName":"orders"}"#,
                br#"{"TableName":{}}"#,
            ];
            for operation in ["PutRecords", "SplitShard", "PutItem", "Nothing"] {
                for body in kinds {
                    let mut bad = request(url, operation, body.to_vec());
                    if url == local.dynamodb_url() {
                        let target = format!("DynamoDB_20120810.{operation}").parse().unwrap();
                        bad.headers_mut().insert("x-amz-target", target);
                    }
                    let response = sender.send_request(bad).await.unwrap();
                    let status = response.status();
                    let reply = to_bytes(Body::new(response.into_body()), 1 << 20).await.unwrap();
                    assert!(
                        status.is_client_error(),
                        "{operation} {body:?}: {status} {reply:?}"
                    );
                }
            }
            let unnamed = Request::get(url)
                .version(Version::HTTP_2)
                .body(Body::empty())
                .unwrap();
            assert!(
                !sender
                    .send_request(unnamed)
                    .await
                    .unwrap()
                    .status()
                    .is_server_error()
            );
            let deep = vec![b'['; 100_000];
            let response = sender
                .send_request(request(url, "PutRecords", deep))
                .await
                .unwrap();
            assert!(response.status().is_client_error());
        };
        tokio::select! {
            _ = connection => panic!("the connection ended"),
            done = timeout(SOON, requests) => done.expect("every request is answered"),
        }
    }
    put(&local, "still there").await;
}

#[tokio::test]
async fn a_request_without_a_signature_is_refused() {
    let local = Local::start().await.unwrap();
    let url = local.kinesis_url();
    let stream = connect(url).await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let mut unsigned = request(url, "ListStreams", "{}");
    unsigned.headers_mut().remove("authorization");
    let refused = async {
        let response = sender.send_request(unsigned).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "MissingAuthenticationTokenException"
        );
    };
    tokio::select! {
        _ = connection => panic!("the connection ended"),
        () = refused => {}
    }
}
