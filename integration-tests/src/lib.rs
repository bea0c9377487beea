//! The whole toolkit, put together as its users would: see `tests/`; [what the service promises](conformance), as
//! cases for every endpoint that claims to be it; [trials of the producer](trial), counted exactly; and
//! [fleets of real consumers](fleet), measured.
//!
//! The README is compiled here, since this crate knows all the others.

pub mod conformance;
pub mod fleet;
pub mod trial;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
