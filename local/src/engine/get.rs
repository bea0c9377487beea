//! GetRecords: one page from where an iterator points.

use super::api::{GetRecordsRequest, GetRecordsResponse};
use super::arn::stream_not_found;
use super::constraint::Constraints;
use super::error::ServiceError;
use super::iterator::{ITERATOR_MS, Position, shard_not_found};
use super::operation::Operation;
use super::put::rate_exceeded;
use super::{Engine, retention};
use kinesis_aggregation::ShardId;

impl Engine {
    pub(crate) fn get_records(
        &mut self,
        request: GetRecordsRequest,
        now_ms: u64,
    ) -> Result<GetRecordsResponse, ServiceError> {
        let now_ms = self.begin(Operation::GetRecords, now_ms)?;
        let limit = checked_limit(&request)?;
        let iterator = request.shard_iterator.as_deref().unwrap_or_default();
        let position = Position::open(&self.sealer, iterator)
            .ok_or_else(|| ServiceError::invalid_argument("Invalid ShardIterator."))?;
        let named = request.stream.name.is_some() || request.stream.arn.is_some();
        if named && self.owner.resolve(&request.stream)? != position.stream {
            return Err(ServiceError::invalid_argument("Invalid ShardIterator."));
        }
        if position.issued_ms.saturating_add(ITERATOR_MS) < now_ms {
            return Err(expired(position.issued_ms, now_ms));
        }
        let account = self.owner.account();
        let shard_id = ShardId::from_number(u64::from(position.shard));
        let gone = || shard_not_found(shard_id.as_str(), &position.stream, &self.owner);
        let stream = super::find(
            &mut self.streams,
            &mut self.ledger,
            &self.owner,
            &position.stream,
            now_ms,
        )
        .map_err(|_refused| gone())?;
        if stream.incarnation != position.incarnation {
            return Err(gone());
        }
        if !stream.is_usable() {
            return Err(stream_not_found(&position.stream, account));
        }
        retention::trim_expired(stream, position.shard, &mut self.ledger, now_ms);
        let limited = self.settings.limits.reads;
        let shard = stream.shard_mut(position.shard).ok_or_else(gone)?;
        if limited && !shard.reads.admit_read(now_ms) {
            return Err(rate_exceeded(shard_id.as_str(), &position.stream, account));
        }
        if request.dry_run {
            return Err(ServiceError::dry_run());
        }
        let limit = if self.dice.happens(self.settings.empty_pages_per_million) {
            0
        } else {
            limit
        };
        let page = shard.page(position.next, limit, MAX_PAGE_BYTES);
        if limited {
            shard.reads.served(page.bytes, page.is_full, now_ms);
        }
        let ends = !shard.is_open() && page.next >= shard.next();
        let millis_behind_latest = shard.millis_behind(page.next, now_ms);
        let child_shards = ends
            .then(|| stream.shard(position.shard))
            .flatten()
            .map(|shard| stream.children_of(shard));
        let next = Position {
            next: page.next,
            issued_ms: now_ms,
            ..position
        };
        Ok(GetRecordsResponse {
            records: page.records,
            next_shard_iterator: (!ends).then(|| next.seal(&self.sealer)),
            millis_behind_latest,
            child_shards,
        })
    }
}

fn checked_limit(request: &GetRecordsRequest) -> Result<usize, ServiceError> {
    let mut constraints = Constraints::new();
    let iterator = constraints.required("shardIterator", request.shard_iterator.as_deref());
    if let Some(iterator) = iterator {
        constraints.length("shardIterator", iterator, 1, 512);
    }
    let limit = request.limit.unwrap_or(MAX_RECORDS);
    constraints.at_least("limit", limit, 1);
    constraints.finish()?;
    if limit > MAX_RECORDS {
        return Err(ServiceError::invalid_argument(format!(
            "Limit {limit} is greater than the maximum of {MAX_RECORDS} records."
        )));
    }
    Ok(usize::try_from(limit).unwrap_or(1))
}

fn expired(issued_ms: u64, now_ms: u64) -> ServiceError {
    ServiceError::expired_iterator(format!(
        "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the \
         future than the tolerated delay of {ITERATOR_MS} milliseconds.",
        date(issued_ms),
        date(now_ms)
    ))
}

/// As Java prints a date: `Thu Jan 22 01:22:02 UTC 2015`.
fn date(ms: u64) -> String {
    let (days, second) = (ms / DAY_MS, ms / 1000 % 86_400);
    // Counted from 1 March of year 0, so that a leap day is a year's last.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, january_is_next) = (day - (153 * month + 2) / 5 + 1, month >= 10);
    let year = era * 400 + year + u64::from(january_is_next);
    let name = |names: [&'static str; 12], at: u64| names[usize::try_from(at % 12).unwrap_or(0)];
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][usize::try_from(days % 7).unwrap_or(0)];
    format!(
        "{weekday} {} {day:02} {:02}:{:02}:{:02} UTC {year}",
        name(MONTHS_FROM_MARCH, month),
        second / 3_600,
        second / 60 % 60,
        second % 60,
    )
}

const MONTHS_FROM_MARCH: [&str; 12] = [
    "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb",
];
const DAY_MS: u64 = 86_400_000;
/// Source: AWS API reference, GetRecords, `Limit`.
const MAX_RECORDS: i64 = 10_000;
/// Source: AWS API reference, GetRecords, "the maximum size of data that GetRecords can return".
const MAX_PAGE_BYTES: u64 = 10 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_java_prints_them() {
        for (ms, expected) in [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (1_421_889_722_000, "Thu Jan 22 01:22:02 UTC 2015"),
            (951_782_400_000, "Tue Feb 29 00:00:00 UTC 2000"),
            (1_709_251_199_999, "Thu Feb 29 23:59:59 UTC 2024"),
            (1_709_251_200_000, "Fri Mar 01 00:00:00 UTC 2024"),
            (1_798_675_200_000, "Thu Dec 31 00:00:00 UTC 2026"),
        ] {
            assert_eq!(date(ms), expected, "{ms}");
        }
    }
}
