//! The properties file of the KCL's MultiLangDaemon, read into our settings.

mod coordination;
mod error;
mod moot;
mod settings;
mod tables;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use error::PropertiesError;
pub use kinesis_properties::{EscapeError, NoteKind, PropertyNote, ValueError};
pub use settings::KCL_SETTINGS;

use super::{ConsumerConfig, ConsumerConfigBuilder};
use crate::store::dynamodb::{TableNames, TableSettings};

/// What a properties file of the KCL says.
#[derive(Debug, Clone)]
pub struct KclProperties {
    builder: ConsumerConfigBuilder,
    config: ConsumerConfig,
    connection: KclConnection,
    table_names: TableNames,
    table_settings: TableSettings,
    notes: Vec<PropertyNote>,
}

/// Region and endpoints out of a properties file, for the SDK's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KclConnection {
    region: Option<String>,
    kinesis_endpoint: Option<String>,
    dynamodb_endpoint: Option<String>,
}

impl KclConnection {
    /// The Region (KCL: `regionName`, else that of `streamArn`); `None` for the environment's.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The URL of Kinesis (KCL: `kinesisEndpoint`); `None` for the Region's own.
    #[must_use]
    pub fn kinesis_endpoint(&self) -> Option<&str> {
        self.kinesis_endpoint.as_deref()
    }

    /// The URL of DynamoDB (KCL: `dynamoDBEndpoint`); `None` for the Region's own.
    #[must_use]
    pub fn dynamodb_endpoint(&self) -> Option<&str> {
        self.dynamodb_endpoint.as_deref()
    }
}

impl KclProperties {
    /// The consumer's settings.
    #[must_use]
    pub fn config(&self) -> &ConsumerConfig {
        &self.config
    }

    /// The same, to be changed further.
    pub fn builder(&self) -> ConsumerConfigBuilder {
        self.builder.clone()
    }

    /// What belongs to the SDK's configuration.
    #[must_use]
    pub fn connection(&self) -> &KclConnection {
        &self.connection
    }

    /// The names of the tables, for [`DynamoDbLeaseStore::with_table_names`](crate::DynamoDbLeaseStore::with_table_names).
    #[must_use]
    pub fn table_names(&self) -> &TableNames {
        &self.table_names
    }

    /// How tables are created, for
    /// [`DynamoDbLeaseStore::with_table_settings`](crate::DynamoDbLeaseStore::with_table_settings).
    #[must_use]
    pub fn table_settings(&self) -> &TableSettings {
        &self.table_settings
    }

    /// What was not taken as it stands, in the order of the file. Show them to whoever migrates.
    #[must_use]
    pub fn notes(&self) -> &[PropertyNote] {
        &self.notes
    }
}

impl ConsumerConfig {
    /// Reads settings in the format and under the names of the KCL's MultiLangDaemon, of KCL 1.x to 3.x.
    ///
    /// Every setting of the KCL 3.5 is known: it is applied, or a [note](KclProperties::notes) says why it is moot here.
    /// Names that the KCL does not know either are noted and ignored, as it does. Of a name that is set twice, the last
    /// counts. Where the file is silent, position and retrieval are the KCL's defaults, `LATEST` and fan-out, all else has ours. A
    /// flag that is false counts, though the KCL passes over some.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let read = kcl::ConsumerConfig::from_kcl_properties(
    ///     "applicationName = stock\nstreamName = sales\nfailoverTimeMillis = 5000\nmaxActiveThreads = 64\n",
    /// )?;
    /// assert_eq!(read.config().lease_table_name(), "stock");
    /// assert_eq!(read.notes()[0].to_string(), "line 4: maxActiveThreads has no effect: shards are tasks, not threads");
    /// # Ok::<(), kcl::PropertiesError>(())
    /// ```
    ///
    /// # Errors
    /// [`PropertiesError`], with the line, for a value that the setting cannot have, and for settings that are missing or at
    /// odds.
    pub fn from_kcl_properties(text: &str) -> Result<KclProperties, PropertiesError> {
        let mut reading = settings::Reading::new();
        for property in kinesis_properties::parse(text)? {
            reading.apply(&property)?;
        }
        reading.finish()
    }

    /// Reads such a file. It is taken for UTF-8, or else for ISO-8859-1, which is what Java takes it for.
    ///
    /// Blocks while it reads.
    ///
    /// # Errors
    /// As [`from_kcl_properties`](Self::from_kcl_properties), and when the file cannot be read.
    pub fn from_kcl_properties_file(path: impl AsRef<Path>) -> Result<KclProperties, PropertiesError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| PropertiesError::Io {
            path: path.to_path_buf(),
            source: source.into(),
        })?;
        Self::from_kcl_properties(&kinesis_properties::decode(bytes))
    }
}
