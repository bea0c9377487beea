//! One self-signed certificate per endpoint, for clients that insist on TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::error::StartError;

/// The names the certificate is valid for.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// A fresh certificate and what serves with it.
pub(crate) struct Identity {
    pub(crate) certificate_pem: String,
    pub(crate) acceptor: TlsAcceptor,
}

/// Makes a certificate for the loopback names and a TLS acceptor that shows it, offering h2 and HTTP/1.1.
pub(crate) fn identity() -> Result<Identity, StartError> {
    let made = rcgen::generate_simple_self_signed(NAMES.map(String::from).to_vec())
        .map_err(|source| StartError::Certificate { source })?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    // The provider is named here, so that a process with two of them, or with none installed, still starts.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key)
        })
        .map_err(|source| StartError::Tls { source })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Identity {
        certificate_pem: made.cert.pem(),
        acceptor: TlsAcceptor::from(Arc::new(config)),
    })
}
