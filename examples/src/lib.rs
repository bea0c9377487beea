//! What the example programs `quickstart`, `produce`, `consume` and `exactly_once` are made of.
//!
//! | module | for |
//! | --- | --- |
//! | [`endpoint`] | which Kinesis and DynamoDB, as whom, and whether they are there |
//! | [`lines`] | input lines and the keys in them |
//! | [`ledger`] | who got what, and whether the promises held |
//! | [`progress`], [`report`] | what is shown while it runs, and said at its end |
//! | [`program`] | what every program needs around its work: runtime, log, signals |
//! | [`produce`], [`consume`], [`exactly_once`], [`quickstart`] | the programs themselves |

pub mod consume;
pub mod endpoint;
pub mod exactly_once;
pub mod ledger;
pub mod lines;
pub mod produce;
pub mod program;
pub mod progress;
pub mod quickstart;
pub mod report;
