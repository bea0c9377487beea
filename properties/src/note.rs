//! What there is to say to whoever migrates a settings file.

use std::collections::HashMap;
use std::fmt;

use super::Property;

/// A property that was not taken as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyNote {
    line: usize,
    name: String,
    kind: NoteKind,
}

/// Why a property was not taken as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteKind {
    /// There is nothing here that it could set.
    Moot(&'static str),
    /// It means something a little different here, or was brought into our range.
    Adjusted(&'static str),
    /// What it asks for is not done.
    Refused(&'static str),
    /// The library has no such setting.
    Unknown {
        /// The setting that differs in upper and lower case only.
        meant: Option<&'static str>,
    },
    /// A later line sets it again, and counts.
    Overridden,
}

impl PropertyNote {
    /// A note on the property `name` that begins on `line`.
    #[must_use]
    pub fn new(line: usize, name: &str, kind: NoteKind) -> Self {
        Self {
            line,
            name: name.to_owned(),
            kind,
        }
    }

    /// The line of the file, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The property's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it was not taken as it stands.
    #[must_use]
    pub fn kind(&self) -> &NoteKind {
        &self.kind
    }
}

impl fmt::Display for PropertyNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} ", self.line, self.name)?;
        match &self.kind {
            NoteKind::Moot(why) => write!(f, "has no effect: {why}"),
            NoteKind::Adjusted(how) => write!(f, "was adjusted: {how}"),
            NoteKind::Refused(why) => write!(f, "was refused: {why}"),
            NoteKind::Unknown { meant: Some(meant) } => write!(f, "is unknown; {meant} is meant, probably"),
            NoteKind::Unknown { meant: None } => write!(f, "is unknown"),
            NoteKind::Overridden => write!(f, "is set again further down"),
        }
    }
}

/// The notes on a file that is being read.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    notes: Vec<PropertyNote>,
    lines: HashMap<String, usize>,
}

impl Notes {
    /// A property comes: an earlier one of its name does not count any more.
    pub fn begin(&mut self, property: &Property) {
        let earlier = self.lines.insert(property.name().to_owned(), property.line());
        self.notes
            .extend(earlier.map(|line| PropertyNote::new(line, property.name(), NoteKind::Overridden)));
    }

    /// Something is to be said about it.
    pub fn add(&mut self, property: &Property, kind: NoteKind) {
        self.notes
            .push(PropertyNote::new(property.line(), property.name(), kind));
    }

    /// Its name is none of the `settings`.
    pub fn add_unknown(&mut self, property: &Property, settings: &[&'static str]) {
        let mut settings = settings.iter().copied();
        let meant = settings.find(|known| known.eq_ignore_ascii_case(property.name()));
        self.add(property, NoteKind::Unknown { meant });
    }

    /// All of them, in the order of the file.
    #[must_use]
    pub fn finish(mut self) -> Vec<PropertyNote> {
        self.notes.sort_by_key(PropertyNote::line);
        self.notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_in_the_order_of_the_file() {
        let mut notes = Notes::default();
        let file = "first=1\nSECOND=2\nthird=3\nfirst=4\nfourth=5\nfirst=6\n";
        for property in crate::parse(file).expect("a file") {
            notes.begin(&property);
            match property.name() {
                "first" => notes.add(&property, NoteKind::Moot("nothing is first")),
                "third" => {}
                _ => notes.add_unknown(&property, &["first", "second"]),
            }
        }
        let said: Vec<_> = notes.finish().iter().map(ToString::to_string).collect();
        let expected = [
            "line 1: first has no effect: nothing is first",
            "line 1: first is set again further down",
            "line 2: SECOND is unknown; second is meant, probably",
            "line 4: first has no effect: nothing is first",
            "line 4: first is set again further down",
            "line 5: fourth is unknown",
            "line 6: first has no effect: nothing is first",
        ];
        assert_eq!(said, expected);
    }
}
