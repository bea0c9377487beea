//! Checks that a setting lies within its range.

use std::time::Duration;

use crate::error::ConfigError;

pub(super) fn duration(
    setting: &'static str,
    value: Duration,
    min: Duration,
    max: Duration,
) -> Result<(), ConfigError> {
    if value < min || value > max {
        return Err(ConfigError::Duration {
            setting,
            value,
            min,
            max,
        });
    }
    Ok(())
}

pub(super) fn size(setting: &'static str, value: usize, min: usize, max: usize) -> Result<(), ConfigError> {
    if value < min || value > max {
        return Err(ConfigError::Number {
            setting,
            value,
            min,
            max,
        });
    }
    Ok(())
}
