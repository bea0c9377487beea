//! The numbers of the fields, stated once.
//!
//! The schema is proto2: `partition_key_index` and `data` of a record are required and stand in the bytes
//! even when they are zero or empty. The KCL hands an aggregate without them to the application unopened.

/// Fields of the body, `AggregatedRecord` in the schema.
pub(crate) mod body {
    pub(crate) const PARTITION_KEY_TABLE: u32 = 1;
    pub(crate) const EXPLICIT_HASH_KEY_TABLE: u32 = 2;
    pub(crate) const RECORDS: u32 = 3;
}

/// Fields of one record, `Record` in the schema.
pub(crate) mod record {
    pub(crate) const PARTITION_KEY_INDEX: u32 = 1;
    pub(crate) const EXPLICIT_HASH_KEY_INDEX: u32 = 2;
    pub(crate) const DATA: u32 = 3;
    pub(crate) const TAGS: u32 = 4;
}

/// Fields of one tag, `Tag` in the schema.
pub(crate) mod tag {
    pub(crate) const KEY: u32 = 1;
    pub(crate) const VALUE: u32 = 2;
}
/// The schema as another implementation understands it: the independent check of our reader and writer.
/// Required fields are options here, so that a test can leave one out.
#[cfg(test)]
pub(crate) mod message {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct AggregatedRecord {
        #[prost(string, repeated, tag = "1")]
        pub(crate) partition_key_table: Vec<String>,
        #[prost(string, repeated, tag = "2")]
        pub(crate) explicit_hash_key_table: Vec<String>,
        #[prost(message, repeated, tag = "3")]
        pub(crate) records: Vec<Record>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Record {
        #[prost(uint64, optional, tag = "1")]
        pub(crate) partition_key_index: Option<u64>,
        #[prost(uint64, optional, tag = "2")]
        pub(crate) explicit_hash_key_index: Option<u64>,
        #[prost(bytes = "vec", optional, tag = "3")]
        pub(crate) data: Option<Vec<u8>>,
        #[prost(message, repeated, tag = "4")]
        pub(crate) tags: Vec<Tag>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Tag {
        #[prost(string, optional, tag = "1")]
        pub(crate) key: Option<String>,
        #[prost(string, optional, tag = "2")]
        pub(crate) value: Option<String>,
    }
}
