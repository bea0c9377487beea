//! The engine as a whole, one file per behaviour.
