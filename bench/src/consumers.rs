//! The consumer beside its floor: which cases run, and their table.

use crate::BoxError;
use crate::case::{Case, Who};
use crate::consumer::BUDGET;
use crate::endpoint::{Endpoint, Engine};
use crate::meter::Figures;
use crate::report::{create_streams, median};

/// What is read, and what it may cost at most beside its floor.
struct Load {
    name: &'static str,
    feed: Who,
    aggregated: bool,
    records: usize,
    size: usize,
    bar: f64,
}

const LOADS: [Load; 2] = [
    Load {
        name: "100 B in aggregates",
        feed: Who::Producer,
        aggregated: true,
        records: 1_000_000,
        size: 100,
        bar: 1.4,
    },
    Load {
        name: "1 KiB",
        feed: Who::Plain,
        aggregated: false,
        records: 300_000,
        size: 1024,
        bar: 1.25,
    },
];

/// The ways in which they are read: ours, the floor.
const WAYS: [(Who, Who, &str); 2] = [
    (Who::Consumer, Who::ConsumerFloor, "polling"),
    (Who::FanOut, Who::FanOutFloor, "fan-out"),
];

/// Runs `rounds` pairs of each line and prints medians; fails where a bar is missed.
pub(crate) fn run(rounds: usize, quick: bool) -> Result<(), BoxError> {
    println!(
        "Reading: CPU seconds of the own process, in pairs of one run; the endpoint is another process."
    );
    println!(
        "floor: the bare SDK client reading the same records in the same way, and the unavoidable MD5 sums."
    );
    println!(
        "Medians of {rounds} rounds; min is the lowest ratio. Memory budget {} MB.\n",
        BUDGET.get() >> 20
    );
    println!(
        "{:<30} {:>8} {:>8} {:>6} {:>6} {:>5} {:>12} {:>9} {:>8} {:>9} {:>8}",
        "case",
        "CPU s",
        "floor",
        "ratio",
        "min",
        "bar",
        "CPU s/M rec",
        "CPU s/GB",
        "peak MB",
        "floor MB",
        "wall s"
    );
    let mut missed = Vec::new();
    for load in &LOADS {
        let mut all = [const { Vec::new() }; WAYS.len()];
        for round in 0..rounds {
            one_round(load, quick, round, &mut all)?;
        }
        for ((_, _, way), pairs) in WAYS.iter().zip(&all) {
            missed.extend(line(&format!("{}, {way}", load.name), pairs, load.bar));
        }
    }
    match missed.as_slice() {
        [] => Ok(()),
        missed => Err(format!("missed: {}", missed.join("; ")).into()),
    }
}

type Pair = (Figures, Figures);

/// One endpoint, fed once, read in each way by ours and by the floor.
fn one_round(load: &Load, quick: bool, round: usize, all: &mut [Vec<Pair>]) -> Result<(), BoxError> {
    let records = if quick { load.records / 10 } else { load.records };
    let endpoint = Endpoint::start(Engine::Ours)?;
    create_streams(&endpoint)?;
    let case = |who, way: &str| Case {
        application: format!("bench-{round}-{way}"),
        aggregated: load.aggregated,
        ..Case::of(who, &endpoint, "ours", records, load.size)
    };
    let fed = case(load.feed, "feed");
    fed.spawn(&endpoint)?;
    std::fs::remove_file(&fed.shapes)?;
    for ((ours, floor, way), pairs) in WAYS.iter().zip(all) {
        let pair = (
            case(*ours, way).spawn(&endpoint)?,
            case(*floor, way).spawn(&endpoint)?,
        );
        if pair.0.records != records as u64 {
            return Err(format!("put {records} records, read {}", pair.0.records).into());
        }
        pairs.push(pair);
    }
    Ok(())
}

/// Prints a line; says which bars it missed.
fn line(name: &str, pairs: &[Pair], bar: f64) -> Vec<String> {
    let of = |f: &dyn Fn(&Pair) -> f64| median(pairs.iter().map(f).collect());
    let ratio_of = |(ours, floor): &Pair| ours.cpu_seconds / floor.cpu_seconds.max(0.01);
    let cpu = of(&|(ours, _)| ours.cpu_seconds);
    let ratio = of(&ratio_of);
    let least = pairs.iter().map(ratio_of).fold(f64::INFINITY, f64::min);
    let peak = of(&|(ours, _)| ours.peak_megabytes);
    println!(
        "{name:<30} {cpu:>8.2} {:>8.2} {ratio:>6.2} {least:>6.2} {bar:>5.2} {:>12.2} {:>9.2} {peak:>8.0} {:>9.0} {:>8.1}",
        of(&|(_, floor)| floor.cpu_seconds),
        cpu / of(&|(ours, _)| ours.records as f64) * 1e6,
        cpu / of(&|(ours, _)| ours.bytes as f64) * 1e9,
        of(&|(_, floor)| floor.peak_megabytes),
        of(&|(ours, _)| ours.wall_seconds),
    );
    let mut missed = Vec::new();
    if ratio > bar {
        missed.push(format!("{name}: ratio {ratio:.2}, bar {bar:.2}"));
    }
    if peak > PEAK_MB {
        missed.push(format!("{name}: {peak:.0} MB, bar {PEAK_MB:.0}"));
    }
    missed
}

/// The budget and 50 MB.
const PEAK_MB: f64 = (BUDGET.get() >> 20) as f64 + 50.0;
