//! ListShards: which shards a stream has, or had at some moment.

use super::api::{ListShardsRequest, ListShardsResponse, ShardDescription, ShardFilter, StreamStatus};
use super::constraint::Constraints;
use super::error::ServiceError;
use super::fault::{Effect, Occasion, Stage};
use super::operation::Operation;
use super::page::TOKEN_MS;
use super::seal::{Kind, Reader, Writer};
use super::shard::Shard;
use super::stream::Stream;
use super::{Engine, lifecycle};

impl Engine {
    pub(crate) fn list_shards(
        &mut self,
        request: ListShardsRequest,
        now_ms: u64,
    ) -> Result<ListShardsResponse, ServiceError> {
        let now_ms = self.begin(Operation::ListShards, now_ms)?;
        check(&request)?;
        let mut cursor = self.cursor(&request, now_ms)?;
        let name = cursor.stream.clone();
        let stream = super::find(&mut self.streams, &mut self.ledger, &self.owner, &name, now_ms)?;
        let account = self.owner.account();
        let other = |incarnation: u64| incarnation != 0 && incarnation != stream.incarnation;
        let created = request.stream_creation_timestamp_ms;
        // Clients know the creation to the millisecond or, through some SDKs, to the second.
        let made_then = |asked: u64| asked / 1000 == stream.created_ms / 1000;
        if other(cursor.incarnation) || created.is_some_and(|asked| !made_then(asked)) {
            return Err(super::stream_not_found(&name, account));
        }
        if matches!(stream.status, StreamStatus::Creating | StreamStatus::Deleting) {
            return Err(lifecycle::not_active(stream, account));
        }
        if self.settings.limits.control {
            self.calls.admit(Operation::ListShards, &name, now_ms)?;
        }
        let at = Occasion {
            operation: Operation::ListShards,
            stream: Some(&name),
            shard: None,
            now_ms,
        };
        let stale = self.faults.draw(Stage::Listing, at, &mut self.dice);
        let as_of_ms = stale.iter().fold(now_ms, |as_of, effect| match effect {
            Effect::StaleShards { by_ms } => as_of.min(now_ms.saturating_sub(*by_ms)),
            _ => as_of,
        });
        cursor.incarnation = stream.incarnation;
        let most = request.max_results.map_or(MAX_RESULTS, |asked| {
            usize::try_from(asked).unwrap_or(1).min(MAX_RESULTS)
        });
        let (shards, last) = page(stream, &cursor, most, as_of_ms);
        let next_token = last.map(|last| {
            cursor.after = Some(last);
            cursor.issued_ms = now_ms;
            self.sealer.seal(Kind::Shards, &cursor.write())
        });
        Ok(ListShardsResponse { shards, next_token })
    }

    fn cursor(&self, request: &ListShardsRequest, now_ms: u64) -> Result<Cursor, ServiceError> {
        let Some(token) = request.next_token.as_deref() else {
            let stream = self.owner.resolve(&request.stream)?.to_owned();
            let (filter, after) = filter_of(request.shard_filter.as_ref(), now_ms)?;
            let start = request.exclusive_start_shard_id.as_deref();
            return Ok(Cursor {
                stream,
                incarnation: 0,
                filter,
                after: start.or(after).map(number_of).transpose()?,
                issued_ms: now_ms,
            });
        };
        let addressed = request.stream.name.is_some() || request.stream.arn.is_some();
        if addressed || request.stream_creation_timestamp_ms.is_some() {
            return Err(ServiceError::invalid_argument(
                "NextToken and StreamName cannot be provided together.",
            ));
        }
        if request.exclusive_start_shard_id.is_some() || request.shard_filter.is_some() {
            return Err(ServiceError::invalid_argument(
                "NextToken and ExclusiveStartShardId or ShardFilter cannot be provided together.",
            ));
        }
        let content = self.sealer.open(Kind::Shards, token);
        let cursor = content
            .and_then(|content| Cursor::read(&content))
            .ok_or_else(|| ServiceError::invalid_argument("Invalid NextToken."))?;
        if cursor.issued_ms.saturating_add(TOKEN_MS) < now_ms {
            return Err(ServiceError::expired_next_token(format!(
                "NextToken has expired. It was created {} milliseconds ago, more than {TOKEN_MS}.",
                now_ms - cursor.issued_ms
            )));
        }
        Ok(cursor)
    }
}

/// The shards of a page, and the last of them if there are more.
fn page(
    stream: &Stream,
    cursor: &Cursor,
    most: usize,
    as_of_ms: u64,
) -> (Vec<ShardDescription>, Option<u32>) {
    let horizon_ms = as_of_ms
        .saturating_sub(stream.retention_ms())
        .max(stream.created_ms);
    let mut shards = Vec::new();
    let mut last = None;
    for shard in stream.shards_after(cursor.after) {
        let existed = shard.created_ms() <= as_of_ms;
        if !existed || !cursor.filter.lets_through(shard, horizon_ms, as_of_ms) {
            continue;
        }
        if shards.len() == most {
            return (shards, last);
        }
        last = Some(shard.number());
        shards.push(shard.describe(as_of_ms));
    }
    (shards, None)
}

/// Where a listing stands, carried from page to page.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    stream: String,
    /// 0 until the stream is known.
    incarnation: u64,
    filter: Filter,
    after: Option<u32>,
    issued_ms: u64,
}

impl Cursor {
    fn write(&self) -> Vec<u8> {
        let (kind, moment) = match self.filter {
            Filter::All => (0, 0),
            Filter::AtTrimHorizon => (1, 0),
            Filter::AtLatest => (2, 0),
            Filter::AtTimestamp(moment) => (3, moment),
            Filter::FromTimestamp(moment) => (4, moment),
        };
        Writer::default()
            .text(&self.stream)
            .number(self.incarnation)
            .number(kind)
            .number(moment)
            .number(self.after.map_or(0, |after| u64::from(after) + 1))
            .number(self.issued_ms)
            .finish()
    }

    fn read(content: &[u8]) -> Option<Self> {
        let mut reader = Reader(content);
        let stream = reader.text()?.to_owned();
        let incarnation = reader.number()?;
        let (kind, moment) = (reader.number()?, reader.number()?);
        Some(Self {
            stream,
            incarnation,
            filter: match kind {
                0 => Filter::All,
                1 => Filter::AtTrimHorizon,
                2 => Filter::AtLatest,
                3 => Filter::AtTimestamp(moment),
                _ => Filter::FromTimestamp(moment),
            },
            after: reader
                .number()?
                .checked_sub(1)
                .and_then(|after| u32::try_from(after).ok()),
            issued_ms: reader.number()?,
        })
    }
}

/// `ShardFilter`, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// FROM_TRIM_HORIZON, AFTER_SHARD_ID, or none: all that have not expired.
    All,
    AtTrimHorizon,
    AtLatest,
    AtTimestamp(u64),
    FromTimestamp(u64),
}

impl Filter {
    fn lets_through(self, shard: &Shard, horizon_ms: u64, as_of_ms: u64) -> bool {
        let closed_ms = shard.closed_ms().filter(|&at| at <= as_of_ms);
        let open_at = |moment: u64| shard.created_ms() <= moment && closed_ms.is_none_or(|at| at >= moment);
        match self {
            Self::All => true,
            Self::AtLatest => closed_ms.is_none(),
            Self::AtTrimHorizon => open_at(horizon_ms),
            Self::AtTimestamp(moment) => open_at(moment.max(horizon_ms)),
            Self::FromTimestamp(moment) => closed_ms.is_none_or(|at| at >= moment.max(horizon_ms)),
        }
    }
}

fn filter_of(filter: Option<&ShardFilter>, now_ms: u64) -> Result<(Filter, Option<&str>), ServiceError> {
    let Some(filter) = filter else {
        return Ok((Filter::All, None));
    };
    let filter_type = filter.filter_type.as_deref().unwrap_or_default();
    let refused = |text: &str| Err(ServiceError::invalid_argument(text));
    let needs_id = filter_type == "AFTER_SHARD_ID";
    let needs_moment = matches!(filter_type, "AT_TIMESTAMP" | "FROM_TIMESTAMP");
    if needs_id != filter.shard_id.is_some() {
        return refused("ShardFilter must have a ShardId if its Type is AFTER_SHARD_ID, and only then.");
    }
    if needs_moment != filter.timestamp_ms.is_some() {
        return refused(
            "ShardFilter must have a Timestamp if its Type is AT_TIMESTAMP or FROM_TIMESTAMP, and only then.",
        );
    }
    let moment = filter.timestamp_ms.unwrap_or_default();
    if moment > now_ms {
        return refused("The Timestamp of ShardFilter must not be in the future.");
    }
    Ok(match filter_type {
        "AT_TRIM_HORIZON" => (Filter::AtTrimHorizon, None),
        "AT_LATEST" => (Filter::AtLatest, None),
        "AT_TIMESTAMP" => (Filter::AtTimestamp(moment), None),
        "FROM_TIMESTAMP" => (Filter::FromTimestamp(moment), None),
        _ => (Filter::All, filter.shard_id.as_deref()),
    })
}

fn check(request: &ListShardsRequest) -> Result<(), ServiceError> {
    let mut constraints = Constraints::new();
    if let Some(token) = &request.next_token {
        constraints.length("nextToken", token, 1, 1_048_576);
    }
    if let Some(shard_id) = &request.exclusive_start_shard_id {
        constraints.name("exclusiveStartShardId", shard_id);
    }
    if let Some(most) = request.max_results {
        constraints.range("maxResults", most, 1, 10_000);
    }
    if let Some(filter) = &request.shard_filter {
        let filter_type = constraints.required("shardFilter.type", filter.filter_type.as_deref());
        if let Some(filter_type) = filter_type {
            constraints.one_of("shardFilter.type", filter_type, &FILTER_TYPES);
        }
        if let Some(shard_id) = &filter.shard_id {
            constraints.name("shardFilter.shardId", shard_id);
        }
    }
    constraints.finish()?;
    let afters = request
        .shard_filter
        .as_ref()
        .and_then(|filter| filter.shard_id.as_ref());
    if afters.is_some() && request.exclusive_start_shard_id.is_some() {
        return Err(ServiceError::invalid_argument(
            "ExclusiveStartShardId and the ShardId of ShardFilter cannot be provided together.",
        ));
    }
    Ok(())
}

/// The number of a shard id that need not exist: listing goes on behind where it would be.
pub(super) fn number_of(shard_id: &str) -> Result<u32, ServiceError> {
    let number = shard_id
        .strip_prefix("shardId-")
        .filter(|digits| digits.len() == 12)
        .and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| ServiceError::invalid_argument(format!("{shard_id} is not the id of a shard.")))
}

const FILTER_TYPES: [&str; 6] = [
    "AFTER_SHARD_ID",
    "AT_TRIM_HORIZON",
    "FROM_TRIM_HORIZON",
    "AT_LATEST",
    "AT_TIMESTAMP",
    "FROM_TIMESTAMP",
];
/// Source: AWS API reference, ListShards, `MaxResults`: more than this gives this many.
const MAX_RESULTS: usize = 1_000;
