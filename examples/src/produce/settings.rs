//! Which settings hold: what the flags say, else what the properties file says, else the producer's own.

use kpl::ProducerConfig;

use super::args::ProduceArgs;
use super::error::ProduceError;
use crate::endpoint::EndpointArgs;
use crate::report::say_aside;

/// The producer's settings, and where Kinesis is. Tells on stderr what of a properties file was not taken as it stands.
pub(super) fn of(args: &ProduceArgs) -> Result<(ProducerConfig, EndpointArgs), ProduceError> {
    let path = || {
        args.properties
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    };
    let base = args
        .base()
        .map_err(|source| ProduceError::Properties { path: path(), source })?;
    let mut endpoint = args.endpoint.clone();
    let Some(base) = base else {
        return Ok((args.producer_config(&ProducerConfig::default())?, endpoint));
    };
    for note in base.notes() {
        say_aside(&format!("note: {} {note}", path()));
    }
    if let (None, Some(url)) = (&endpoint.endpoint_url, base.connection().kinesis_endpoint()) {
        let url = url.parse();
        endpoint.endpoint_url =
            Some(url.map_err(|source| ProduceError::PropertiesEndpoint { path: path(), source })?);
    }
    if endpoint.region.is_none() {
        endpoint.region = base.connection().region().map(str::to_owned);
    }
    Ok((args.producer_config(base.config())?, endpoint))
}
