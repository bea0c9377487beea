//! What every program needs around its work: a runtime, a log on demand, and ears for signals.

use std::future::Future;
use std::io;
use std::process::ExitCode;

use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::report::{Failure, say_aside};

/// Runs `work` to its end on `threads` threads.
///
/// The log is silent unless `RUST_LOG` asks for it (for example `RUST_LOG=kpl=debug`), and goes to stderr.
pub fn run(threads: usize, work: impl Future<Output = ExitCode>) -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(work);
            // A read from stdin cannot be called off; it must not hold up the end.
            runtime.shutdown_background();
            code
        }
        Err(error) => Failure::new("threads", error, "allow this program more threads").exit(),
    }
}

/// A token that is cancelled at the first Ctrl-C or SIGTERM. The second one ends the process at once.
///
/// # Errors
/// When the system lets nobody listen for signals.
pub fn stop_on_signal() -> io::Result<CancellationToken> {
    let mut signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    let listening = async move {
        signals.next().await;
        token.cancel();
        signals.next().await;
        say_aside("stopped at once by a second signal");
        std::process::exit(SECOND_SIGNAL);
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "listens as long as the process lives, and is its end"
    )]
    drop(tokio::spawn(listening));
    Ok(stop)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// As a shell reports death by Ctrl-C: 128 + SIGINT.
const SECOND_SIGNAL: i32 = 130;
