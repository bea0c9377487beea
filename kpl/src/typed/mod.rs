//! Payloads that are values: encoded before anything is buffered.

mod codec;
mod producer;

#[cfg(test)]
mod tests;

pub use codec::{Codec, Json};
pub use producer::{TryTypedPutError, TypedProducer, TypedPutError};
