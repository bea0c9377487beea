//! Our half of the cross-check of the aggregated record format; `cross-check/aggregation.py` is the other.
//!
//! `aggregation-peer encode` reads one JSON object a line, `{"max_bytes", "records": [..]}`, and answers each
//! with the aggregates these records fill. `aggregation-peer decode` reads `{"data"}` and answers with the
//! records inside. Data is base64, hash keys are decimal texts.

use std::error::Error;
use std::io::{self, BufRead, BufWriter, Write};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kinesis_aggregation::{
    AggregateBuilder, AggregateLimits, Deaggregated, HashKey, HashKeyRange, OutOfRange, SealedAggregate,
    deaggregate,
};
use serde::{Deserialize, Serialize};

fn main() -> ExitCode {
    let answer = match std::env::args().nth(1).as_deref() {
        Some("encode") => answer_lines(encode),
        Some("decode") => answer_lines(decode),
        _ => {
            eprintln!("usage: aggregation-peer encode|decode, with JSON lines on stdin");
            return ExitCode::from(2);
        }
    };
    match answer {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aggregation-peer: {error}");
            ExitCode::FAILURE
        }
    }
}

type Answer<T> = Result<T, Box<dyn Error>>;

fn answer_lines<Q, A>(answer: impl Fn(Q) -> Answer<A>) -> Answer<()>
where
    Q: for<'line> Deserialize<'line>,
    A: Serialize,
{
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        serde_json::to_writer(&mut out, &answer(serde_json::from_str(&line?)?)?)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct UserRecord {
    partition_key: String,
    explicit_hash_key: Option<String>,
    data: String,
}

#[derive(Deserialize)]
struct Batch {
    max_bytes: usize,
    records: Vec<UserRecord>,
}

#[derive(Serialize)]
struct Packed {
    data: String,
    partition_key: String,
    explicit_hash_key: String,
    record_count: usize,
    is_aggregate: bool,
}

impl From<SealedAggregate> for Packed {
    fn from(sealed: SealedAggregate) -> Self {
        Self {
            data: BASE64.encode(sealed.data()),
            partition_key: sealed.outer_partition_key().to_owned(),
            explicit_hash_key: sealed.hash_key().to_string(),
            record_count: sealed.record_count(),
            is_aggregate: sealed.is_aggregate(),
        }
    }
}

fn encode(batch: Batch) -> Answer<Vec<Packed>> {
    let mut builder = AggregateBuilder::new(AggregateLimits::DEFAULT.with_max_bytes(batch.max_bytes)?);
    let mut packed = Vec::new();
    for record in batch.records {
        let explicit = record
            .explicit_hash_key
            .as_deref()
            .map(HashKey::parse_decimal)
            .transpose()?;
        let hash_key = explicit.unwrap_or_else(|| HashKey::of_partition_key(&record.partition_key));
        let data = BASE64.decode(&record.data)?;
        if builder
            .try_push(&record.partition_key, explicit, hash_key, &data)
            .is_err()
        {
            packed.extend(seal(&mut builder)?);
            builder.try_push(&record.partition_key, explicit, hash_key, &data)?;
        }
    }
    packed.extend(seal(&mut builder)?);
    Ok(packed)
}

fn seal(builder: &mut AggregateBuilder) -> Answer<Option<Packed>> {
    let said = builder.encoded_len();
    let sealed = builder.seal();
    let len = sealed.as_ref().map_or(0, |sealed| sealed.data().len());
    if said != len {
        return Err(format!("the builder said {said} bytes and gave {len}").into());
    }
    Ok(sealed.map(Packed::from))
}

#[derive(Deserialize)]
struct Blob {
    data: String,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Unpacked {
    Records(Vec<UserRecord>),
    Raw(String),
}

fn decode(blob: Blob) -> Answer<Unpacked> {
    let data = BASE64.decode(&blob.data)?.into();
    match deaggregate(data, &HashKeyRange::FULL, OutOfRange::DropAggregate) {
        Deaggregated::Raw { why, .. } => Ok(Unpacked::Raw(why.to_string())),
        Deaggregated::Aggregate(records) => {
            let plain = records.iter().map(|record| UserRecord {
                partition_key: record.partition_key().to_owned(),
                explicit_hash_key: record.explicit_hash_key().map(|key| key.to_string()),
                data: BASE64.encode(record.data()),
            });
            Ok(Unpacked::Records(plain.collect()))
        }
        held_back => Err(format!("nothing lies outside the full range: {held_back:?}").into()),
    }
}
