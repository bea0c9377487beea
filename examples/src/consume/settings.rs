//! Which settings hold: what the flags say, else what the properties file says, else the consumer's own.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aws_types::SdkConfig;
use kcl::store::dynamodb::{TableNames, TableSettings};
use kcl::{ConsumerConfig, DynamoDbLeaseStore, KclProperties, ProcessingFailure, StreamName, WhenExhausted};

use super::args::ConsumeArgs;
use super::error::ConsumeError;
use crate::endpoint::{EndpointArgs, EndpointUrl};
use crate::report::say_aside;

/// The consumer's settings, and where its services are.
pub(super) struct Settings {
    pub(super) config: ConsumerConfig,
    pub(super) streams: Vec<StreamName>,
    pub(super) endpoint: EndpointArgs,
    pub(super) dynamodb_endpoint_url: Option<EndpointUrl>,
    tables: TableNames,
    /// How a missing table is made, where a properties file may have said.
    making: Option<TableSettings>,
}

impl Settings {
    /// Tells on stderr what of a properties file was not taken as it stands.
    pub(super) fn of(args: &ConsumeArgs) -> Result<Self, ConsumeError> {
        match &args.properties {
            None => Self::without_file(args),
            Some(path) => {
                let name = path.display().to_string();
                let read = ConsumerConfig::from_kcl_properties_file(path).map_err(|source| {
                    ConsumeError::Properties {
                        path: name.clone(),
                        source: Box::new(source),
                    }
                })?;
                Self::over_file(args, &name, &read)
            }
        }
    }

    fn without_file(args: &ConsumeArgs) -> Result<Self, ConsumeError> {
        let base = ConsumerConfig::builder("", "").shutdown_timeout(SHUTDOWN_TIMEOUT);
        let config = config(args, base)?;
        Ok(Self {
            streams: args.streams.clone(),
            endpoint: args.endpoint.clone(),
            dynamodb_endpoint_url: args.dynamodb_endpoint_url.clone(),
            tables: TableNames::of_application(config.lease_table_name()),
            making: None,
            config,
        })
    }

    fn over_file(args: &ConsumeArgs, path: &str, read: &KclProperties) -> Result<Self, ConsumeError> {
        for note in read.notes() {
            say_aside(&format!("note: {path} {note}"));
        }
        let url = |flag: &Option<EndpointUrl>, theirs: Option<&str>| match (flag, theirs) {
            (None, Some(url)) => url
                .parse()
                .map(Some)
                .map_err(|source| ConsumeError::PropertiesEndpoint {
                    path: path.to_owned(),
                    source,
                }),
            (flag, _) => Ok(flag.clone()),
        };
        let connection = read.connection();
        let region = args.endpoint.region.clone();
        let endpoint = EndpointArgs {
            endpoint_url: url(&args.endpoint.endpoint_url, connection.kinesis_endpoint())?,
            region: region.or_else(|| connection.region().map(str::to_owned)),
        };
        let dynamodb_endpoint_url = url(&args.dynamodb_endpoint_url, connection.dynamodb_endpoint())?;
        let config = config(args, read.builder())?;
        let tables = match &args.application {
            Some(ours) => TableNames::of_application(ours).with_lease_table(config.lease_table_name()),
            None => read.table_names().clone(),
        };
        let streams = match args.streams.is_empty() {
            true => config.stream().into_iter().cloned().collect(),
            false => args.streams.clone(),
        };
        Ok(Self {
            config,
            streams,
            endpoint,
            dynamodb_endpoint_url,
            tables,
            making: Some(read.table_settings().clone()),
        })
    }

    /// The streams' names, with commas between them.
    pub(super) fn stream_names(&self) -> String {
        let names: Vec<&str> = self.streams.iter().map(StreamName::as_str).collect();
        names.join(",")
    }

    /// The lease table.
    pub(super) fn lease_store(&self, dynamodb: &SdkConfig) -> Arc<DynamoDbLeaseStore> {
        let store = DynamoDbLeaseStore::from_sdk_config(dynamodb, self.config.lease_table_name());
        let store = store.with_table_names(self.tables.clone());
        Arc::new(match &self.making {
            Some(making) => store.with_table_settings(making.clone()),
            None => store,
        })
    }
}

fn config(args: &ConsumeArgs, base: kcl::ConsumerConfigBuilder) -> Result<ConsumerConfig, ConsumeError> {
    let mut config = args.over(base)?.start_timeout(START_TIMEOUT);
    if args.require.is_some() {
        config = config.on_processing_failure(ProcessingFailure::After {
            attempts: ATTEMPTS,
            then: match args.dead_letter.is_some() {
                true => WhenExhausted::DeadLetter,
                false => WhenExhausted::Stop,
            },
        });
    }
    Ok(config.build()?)
}

/// The endpoints have just been seen to answer: what fails for longer than this will not heal while a user watches.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// Writing one batch takes milliseconds.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Data is what it is at the first attempt. The second one is there for an output that fails: the worker ends in the pause
/// before it, so that no good record is set aside.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(2).expect("not zero");
