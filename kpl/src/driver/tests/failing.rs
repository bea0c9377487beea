//! A service that cannot be reached, or refuses: a typed error in bounded time.

use super::scripted::{Mood, Scripted};
use super::{SECOND, config, orders, producer, record};
use crate::error::DeliveryErrorKind;
use crate::failure::FailureKind;

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_never_was_there_is_reported_within_fifteen_seconds() {
    for mood in [Mood::Down, Mood::Silent] {
        let transport = Scripted::new(1);
        transport.be(mood.clone());
        let producer = producer(&transport, config());
        let start = tokio::time::Instant::now();
        let ticket = producer.put(&orders(), record("a")).await.expect("taken");
        let error = ticket.await.expect_err("nobody there");
        assert!(
            matches!(error.kind(), DeliveryErrorKind::Unreachable { .. }),
            "{mood:?}: {error}"
        );
        assert!(error.is_retryable());
        assert!(!error.to_string().contains('\n'));
        // Whoever goes on putting learns it sooner, and close does not hang.
        for _ in 0..3 {
            let ticket = producer.put(&orders(), record("b")).await.expect("taken");
            let _ = ticket.await.expect_err("still nobody there");
        }
        assert_eq!(error.into_record().expect("handed back"), record("a"));
        producer.close().await.expect("orderly");
        let limit = if mood == Mood::Down {
            15 * SECOND
        } else {
            40 * SECOND
        };
        assert!(start.elapsed() < limit, "{mood:?}: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn fatal_answers_fail_at_once() {
    let cases = [
        ("ResourceNotFoundException", FailureKind::StreamNotFound),
        ("AccessDeniedException", FailureKind::AccessDenied),
        ("UnrecognizedClientException", FailureKind::Credentials),
        ("InvalidArgumentException", FailureKind::Invalid),
    ];
    for (code, kind) in cases {
        let transport = Scripted::new(1);
        transport.be(Mood::Refusing(code));
        let producer = producer(&transport, config());
        let start = tokio::time::Instant::now();
        let ticket = producer.put(&orders(), record("a")).await.expect("taken");
        let error = ticket.await.expect_err("refused");
        assert_eq!(error.failure().map(crate::Failure::kind), Some(kind), "{code}");
        assert!(!error.is_retryable(), "{code}");
        assert!(start.elapsed() < SECOND, "{code}: {:?}", start.elapsed());

        // The same once the stream has been in use.
        transport.be(Mood::Well);
        tokio::time::sleep(2 * SECOND).await;
        producer
            .put(&orders(), record("a"))
            .await
            .expect("taken")
            .await
            .expect("works now");
        transport.be(Mood::Refusing(code));
        let error = producer
            .put(&orders(), record("a"))
            .await
            .expect("taken")
            .await
            .expect_err("refused");
        assert_eq!(error.failure().map(crate::Failure::kind), Some(kind), "{code}");
        assert_eq!(error.attempt_count(), 1, "{code}");
        assert!(!error.may_have_been_stored(), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_ridden_out() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config());
    producer
        .put(&orders(), record("a"))
        .await
        .expect("taken")
        .await
        .expect("delivered");
    transport.be(Mood::Down);
    let ticket = producer.put(&orders(), record("b")).await.expect("taken");
    tokio::time::sleep(10 * SECOND).await;
    transport.be(Mood::Well);
    let delivery = ticket.await.expect("delivered at last");
    assert!(delivery.attempt_count() > 3, "{}", delivery.attempt_count());
    let last = delivery.attempts().last().expect("the one that worked");
    assert!(last.failure().is_none());
    assert!(
        transport.requests() < 40,
        "backed off: {} requests",
        transport.requests()
    );
}
