//! The frames of a subscription, as the SDK takes them apart.

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types as sdk;

use super::super::super::*;
use super::super::golden::{self, CONSUMER_ARN};
use super::Peer;
use super::records::{assert_children, assert_records};
use crate::engine::api::SubscriptionEvent;
use crate::engine::error::ServiceError;

fn subscription_event() -> SubscriptionEvent {
    SubscriptionEvent {
        records: golden::records(),
        continuation_sequence_number: golden::number(2),
        millis_behind_latest: 12,
        child_shards: golden::children(),
    }
}

#[tokio::test]
async fn a_subscription_is_read_frame_by_frame() {
    let heartbeat = SubscriptionEvent {
        records: Vec::new(),
        child_shards: None,
        ..subscription_event()
    };
    let frames = [
        event_stream::initial_response(Format::Json),
        event_stream::event(&heartbeat, Format::Json),
        event_stream::event(&subscription_event(), Format::Json),
        event_stream::exception(&ServiceError::in_use("taken over"), Format::Json),
    ];
    let peer = Peer::new(event_stream::CONTENT_TYPE, frames.concat().into());
    let position = sdk::StartingPosition::builder()
        .r#type(sdk::ShardIteratorType::AtTimestamp)
        .sequence_number("5")
        .timestamp(DateTime::from_secs(1_700_000_000))
        .build()
        .unwrap();
    let output = peer
        .client()
        .subscribe_to_shard()
        .consumer_arn(CONSUMER_ARN)
        .shard_id("shardId-000000000001")
        .starting_position(position)
        .send()
        .await;
    let mut events = output.unwrap().event_stream;
    let seen = peer.seen.lock().unwrap().take();
    assert_eq!(seen, Some(golden::request_of(Operation::SubscribeToShard)));

    let event = events.recv().await.unwrap().unwrap();
    let idle = event.as_subscribe_to_shard_event().unwrap();
    assert_eq!((idle.records().len(), idle.child_shards().len()), (0, 0));
    let event = events.recv().await.unwrap().unwrap();
    let full = event.as_subscribe_to_shard_event().unwrap();
    assert_eq!(full.continuation_sequence_number(), golden::number(2).to_string());
    assert_eq!(full.millis_behind_latest(), 12);
    assert_records(full.records());
    assert_children(full.child_shards());
    let failure = events.recv().await.unwrap_err().into_service_error();
    assert!(failure.is_resource_in_use_exception(), "{failure:?}");
    assert_eq!(failure.meta().message(), Some("taken over"));
}

#[tokio::test]
async fn an_internal_failure_inside_a_subscription_has_its_modelled_name() {
    let frames = [
        event_stream::initial_response(Format::Json),
        event_stream::exception(&ServiceError::internal_failure(), Format::Json),
    ];
    let peer = Peer::new(event_stream::CONTENT_TYPE, frames.concat().into());
    let call = peer
        .client()
        .subscribe_to_shard()
        .consumer_arn(CONSUMER_ARN)
        .shard_id("s");
    let mut events = call.send().await.unwrap().event_stream;
    let failure = events.recv().await.unwrap_err().into_service_error();
    assert!(failure.is_internal_failure_exception(), "{failure:?}");
}

#[test]
fn frames_name_the_format_of_their_payload() {
    for format in [Format::Json, Format::Cbor] {
        for (frame, kind, name) in [
            (
                event_stream::initial_response(format),
                ":event-type",
                "initial-response",
            ),
            (
                event_stream::event(&subscription_event(), format),
                ":event-type",
                "SubscribeToShardEvent",
            ),
            (
                event_stream::exception(&ServiceError::not_found("gone"), format),
                ":exception-type",
                "ResourceNotFoundException",
            ),
        ] {
            let message = aws_smithy_eventstream::frame::read_message_from(&mut &*frame).unwrap();
            let header = |name: &str| {
                let found = message
                    .headers()
                    .iter()
                    .find(|header| header.name().as_str() == name);
                found.map(|header| header.value().as_string().unwrap().as_str().to_owned())
            };
            let message_type = kind.trim_start_matches(':').trim_end_matches("-type");
            assert_eq!(header(":message-type").as_deref(), Some(message_type));
            assert_eq!(header(kind).as_deref(), Some(name));
            assert_eq!(header(":content-type").as_deref(), Some(format.content_type()));
            assert!(!message.payload().is_empty());
        }
    }
}
