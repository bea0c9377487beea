//! Several streams in one application: which are read, which have left, which were never asked for. Pure.
//!
//! - [`arn`]: how a stream is named across accounts and regions.
//! - `condemned`: those whose leases go: which of them may, and who has deleted a stream.
//! - `directory`: those that are read, by the keys of their leases.
//! - [`listed`]: what an application says of a stream.
//! - `roster`: whom to ask the service about, and when.
//! - [`tracker`]: from the list that is wanted and the streams that have leases, to what should change.

pub mod arn;
pub(crate) mod condemned;
pub(crate) mod directory;
pub mod listed;
pub(crate) mod roster;
pub mod tracker;
