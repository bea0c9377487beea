//! What the programs that play trials have in common.

use std::process::{ExitCode, ExitStatus};

use super::error::TrialError;

/// The exit code of a program: success if every promise was kept. An error is told with its causes.
pub fn exit_code(program: &str, ended: Result<bool, Box<dyn std::error::Error>>) -> ExitCode {
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            eprintln!("{program}: {text}");
            ExitCode::FAILURE
        }
    }
}

/// What such a program has said by its exit code, of which `what` was run.
///
/// # Errors
/// [`TrialError::Ended`] when it said neither.
pub fn verdict(what: &'static str, status: ExitStatus) -> Result<bool, TrialError> {
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(TrialError::Ended { what }),
    }
}

/// Two threads, as a small service would have.
///
/// # Errors
/// When the system has no more.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}
