//! One attribute, read and written.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use kinesis_aggregation::ShardId;

/// One row as the SDK has it.
pub(in crate::store::dynamodb) type Item = HashMap<String, AttributeValue>;

/// What is wrong with a row.
#[derive(Debug)]
pub(in crate::store::dynamodb) struct Fault {
    pub(in crate::store::dynamodb) attribute: &'static str,
    pub(in crate::store::dynamodb) reason: String,
}

impl Fault {
    pub(super) fn new(attribute: &'static str, reason: impl ToString) -> Self {
        Self {
            attribute,
            reason: reason.to_string(),
        }
    }
}

pub(in crate::store::dynamodb) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub(in crate::store::dynamodb) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A measured number in six decimals at most, as KCL rounds them. `None`: not a number that a table could hold.
pub(in crate::store::dynamodb) fn decimal(value: f64) -> Option<AttributeValue> {
    if !value.is_finite() || value.abs() >= LARGEST_MEASURE {
        return None;
    }
    let digits = format!("{value:.6}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    Some(AttributeValue::N(
        if digits == "-0" { "0" } else { digits }.to_owned(),
    ))
}

pub(in crate::store::dynamodb) fn bytes(value: &Bytes) -> AttributeValue {
    AttributeValue::B(Blob::new(value.to_vec()))
}

pub(in crate::store::dynamodb) fn shard_ids<'a>(
    ids: impl IntoIterator<Item = &'a ShardId>,
) -> AttributeValue {
    AttributeValue::Ss(ids.into_iter().map(|id| id.as_str().to_owned()).collect())
}

pub(super) fn required<T>(attribute: &'static str, value: Option<T>) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::new(attribute, "missing"))
}

/// Empty text counts as absent: no writer of these tables writes it.
pub(super) fn optional_text<'a>(item: &'a Item, name: &'static str) -> Result<Option<&'a str>, Fault> {
    let Some(value) = item.get(name) else {
        return Ok(None);
    };
    let text = value.as_s().map_err(|_| Fault::new(name, "not of type S"))?;
    Ok(Some(text.as_str()).filter(|text| !text.is_empty()))
}

pub(super) fn required_text<'a>(item: &'a Item, name: &'static str) -> Result<&'a str, Fault> {
    required(name, optional_text(item, name)?)
}

pub(super) fn optional_number(item: &Item, name: &'static str) -> Result<Option<u64>, Fault> {
    let Some(value) = item.get(name) else {
        return Ok(None);
    };
    let digits = value.as_n().map_err(|_| Fault::new(name, "not of type N"))?;
    digits
        .parse()
        .map(Some)
        .map_err(|error| Fault::new(name, format!("`{digits}`: {error}")))
}

pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Above this a double has no decimals left, and no measure of load is so large.
const LARGEST_MEASURE: f64 = 1e15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_have_six_decimals_at_most() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (-0.000_000_1, "0"),
            (-1.0, "-1"),
            (812.417_969, "812.417969"),
            (12.5, "12.5"),
            (100.0, "100"),
            (0.123_456_78, "0.123457"),
        ];
        for (value, digits) in cases {
            assert_eq!(decimal(value), Some(AttributeValue::N(digits.to_owned())));
        }
        for none in [f64::NAN, f64::INFINITY, f64::MAX] {
            assert_eq!(decimal(none), None);
        }
    }
}
