//! Checks of single members against the service's model, worded as the service words them: all violations of a
//! request in one `ValidationException`.

use super::error::ServiceError;

/// Collects what is wrong with a request.
#[derive(Debug, Default)]
pub(crate) struct Constraints {
    violations: Vec<String>,
}

impl Constraints {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The refusal, if anything is wrong.
    pub(crate) fn finish(self) -> Result<(), ServiceError> {
        if self.violations.is_empty() {
            return Ok(());
        }
        let count = self.violations.len();
        let plural = if count == 1 { "" } else { "s" };
        Err(ServiceError::validation(format!(
            "{count} validation error{plural} detected: {}",
            self.violations.join("; ")
        )))
    }

    pub(crate) fn violated(&mut self, member: &str, value: &str, constraint: &str) {
        // The service names at most ten.
        if self.violations.len() < 10 {
            self.violations.push(format!(
                "Value '{}' at '{member}' failed to satisfy constraint: {constraint}",
                shortened(value)
            ));
        }
    }

    pub(crate) fn missing(&mut self, member: &str) {
        if self.violations.len() < 10 {
            self.violations.push(format!(
                "Value null at '{member}' failed to satisfy constraint: Member must not be null"
            ));
        }
    }

    /// The value of a required member, or a default and a violation.
    pub(crate) fn required<'a, T: ?Sized>(&mut self, member: &str, value: Option<&'a T>) -> Option<&'a T> {
        if value.is_none() {
            self.missing(member);
        }
        value
    }

    pub(crate) fn at_least(&mut self, member: &str, value: i64, least: i64) {
        if value < least {
            self.violated(
                member,
                &value.to_string(),
                &format!("Member must have value greater than or equal to {least}"),
            );
        }
    }

    pub(crate) fn range(&mut self, member: &str, value: i64, least: i64, most: i64) {
        self.at_least(member, value, least);
        if value > most {
            self.violated(
                member,
                &value.to_string(),
                &format!("Member must have value less than or equal to {most}"),
            );
        }
    }

    /// Length in characters.
    pub(crate) fn length(&mut self, member: &str, value: &str, least: usize, most: usize) {
        let count = value.chars().count();
        if count < least {
            self.violated(
                member,
                value,
                &format!("Member must have length greater than or equal to {least}"),
            );
        }
        if count > most {
            self.violated(
                member,
                value,
                &format!("Member must have length less than or equal to {most}"),
            );
        }
    }

    pub(crate) fn pattern(&mut self, member: &str, value: &str, fits: bool, pattern: &str) {
        if !fits {
            self.violated(
                member,
                value,
                &format!("Member must satisfy regular expression pattern: {pattern}"),
            );
        }
    }

    /// Names of streams, shards and consumers: 1 to 128 of a small alphabet.
    pub(crate) fn name(&mut self, member: &str, value: &str) {
        let fits = !value.is_empty()
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        self.pattern(member, value, fits, "[a-zA-Z0-9_.-]+");
        self.length(member, value, 1, 128);
    }

    pub(crate) fn one_of(&mut self, member: &str, value: &str, allowed: &[&str]) {
        if !allowed.contains(&value) {
            self.violated(
                member,
                value,
                &format!("Member must satisfy enum value set: [{}]", allowed.join(", ")),
            );
        }
    }
}

/// A refusal must not echo megabytes.
fn shortened(value: &str) -> &str {
    let end = value.char_indices().nth(ECHOED).map_or(value.len(), |(at, _)| at);
    &value[..end]
}

const ECHOED: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_worded_as_the_service_words_them() {
        let mut constraints = Constraints::new();
        constraints.range("limit", 10_001, 1, 10_000);
        let refused = constraints.finish().unwrap_err();
        assert_eq!((refused.code(), refused.status()), ("ValidationException", 400));
        assert_eq!(
            refused.message(),
            Some(
                "1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: \
                 Member must have value less than or equal to 10000"
            )
        );
    }

    #[test]
    fn several_violations_are_told_together() {
        let mut constraints = Constraints::new();
        constraints.name("streamName", "");
        constraints.missing("shardId");
        constraints.one_of("scalingType", "SOME", &["UNIFORM_SCALING"]);
        let refused = constraints.finish().unwrap_err();
        assert_eq!(
            refused.message(),
            Some(
                "4 validation errors detected: Value '' at 'streamName' failed to satisfy constraint: Member must \
                 satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value '' at 'streamName' failed to satisfy \
                 constraint: Member must have length greater than or equal to 1; Value null at 'shardId' failed to \
                 satisfy constraint: Member must not be null; Value 'SOME' at 'scalingType' failed to satisfy \
                 constraint: Member must satisfy enum value set: [UNIFORM_SCALING]"
            )
        );
    }

    #[test]
    fn nothing_wrong_is_no_refusal_and_a_long_value_is_cut() {
        let mut constraints = Constraints::new();
        constraints.name("streamName", "orders_1.a-B");
        constraints.length("partitionKey", &"ä".repeat(256), 1, 256);
        assert_eq!(constraints.finish(), Ok(()));
        let mut constraints = Constraints::new();
        constraints.length("partitionKey", &"ä".repeat(1 << 20), 1, 256);
        assert!(constraints.finish().unwrap_err().to_string().len() < 4_096);
    }
}
