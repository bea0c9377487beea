//! A short text of a record: kept as it came, shared from its first clone on.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A text that most records never share: as the SDK made it, without a copy. Its clones share one copy.
pub(crate) enum Text {
    Own(String),
    Shared(Arc<str>),
}

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Own(text) => text,
            Self::Shared(text) => text,
        }
    }

    /// The text to share; a copy of it, where it has one owner.
    pub(crate) fn to_shared(&self) -> Arc<str> {
        match self {
            Self::Own(text) => Arc::from(text.as_str()),
            Self::Shared(text) => Arc::clone(text),
        }
    }

    /// The same for many to share.
    pub(crate) fn into_shared(self) -> Self {
        Self::Shared(match self {
            Self::Own(text) => Arc::from(text),
            Self::Shared(text) => text,
        })
    }
}

impl Clone for Text {
    fn clone(&self) -> Self {
        Self::Shared(self.to_shared())
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

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::*;

    #[test]
    fn who_holds_a_text_makes_no_difference() {
        let (own, shared) = (Text::Own("key".to_owned()), Text::Shared(Arc::from("key")));
        assert_eq!(own, shared);
        assert_ne!(own, Text::Shared(Arc::from("other")));
        let hasher = RandomState::new();
        assert_eq!(hasher.hash_one(&own), hasher.hash_one(&shared));
        assert_eq!(format!("{own:?}"), format!("{shared:?}"));
    }

    #[test]
    fn clones_of_a_clone_share_its_memory() {
        let address = |text: &Text| text.as_str().as_ptr();
        let own = Text::Own("key".to_owned());
        let first = own.clone();
        assert_ne!(address(&own), address(&first), "one owner keeps its own");
        assert_eq!(address(&first), address(&first.clone()));
        let shared = own.into_shared();
        assert_eq!(address(&shared), shared.to_shared().as_ptr());
    }
}
