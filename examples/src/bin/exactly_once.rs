//! Applies each record to a table exactly once: see `kinesis_examples::exactly_once`.

use std::process::ExitCode;

fn main() -> ExitCode {
    kinesis_examples::exactly_once::main()
}
