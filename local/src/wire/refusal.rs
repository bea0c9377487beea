//! What is answered before there is a request: to a head that names no operation, and to a body that is none.
//!
//! Statuses, bodies and types are the service's, as kinesalite recorded them.

use bytes::Bytes;

use super::error::{SERIALIZATION, encode_error};
use super::reader::Malformed;
use super::{Format, Operation};
use crate::engine::error::ServiceError;

/// How a request says its body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Envelope {
    Service(Format),
    /// `application/json`, to which the service answers that it knows no operation.
    PlainJson,
    /// Anything else, or nothing.
    Unknown,
}

impl Envelope {
    /// Of the value of `Content-Type`, whose parameters count for nothing.
    pub(super) fn of(content_type: Option<&str>) -> Self {
        let essence = content_type.unwrap_or_default().split(';').next();
        let essence = essence.unwrap_or_default().trim();
        let is = |name: &str| essence.eq_ignore_ascii_case(name);
        if is(Format::Json.content_type()) {
            Self::Service(Format::Json)
        } else if is(Format::Cbor.content_type()) {
            Self::Service(Format::Cbor)
        } else if is(PLAIN_JSON) {
            Self::PlainJson
        } else {
            Self::Unknown
        }
    }
}

/// A request that the engine never sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    error: ServiceError,
    operation: Option<Operation>,
    document: Document,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Document {
    Service(Format),
    /// `{"Output":{"__type":…},"Version":"1.0"}`
    PlainJson,
    /// `<Code/>`, or with the message inside.
    Xml,
}

/// A refusal as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// HTTP status.
    pub(crate) status: u16,
    /// The value of `x-amzn-errortype`.
    pub(crate) error_type: String,
    /// `None` for the XML answers, which have no `Content-Type`.
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: Bytes,
}

impl Refusal {
    /// Code, status and message.
    pub(crate) fn error(&self) -> &ServiceError {
        &self.error
    }

    /// The operation that was asked for, if that much was clear.
    pub(crate) fn operation(&self) -> Option<Operation> {
        self.operation
    }

    /// The answer.
    pub(crate) fn encode(&self) -> Refused {
        let (status, body, error_type) = match self.document {
            Document::Service(format) => encode_error(&self.error, format),
            Document::PlainJson => (self.error.status(), self.plain_json(), self.error.code()),
            Document::Xml => (self.error.status(), self.xml(), self.error.code()),
        };
        Refused {
            status,
            error_type: error_type.to_owned(),
            content_type: match self.document {
                Document::Service(format) => Some(format.content_type()),
                Document::PlainJson => Some(PLAIN_JSON),
                Document::Xml => None,
            },
            body,
        }
    }

    pub(super) fn malformed(operation: Option<Operation>, format: Format, malformed: Malformed) -> Self {
        let message = match malformed {
            Malformed::Syntax => None,
            Malformed::Type(message) => Some(message),
        };
        Self {
            error: ServiceError::new(SERIALIZATION, 400, message),
            operation,
            document: Document::Service(format),
        }
    }

    pub(super) fn unknown_operation(format: Format) -> Self {
        Self::headless(UNKNOWN_OPERATION, 400, None, Document::Service(format))
    }

    pub(super) fn plain_json_malformed() -> Self {
        Self::headless(SERIALIZATION, 400, None, Document::PlainJson)
    }

    pub(super) fn plain_json_unknown() -> Self {
        Self::headless(UNKNOWN_OPERATION, 404, None, Document::PlainJson)
    }

    pub(super) fn xml_unknown() -> Self {
        Self::headless(UNKNOWN_OPERATION, 404, None, Document::Xml)
    }

    pub(super) fn xml_unnamed() -> Self {
        Self::headless(ACCESS_DENIED, 403, Some(UNNAMED), Document::Xml)
    }

    fn headless(code: &'static str, status: u16, message: Option<&str>, document: Document) -> Self {
        Self {
            error: ServiceError::new(code, status, message.map(str::to_owned)),
            operation: None,
            document,
        }
    }

    /// Codes need no escapes.
    fn plain_json(&self) -> Bytes {
        let code = self.error.code();
        Bytes::from(format!(
            r#"{{"Output":{{"__type":"com.amazon.coral.service#{code}"}},"Version":"1.0"}}"#
        ))
    }

    /// Neither codes nor the one message need escapes.
    fn xml(&self) -> Bytes {
        let code = self.error.code();
        Bytes::from(match self.error.message() {
            Some(message) => format!("<{code}>\n  <Message>{message}</Message>\n</{code}>\n"),
            None => format!("<{code}/>\n"),
        })
    }
}

const PLAIN_JSON: &str = "application/json";
const UNKNOWN_OPERATION: &str = "UnknownOperationException";
const ACCESS_DENIED: &str = "AccessDeniedException";
const UNNAMED: &str = "Unable to determine service/operation name to be authorized";
