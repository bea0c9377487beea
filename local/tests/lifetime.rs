//! Start, end, ports and TLS.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::io::ErrorKind;
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use kinesis_local::{Local, StartError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

fn address(url: &str) -> String {
    url.split_once("//")
        .map(|(_, address)| address.to_owned())
        .expect("a url has a scheme")
}

/// Waits until nobody listens on the address.
async fn refused(address: &str) {
    let closed = async {
        loop {
            match TcpStream::connect(address).await {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    };
    timeout(SOON, closed).await.expect("the port closes");
}

async fn use_both(local: &Local) {
    local.create_stream("orders", 1).await.unwrap();
    let put = local
        .kinesis_client()
        .put_record()
        .stream_name("orders")
        .partition_key("k")
        .data(Blob::new("x"));
    put.send().await.unwrap();
    assert!(
        local
            .dynamodb_client()
            .list_tables()
            .send()
            .await
            .unwrap()
            .table_names()
            .is_empty()
    );
}

#[tokio::test]
async fn stop_ends_both_with_connections_open() {
    let local = Local::start().await.unwrap();
    use_both(&local).await;
    let addresses = [address(local.kinesis_url()), address(local.dynamodb_url())];
    timeout(Duration::from_secs(2), local.stop())
        .await
        .expect("idle connections do not hold up a stop");
    for address in addresses {
        refused(&address).await;
    }
}

#[tokio::test]
async fn stop_cuts_a_connection_that_never_ends() {
    let local = Local::start().await.unwrap();
    let addresses = [address(local.kinesis_url()), address(local.dynamodb_url())];
    let mut stuck = Vec::new();
    for address in &addresses {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\nhalf")
            .await
            .unwrap();
        stuck.push(stream);
    }
    timeout(SOON, local.stop()).await.expect("a stop is bounded");
    for address in addresses {
        refused(&address).await;
    }
}

#[tokio::test]
async fn drop_ends_both() {
    for tls in [false, true] {
        let local = Local::builder().tls(tls).start().await.unwrap();
        use_both(&local).await;
        let addresses = [address(local.kinesis_url()), address(local.dynamodb_url())];
        drop(local);
        for address in addresses {
            refused(&address).await;
        }
    }
}

#[tokio::test]
async fn two_in_one_process_know_nothing_of_each_other() {
    let one = Local::start().await.unwrap();
    let other = Local::start().await.unwrap();
    use_both(&one).await;
    let streams = other.kinesis_client().list_streams().send().await.unwrap();
    assert!(streams.stream_names().is_empty());
    one.stop().await;
    use_both(&other).await;
}

#[tokio::test]
async fn a_taken_port_is_named_and_nothing_stays_behind() {
    let first = Local::start().await.unwrap();
    let taken: u16 = address(first.dynamodb_url())
        .rsplit_once(':')
        .unwrap()
        .1
        .parse()
        .unwrap();
    let error = Local::builder().dynamodb_port(taken).start().await.unwrap_err();
    assert!(
        matches!(
            error,
            StartError::Bind {
                endpoint: "DynamoDB",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.is_port_in_use());
    assert_eq!(
        error.to_string(),
        format!("cannot listen on 127.0.0.1:{taken} for DynamoDB")
    );

    first.stop().await;
    let second = Local::builder().kinesis_port(taken).start().await.unwrap();
    assert_eq!(second.kinesis_url(), format!("http://127.0.0.1:{taken}"));
}

#[tokio::test]
async fn tls_serves_both_to_clients_that_trust_the_certificate_and_no_others() {
    let local = Local::builder().tls(true).start().await.unwrap();
    assert!(local.kinesis_url().starts_with("https://") && local.dynamodb_url().starts_with("https://"));
    assert!(
        local
            .certificate_pem()
            .is_some_and(|pem| pem.starts_with("-----BEGIN CERTIFICATE-----"))
    );
    use_both(&local).await;

    let stranger = Local::builder().tls(true).start().await.unwrap();
    let config = stranger
        .sdk_config()
        .to_builder()
        .endpoint_url(local.kinesis_url())
        .build();
    let config = aws_sdk_kinesis::config::Builder::from(&config)
        .retry_config(aws_sdk_kinesis::config::retry::RetryConfig::disabled())
        .build();
    let refused = aws_sdk_kinesis::Client::from_conf(config)
        .list_streams()
        .send()
        .await
        .unwrap_err();
    assert!(refused.as_service_error().is_none(), "{refused:?}");
    timeout(Duration::from_secs(2), local.stop())
        .await
        .expect("idle connections do not hold up a stop");
}

#[tokio::test]
async fn plain_has_no_certificate() {
    let local = Local::start().await.unwrap();
    assert_eq!(local.certificate_pem(), None);
    assert!(local.kinesis_url().starts_with("http://127.0.0.1:"));
    assert_eq!(local.sdk_config().endpoint_url(), None);
    assert_eq!(local.kinesis_config().endpoint_url(), Some(local.kinesis_url()));
    assert_eq!(local.dynamodb_config().endpoint_url(), Some(local.dynamodb_url()));
}

/// A client with prior knowledge of HTTP/2 sends its preface and empty settings, and is answered with settings.
#[tokio::test]
async fn h2c_is_spoken_by_both() {
    const SETTINGS: u8 = 4;
    let local = Local::start().await.unwrap();
    for url in [local.kinesis_url(), local.dynamodb_url()] {
        let mut stream = TcpStream::connect(address(url)).await.unwrap();
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            .await
            .unwrap();
        let mut frame = [0; 9];
        timeout(SOON, stream.read_exact(&mut frame))
            .await
            .expect("an answer")
            .unwrap();
        assert_eq!(frame[3], SETTINGS, "{url}: {frame:?}");
    }
}
