//! Enhanced monitoring.

use super::reader::{Malformed, Members, Reader};
use super::writer::Writer;
use crate::engine::api::{MonitoringRequest, MonitoringResponse};

impl Members for MonitoringRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "ShardLevelMetrics" => self.shard_level_metrics = value.strings()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

pub(super) fn changed(reply: &MonitoringResponse, writer: &mut Writer) {
    writer.text("StreamName", &reply.stream_name);
    writer.texts("CurrentShardLevelMetrics", &reply.current_shard_level_metrics);
    writer.texts("DesiredShardLevelMetrics", &reply.desired_shard_level_metrics);
    writer.text("StreamARN", &reply.stream_arn);
}
