//! What goes wrong on purpose: rules, scripted or by chance, and the decision which of them strike a call.
//!
//! Nothing here awaits, reads a clock or draws chance from outside. The service asks [`FaultTable`] once for each
//! call and once for each event of a subscription, and does what the answer says.
//!
//! ```text
//!  Fault (an action and its conditions) ──> Faults (a validated script) ──> FaultTable (counts, rolls dice)
//!                                                                              │ decide(call, now)
//!                                                                              ▼
//!                                                                           Verdict
//! ```

mod action;
mod call;
mod error;
mod fault;
mod script;
mod table;

pub use self::action::FaultService;
pub use self::error::FaultError;
pub use self::fault::Fault;
pub use self::script::{Faults, FaultsBuilder, Reshard};
pub use self::table::{FaultId, FaultStatus};

pub(crate) use self::action::{DYNAMODB_OPERATIONS, Refusal};
pub(crate) use self::call::{Call, Caller};
pub(crate) use self::script::ScriptedReshard;
pub(crate) use self::table::{Ending, EntryFault, FaultTable, Verdict};
