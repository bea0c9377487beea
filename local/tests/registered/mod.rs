//! Consumers of the stream `orders`, registered for fan-out.

use aws_sdk_kinesis::Client;

/// Registers one; its ARN.
pub(crate) async fn consumer(client: &Client, name: &str) -> String {
    let describe = client.describe_stream_summary().stream_name("orders");
    let summary = describe.send().await.unwrap().stream_description_summary.unwrap();
    let register = client
        .register_stream_consumer()
        .stream_arn(summary.stream_arn)
        .consumer_name(name);
    register.send().await.unwrap().consumer.unwrap().consumer_arn
}
