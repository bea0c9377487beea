//! Reads values of either format by what they are meant to be.
//!
//! The scanners know how tokens are spelt; everything that is the same in both formats is here: which tokens a
//! type takes, how the service words a wrong one, and what is done with members nobody asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{Format, cbor, json};

/// Reads one value after the other from a body.
pub(super) struct Reader<'b> {
    scanner: Scanner<'b>,
    body: &'b Bytes,
}

enum Scanner<'b> {
    Json(json::Scanner<'b>),
    Cbor(cbor::Scanner<'b>),
}

/// What a value starts with, or is.
#[derive(Debug, PartialEq)]
pub(super) enum Token<'b> {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Text<'b>),
    Bytes(Cow<'b, [u8]>),
    List(Container),
    Map(Container),
}

/// A text as it stands in the body, not yet looked at.
#[derive(Debug, PartialEq)]
pub(super) enum Text<'b> {
    /// Between its quotes.
    Json(json::Raw<'b>),
    Plain(Cow<'b, [u8]>),
}

/// A list or map that is being read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// Ends with a mark; `true` until its first element is read.
    Open(bool),
    /// Elements to come.
    Counted(u64),
}

/// Why a body is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Malformed {
    /// Not of the format at all.
    Syntax,
    /// A value of another type than the member's, in the service's words.
    Type(String),
}

/// A structure whose members are given one by one, in any order.
pub(super) trait Members: Default {
    /// Takes the value of a member, or skips it.
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed>;
}

impl<'b> Reader<'b> {
    pub(super) fn new(format: Format, body: &'b Bytes) -> Self {
        let scanner = match format {
            Format::Json => Scanner::Json(json::Scanner::new(body)),
            Format::Cbor => Scanner::Cbor(cbor::Scanner::new(body)),
        };
        Self { scanner, body }
    }

    /// The whole body as one structure.
    pub(super) fn document<T: Members>(mut self) -> Result<T, Malformed> {
        let Token::Map(map) = self.token()? else {
            return Err(Malformed::Syntax);
        };
        let document = self.members(map)?;
        match &mut self.scanner {
            Scanner::Json(scanner) => scanner.end()?,
            Scanner::Cbor(scanner) => scanner.end()?,
        }
        Ok(document)
    }

    pub(super) fn structure<T: Members>(&mut self) -> Result<Option<T>, Malformed> {
        match self.token()? {
            Token::Null => Ok(None),
            Token::Map(map) => self.members(map).map(Some),
            Token::List(_) => Err(misplaced(LIST)),
            _ => Err(misplaced("Expected null")),
        }
    }

    /// A list of structures. A `null` in it is a structure without members.
    pub(super) fn structures<T: Members>(&mut self) -> Result<Option<Vec<T>>, Malformed> {
        self.list(|reader| Ok(reader.structure()?.unwrap_or_default()))
    }

    /// A list of texts. A `null` in it is an empty text.
    pub(super) fn strings(&mut self) -> Result<Option<Vec<String>>, Malformed> {
        self.list(|reader| Ok(reader.string()?.unwrap_or_default()))
    }

    /// A map from text to text. A `null` in it is an empty text.
    pub(super) fn string_map(&mut self) -> Result<Option<BTreeMap<String, String>>, Malformed> {
        let mut map = match self.token()? {
            Token::Null => return Ok(None),
            Token::Map(map) => map,
            Token::List(_) => return Err(misplaced(LIST)),
            _ => return Err(misplaced("Expected map or null")),
        };
        let mut entries = BTreeMap::new();
        while self.more(&mut map, Kind::Map)? {
            let key = self.key()?.into_owned();
            let value = self.string()?.unwrap_or_default();
            if entries.len() < MOST_ELEMENTS {
                entries.insert(key, value);
            }
        }
        Ok(Some(entries))
    }

    pub(super) fn string(&mut self) -> Result<Option<String>, Malformed> {
        Ok(self.text()?.map(Cow::into_owned))
    }

    /// A text that will be shared.
    pub(super) fn shared(&mut self) -> Result<Option<Arc<str>>, Malformed> {
        Ok(self.text()?.map(|text| Arc::from(&*text)))
    }

    fn text(&mut self) -> Result<Option<Cow<'b, str>>, Malformed> {
        match self.token()? {
            Token::Null => Ok(None),
            Token::Text(text) => text.read().map(Some),
            other => Err(unconvertible(&other, "an String")),
        }
    }

    /// A whole number; of any other the fraction is cut off. One out of range is the nearest in it.
    pub(super) fn integer(&mut self) -> Result<Option<i64>, Malformed> {
        match self.token()? {
            Token::Null => Ok(None),
            Token::Integer(number) => Ok(Some(number)),
            Token::Float(number) => Ok(Some(truncated(number))),
            other => Err(unconvertible(&other, "an Integer")),
        }
    }

    /// `null` is false, as absent is.
    pub(super) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.token()? {
            Token::Null => Ok(false),
            Token::Boolean(flag) => Ok(flag),
            Token::Text(text) => Err(misplaced(format!(
                "'{}' can not be converted to an Boolean",
                text.read()?.to_uppercase()
            ))),
            other => Err(unconvertible(&other, "an Boolean")),
        }
    }

    /// Milliseconds since the Unix epoch: in JSON from seconds with a fraction, in CBOR as they are, tagged or
    /// not. Times before the epoch are the epoch.
    pub(super) fn timestamp(&mut self) -> Result<Option<u64>, Malformed> {
        let units = match self.scanner {
            Scanner::Json(_) => 1000,
            Scanner::Cbor(_) => 1,
        };
        match self.token()? {
            Token::Null => Ok(None),
            Token::Integer(number) => Ok(Some(u64::try_from(number).unwrap_or(0).saturating_mul(units))),
            Token::Float(number) => {
                let millis = match units {
                    1 => number,
                    _ => number * 1000.0,
                };
                Ok(Some(u64::try_from(truncated(millis.round())).unwrap_or(0)))
            }
            other => Err(unconvertible(&other, "milliseconds since epoch")),
        }
    }

    /// Bytes: in JSON from base64, in CBOR a slice of the body.
    pub(super) fn blob(&mut self) -> Result<Option<Bytes>, Malformed> {
        match (self.token()?, &self.scanner) {
            (Token::Null, _) => Ok(None),
            (Token::Text(text), Scanner::Json(_)) => text.base64().map(Some),
            (Token::Bytes(Cow::Borrowed(bytes)), _) => Ok(Some(self.body.slice_ref(bytes))),
            (Token::Bytes(Cow::Owned(bytes)), _) => Ok(Some(Bytes::from(bytes))),
            (other, _) => Err(unconvertible(&other, "a Blob")),
        }
    }

    /// Passes over a value of any type, which has to be well formed all the same.
    pub(super) fn skip(&mut self) -> Result<(), Malformed> {
        let mut open: Vec<(Container, Kind)> = Vec::new();
        loop {
            match self.token()? {
                Token::List(list) => open.push((list, Kind::List)),
                Token::Map(map) => open.push((map, Kind::Map)),
                Token::Text(text) => text.check()?,
                _ => {}
            }
            if open.len() > DEEPEST {
                return Err(Malformed::Syntax);
            }
            loop {
                let Some((container, kind)) = open.last_mut() else {
                    return Ok(());
                };
                let kind = *kind;
                if self.more(container, kind)? {
                    if kind == Kind::Map {
                        self.key()?;
                    }
                    break;
                }
                open.pop();
            }
        }
    }

    fn members<T: Members>(&mut self, mut map: Container) -> Result<T, Malformed> {
        let mut structure = T::default();
        while self.more(&mut map, Kind::Map)? {
            let name = self.key()?;
            structure.member(&name, self)?;
        }
        Ok(structure)
    }

    fn list<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<Vec<T>>, Malformed> {
        let mut list = match self.token()? {
            Token::Null => return Ok(None),
            Token::List(list) => list,
            Token::Map(_) => return Err(misplaced(MAP)),
            _ => return Err(misplaced("Expected list or null")),
        };
        let mut elements = Vec::new();
        while self.more(&mut list, Kind::List)? {
            if elements.len() < MOST_ELEMENTS {
                elements.push(element(self)?);
            } else {
                self.skip()?;
            }
        }
        Ok(Some(elements))
    }

    fn token(&mut self) -> Result<Token<'b>, Malformed> {
        match &mut self.scanner {
            Scanner::Json(scanner) => scanner.token(),
            Scanner::Cbor(scanner) => scanner.token(),
        }
    }

    fn more(&mut self, container: &mut Container, kind: Kind) -> Result<bool, Malformed> {
        match &mut self.scanner {
            Scanner::Json(scanner) => scanner.more(container, kind),
            Scanner::Cbor(scanner) => scanner.more(container),
        }
    }

    fn key(&mut self) -> Result<Cow<'b, str>, Malformed> {
        match &mut self.scanner {
            Scanner::Json(scanner) => scanner.key(),
            Scanner::Cbor(scanner) => scanner.key(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Map,
}

impl<'b> Text<'b> {
    pub(super) fn read(self) -> Result<Cow<'b, str>, Malformed> {
        match self {
            Self::Json(raw) => raw.read(),
            Self::Plain(bytes) => utf8(bytes),
        }
    }

    fn check(self) -> Result<(), Malformed> {
        self.read().map(drop)
    }

    fn base64(self) -> Result<Bytes, Malformed> {
        let bytes = match self {
            // Anything but base64 is refused by the decoder, so the text need not be looked at first.
            Self::Json(raw) => match raw.plain() {
                Some(plain) => Cow::Borrowed(plain),
                None => Cow::Owned(raw.read()?.into_owned().into_bytes()),
            },
            Self::Plain(bytes) => bytes,
        };
        match base64_simd::STANDARD.decode_to_vec(&bytes) {
            Ok(data) => Ok(Bytes::from(data)),
            Err(_) => Err(not_base64(&utf8(bytes)?)),
        }
    }
}

pub(super) fn utf8(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, Malformed> {
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|_| Malformed::Syntax),
        Cow::Owned(bytes) => String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|_| Malformed::Syntax),
    }
}

/// The service's words for what is wrong with a text that should be base64.
///
/// Source: the service's answers as kinesalite recorded them.
fn not_base64(text: &str) -> Malformed {
    let what = if !text.len().is_multiple_of(4) {
        format!(
            "Base64 encoded length is expected a multiple of 4 bytes but found: {}",
            text.len()
        )
    } else if let Some(character) = first_stranger(text) {
        format!("Invalid Base64 character: '{character}'")
    } else {
        "Invalid last non-pad Base64 character dectected".to_owned()
    };
    misplaced(format!("'{text}' can not be converted to a Blob: {what}"))
}

/// The first character that may not stand where it stands.
fn first_stranger(text: &str) -> Option<char> {
    let padded = text.strip_suffix("==").or_else(|| text.strip_suffix('='));
    padded
        .unwrap_or(text)
        .chars()
        .find(|character| !(character.is_ascii_alphanumeric() || matches!(character, '+' | '/')))
}

/// The service's words for a value of another type. Source: as [`not_base64`].
fn unconvertible(token: &Token<'_>, target: &str) -> Malformed {
    let class = match token {
        Token::List(_) => return misplaced(LIST),
        Token::Map(_) => return misplaced(MAP),
        Token::Null => return misplaced("Expected null"),
        Token::Boolean(_) => "java.lang.Boolean",
        Token::Integer(_) | Token::Float(_) => "com.amazon.coral.value.json.numbers.TruncatingBigNumber",
        Token::Text(_) => "java.lang.String",
        Token::Bytes(_) => "java.nio.HeapByteBuffer",
    };
    misplaced(format!("class {class} can not be converted to {target}"))
}

fn misplaced(message: impl Into<String>) -> Malformed {
    Malformed::Type(message.into())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "cutting off and saturating is what is meant"
)]
fn truncated(number: f64) -> i64 {
    number as i64
}

const LIST: &str = "Start of list found where not expected";
const MAP: &str = "Start of structure or map found where not expected.";

/// Levels of lists and maps in a member that is skipped. The members that are read nest three deep.
pub(super) const DEEPEST: usize = 128;

/// Elements of a list, or entries of a map, that are kept. More than any operation takes (500 records), so that
/// the engine sees that there are too many; and few enough that a body of nothing but brackets costs little.
pub(super) const MOST_ELEMENTS: usize = 1_000;
