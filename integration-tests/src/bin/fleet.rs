//! Measures a fleet of real `consume` processes: see `integration_tests::fleet`, and `fleet.sh`, which builds and runs it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use integration_tests::fleet::{FleetError, Length, Report, play};

/// Starts, joins, kills, pauses and stops `consume` workers on the local endpoint and prints how long each shard was
/// without a reader. Fails when a record is lost or a bound is not kept.
#[derive(Debug, Parser)]
struct Arguments {
    /// One of each kind, in less than a minute and a half.
    #[arg(long)]
    quick: bool,

    /// Where workers write [default: a new folder among the system's temporary files, removed if all went well].
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let chosen = arguments.folder.is_some();
    let folder = arguments
        .folder
        .unwrap_or_else(|| std::env::temp_dir().join(format!("fleet-{}", std::process::id())));
    let length = if arguments.quick {
        Length::Quick
    } else {
        Length::Full
    };
    match run(&folder, length) {
        Ok(report) => {
            println!("{report}");
            if !report.is_good() {
                eprintln!(
                    "fleet: not as promised; what the workers wrote is in {}",
                    folder.display()
                );
                return ExitCode::FAILURE;
            }
            if !chosen {
                // A folder that stays is no harm.
                let _ = std::fs::remove_dir_all(&folder);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            eprintln!("fleet: {text}; what the workers wrote is in {}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &std::path::Path, length: Length) -> Result<Report, FleetError> {
    let runtime = tokio::runtime::Runtime::new().map_err(|source| FleetError::System {
        what: "cannot start threads".to_owned(),
        source,
    })?;
    runtime.block_on(play(folder, length))
}
