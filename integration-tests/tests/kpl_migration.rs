//! The producer's migration guide is whole, and the tests it names are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kpl::{KPL_SETTINGS, Metric};

/// What the KPL takes in code only.
const CODE_ONLY_SETTINGS: &[&str] = &[
    "additional metric dimensions",
    "credentialsProvider",
    "metricsCredentialsProvider",
    "glueSchemaRegistryCredentialsProvider",
    "glueSchemaRegistryConfiguration",
];

/// The KPL's calls, results and exceptions.
const CALLS: &[&str] = &[
    "addUserRecord",
    "addUserRecord with a schema",
    "flush()",
    "flush(stream)",
    "flushSync",
    "destroy",
    "getOutstandingRecordsCount",
    "getOldestRecordTimeInMillis",
    "getMetrics",
    "setStreamId",
    "UserRecordResult",
    "Attempt",
    "Metric",
    "IllegalArgumentException",
    "DaemonException",
    "KinesisProducerException",
    "UserRecordFailedException",
    "FutureTimedOutException",
    "UnexpectedMessageException",
    "IrrecoverableError",
];

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .expect("the workspace holds this crate")
        .to_path_buf()
}

fn guide() -> String {
    fs::read_to_string(root().join("docs/kpl-migration.md")).expect("the guide")
}

/// First and last cell of each row of the table under a heading.
fn rows(guide: &str, heading: &str) -> Vec<(String, String)> {
    let section = guide
        .split(&format!("\n## {heading}\n"))
        .nth(1)
        .unwrap_or_else(|| panic!("no section {heading}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let table = section.lines().filter(|line| line.starts_with("| ")).skip(2);
    table
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            assert_eq!(cells.len(), 3, "a row of {heading} has three cells: {line}");
            let name = cells[0].replace('`', "");
            (name, cells[2].trim_end_matches('|').trim().to_owned())
        })
        .collect()
}

fn names(rows: &[(String, String)]) -> BTreeSet<&str> {
    let names: BTreeSet<_> = rows.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), rows.len(), "a name stands twice");
    names
}

/// The tests named in a text, as file and function.
fn tests_in(text: &str) -> Vec<(String, String)> {
    text.split('`')
        .filter_map(|part| part.split_once(".rs::"))
        .map(|(file, name)| (format!("{file}.rs"), name.to_owned()))
        .collect()
}

/// A function under a test attribute, or a property.
fn is_a_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source
        .split_once(&format!("fn {name}("))
        .or_else(|| source.split_once(&format!("fn {name}<")))
    else {
        return false;
    };
    // What stands before the function on its own line is no attribute: `async`, say.
    let above = &before[..before.rfind('\n').unwrap_or(0)];
    let mut attributes = above.lines().rev().take_while(|line| {
        let line = line.trim();
        line.starts_with(['#', '/', ')', ']']) || line.starts_with("clippy::") || line.starts_with("reason")
    });
    attributes.any(|line| line.contains("test]") || line.contains("test("))
}

#[test]
fn every_row_names_a_test_or_says_why_there_is_none() {
    let guide = guide();
    for heading in ["Settings", "Calls and results", "Metrics", "Traps"] {
        let rows = rows(&guide, heading);
        assert!(!rows.is_empty(), "{heading} is empty");
        for (name, held_by) in rows {
            let is_moot = held_by.strip_prefix("moot: ").is_some_and(|why| !why.is_empty());
            assert!(
                is_moot || !tests_in(&held_by).is_empty(),
                "{heading}, {name}: {held_by}"
            );
        }
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let guide = guide();
    let named = tests_in(&guide);
    assert!(named.len() > 80, "{} tests are named", named.len());
    for (file, name) in named {
        let source = fs::read_to_string(root().join(&file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(is_a_test(&source, &name), "{file} has no test {name}");
    }
}

#[test]
fn settings_calls_metrics_and_traps_are_all_there() {
    let guide = guide();
    let settings = rows(&guide, "Settings");
    let expected: BTreeSet<_> = KPL_SETTINGS.iter().chain(CODE_ONLY_SETTINGS).copied().collect();
    assert_eq!(names(&settings), expected);

    let calls = rows(&guide, "Calls and results");
    let told = names(&calls);
    let missing: Vec<_> = CALLS.iter().filter(|call| !told.contains(**call)).collect();
    assert!(missing.is_empty(), "{missing:?}");

    let metrics = rows(&guide, "Metrics");
    let ours = Metric::ALL.into_iter().map(Metric::name);
    let expected: BTreeSet<_> = ours.chain(["UnhealthyDaemon"]).collect();
    assert_eq!(names(&metrics), expected);

    let traps = rows(&guide, "Traps");
    for (place, (name, _)) in (1..).zip(&traps) {
        assert!(name.starts_with(&format!("H.{place} ")), "trap {place} is {name}");
    }
    assert_eq!(traps.len(), 43);
}

#[test]
fn a_row_that_lies_is_found_out() {
    let source = "#[test]\n#[expect(\n    clippy::x,\n    reason = \"y\"\n)]\nfn one() {}\nfn helper() {}\n";
    assert!(is_a_test(source, "one"));
    assert!(!is_a_test(source, "helper"));
    assert!(!is_a_test(source, "two"));
    assert!(tests_in("moot: for a reason").is_empty());
}
