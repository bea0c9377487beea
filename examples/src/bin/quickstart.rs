//! `quickstart`: a shop, its stream and its two applications, all in this process. See `quickstart --help`.

fn main() -> std::process::ExitCode {
    kinesis_examples::quickstart::main()
}
