//! The handles over a scripted service.
