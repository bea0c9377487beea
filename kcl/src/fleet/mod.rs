//! What an application's fleet is, and what this worker may write and do in it. Pure.
//!
//! A table may be shared by workers of KCL 2.x, of 3.0 to 3.4, of 3.5 and of this crate, which differ in the rows they can
//! read and in who decides about leases. What they have agreed on stands in the tables; this worker reads it, joins in
//! it, and never writes what one of the others cannot read.
//!
//! ```text
//!  FleetStore::survey ──Survey──> identify ──Fleet──> who assigns, where rows go, what to write first
//!                          │                  └─follow──> Change…     each minute, until the fleet has arrived
//!                          └────> DutyWatch ──> Duty                  the leader's part in it
//! ```
//!
//! A worker without any lease leaves no trace in a 2.x fleet: an idle one cannot be seen, here as in KCL.

pub(crate) mod doubts;
mod duty;
mod error;
mod format;
mod heartbeat;
mod identify;
mod leader;
mod migration;
pub(crate) mod peers;
mod private;
mod rows;
mod state;
pub(crate) mod twin;
mod version;
mod vigil;
mod worker;

pub use self::duty::{Bake, Duty, DutyWatch};
pub use self::error::{FleetError, NotPrivate};
pub use self::format::{Assignment, Change, Fleet, FleetKind, HandOvers, HeartbeatUse, IndexUse, StateWrite};
pub(crate) use self::format::{PRIVATE_WATCH, WATCH};
pub use self::heartbeat::{Beat, Heartbeat};
pub use self::identify::{Intent, NewFleet, identify};
pub use self::leader::{LeaderRow, record_version};
pub use self::migration::TableMigration;
pub use self::private::PrivateWatch;
pub(crate) use self::private::foreign_rows;
pub use self::rows::{FleetRows, Home, IndexState, SeparateTables, Survey, newest_workers};
pub use self::state::{PastState, StateKind, StateRow};
pub use self::version::{ClientVersion, VersionSetting};
pub use self::vigil::Vigil;
pub use self::worker::{Standing, WorkerStats, epoch_seconds};

#[cfg(test)]
mod fixture;
