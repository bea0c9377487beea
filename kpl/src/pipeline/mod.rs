//! One stream's whole life.

mod action;

pub(crate) use action::{Entry, EntryReply, ListedShard, Stored};
