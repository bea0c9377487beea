//! The properties file of the Kinesis Producer Library (KPL), read into our settings.

mod connection;
mod error;
mod settings;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use connection::{KplConnection, KplProxy};
pub use error::PropertiesError;
pub use kinesis_properties::{EscapeError, NoteKind, PropertyNote, ValueError};
pub use settings::KPL_SETTINGS;

use super::ProducerConfig;

/// What a properties file of the KPL says.
#[derive(Debug, Clone)]
pub struct KplProperties {
    config: ProducerConfig,
    connection: KplConnection,
    notes: Vec<PropertyNote>,
}

impl KplProperties {
    /// The producer's settings.
    #[must_use]
    pub fn config(&self) -> &ProducerConfig {
        &self.config
    }

    /// What belongs to the SDK's configuration: Region, endpoints, proxy, certificates.
    #[must_use]
    pub fn connection(&self) -> &KplConnection {
        &self.connection
    }

    /// What was not taken as it stands, in the order of the file. Show them to whoever migrates.
    #[must_use]
    pub fn notes(&self) -> &[PropertyNote] {
        &self.notes
    }

    /// The three parts.
    #[must_use]
    pub fn into_parts(self) -> (ProducerConfig, KplConnection, Vec<PropertyNote>) {
        (self.config, self.connection, self.notes)
    }
}

impl ProducerConfig {
    /// Reads settings in the format and under the names of the KPL's properties file.
    ///
    /// Every setting of the KPL 1.0 is known: it is applied, or a [note](KplProperties::notes) says why it is moot here.
    /// Ranges are the KPL's; a value that is valid there and not here is brought into our range, with a note. Names that
    /// the KPL does not know either are noted and ignored, as it does. Of a name that is set twice, the last counts.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let read = kpl::ProducerConfig::from_kpl_properties("RecordMaxBufferedTime = 250\nThreadPoolSize = 64\n")?;
    /// assert_eq!(read.config().streams().linger(), Duration::from_millis(250));
    /// assert_eq!(read.notes().len(), 1, "there is no thread pool");
    /// # Ok::<(), kpl::PropertiesError>(())
    /// ```
    ///
    /// # Errors
    /// [`PropertiesError`], with the line, for a value the KPL would refuse as well, and for settings at odds.
    pub fn from_kpl_properties(text: &str) -> Result<KplProperties, PropertiesError> {
        let mut reading = settings::Reading::default();
        for property in kinesis_properties::parse(text)? {
            reading.apply(&property)?;
        }
        let (config, connection, notes) = reading.finish()?;
        Ok(KplProperties {
            config,
            connection,
            notes,
        })
    }

    /// Reads such a file. It is taken for UTF-8, or else for ISO-8859-1, which is what Java takes it for.
    ///
    /// Blocks while it reads.
    ///
    /// # Errors
    /// As [`from_kpl_properties`](Self::from_kpl_properties), and when the file cannot be read.
    pub fn from_kpl_properties_file(path: impl AsRef<Path>) -> Result<KplProperties, PropertiesError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| PropertiesError::Io {
            path: path.to_path_buf(),
            source: source.into(),
        })?;
        Self::from_kpl_properties(&kinesis_properties::decode(bytes))
    }
}
