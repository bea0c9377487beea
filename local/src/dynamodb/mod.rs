//! The DynamoDB half: everything that knows the engine behind it.
//!
//! The engine brings its own HTTP server and keeps its routes to itself, so this half is a server on a listener of
//! ours and not a service; with TLS it listens on a port of its own behind the one that clients see.

use dynoxide::Database;
use tokio::net::TcpListener;

use crate::error::StartError;
use crate::serve::Lifetime;

/// A fresh, empty DynamoDB.
pub(crate) fn open() -> Result<Database, StartError> {
    Database::memory().map_err(|source| StartError::Database {
        reason: source.to_string(),
    })
}

/// Serves `database` on `listener` until the lifetime ends.
pub(crate) fn serve(listener: TcpListener, database: Database, lifetime: &Lifetime) {
    let draining = lifetime.draining();
    lifetime.spawn(async move {
        let ended = dynoxide::server::serve_with_shutdown(listener, database, draining).await;
        if let Err(reason) = ended {
            tracing::warn!(error = %reason, "dynamodb endpoint ended");
        }
    });
}
