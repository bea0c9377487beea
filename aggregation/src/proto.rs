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
