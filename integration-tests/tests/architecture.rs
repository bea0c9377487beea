//! The architecture, checked: what decides stays pure, files stay small, names say what they hold.
//!
//! Reads sources as text, so a rule that the compiler cannot know is still more than a wish.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that decide: no await, no runtime, no SDK, no clock, no randomness of their own.
const PURE: &[&str] = &[
    "aggregation/src",
    "properties/src",
    "kpl/src/pipeline",
    "kpl/src/metrics/counting",
    "kcl/src/lease",
    "kcl/src/fleet",
    "kcl/src/assign",
    "kcl/src/cost",
    "kcl/src/handover",
    "kcl/src/lanes",
    "kcl/src/leader",
    "kcl/src/metrics/counting",
    "kcl/src/shard_sync",
    "kcl/src/shard",
    "kcl/src/streams",
    "kcl/src/worker_load",
    "local/src/engine",
    "local/src/faults",
];

/// What must not be named in a pure folder.
const IMPURE: &[&str] = &[
    ".await",
    "async fn",
    "async move",
    "tokio::",
    "aws_sdk_",
    "aws_config",
    "aws_smithy",
    "Instant::now(",
    "SystemTime::now(",
    "rand::rng(",
    "thread_rng(",
    "std::thread",
    "std::env",
    "std::fs",
    "std::net",
];

const SOURCES: &[&str] = &[
    "aggregation/src",
    "properties/src",
    "kpl/src",
    "kcl/src",
    "local/src",
    "examples/src",
    "bench/src",
    "integration-tests/src",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace holds this crate")
        .to_path_buf()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path = entry.expect("a readable directory").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    assert!(
        !found.is_empty(),
        "{} holds no sources: the list in this test is stale",
        dir.display()
    );
    found.sort();
    found
}

/// The lines that ship: everything before the in-file tests, comments left out.
fn shipped_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(n, line)| (n + 1, line))
}

/// Whether a line holds a word, and not a longer one that begins with it: `.awaited` is no `.await`.
fn names(line: &str, word: &str) -> bool {
    let goes_on =
        |rest: &str| word.ends_with(char::is_alphanumeric) && rest.starts_with(char::is_alphanumeric);
    line.match_indices(word)
        .any(|(at, _)| !goes_on(&line[at + word.len()..]))
}

fn is_test_source(path: &Path) -> bool {
    let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    path.components().any(|c| c.as_os_str() == "tests")
        || name == "tests"
        || name == "sim"
        || name.ends_with("_tests")
}

#[test]
fn pure_folders_stay_pure() {
    let mut offences = Vec::new();
    for folder in PURE {
        for file in rust_files(&root().join(folder)) {
            if is_test_source(&file) {
                continue;
            }
            let text = fs::read_to_string(&file).expect("a readable source");
            for (n, line) in shipped_lines(&text) {
                for word in IMPURE {
                    if names(line, word) {
                        offences.push(format!("{}:{n}: {word}", file.display()));
                    }
                }
            }
        }
    }
    assert!(
        offences.is_empty(),
        "deciding code acts:\n{}",
        offences.join("\n")
    );
}

#[test]
fn files_stay_small_and_are_named_for_what_they_hold() {
    let mut offences = Vec::new();
    for folder in SOURCES {
        for file in rust_files(&root().join(folder)) {
            let name = file.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            if ["util", "utils", "common", "helpers", "types", "misc"].contains(&name) {
                offences.push(format!("{}: says nothing of what it holds", file.display()));
            }
            let text = fs::read_to_string(&file).expect("a readable source");
            let all = text.lines().count();
            let shipped = text.lines().take_while(|l| l.trim() != "#[cfg(test)]").count();
            if shipped > 600 || all > 900 {
                offences.push(format!(
                    "{}: {shipped} lines before its tests, {all} in all",
                    file.display()
                ));
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn producer_and_consumer_know_the_format_and_not_each_other() {
    for (krate, stranger) in [
        ("kpl", "kinesis-kcl"),
        ("kcl", "kinesis-kpl"),
        ("aggregation", "tokio"),
        ("properties", "kinesis-"),
    ] {
        let manifest = fs::read_to_string(root().join(krate).join("Cargo.toml")).expect("a manifest");
        let dependencies = manifest
            .split("[dependencies]")
            .nth(1)
            .and_then(|rest| rest.split("\n[").next())
            .unwrap_or_else(|| panic!("{krate} has no dependencies"));
        assert!(!dependencies.contains(stranger), "{krate} depends on {stranger}");
    }
}

#[test]
fn the_top_level_is_the_promised_one() {
    let promised = [
        "aggregation",
        "bench",
        "docs",
        "examples",
        "integration-tests",
        "kcl",
        "kpl",
        "local",
        "properties",
    ];
    let found: Vec<String> = fs::read_dir(root())
        .expect("the workspace")
        .filter_map(Result::ok)
        .filter(|e| e.path().is_dir())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    for folder in &found {
        assert!(promised.contains(&folder.as_str()), "unexpected folder {folder}");
    }
    assert_eq!(
        found.len(),
        promised.len(),
        "a promised folder is missing: {found:?}"
    );
}
