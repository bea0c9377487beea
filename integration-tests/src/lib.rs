//! The whole toolkit, put together as its users would: see `tests/`; [what the service promises](conformance), as
//! cases for every endpoint that claims to be it; and [trials of the producer](trial), counted exactly.
//!
//! The README is compiled here, since this crate knows all the others.

pub mod conformance;
pub mod trial;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
