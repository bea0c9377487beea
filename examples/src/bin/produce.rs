//! `produce`: the lines of a file, or of stdin, into a Kinesis data stream. See `produce --help`.

fn main() -> std::process::ExitCode {
    kinesis_examples::produce::main()
}
