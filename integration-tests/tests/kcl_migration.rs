//! The tests that the migration guide of the consumer names are there.

use std::fs;
use std::path::Path;

#[test]
fn every_trap_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    let guide = fs::read_to_string(root.join("docs/kcl-migration.md")).expect("the guide");
    let mut traps = Vec::new();
    for line in guide.lines() {
        let Some(trap) = line.strip_prefix("| J.") else {
            continue;
        };
        let (number, _) = trap.split_once(' ').expect("a number and a text");
        traps.push(number.parse::<u32>().expect("a number"));
        let named: Vec<_> = line.split('`').filter(|part| part.contains(".rs::")).collect();
        assert!(!named.is_empty(), "no test for {line}");
        for test in named {
            let (file, name) = test.split_once("::").expect("a file and a name");
            let source = fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
            assert!(
                source.contains(&format!("fn {name}(")) || source.contains(&format!("fn {name}<")),
                "{test} is not there"
            );
        }
    }
    assert_eq!(traps, (1..=26).collect::<Vec<_>>(), "each trap once, in order");
}
