//! A worker's metrics.
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `lut` | N | last update, seconds |
//! | `sts` | M of L of N | for each metric its last averages, oldest first |
//! | `opr` | M of L of N | for each metric its operating range |
//! | `sup`, `slu` | N, N | support code, and when it was written, seconds |
//! | `entityType` | S | `WORKER_METRIC_STATS` |
//!
//! `properties` (M) and anything else is left as it is.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::value::{Fault, Item, decimal, optional_number, required, required_text};
use crate::fleet::WorkerStats;
use crate::lease::WorkerId;

pub(in crate::store::dynamodb) const UPDATED_AT: &str = "lut";
pub(in crate::store::dynamodb) const METRICS: &str = "sts";
pub(in crate::store::dynamodb) const RANGES: &str = "opr";
pub(in crate::store::dynamodb) const SUPPORT: &str = "sup";
pub(in crate::store::dynamodb) const SUPPORT_AT: &str = "slu";
pub(in crate::store::dynamodb) const ENTITY: &str = "WORKER_METRIC_STATS";

pub(super) fn decode(item: &Item, key_name: &'static str) -> Result<WorkerStats, Fault> {
    Ok(WorkerStats {
        worker: WorkerId::new(required_text(item, key_name)?),
        updated_at_s: required(UPDATED_AT, optional_number(item, UPDATED_AT)?)?,
        metrics: lists(item, METRICS)?,
        ranges: lists(item, RANGES)?,
        support: optional_number(item, SUPPORT)?,
        support_at_s: optional_number(item, SUPPORT_AT)?,
    })
}

fn lists(item: &Item, name: &'static str) -> Result<BTreeMap<String, Vec<f64>>, Fault> {
    let Some(value) = item.get(name) else {
        return Ok(BTreeMap::new());
    };
    let fault = |reason| Fault::new(name, reason);
    let map = value.as_m().map_err(|_| fault("not of type M"))?;
    let list = |value: &AttributeValue| {
        let numbers = value.as_l().map_err(|_| fault("does not hold lists"))?;
        let number = |value: &AttributeValue| value.as_n().ok()?.parse().ok();
        let numbers: Option<Vec<f64>> = numbers.iter().map(number).collect();
        numbers.ok_or_else(|| fault("does not hold lists of numbers"))
    };
    map.iter()
        .map(|(metric, value)| Ok((metric.clone(), list(value)?)))
        .collect()
}

/// An empty map is written too, so that a worker which lost its probe does not keep the metrics it had.
pub(in crate::store::dynamodb) fn map(lists: &BTreeMap<String, Vec<f64>>) -> AttributeValue {
    let list = |numbers: &Vec<f64>| AttributeValue::L(numbers.iter().filter_map(|n| decimal(*n)).collect());
    AttributeValue::M(
        lists
            .iter()
            .map(|(metric, numbers)| (metric.clone(), list(numbers)))
            .collect(),
    )
}
