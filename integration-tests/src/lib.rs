//! The whole toolkit, put together as its users would: see `tests/`; and [what the service promises](conformance), as
//! cases for every endpoint that claims to be it.
//!
//! The README is compiled here, since this crate knows all the others.

pub mod conformance;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
