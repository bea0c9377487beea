//! A fault as JSON.

use std::time::Duration;

use serde::Deserialize;

use crate::faults::{Fault, FaultService};

/// A fault as a control call gives it. Members that an action does not use must not be there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    action: Action,
    /// For `error` and `entries_refused`.
    code: Option<String>,
    status: Option<u16>,
    message: Option<String>,
    /// For `latency`, `stale_shards`, `index_lag` and `clock_skew`, where it may be below 0.
    ms: Option<i64>,
    service: Option<Half>,
    operation: Option<Names>,
    stream: Option<String>,
    table: Option<String>,
    shard: Option<String>,
    client: Option<String>,
    #[serde(default)]
    conditional: bool,
    #[serde(default)]
    after_ms: u64,
    lasting_ms: Option<u64>,
    #[serde(default)]
    skip: u32,
    times: Option<u32>,
    chance: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Error,
    Throttle,
    EntriesRefused,
    Latency,
    ReplyLost,
    ConnectionCut,
    HalfOpen,
    DuplicateEvent,
    SubscriptionCut,
    StaleShards,
    IndexLag,
    ClockSkew,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Half {
    Kinesis,
    DynamoDb,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

impl Rule {
    /// The fault, or what is wrong with it.
    pub(super) fn fault(self) -> Result<Fault, String> {
        self.check_members()?;
        let mut fault = self.action()?;
        if let Some(message) = self.message {
            fault = fault.message(message);
        }
        if let Some(half) = self.service {
            fault = fault.service(match half {
                Half::Kinesis => FaultService::Kinesis,
                Half::DynamoDb => FaultService::DynamoDb,
            });
        }
        let operations = match self.operation {
            None => Vec::new(),
            Some(Names::One(name)) => vec![name],
            Some(Names::Several(names)) => names,
        };
        fault = operations.into_iter().fold(fault, Fault::operation);
        if let Some(stream) = self.stream {
            fault = fault.stream(stream);
        }
        if let Some(table) = self.table {
            fault = fault.table(table);
        }
        if let Some(shard) = self.shard {
            fault = fault.shard(shard);
        }
        if let Some(client) = self.client {
            fault = fault.client(client);
        }
        if self.conditional {
            fault = fault.conditional();
        }
        if let Some(ms) = self.lasting_ms {
            fault = fault.lasting(Duration::from_millis(ms));
        }
        if let Some(times) = self.times {
            fault = fault.times(times);
        }
        if let Some(chance) = self.chance {
            fault = fault.chance(chance);
        }
        Ok(fault.after(Duration::from_millis(self.after_ms)).skip(self.skip))
    }

    fn action(&self) -> Result<Fault, String> {
        Ok(match self.action {
            Action::Error => {
                let code = self.code.as_deref().ok_or("error needs code")?;
                Fault::error(code, self.status.ok_or("error needs status")?)
            }
            Action::Throttle => Fault::throttle(),
            Action::EntriesRefused => match &self.code {
                Some(code) => Fault::entries_refused_with(code.as_str()),
                None => Fault::entries_refused(),
            },
            Action::Latency => Fault::latency(self.period()?),
            Action::ReplyLost => Fault::reply_lost(),
            Action::ConnectionCut => Fault::connection_cut(),
            Action::HalfOpen => Fault::half_open(),
            Action::DuplicateEvent => Fault::duplicate_event(),
            Action::SubscriptionCut => Fault::subscription_cut(),
            Action::StaleShards => Fault::stale_shards(self.period()?),
            Action::IndexLag => Fault::index_lag(self.period()?),
            Action::ClockSkew => {
                let ms = self.ms.ok_or("clock_skew needs ms")?;
                let by = Duration::from_millis(ms.unsigned_abs());
                if ms < 0 {
                    Fault::clock_behind(by)
                } else {
                    Fault::clock_ahead(by)
                }
            }
        })
    }

    fn period(&self) -> Result<Duration, String> {
        match self.ms.map(u64::try_from) {
            Some(Ok(ms)) => Ok(Duration::from_millis(ms)),
            _ => Err("this action needs ms, 0 or more".to_owned()),
        }
    }

    fn check_members(&self) -> Result<(), String> {
        let codes = matches!(self.action, Action::Error | Action::EntriesRefused);
        let periods = [
            Action::Latency,
            Action::StaleShards,
            Action::IndexLag,
            Action::ClockSkew,
        ];
        let unused = [
            ("code", self.code.is_some() && !codes),
            ("status", self.status.is_some() && self.action != Action::Error),
            ("message", self.message.is_some() && !codes),
            ("ms", self.ms.is_some() && !periods.contains(&self.action)),
            (
                "table beside stream or shard",
                self.table.is_some() && (self.stream.is_some() || self.shard.is_some()),
            ),
        ];
        match unused.into_iter().find(|(_, is_unused)| *is_unused) {
            Some((member, _)) => Err(format!("this action has no use for {member}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> Result<Fault, String> {
        let rule: Rule = serde_json::from_str(json).map_err(|error| error.to_string())?;
        rule.fault()
    }

    #[test]
    fn every_action_reads_as_its_builder_call() {
        let ms = Duration::from_millis(250);
        let cases = [
            (
                r#"{"action":"error","code":"InternalFailure","status":500,"message":"m"}"#,
                Fault::error("InternalFailure", 500).message("m"),
            ),
            (r#"{"action":"throttle"}"#, Fault::throttle()),
            (r#"{"action":"entries_refused"}"#, Fault::entries_refused()),
            (
                r#"{"action":"entries_refused","code":"InternalFailure"}"#,
                Fault::entries_refused_with("InternalFailure"),
            ),
            (r#"{"action":"latency","ms":250}"#, Fault::latency(ms)),
            (r#"{"action":"reply_lost"}"#, Fault::reply_lost()),
            (r#"{"action":"connection_cut"}"#, Fault::connection_cut()),
            (r#"{"action":"half_open"}"#, Fault::half_open()),
            (r#"{"action":"duplicate_event"}"#, Fault::duplicate_event()),
            (r#"{"action":"subscription_cut"}"#, Fault::subscription_cut()),
            (r#"{"action":"stale_shards","ms":250}"#, Fault::stale_shards(ms)),
            (r#"{"action":"index_lag","ms":250}"#, Fault::index_lag(ms)),
            (r#"{"action":"clock_skew","ms":250}"#, Fault::clock_ahead(ms)),
            (r#"{"action":"clock_skew","ms":-250}"#, Fault::clock_behind(ms)),
        ];
        for (json, expected) in cases {
            assert_eq!(fault(json), Ok(expected), "{json}");
        }
    }

    #[test]
    fn every_condition_reads_as_its_builder_call() {
        let json = r#"{"action":"throttle","service":"kinesis","operation":["PutRecord","PutRecords"],
            "stream":"orders","shard":"shardId-000000000000","client":"till-7","after_ms":1,"lasting_ms":2,"skip":3,
            "times":4,"chance":0.5}"#;
        let expected = Fault::throttle()
            .service(FaultService::Kinesis)
            .operation("PutRecord")
            .operation("PutRecords")
            .stream("orders")
            .shard("shardId-000000000000")
            .client("till-7")
            .after(Duration::from_millis(1))
            .lasting(Duration::from_millis(2))
            .skip(3)
            .times(4)
            .chance(0.5);
        assert_eq!(fault(json), Ok(expected));
        let json = r#"{"action":"reply_lost","service":"dynamodb","operation":"UpdateItem","table":"leases","conditional":true}"#;
        let expected = Fault::reply_lost()
            .operation("UpdateItem")
            .table("leases")
            .conditional();
        assert_eq!(fault(json), Ok(expected));
    }

    #[test]
    fn what_is_missing_or_of_no_use_is_named() {
        for (json, says) in [
            ("{}", "missing field `action`"),
            (r#"{"action":"explode"}"#, "unknown variant `explode`"),
            (
                r#"{"action":"throttle","opration":"PutRecord"}"#,
                "unknown field `opration`",
            ),
            (r#"{"action":"error","status":500}"#, "error needs code"),
            (r#"{"action":"error","code":"X"}"#, "error needs status"),
            (r#"{"action":"latency"}"#, "needs ms"),
            (r#"{"action":"latency","ms":-1}"#, "needs ms, 0 or more"),
            (r#"{"action":"throttle","ms":1}"#, "no use for ms"),
            (r#"{"action":"throttle","code":"X"}"#, "no use for code"),
            (
                r#"{"action":"throttle","stream":"s","table":"t"}"#,
                "no use for table",
            ),
        ] {
            let error = fault(json).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
