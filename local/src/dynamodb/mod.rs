//! The DynamoDB half: everything that knows the engine behind it, `dynoxide`.
//!
//! One way in for sockets and for callers in this process. What the engine draws from outside, ids and times of
//! tables, is replaced by ours, so that the same calls have the same answers.

mod lag;
mod operations;
mod stamp;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use dynoxide::auth_material::{AuthMaterial, validate};
use dynoxide::{Database, DynoxideError};
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::lag::Replica;
use self::stamp::Stamp;
use crate::error::StartError;
use crate::faults::{Call, DYNAMODB_OPERATIONS, Ending, FaultService, Verdict};
use crate::service::{
    Answer, Clock, Cut, Entry, LatencyKind, ReplyBody, World, answer, caller, describe, fingerprint_json,
    pause,
};

/// A DynamoDB that answers requests. Cheap to clone; all clones are one account.
#[derive(Clone)]
pub(crate) struct DynamoDbService {
    world: World,
    database: Database,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    replica: Option<Replica>,
    stamps: BTreeMap<String, Stamp>,
    tables_made: u64,
}

impl fmt::Debug for DynamoDbService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbService").finish_non_exhaustive()
    }
}

/// The engine's clock, for what it dates by a clock that can be given.
struct EngineClock(Clock);

impl dynoxide::storage_backend::Clock for EngineClock {
    fn now_unix_secs(&self) -> u64 {
        self.0.now_ms() / 1_000
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 are far below 2^53"
    )]
    fn now_unix_secs_f64(&self) -> f64 {
        self.0.now_ms() as f64 / 1_000.0
    }
}

impl DynamoDbService {
    /// A fresh, empty DynamoDB.
    pub(crate) fn open(world: World) -> Result<Self, StartError> {
        let clock = Arc::new(EngineClock(world.clock().clone()));
        let database = Database::memory_with_clock(clock).map_err(|source| StartError::Database {
            reason: source.to_string(),
        })?;
        Ok(Self {
            world,
            database,
            state: Arc::default(),
        })
    }

    /// Answers one request; see [`Endpoint::answer`](crate::service::Endpoint::answer).
    pub(crate) async fn answer(&self, request: Request<Bytes>) -> Result<Answer, Cut> {
        let (head, body) = request.into_parts();
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let caller = caller(&head.headers);
        let reply = Replies {
            world: &self.world,
            request_id: self.world.request_id(),
            content_type: reply_type(text(CONTENT_TYPE.as_str())),
        };
        let Some(operation) = text("x-amz-target").and_then(operation) else {
            return Ok(reply.bare("UnknownOperationException"));
        };
        let material = AuthMaterial {
            authorization: text("authorization"),
            query: head.uri.query().unwrap_or_default(),
            has_date_header: head.headers.contains_key("x-amz-date") || head.headers.contains_key("date"),
        };
        if let Some(refused) = validate(material) {
            return Ok(reply.json(400, refused, 0));
        }
        let Ok(facts) = serde_json::from_slice::<Facts>(&body) else {
            return Ok(reply.bare("SerializationException"));
        };
        let call = Call {
            service: FaultService::DynamoDb,
            operation,
            resource: facts.table_name.as_deref(),
            shard: None,
            caller: &caller,
            is_conditional: facts.condition.is_some() || facts.expected.is_some(),
        };
        let opening = self.world.open(&call, LatencyKind::DynamoDb);
        let verdict = opening.verdict;
        let mut entry = Entry {
            world: &self.world,
            caller: &caller,
            operation,
            request: self.describe(&facts, &body),
            outcome: None,
        };
        pause(opening.inward).await;
        let (status, text) = match &verdict.ending {
            Some(Ending::Cut) => {
                entry.outcome = Some("cut".to_owned());
                return Err(Cut);
            }
            Some(Ending::Refuse(refusal)) => (refusal.status, refused(&refusal.code, &refusal.message)),
            Some(Ending::LoseReply) | None => self.done(operation, &facts, &body, &verdict),
        };
        pause(opening.outward).await;
        if self.world.history().is_on() {
            entry.outcome = Some(format!(
                "{status} body={:016x}",
                fingerprint_json(text.as_bytes())
            ));
        }
        if verdict.ending == Some(Ending::LoseReply) {
            entry.outcome = entry.outcome.take().map(|outcome| format!("lost {outcome}"));
            return Err(Cut);
        }
        Ok(reply.json(status, text, verdict.skew_ms))
    }

    /// Has the engine do it: a status and a body.
    fn done(&self, operation: &'static str, facts: &Facts, body: &Bytes, verdict: &Verdict) -> (u16, String) {
        let now_ms = self.world.clock().now_ms();
        // Held over the engine's call, so that a lagging index hears of writes in the order in which they happened.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self
            .follow(&mut state)
            .and_then(|()| self.run(&mut state, operation, facts, body, verdict, now_ms));
        match done {
            Ok(reply) => {
                if operations::is_write(operation)
                    && let Some(replica) = &mut state.replica
                {
                    replica.heard(now_ms, operation, body.clone());
                }
                (200, stamp::stamped(&mut state, operation, reply, now_ms))
            }
            Err(error) => (error.status_code(), error.to_json()),
        }
    }

    fn run(
        &self,
        state: &mut State,
        operation: &str,
        facts: &Facts,
        body: &Bytes,
        verdict: &Verdict,
        now_ms: u64,
    ) -> Result<String, DynoxideError> {
        let lagging = verdict.index_lag.filter(|_| facts.index.is_some());
        let done = match (lagging, &mut state.replica) {
            (Some(by), Some(replica)) => {
                let by_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
                replica.read(now_ms.saturating_sub(by_ms), operation, body)
            }
            _ => operations::run(&self.database, operation, body),
        };
        done.unwrap_or_else(|| {
            Err(DynoxideError::SerializationException(
                "UnknownOperationException".to_owned(),
            ))
        })
    }

    /// Keeps a lagging copy for as long as a fault may want one.
    fn follow(&self, state: &mut State) -> Result<(), DynoxideError> {
        let wanted = self
            .world
            .faults()
            .has_index_lag(self.world.clock().since_start());
        if !wanted {
            state.replica = None;
        } else if state.replica.is_none() {
            state.replica = Some(Replica::of(&self.database)?);
        }
        Ok(())
    }

    fn describe(&self, facts: &Facts, body: &Bytes) -> String {
        if !self.world.history().is_on() {
            return String::new();
        }
        let names = [
            ("table", facts.table_name.as_deref()),
            ("index", facts.index.as_deref()),
        ];
        describe(&names, fingerprint_json(body))
    }
}

/// What of a request concerns faults.
#[derive(Deserialize)]
struct Facts {
    #[serde(default, rename = "TableName", deserialize_with = "name")]
    table_name: Option<String>,
    #[serde(default, rename = "IndexName", deserialize_with = "name")]
    index: Option<String>,
    #[serde(default, rename = "ConditionExpression")]
    condition: Option<IgnoredAny>,
    #[serde(default, rename = "Expected")]
    expected: Option<IgnoredAny>,
}

/// A text, or nothing if it is anything else: what else it may be is for the engine to refuse.
fn name<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Name {
        Text(String),
        Other(IgnoredAny),
    }
    Ok(match Name::deserialize(deserializer)? {
        Name::Text(text) => Some(text),
        Name::Other(IgnoredAny) => None,
    })
}

/// Makes the answers of one request.
struct Replies<'a> {
    world: &'a World,
    request_id: String,
    content_type: &'static str,
}

impl Replies<'_> {
    fn json(&self, status: u16, body: String, skew_ms: i64) -> Answer {
        let body = ReplyBody::full(Bytes::from(body));
        let date = self.world.date(skew_ms);
        answer(
            status,
            Some(self.content_type),
            None,
            &self.request_id,
            date.as_deref(),
            body,
        )
    }

    /// A refusal without a message.
    fn bare(&self, code: &str) -> Answer {
        self.json(
            400,
            format!(r#"{{"__type":"com.amazon.coral.service#{code}"}}"#),
            0,
        )
    }
}

fn refused(code: &str, message: &str) -> String {
    serde_json::json!({
        "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
        "message": message,
    })
    .to_string()
}

fn operation(target: &str) -> Option<&'static str> {
    let name = ["DynamoDB_20120810.", "DynamoDBStreams_20120810."]
        .iter()
        .find_map(|prefix| target.strip_prefix(prefix))?;
    DYNAMODB_OPERATIONS.into_iter().find(|known| *known == name)
}

/// The service answers in the type it was asked in.
fn reply_type(asked: Option<&str>) -> &'static str {
    let essence = asked
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if essence.eq_ignore_ascii_case("application/json") {
        "application/json"
    } else {
        "application/x-amz-json-1.0"
    }
}
