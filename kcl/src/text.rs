//! Short texts of records, which share their memory: with their clones, and with the texts that came beside them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A text that costs nothing to clone.
#[derive(Clone)]
pub(crate) enum Text {
    Shared(Arc<str>),
    /// Of several that were put together.
    Part {
        all: Arc<String>,
        start: u32,
        len: u32,
    },
}

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Shared(text) => text,
            Self::Part { all, start, len } => {
                let (start, len) = (*start as usize, *len as usize);
                all.get(start..start + len).unwrap_or_default()
            }
        }
    }

    /// The text by itself, to share; a copy of it, where it is a part.
    pub(crate) fn to_shared(&self) -> Arc<str> {
        match self {
            Self::Shared(text) => Arc::clone(text),
            Self::Part { .. } => Arc::from(self.as_str()),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Shared(Arc::from(text))
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Texts put together in one piece of memory, which lasts for as long as one of them does: there are two for each record, and
/// each by itself would cost more to make and to free than to read.
#[derive(Debug)]
pub(crate) struct Texts {
    all: Arc<String>,
    taken: usize,
}

impl Texts {
    /// These, in their order.
    pub(crate) fn of<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Self {
        let mut all = String::with_capacity(texts.clone().map(str::len).sum());
        all.extend(texts);
        Self {
            all: Arc::new(all),
            taken: 0,
        }
    }

    /// The next one, which has so many bytes.
    pub(crate) fn take(&mut self, len: usize) -> Text {
        let start = self.taken;
        self.taken += len;
        match (u32::try_from(start), u32::try_from(len)) {
            (Ok(start), Ok(len)) => Text::Part {
                all: Arc::clone(&self.all),
                start,
                len,
            },
            // Nobody sends so much in one answer.
            _ => Text::from(self.all.get(start..self.taken).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::*;

    fn together(texts: &[&str]) -> Vec<Text> {
        let mut all = Texts::of(texts.iter().copied());
        texts.iter().map(|text| all.take(text.len())).collect()
    }

    #[test]
    fn texts_come_out_as_they_went_in() {
        let texts = ["495903", "key", "", "schlüssel", "7"];
        let parts = together(&texts);
        let read: Vec<_> = parts.iter().map(Text::as_str).collect();
        assert_eq!(read, texts);
        assert_eq!(together(&[]), []);
    }

    #[test]
    fn where_a_text_lies_makes_no_difference() {
        let (shared, part) = (Text::from("key"), together(&["a", "key"]).remove(1));
        assert_eq!(shared, part);
        assert_ne!(part, Text::from("other"));
        let hasher = RandomState::new();
        assert_eq!(hasher.hash_one(&shared), hasher.hash_one(&part));
        assert_eq!(format!("{shared:?}"), format!("{part:?}"));
    }

    #[test]
    fn clones_share_memory_and_a_part_by_itself_does_not() {
        let address = |text: &str| text.as_ptr();
        let part = together(&["a", "key"]).remove(1);
        assert_eq!(address(part.as_str()), address(part.clone().as_str()));
        let by_itself = part.to_shared();
        assert_ne!(address(part.as_str()), address(&by_itself));
        let shared = Text::Shared(by_itself);
        assert_eq!(address(shared.as_str()), address(&shared.to_shared()));
    }
}
