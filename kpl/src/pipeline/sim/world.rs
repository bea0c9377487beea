//! The Kinesis of the imagination: what it stores, refuses, and tells of its shards.

use super::*;

impl Sim {
    /// The request is at the service: it is carried out now, wholly or in part, whatever the reply will say.
    pub(super) fn arrive(&mut self, batch: Batch) {
        let wait = self.latency();
        let refusal = self
            .stream_is_gone()
            .or_else(|| self.lapse())
            .or_else(|| self.poison_in(&batch));
        if let Some(failure) = refusal {
            return self.after(wait, Event::Reply(batch.id, Err(failure)));
        }
        if self.chance(self.weather.request_fails) {
            let code = [
                "InternalFailure",
                "ProvisionedThroughputExceededException",
                "KMSThrottlingException",
            ];
            let failure = Failure::of_code(code.choose(&mut self.rng).expect("some"), "request");
            return self.after(wait, Event::Reply(batch.id, Err(failure)));
        }
        let replies: Vec<_> = batch.entries.into_iter().map(|entry| self.store(entry)).collect();
        if self.chance(self.weather.reply_lost) {
            let failure = Failure::of_code("RequestTimeout", "reply lost");
            return self.after(
                self.config.request_timeout(),
                Event::Reply(batch.id, Err(failure)),
            );
        }
        self.after(wait, Event::Reply(batch.id, Ok(replies)));
    }

    fn store(&mut self, entry: Entry) -> EntryReply {
        if self.chance(self.weather.entry_fails) {
            if self.chance(0.7) {
                return Err(Failure::of_code(
                    "ProvisionedThroughputExceededException",
                    "entry",
                ));
            }
            if self.chance(0.5) {
                return Err(Failure::of_code("InternalFailure", "entry, not stored"));
            }
            self.keep(entry);
            return Err(Failure::of_code("InternalFailure", "entry, stored"));
        }
        if self.weather.limits && !self.admit(&entry) {
            self.summary.throttled += 1;
            return Err(Failure::of_code(
                "ProvisionedThroughputExceededException",
                "limit",
            ));
        }
        let (shard, sequence) = self.keep(entry);
        Ok(Stored {
            shard_id: ShardId::from_number(shard as u64),
            sequence_number: sequence.to_string().into(),
        })
    }

    fn keep(&mut self, entry: Entry) -> (usize, u64) {
        let shard = self.shard_of(entry.hash_key);
        self.sequence += 1;
        self.shards[shard].stored.push((self.sequence, entry));
        (shard, self.sequence)
    }

    /// While the stream does not exist.
    pub(super) fn stream_is_gone(&self) -> Option<Failure> {
        let gone = self.gone_until.is_some_and(|until| self.now < until);
        gone.then(|| Failure::of_code("ResourceNotFoundException", "gone"))
    }

    /// Credentials that expire for half of the time that they are good for.
    fn lapse(&self) -> Option<Failure> {
        let every = self.weather.credentials_lapse_every?;
        let since = self.now.saturating_duration_since(self.began_at);
        let phase = since.as_micros() % every.as_micros();
        (phase > every.as_micros() * 2 / 3).then(|| Failure::of_code("ExpiredTokenException", "expired"))
    }

    /// The refusal of a request with a record that nobody takes; it may name the entry.
    fn poison_in(&self, batch: &Batch) -> Option<Failure> {
        let every = self.weather.poison_every?;
        let place = batch.entries.iter().position(|entry| {
            let members = members(&entry.data, entry.hash_key);
            members.iter().any(|(_, token)| token % every == 0)
        })?;
        let words = if self.seed.is_multiple_of(2) {
            format!("Value at 'records.{}.member.data' failed", place + 1)
        } else {
            String::new()
        };
        Some(Failure::of_code("ValidationException", words))
    }

    /// Whether the shard has room, which others use as well.
    fn admit(&mut self, entry: &Entry) -> bool {
        let shard = self.shard_of(entry.hash_key);
        let others = self.weather.others_take;
        let now = self.now;
        let (level, at) = &mut self.shards[shard].bucket;
        let elapsed = now.saturating_duration_since(*at).as_secs_f64();
        *level = (*level + elapsed * (1.0 - others)).min(1.0);
        *at = now;
        let size = f64::from(u32::try_from(entry.size()).expect("small"));
        let cost = (size / 1_048_576.0).max(0.001);
        if *level < cost {
            return false;
        }
        *level -= cost;
        true
    }

    /// The stream is deleted; later there is another one of its name, with the same shard ids and other ranges.
    pub(super) fn delete_stream(&mut self, gone_for: Duration) {
        self.gone_until = Some(self.now + gone_for);
        let before = std::mem::take(&mut self.shards);
        let shards = before.len().clamp(2, 5);
        self.past.push(before);
        let mut start = 0;
        for n in 0..shards {
            let end = if n + 1 == shards {
                u128::MAX
            } else {
                start + self.rng.random_range(1..u128::MAX / shards as u128)
            };
            self.open(start, end);
            start = end.wrapping_add(1);
        }
        self.lists.clear();
        self.publish();
    }

    pub(super) fn shard_of(&self, key: HashKey) -> usize {
        let found = self
            .shards
            .iter()
            .position(|shard| shard.is_open && shard.range.contains(key));
        found.expect("open shards cover all keys")
    }

    pub(super) fn open(&mut self, start: u128, end: u128) {
        let range = HashKeyRange::new(HashKey::new(start), HashKey::new(end)).expect("in order");
        self.shards.push(Shard {
            range,
            is_open: true,
            stored: Vec::new(),
            // A second's worth, as the service has it.
            bucket: (1.0, self.now),
        });
    }

    /// Splits a shard or merges two neighbours.
    pub(super) fn reshard(&mut self) {
        self.summary.reshards += 1;
        let open: Vec<_> = (0..self.shards.len())
            .filter(|n| self.shards[*n].is_open)
            .collect();
        let chosen = *open.choose(&mut self.rng).expect("some are open");
        let range = self.shards[chosen].range;
        let neighbour = open.iter().copied().find(|n| {
            range.end() < HashKey::MAX && self.shards[*n].range.start().get() == range.end().get() + 1
        });
        match neighbour {
            Some(neighbour) if open.len() > 6 || (open.len() > 1 && self.rng.random_bool(0.5)) => {
                let end = self.shards[neighbour].range.end();
                self.shards[chosen].is_open = false;
                self.shards[neighbour].is_open = false;
                self.open(range.start().get(), end.get());
            }
            _ => {
                let middle = range.start().get() + (range.end().get() - range.start().get()) / 2;
                self.shards[chosen].is_open = false;
                self.open(range.start().get(), middle);
                self.open(middle + 1, range.end().get());
            }
        }
        self.publish();
    }

    pub(super) fn publish(&mut self) {
        let shards = self.shards.iter().enumerate().map(|(number, shard)| ListedShard {
            id: ShardId::from_number(number as u64),
            range: shard.range,
            is_open: shard.is_open,
        });
        // Half of the endpoints honour the filter for open shards.
        let all = self.seed.is_multiple_of(2);
        let shards = shards.filter(|shard| all || shard.is_open).collect();
        self.lists.push((self.now, shards));
    }

    /// The newest list that has spread by now.
    pub(super) fn list(&mut self) -> Vec<ListedShard> {
        let lag = self.weather.list_lag.mul_f64(self.rng.random_range(0.0..1.0));
        let known = self
            .lists
            .iter()
            .rev()
            .find(|(since, _)| *since + lag <= self.now);
        known.unwrap_or(&self.lists[0]).1.clone()
    }
}
