//! `consume`: the records of a Kinesis data stream, as lines of JSON. See `consume --help`.

fn main() -> std::process::ExitCode {
    kinesis_examples::consume::main()
}
