//! `quickstart` as its user meets it.

use crate::stage::{Stage, program, run};

fn row<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
    let line = table
        .lines()
        .find(|line| line.starts_with(name))
        .unwrap_or_else(|| panic!("no {name} in\n{table}"));
    line[name.len()..].split_whitespace().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sales_survive_the_death_of_a_worker() {
    let args = ["--records", "4000", "--failover-ms", "600"];
    let ended = run(&mut program(env!("CARGO_BIN_EXE_quickstart"), &args)).await;
    ended.assert_done();
    let table = &ended.stdout;
    assert!(table.contains("\nkilled     stock-1, after "), "{table}");
    assert!(
        table.contains("\ntake-over  stock-2 had stock-1's 2 shards "),
        "{table}"
    );
    assert_eq!(row(table, "put"), ["4,000", "4,000", "4,000"]);
    assert_eq!(row(table, "delivered"), ["4,000", "4,000"]);
    assert_eq!(row(table, "lost"), ["0", "0"]);
    assert_eq!(row(table, "order breaks"), ["0", "0"]);
    let moves: u64 = row(table, "lease moves")[0].parse().expect("a count");
    assert!(moves >= 2, "{table}");
    assert!(
        table.ends_with("\nlost 0, order breaks 0: the promises held\n"),
        "{table}"
    );
    assert!(!table.contains('\u{1b}'), "no colours into a pipe");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_can_take_the_place_of_sales() {
    let stage = Stage::new().await;
    let lines: String = (0..1500).map(|n| format!("{n},plane-{}\n", n % 20)).collect();
    let input = stage.file("in.csv", format!("n,plane\n{lines}").as_bytes());
    let args = [
        "--input",
        &input,
        "--header",
        "--key-column",
        "2",
        "--shards",
        "2",
        "--failover-ms",
        "600",
    ];
    let ended = run(&mut program(env!("CARGO_BIN_EXE_quickstart"), &args)).await;
    ended.assert_done();
    assert_eq!(row(&ended.stdout, "delivered"), ["1,500", "1,500"]);
    assert_eq!(row(&ended.stdout, "result"), ["1,500", "sold", "0", "flagged"]);

    let args = ["--input", &input, "--header", "--key-column", "3"];
    let ended = run(&mut program(env!("CARGO_BIN_EXE_quickstart"), &args)).await;
    ended.assert_gave_up("bad column", &["in.csv line 2", "no column 3"]);
}
