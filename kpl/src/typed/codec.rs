//! From a value to the bytes of a record.

use std::error::Error;

use bytes::Bytes;
use serde::Serialize;

/// Encodes values of type `T`. A closure from `&T` to bytes is one.
///
/// ```
/// use kpl::Codec;
///
/// let csv = |sale: &(u32, String)| Ok::<_, std::fmt::Error>(format!("{},{}", sale.0, sale.1));
/// assert_eq!(csv.encode(&(7, "bread".to_owned())).expect("encodes"), "7,bread");
/// ```
pub trait Codec<T: ?Sized> {
    /// Why a value cannot be encoded.
    type Error: Error + Send + Sync + 'static;

    /// The bytes of a value.
    ///
    /// # Errors
    /// When the value has none.
    fn encode(&self, value: &T) -> Result<Bytes, Self::Error>;
}

/// JSON, as `serde_json` writes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json;

impl<T: Serialize + ?Sized> Codec<T> for Json {
    type Error = serde_json::Error;

    fn encode(&self, value: &T) -> Result<Bytes, serde_json::Error> {
        serde_json::to_vec(value).map(Bytes::from)
    }
}

impl<T, F, B, E> Codec<T> for F
where
    T: ?Sized,
    F: Fn(&T) -> Result<B, E>,
    B: Into<Bytes>,
    E: Error + Send + Sync + 'static,
{
    type Error = E;

    fn encode(&self, value: &T) -> Result<Bytes, E> {
        self(value).map(Into::into)
    }
}
