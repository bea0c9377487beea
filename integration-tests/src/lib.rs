//! The whole toolkit, put together as its users would: see `tests/`.
//!
//! The README is compiled here, since this crate knows all the others.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
