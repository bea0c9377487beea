//! The command line of `quickstart`.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::Parser;

/// A shop, its stream and its two applications, all in this process.
///
/// Tills put sales into a stream. Two applications read it, each for itself: "stock" with two workers, "fraud" with
/// one. Half way one stock worker is killed without a chance to clean up, and the other takes over. At the end the
/// books are compared: was anything lost, was any key's order broken?
///
/// Needs no AWS account, no network and no installation: Kinesis and DynamoDB run inside the program. The exit code
/// is 0 only if nothing was lost and every order held.
#[derive(Debug, Clone, Parser)]
#[command(name = "quickstart", version, verbatim_doc_comment)]
pub struct QuickstartArgs {
    /// How many sales the tills ring up
    #[arg(long, value_name = "N", default_value = "100000")]
    pub records: NonZeroU64,

    /// Seed of the sales: the same seed, the same sales
    #[arg(long, default_value_t = 7)]
    pub seed: u64,

    /// Put the lines of this CSV file instead of sales
    #[arg(long, value_name = "CSV", requires = "key_column", conflicts_with_all = ["records", "seed"])]
    pub input: Option<PathBuf>,

    /// CSV column of the partition key, the first being 1
    #[arg(long, value_name = "N", requires = "input")]
    pub key_column: Option<NonZeroUsize>,

    /// The first line of the CSV file is a heading and no record
    #[arg(long, requires = "input")]
    pub header: bool,

    /// Shards of the stream
    #[arg(long, value_name = "N", default_value = "4")]
    pub shards: NonZeroU32,

    /// How long a worker may be silent before the other takes its shards
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1500)]
    pub failover_ms: u64,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(more: &[&str]) -> Result<QuickstartArgs, clap::Error> {
        QuickstartArgs::try_parse_from([&["quickstart"], more].concat())
    }

    #[test]
    fn the_definition_is_sound() {
        QuickstartArgs::command().debug_assert();
    }

    #[test]
    fn sales_or_a_file_with_its_key() {
        assert_eq!(parse(&[]).expect("all has defaults").records.get(), 100_000);
        assert!(parse(&["--input", "a.csv", "--key-column", "12", "--header"]).is_ok());
        assert!(parse(&["--input", "a.csv"]).is_err(), "no key");
        assert!(parse(&["--header"]).is_err(), "no file");
        assert!(
            parse(&["--input", "a.csv", "--key-column", "1", "--records", "5"]).is_err(),
            "both"
        );
    }
}
