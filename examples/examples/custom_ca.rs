//! Puts a record through an HTTP client of one's own: with a certificate authority that the system does not know, and
//! through a proxy. The producer takes both, with credentials and endpoint, from the SDK's configuration.
//!
//! Runs against a TLS endpoint inside this process, whose certificate is its own authority. Without a certificate of
//! one's own nothing of this is needed to use a proxy: the SDK's default client reads `HTTPS_PROXY` and `NO_PROXY`.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use kinesis_local::Local;
use kpl::{Producer, ProducerConfig, Record, StreamName};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let local = Local::builder().tls(true).start().await?;
    local.create_stream("sales", 1).await?;

    // Usually read from a file. `with_native_roots(true)` would trust the system's authorities as well.
    let pem = local.certificate_pem().ok_or("the endpoint speaks TLS")?;
    let authorities = TrustStore::empty().with_pem_certificate(pem);
    let tls = TlsContext::builder().with_trust_store(authorities).build()?;
    // As the environment says; `ProxyConfig::all("http://proxy:8080")?.with_basic_auth("user", "password")` in code.
    let proxy = ProxyConfig::from_env().no_proxy("localhost,127.0.0.1");
    let http_client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(tls.clone())
            .proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    });

    // With AWS: `aws_config::defaults(BehaviorVersion::latest()).http_client(http_client).load().await`.
    let sdk_config = local
        .kinesis_config()
        .into_builder()
        .http_client(http_client)
        .build();
    let producer = Producer::new(&sdk_config, ProducerConfig::default())?;
    let sales = StreamName::new("sales")?;
    let ticket = producer.put(&sales, Record::new("till-7", "one coffee")?).await?;
    producer.close().await?;
    println!("stored in {}", ticket.await?.shard_id());
    local.stop().await;
    Ok(())
}
