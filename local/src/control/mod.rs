//! The control endpoint: what a test in any language may do to a running endpoint, as HTTP and JSON on loopback.
//!
//! | call | does |
//! | --- | --- |
//! | `GET /state` | streams, shards, memory, time |
//! | `GET`, `POST`, `DELETE /faults` | lists the faults, adds one, removes all |
//! | `DELETE /faults/ID` | removes one |
//! | `POST /streams/NAME/split`, `/merge`, `/scale` | reshards now, or `after_ms` |
//! | `POST /streams/NAME/trim` | drops records as if they had expired |
//! | `POST /clock/advance` | moves the endpoint's time on |
//! | `GET`, `DELETE /history` | what happened |
//!
//! Answers are JSON objects; a refusal has `error` and a status from 400 on.

mod rule;
mod state;

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::rule::Rule;
use crate::faults::{FaultId, Reshard};
use crate::service::{FaultControl, KinesisService};

/// Answers control calls. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    kinesis: KinesisService,
}

/// Why a call was refused.
type Refused = (StatusCode, String);

impl Control {
    pub(crate) fn new(kinesis: KinesisService) -> Self {
        Self { kinesis }
    }

    /// Does what is asked and says what came of it.
    pub(crate) fn answer(&self, method: &Method, path: &str, body: &[u8]) -> (StatusCode, Value) {
        match self.done(method, path, body) {
            Ok(reply) => (StatusCode::OK, reply),
            Err((status, error)) => (status, json!({ "error": error })),
        }
    }

    fn done(&self, method: &Method, path: &str, body: &[u8]) -> Result<Value, Refused> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method.as_str(), parts.as_slice()) {
            ("GET", ["state"]) => Ok(state::state(&self.kinesis)),
            ("GET", ["faults"]) => Ok(self.list()),
            ("POST", ["faults"]) => self.add(body),
            ("DELETE", ["faults"]) => {
                self.faults().clear();
                Ok(json!({}))
            }
            ("DELETE", ["faults", id]) => self.remove(id),
            ("POST", ["streams", stream, "split"]) => {
                let split: Split = read(body)?;
                self.reshard(stream, split.after_ms, split.reshard()?)
            }
            ("POST", ["streams", stream, "merge"]) => {
                let Merge {
                    shard,
                    adjacent,
                    after_ms,
                } = read(body)?;
                self.reshard(stream, after_ms, Reshard::merge(shard, adjacent))
            }
            ("POST", ["streams", stream, "scale"]) => {
                let Scale { target, after_ms } = read(body)?;
                self.reshard(stream, after_ms, Reshard::scale(target))
            }
            ("POST", ["streams", stream, "trim"]) => self.trim(stream, &read(body)?),
            ("POST", ["clock", "advance"]) => {
                let Advance { ms } = read(body)?;
                self.kinesis.advance_clock(Duration::from_millis(ms));
                Ok(json!({ "now_ms": self.kinesis.world().clock().now_ms() }))
            }
            ("GET", ["history"]) => Ok(state::history(&self.kinesis)),
            ("DELETE", ["history"]) => {
                self.kinesis.world().history().clear();
                Ok(json!({}))
            }
            _ => Err((StatusCode::NOT_FOUND, format!("there is no call {method} {path}"))),
        }
    }

    fn faults(&self) -> FaultControl {
        FaultControl::new(self.kinesis.clone())
    }

    fn list(&self) -> Value {
        let faults: Vec<Value> = self
            .faults()
            .list()
            .iter()
            .map(|status| {
                json!({
                    "id": status.id().number(),
                    "fault": status.fault().summary(),
                    "struck": status.struck(),
                })
            })
            .collect();
        json!({ "faults": faults })
    }

    fn add(&self, body: &[u8]) -> Result<Value, Refused> {
        let fault = read::<Rule>(body)?.fault().map_err(bad)?;
        let id = self.faults().add(fault).map_err(|error| bad(error.to_string()))?;
        Ok(json!({ "id": id.number() }))
    }

    fn remove(&self, id: &str) -> Result<Value, Refused> {
        let removed = id
            .parse()
            .is_ok_and(|number| self.faults().remove(FaultId::from_number(number)));
        if removed {
            Ok(json!({}))
        } else {
            Err((StatusCode::NOT_FOUND, format!("there is no fault {id}")))
        }
    }

    fn reshard(&self, stream: &str, after_ms: u64, reshard: Reshard) -> Result<Value, Refused> {
        let before = self.open_shards(stream)?;
        self.faults()
            .reshard(Duration::from_millis(after_ms), stream, reshard)
            .map_err(|error| bad(error.to_string()))?;
        if after_ms > 0 {
            return Ok(json!({ "open_shards": before, "due_in_ms": after_ms }));
        }
        let after = self.open_shards(stream)?;
        if after == before {
            let error = "the shards are as before: not open, not neighbours, or too narrow".to_owned();
            return Err((StatusCode::CONFLICT, error));
        }
        Ok(json!({ "open_shards": after }))
    }

    fn open_shards(&self, stream: &str) -> Result<Vec<String>, Refused> {
        let streams = self.kinesis.with_engine(crate::engine::Engine::overview);
        let found = streams.into_iter().find(|known| known.name == stream);
        let found = found.ok_or_else(|| no_stream(stream))?;
        Ok(found
            .shards
            .into_iter()
            .filter(|shard| shard.description.ending_sequence_number.is_none())
            .map(|shard| shard.description.shard_id.to_string())
            .collect())
    }

    fn trim(&self, stream: &str, trim: &Trim) -> Result<Value, Refused> {
        let dropped = self.kinesis.with_engine(|engine, now_ms| {
            // Records of this very millisecond are old enough for an age of 0.
            let before_ms = (now_ms + 1).saturating_sub(trim.older_than_ms);
            engine.trim(stream, trim.shard.as_deref(), before_ms, now_ms)
        });
        match dropped {
            Some(records) => Ok(json!({ "records": records })),
            None => Err(no_stream(stream)),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Split {
    shard: String,
    /// The first hash key of the upper half, decimal.
    at_hash_key: Option<String>,
    #[serde(default)]
    after_ms: u64,
}

impl Split {
    fn reshard(&self) -> Result<Reshard, Refused> {
        let at = match &self.at_hash_key {
            None => None,
            Some(text) => match text.parse() {
                Ok(at) => Some(at),
                Err(_) => {
                    return Err(bad(format!(
                        "{text:?} is no hash key, a decimal number below 2^128"
                    )));
                }
            },
        };
        Ok(Reshard::Split {
            shard: self.shard.clone(),
            at,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    shard: String,
    adjacent: String,
    #[serde(default)]
    after_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scale {
    target: u32,
    #[serde(default)]
    after_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trim {
    shard: Option<String>,
    #[serde(default)]
    older_than_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    ms: u64,
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| bad(error.to_string()))
}

fn bad(error: String) -> Refused {
    (StatusCode::BAD_REQUEST, error)
}

fn no_stream(stream: &str) -> Refused {
    (
        StatusCode::NOT_FOUND,
        format!("there is no such stream or shard: {stream}"),
    )
}

#[cfg(test)]
#[path = "control_test.rs"]
mod tests;
