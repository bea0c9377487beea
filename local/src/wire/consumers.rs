//! Registered consumers.

use super::reader::{Malformed, Members, Reader};
use super::writer::Writer;
use crate::engine::api::{
    ConsumerAddress, ConsumerDescription, ListConsumersRequest, ListConsumersResponse,
    RegisterConsumerRequest,
};

impl Members for RegisterConsumerRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamARN" => self.stream_arn = value.string()?,
            "ConsumerName" => self.consumer_name = value.string()?,
            "Tags" => self.tags = value.string_map()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for ConsumerAddress {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamARN" => self.stream_arn = value.string()?,
            "ConsumerName" => self.consumer_name = value.string()?,
            "ConsumerARN" => self.consumer_arn = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for ListConsumersRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamARN" => self.stream.arn = value.string()?,
            "NextToken" => self.next_token = value.string()?,
            "MaxResults" => self.max_results = value.integer()?,
            "StreamCreationTimestamp" => self.stream_creation_timestamp_ms = value.timestamp()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

pub(super) fn registered(reply: &ConsumerDescription, writer: &mut Writer) {
    writer.structure("Consumer", |writer| consumer(reply, writer));
}

pub(super) fn description(reply: &ConsumerDescription, writer: &mut Writer) {
    writer.structure("ConsumerDescription", |writer| {
        consumer(reply, writer);
        writer.text("StreamARN", &reply.stream_arn);
    });
}

pub(super) fn list(reply: &ListConsumersResponse, writer: &mut Writer) {
    writer.structures("Consumers", &reply.consumers, |writer, reply| {
        consumer(reply, writer);
    });
    writer.optional_text("NextToken", reply.next_token.as_deref());
}

fn consumer(consumer: &ConsumerDescription, writer: &mut Writer) {
    writer.text("ConsumerName", &consumer.consumer_name);
    writer.text("ConsumerARN", &consumer.consumer_arn);
    writer.text("ConsumerStatus", consumer.status.as_str());
    writer.time("ConsumerCreationTimestamp", consumer.created_ms);
}
