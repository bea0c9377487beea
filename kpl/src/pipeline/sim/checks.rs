//! What must be true of a request, and of the stream when all is over.

use super::*;

impl Sim {
    /// Limits of a request, and that no key is in two entries, here or in another request on its way.
    pub(super) fn check_request(&mut self, batch: &Batch) {
        let seed = self.seed;
        self.summary.requests += 1;
        self.summary.kinesis_records += batch.entries.len();
        assert!(!batch.entries.is_empty());
        assert!(
            batch.entries.len() <= self.config.streams().collection_max_count(),
            "seed {seed}: entries"
        );
        let bytes: usize = batch.entries.iter().map(Entry::size).sum();
        assert!(
            bytes <= self.config.streams().collection_max_size() || batch.entries.len() == 1,
            "seed {seed}: {bytes} bytes"
        );
        let is_ordered = self.config.streams().ordering() == Ordering::PerKey;
        let mut keys = HashSet::new();
        for entry in &batch.entries {
            let members = members(&entry.data, entry.hash_key);
            if members.len() > 1 {
                let size = entry.data.len();
                assert!(
                    size <= self.config.streams().aggregation_max_size(),
                    "seed {seed}: aggregate of {size} bytes"
                );
            }
            let of_entry: BTreeSet<_> = members.iter().map(|(hash_key, _)| *hash_key).collect();
            for key in of_entry {
                assert!(
                    keys.insert(key) || !is_ordered,
                    "seed {seed}: a key in two entries"
                );
            }
        }
        for others in self.on_the_way.values() {
            assert!(
                others.is_disjoint(&keys) || !is_ordered,
                "seed {seed}: a key in two requests"
            );
        }
        let is_still = self.weather.reshard_every.is_none() && self.weather.deleted_after.is_none();
        if is_still && is_ordered {
            let shards: HashSet<_> = keys.iter().map(|key| self.shard_of(*key)).collect();
            for others in self.on_the_way.values() {
                let theirs: HashSet<_> = others.iter().map(|key| self.shard_of(*key)).collect();
                assert!(
                    theirs.is_disjoint(&shards),
                    "seed {seed}: two requests for one shard"
                );
            }
        }
        if is_still && self.weather.poison_every.is_none() {
            for entry in &batch.entries {
                let shard = self.shard_of(entry.hash_key) as u64;
                *self.sent_bytes.entry(shard).or_default() += entry.size();
            }
        }
        self.on_the_way.insert(batch.id, keys);
        assert!(
            self.on_the_way.len() <= self.config.streams().max_in_flight_requests(),
            "seed {seed}: requests"
        );
    }

    /// Whether a key's records must be first stored as they were put.
    fn is_ordered(&self) -> bool {
        let calm = self.weather.entry_fails + self.weather.request_fails + self.weather.reply_lost == 0.0
            && self.weather.reshard_every.is_none()
            && self.weather.credentials_lapse_every.is_none()
            && !self.weather.limits;
        self.config.streams().ordering() == Ordering::PerKey || calm
    }

    /// Reads the stream as the KCL does, parents before children: all that was acknowledged is there, where its ticket
    /// said, and what a key's records are first found as is the order they were put in.
    pub(super) fn check_store(&mut self) {
        let seed = self.seed;
        assert_eq!(
            self.outcomes.len(),
            usize::try_from(self.load.records).expect("small"),
            "seed {seed}: outcomes"
        );
        let mut found: HashMap<u32, Vec<(usize, u64, Option<u64>)>> = HashMap::new();
        let mut last: HashMap<String, u32> = HashMap::new();
        let is_ordered = self.is_ordered();
        let streams = self.past.iter().chain([&self.shards]);
        for (number, shard) in streams.flat_map(|shards| shards.iter().enumerate()) {
            for (sequence, entry) in &shard.stored {
                let read: Vec<_> =
                    match deaggregate(entry.data.clone(), &shard.range, OutOfRange::DropAggregate) {
                        Deaggregated::Aggregate(records) => records
                            .iter()
                            .map(|r| {
                                (
                                    token(r.data()),
                                    r.partition_key().to_owned(),
                                    Some(r.sub_sequence_number()),
                                )
                            })
                            .collect(),
                        Deaggregated::Raw { data, .. } => {
                            vec![(token(&data), entry.partition_key.clone(), None)]
                        }
                        _ => continue,
                    };
                for (token, key, sub_sequence) in read {
                    let places = found.entry(token).or_default();
                    if places.is_empty() {
                        let before = last.insert(key, token);
                        assert!(
                            before < Some(token) || !is_ordered,
                            "seed {seed}: {token} first stored after {before:?}"
                        );
                    }
                    places.push((number, *sequence, sub_sequence));
                }
            }
        }
        for (token, outcome) in &self.outcomes {
            let places = found.get(token).map_or(&[][..], Vec::as_slice);
            let delivery = match outcome {
                Ok(delivery) => delivery,
                Err(error) => {
                    assert!(
                        places.is_empty() || error.may_have_been_stored(),
                        "seed {seed}: {token} failed ({error}) and yet is at {places:?}"
                    );
                    continue;
                }
            };
            assert!(
                places.len() <= 1 || delivery.may_be_duplicate(),
                "seed {seed}: {token} is at {places:?}, which nobody was told"
            );
            self.summary.duplicates += places.len().saturating_sub(1);
            let shard = usize::try_from(delivery.shard_id().number().expect("numbered")).expect("small");
            let sequence = delivery.sequence_number().parse().expect("a number");
            let place = (shard, sequence, delivery.sub_sequence_number());
            assert!(
                places.contains(&place),
                "seed {seed}: {token} acknowledged at {place:?}, found at {places:?}"
            );
            self.summary.resent += usize::from(delivery.attempt_count() > 1);
        }
    }

    /// No shard got more than its burst, its rate, and what one request may owe.
    pub(super) fn check_rates(&self, first: Instant) {
        let crate::config::RateLimit::Percent(percent) = self.config.streams().rate_limit() else {
            return;
        };
        let seconds = (self.now - first).as_secs_f64();
        let most = 1_048_576.0 * (1.0 + seconds * f64::from(percent) / 100.0) + 1_048_576.0;
        for (shard, bytes) in &self.sent_bytes {
            let bytes = f64::from(u32::try_from(*bytes).expect("small"));
            assert!(
                bytes <= most,
                "seed {}: shard {shard} got {bytes} of {most}",
                self.seed
            );
        }
    }
}

/// Hash keys and tokens of the user records in an entry.
pub(super) fn members(data: &Bytes, outer: HashKey) -> Vec<(HashKey, u32)> {
    match deaggregate(data.clone(), &HashKeyRange::FULL, OutOfRange::DropAggregate) {
        Deaggregated::Aggregate(records) => records.iter().map(|r| (r.hash_key(), token(r.data()))).collect(),
        Deaggregated::Raw { data, .. } => vec![(outer, token(&data))],
        _ => panic!("nothing is outside of the full range"),
    }
}

fn token(data: &[u8]) -> u32 {
    u32::from_be_bytes(*data.first_chunk().expect("every record starts with its token"))
}
