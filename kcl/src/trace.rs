//! The trace that a record belongs to, where its producer put one along: W3C trace context, read without any tracing
//! system, and the span in which the record is handled.
//!
//! ```no_run
//! use kcl::trace::{self, TraceContext};
//! use kcl::{Consumer, ConsumerConfig, Outcome, ReceivedRecord};
//!
//! # fn example(config: ConsumerConfig, sdk_config: aws_types::SdkConfig) -> Result<(), kcl::ConfigError> {
//! let consumer = Consumer::builder(config)
//!     .sdk_config(&sdk_config)
//!     // Envelopes are JSON objects with a member `traceparent`. With OpenTelemetry, set the span's parent here too.
//!     .record_span(|record| trace::span(record, TraceContext::in_json(record.data()).as_ref()))
//!     .for_each_record(|_: ReceivedRecord| async { Outcome::Ack })?;
//! # let _ = consumer;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::Value;
use tracing::Span;

use crate::by_record::ReceivedRecord;
use crate::consumer::ConsumerBuilder;

/// Which trace a record belongs to, and which span of it sent the record (W3C: `traceparent`, `tracestate`).
///
/// ```
/// use kcl::trace::TraceContext;
///
/// let context: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
/// assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert!(context.is_sampled());
/// # Ok::<(), kcl::trace::TraceContextError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// In the form of version 00, which is what every later version begins with.
    parent: String,
    state: Option<String>,
    sampled: bool,
}

/// A text that is not a `traceparent`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a traceparent: {fault}")]
pub struct TraceContextError {
    /// What was given, cut to 100 characters.
    text: String,
    fault: &'static str,
}

impl TraceContext {
    /// The context that a JSON object carries as its members `traceparent` and `tracestate`. `None`: it is no such object,
    /// or what it carries is malformed, which by the W3C's rules is to be passed over.
    ///
    /// Parses the whole object.
    #[must_use]
    pub fn in_json(data: &[u8]) -> Option<Self> {
        let Value::Object(envelope) = serde_json::from_slice(data).ok()? else {
            return None;
        };
        let context: Self = envelope.get("traceparent")?.as_str()?.parse().ok()?;
        Some(match envelope.get("tracestate").and_then(Value::as_str) {
            Some(state) => context.with_state(state),
            None => context,
        })
    }

    /// With what tracing systems add for themselves (W3C: `tracestate`).
    #[must_use]
    pub fn with_state(mut self, state: &str) -> Self {
        self.state = Some(state.to_owned()).filter(|state| !state.is_empty());
        self
    }

    /// The trace: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.parent[3..35]
    }

    /// The span that sent the record: 16 hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> &str {
        &self.parent[36..52]
    }

    /// Whether the sender kept the trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The text for a propagator (W3C: `traceparent`).
    #[must_use]
    pub fn traceparent(&self) -> &str {
        &self.parent
    }

    /// What tracing systems added (W3C: `tracestate`).
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

impl FromStr for TraceContext {
    type Err = TraceContextError;

    /// Source: W3C Trace Context, level 1, 3.2: versions to come may add fields at the end, and only there.
    fn from_str(text: &str) -> Result<Self, TraceContextError> {
        let fault = |fault| TraceContextError {
            text: text.chars().take(100).collect(),
            fault,
        };
        let text = text.trim();
        let mut parts = text.split('-');
        let mut next = || parts.next().unwrap_or_default();
        let (version, trace, span, flags) = (next(), next(), next(), next());
        let is_hex = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_zero = |part: &str| part.bytes().all(|b| b == b'0');
        if !is_hex(version, 2) || version == "ff" {
            return Err(fault("it has no version"));
        }
        if !is_hex(trace, 32) || is_zero(trace) {
            return Err(fault(
                "its trace id is not 32 lower-case hexadecimal digits, or all zero",
            ));
        }
        if !is_hex(span, 16) || is_zero(span) {
            return Err(fault(
                "its parent id is not 16 lower-case hexadecimal digits, or all zero",
            ));
        }
        if !is_hex(flags, 2) || (version == "00" && parts.next().is_some()) {
            return Err(fault("its flags are not two lower-case hexadecimal digits"));
        }
        let flags = u8::from_str_radix(flags, 16).map_err(|_| fault("it has no flags"))?;
        let sampled = flags & SAMPLED != 0;
        Ok(Self {
            parent: format!("00-{trace}-{span}-{:02x}", u8::from(sampled)),
            state: None,
            sampled,
        })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parent)
    }
}

/// The span `kcl.record` in which a record is handled: fields `shard_id`, `position`, `attempt`, and, of the trace that the
/// record belongs to, `trace_id` and `parent_span_id`. No key and no data.
#[must_use]
pub fn span(record: &ReceivedRecord, context: Option<&TraceContext>) -> Span {
    tracing::debug_span!(
        "kcl.record",
        shard_id = record
            .shard()
            .map(|shard| tracing::field::display(shard.shard_id())),
        position = record.position().map(tracing::field::display),
        attempt = record.attempt(),
        trace_id = context.map(TraceContext::trace_id),
        parent_span_id = context.map(TraceContext::span_id),
    )
}

/// Makes the span of each record.
#[derive(Clone)]
pub(crate) struct RecordSpans(Arc<dyn Fn(&ReceivedRecord) -> Span + Send + Sync>);

impl RecordSpans {
    pub(crate) fn of(&self, record: &ReceivedRecord) -> Span {
        (self.0)(record)
    }
}

impl fmt::Debug for RecordSpans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordSpans").finish_non_exhaustive()
    }
}

impl ConsumerBuilder {
    /// The span in which each record is handled, where records are handled one by one: for a trace that goes on from the
    /// producer, see [`trace`](crate::trace). Of a batch, the span of its first record. Default: that of the shard.
    pub fn record_span(mut self, span: impl Fn(&ReceivedRecord) -> Span + Send + Sync + 'static) -> Self {
        self.spans = Some(RecordSpans(Arc::new(span)));
        self
    }
}

/// Source: W3C Trace Context, level 1, 3.2.2.5.
const SAMPLED: u8 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn texts_are_taken_or_refused_by_the_w3cs_rules() {
        let ok = |text: &str| text.parse::<TraceContext>();
        assert_eq!(ok(PARENT).unwrap().span_id(), "00f067aa0ba902b7");
        assert!(
            !ok(&format!("00-{TRACE}-00f067aa0ba902b7-00"))
                .unwrap()
                .is_sampled()
        );
        let newer = ok(&format!("cc-{TRACE}-00f067aa0ba902b7-01-what-comes")).unwrap();
        assert_eq!(newer.traceparent(), PARENT, "sent on as version 00");
        for bad in [
            "",
            "00",
            &PARENT.to_uppercase(),
            &format!("{PARENT}-more"),
            &format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            &format!("00-{TRACE}-0000000000000000-01"),
            &format!("00-{TRACE}-00f067aa0ba902b7-1"),
        ] {
            assert!(ok(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_envelope_of_json_carries_it() {
        let envelope = format!("{{\"traceparent\":\"{PARENT}\",\"tracestate\":\"vendor=1\",\"body\":[1]}}");
        let context = TraceContext::in_json(envelope.as_bytes()).unwrap();
        assert_eq!(
            (context.trace_id(), context.tracestate()),
            (TRACE, Some("vendor=1"))
        );
        for other in [
            "",
            "[]",
            "{}",
            "{\"traceparent\":7}",
            "{\"traceparent\":\"00-1\"}",
            "\u{0}",
        ] {
            assert_eq!(TraceContext::in_json(other.as_bytes()), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "\\PC{0,70}", hex in "[0-9a-f-]{40,70}") {
            for text in [text, hex] {
                if let Ok(context) = text.parse::<TraceContext>() {
                    prop_assert_eq!(context.to_string().parse::<TraceContext>(), Ok(context));
                }
            }
        }
    }
}
