//! All operations in one table: what each takes, who does it, and what it answers.

use super::reader::{Malformed, Reader};
use super::writer::Writer;
use super::{Format, Nothing, Operation, consumers, get, monitoring, put, resources, shards, streams};
use crate::engine::api::*;
use crate::engine::error::ServiceError;
use crate::engine::{Engine, SubscriptionId};

/// For each operation: `Name(what it takes) => who does it, what that gives, who writes it down`.
macro_rules! operations {
    ($($name:ident($request:ty) => $call:expr, $reply:ty, $write:expr;)*) => {
        /// A request of any operation.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(crate) enum Request {
            $($name($request),)*
        }

        /// The answer of any operation.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Reply {
            $($name($reply),)*
        }

        impl Request {
            /// Which operation it is.
            pub(crate) fn operation(&self) -> Operation {
                match self {
                    $(Self::$name(_) => Operation::$name,)*
                }
            }

            pub(super) fn read(operation: Operation, body: Reader<'_>) -> Result<Self, Malformed> {
                match operation {
                    $(Operation::$name => body.document().map(Self::$name),)*
                }
            }
        }

        impl Reply {
            pub(super) fn write(&self, writer: &mut Writer) {
                match self {
                    $(Self::$name(reply) => ($write)(reply, writer),)*
                }
            }
        }

        /// Lets the engine do what is asked.
        ///
        /// # Errors
        /// The engine's refusal.
        pub(crate) fn dispatch(
            engine: &mut Engine,
            request: Request,
            now_ms: u64,
        ) -> Result<Reply, ServiceError> {
            match request {
                $(Request::$name(request) => ($call)(engine, request, now_ms).map(Reply::$name),)*
            }
        }
    };
}

operations! {
    AddTagsToStream(AddTagsRequest) => Engine::add_tags_to_stream, (), nothing;
    CreateStream(CreateStreamRequest) => Engine::create_stream, (), nothing;
    DecreaseStreamRetentionPeriod(RetentionPeriodRequest) => Engine::decrease_stream_retention_period, (), nothing;
    DeleteResourcePolicy(ResourceRequest) => Engine::delete_resource_policy, (), nothing;
    DeleteStream(DeleteStreamRequest) => Engine::delete_stream, (), nothing;
    DeregisterStreamConsumer(ConsumerAddress) => Engine::deregister_stream_consumer, (), nothing;
    DescribeAccountSettings(Nothing) => describe_account_settings, AccountSettings, resources::settings;
    DescribeLimits(Nothing) => describe_limits, DescribeLimitsResponse, resources::limits;
    DescribeStream(DescribeStreamRequest) => Engine::describe_stream, StreamDescription, streams::description;
    DescribeStreamConsumer(ConsumerAddress) => Engine::describe_stream_consumer, ConsumerDescription, consumers::description;
    DescribeStreamSummary(StreamRequest) => Engine::describe_stream_summary, StreamDescriptionSummary, streams::summary;
    DisableEnhancedMonitoring(MonitoringRequest) => Engine::disable_enhanced_monitoring, MonitoringResponse, monitoring::changed;
    EnableEnhancedMonitoring(MonitoringRequest) => Engine::enable_enhanced_monitoring, MonitoringResponse, monitoring::changed;
    GetRecords(GetRecordsRequest) => Engine::get_records, GetRecordsResponse, get::page;
    GetResourcePolicy(ResourceRequest) => Engine::get_resource_policy, String, resources::policy;
    GetShardIterator(GetShardIteratorRequest) => Engine::get_shard_iterator, GetShardIteratorResponse, get::iterator;
    IncreaseStreamRetentionPeriod(RetentionPeriodRequest) => Engine::increase_stream_retention_period, (), nothing;
    ListShards(ListShardsRequest) => Engine::list_shards, ListShardsResponse, shards::list;
    ListStreamConsumers(ListConsumersRequest) => Engine::list_stream_consumers, ListConsumersResponse, consumers::list;
    ListStreams(ListStreamsRequest) => Engine::list_streams, ListStreamsResponse, streams::list;
    ListTagsForResource(ResourceRequest) => Engine::list_tags_for_resource, Vec<(String, String)>, resources::tags;
    ListTagsForStream(ListTagsRequest) => Engine::list_tags_for_stream, ListTagsResponse, resources::tag_page;
    MergeShards(MergeShardsRequest) => Engine::merge_shards, (), nothing;
    PutRecord(PutRecordRequest) => Engine::put_record, PutRecordResponse, put::stored;
    PutRecords(PutRecordsRequest) => Engine::put_records, PutRecordsResponse, put::results;
    PutResourcePolicy(PutResourcePolicyRequest) => Engine::put_resource_policy, (), nothing;
    RegisterStreamConsumer(RegisterConsumerRequest) => Engine::register_stream_consumer, ConsumerDescription, consumers::registered;
    RemoveTagsFromStream(RemoveTagsRequest) => Engine::remove_tags_from_stream, (), nothing;
    SplitShard(SplitShardRequest) => Engine::split_shard, (), nothing;
    StartStreamEncryption(EncryptionRequest) => Engine::start_stream_encryption, (), nothing;
    StopStreamEncryption(EncryptionRequest) => Engine::stop_stream_encryption, (), nothing;
    // Its answer is a stream of events, which the shell polls for and frames one by one.
    SubscribeToShard(SubscribeToShardRequest) => Engine::subscribe_to_shard, SubscriptionId, nothing;
    TagResource(TagResourceRequest) => Engine::tag_resource, (), nothing;
    UntagResource(UntagResourceRequest) => Engine::untag_resource, (), nothing;
    UpdateAccountSettings(UpdateAccountSettingsRequest) => Engine::update_account_settings, AccountSettings, resources::settings;
    UpdateMaxRecordSize(UpdateMaxRecordSizeRequest) => Engine::update_max_record_size, (), nothing;
    UpdateShardCount(UpdateShardCountRequest) => Engine::update_shard_count, UpdateShardCountResponse, shards::counts;
    UpdateStreamMode(UpdateStreamModeRequest) => Engine::update_stream_mode, (), nothing;
    UpdateStreamRecordDistributionStrategy(UpdateRecordDistributionStrategyRequest) => Engine::update_stream_record_distribution_strategy, (), nothing;
    UpdateStreamWarmThroughput(UpdateWarmThroughputRequest) => Engine::update_stream_warm_throughput, UpdateWarmThroughputResponse, streams::warm_throughput;
}

impl Reply {
    /// Room for the whole body, or for a start where bodies are small.
    pub(super) fn expected_bytes(&self, format: Format) -> usize {
        match self {
            Self::GetRecords(page) => get::expected_bytes(&page.records, format),
            Self::PutRecords(results) => put::expected_bytes(results),
            _ => 1024,
        }
    }
}

fn describe_account_settings(
    engine: &mut Engine,
    Nothing: Nothing,
    now_ms: u64,
) -> Result<AccountSettings, ServiceError> {
    engine.describe_account_settings(now_ms)
}

fn describe_limits(
    engine: &mut Engine,
    Nothing: Nothing,
    now_ms: u64,
) -> Result<DescribeLimitsResponse, ServiceError> {
    engine.describe_limits(now_ms)
}

fn nothing<T>(_reply: &T, _writer: &mut Writer) {}
