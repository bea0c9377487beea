//! The programs as their users meet them: built, in processes of their own, with signals and exit codes.
#![cfg(unix)]

mod consume;
mod consume_by_record;
mod consume_properties;
mod consume_refuses;
mod exactly_once;
mod produce;
mod produce_input;
mod produce_leaves;
mod produce_properties;
mod produce_refuses;
mod quickstart;
mod stage;
mod tempdir;
