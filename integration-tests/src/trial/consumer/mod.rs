//! Trials of the consumer: named scenarios, played by real workers against the engine, counted exactly.
//!
//! ```text
//!  Scenario ──> Stage ──> play ──> Report: a table, and the promises that were broken
//!                │         │ feed: puts, and learns where each record is ──────────────┐
//!   in process, in virtual │ cues: workers join, die, are held, stop; shards change    │
//!   time, or behind        │ troupe: real consumers, whose processors write down ──────┤
//!   sockets                └ auditor: reads the lease table as anybody may ──────────> Books
//! ```
//!
//! What always must hold: each record that was put is done; each key's records are handed over in order, one at a time; a
//! record comes again only if whoever had it lost it, or failed on it, before a checkpoint covered it; no worker is
//! handed a record of a shard that is another's by then; no checkpoint passes a record that is not done, or goes back;
//! after the clean stop of all every record is behind a checkpoint.

mod auditor;
mod batches;
mod books;
mod catalogue;
mod diary;
mod feed;
mod gate;
mod ledger;
mod play;
mod records;
mod report;
mod scenario;
mod stage;
mod troupe;

pub use books::{Balance, Books, Leaving, TenureId, Waits};
pub use catalogue::Setting;
pub use diary::{Diary, Entry};
pub use play::{fill, play, play_in_virtual_time};
pub use report::Report;
pub use scenario::Scenario;
pub use stage::{Stage, serve};
