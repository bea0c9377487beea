//! Trials of the producer: named scenarios, played against the engine, counted exactly.
//!
//! ```text
//!  Scenario ──> Stage ──> play ──> Report: a table, and the promises that were broken
//!                │         │ puts, waits for outcomes, takes samples ──────────────┐
//!   in process, in virtual │ reshards and competes meanwhile                       ▼
//!   time, or behind a      └ reads the stream as a KCL consumer would ──────────> Books
//!   socket
//! ```
//!
//! What always must hold: every record has an outcome; what is acknowledged is stored where it was said to be; what is
//! stored is acknowledged or reported as perhaps stored; a second copy is reported as possible; each key's records are
//! first stored in the order in which they were put; no more is in flight than the budget has.

mod books;
mod catalogue;
mod competitor;
pub mod consumer;
mod error;
mod events;
mod latencies;
mod observer;
mod play;
mod process;
pub mod program;
mod reader;
mod report;
mod resharder;
mod scenario;
mod series;
mod stage;

pub use books::{Balance, Books, Position};
pub use catalogue::{Length, Setting};
pub use error::TrialError;
pub use events::{Events, Source};
pub use latencies::Latencies;
pub use observer::{Observer, Wire};
pub use play::{play, play_in_virtual_time};
pub use process::Usage;
pub use reader::{Read, read};
pub use report::Report;
pub use resharder::Resharding;
pub use scenario::Scenario;
pub use series::Series;
pub use stage::{Stage, serve};
