//! How a worker is held: no call of it gets out, no answer gets in, and its processors stand still where they pass the gate.
//!
//! As a process that does not run, or a host that is cut off, looks to everybody else. The worker's own timers go on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_kinesis::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use tokio::time::{Instant, sleep_until};

/// Open unless told otherwise. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate {
    closed_until: Arc<Mutex<Option<Instant>>>,
}

impl Gate {
    /// Closes it for so long, from now.
    pub(super) fn close(&self, period: Duration) {
        *self.closed_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + period);
    }

    /// Waits while it is closed.
    pub(super) async fn pass(&self) {
        while let Some(until) = self.until() {
            sleep_until(until).await;
        }
    }

    fn until(&self) -> Option<Instant> {
        let until = *self.closed_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| *until > Instant::now())
    }

    /// The same client, behind the gate.
    pub(super) fn before(&self, client: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Gated {
            inner: client,
            gate: self.clone(),
        })
    }
}

#[derive(Debug)]
struct Gated<T> {
    inner: T,
    gate: Gate,
}

impl HttpClient for Gated<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Gated {
            inner: self.inner.http_connector(settings, components),
            gate: self.gate.clone(),
        })
    }
}

impl HttpConnector for Gated<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, gate) = (self.inner.clone(), self.gate.clone());
        HttpConnectorFuture::new(async move {
            gate.pass().await;
            let answer = inner.call(request).await;
            gate.pass().await;
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_gate_holds_for_its_time() {
        let (gate, start) = (Gate::default(), Instant::now());
        gate.pass().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        gate.close(Duration::from_secs(5));
        gate.clone().pass().await;
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }
}
