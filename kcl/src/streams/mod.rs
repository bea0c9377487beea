//! Several streams in one application: which are read, which have left, which were never asked for. Pure.
//!
//! - [`arn`]: how a stream is named across accounts and regions.
//! - `directory`: those that are read, by the keys of their leases.
//! - [`tracker`]: from the list that is wanted and the streams that have leases, to what should change.

pub mod arn;
pub(crate) mod directory;
pub mod tracker;
