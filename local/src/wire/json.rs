//! Tokens of JSON (RFC 8259), straight from the body's bytes.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::reader::{Container, Kind, Malformed, Text, Token, utf8};

/// Where in the body we are.
pub(super) struct Scanner<'b> {
    rest: &'b [u8],
}

/// The bytes between a string's quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw<'b> {
    bytes: &'b [u8],
    escaped: bool,
}

impl<'b> Scanner<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        Self { rest: body }
    }

    pub(super) fn token(&mut self) -> Result<Token<'b>, Malformed> {
        match self.peek() {
            Some(b'"') => self.string().map(|raw| Token::Text(Text::Json(raw))),
            Some(b'{') => {
                self.advance(1);
                Ok(Token::Map(Container::Open(true)))
            }
            Some(b'[') => {
                self.advance(1);
                Ok(Token::List(Container::Open(true)))
            }
            Some(b'n') => self.literal(b"null", Token::Null),
            Some(b't') => self.literal(b"true", Token::Boolean(true)),
            Some(b'f') => self.literal(b"false", Token::Boolean(false)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(Malformed::Syntax),
        }
    }

    /// Whether another element comes, or the container ends here.
    pub(super) fn more(&mut self, container: &mut Container, kind: Kind) -> Result<bool, Malformed> {
        let end = match kind {
            Kind::List => b']',
            Kind::Map => b'}',
        };
        let first = match container {
            Container::Open(first) => std::mem::replace(first, false),
            Container::Counted(_) => return Err(Malformed::Syntax),
        };
        match self.peek() {
            Some(byte) if byte == end => {
                self.advance(1);
                Ok(false)
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.advance(1);
                Ok(true)
            }
            _ => Err(Malformed::Syntax),
        }
    }

    /// A member's name and the colon behind it.
    pub(super) fn key(&mut self) -> Result<Cow<'b, str>, Malformed> {
        if self.peek() != Some(b'"') {
            return Err(Malformed::Syntax);
        }
        let key = self.string()?.read()?;
        if self.peek() != Some(b':') {
            return Err(Malformed::Syntax);
        }
        self.advance(1);
        Ok(key)
    }

    /// Nothing but white space is left.
    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Malformed::Syntax),
        }
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn literal(&mut self, spelling: &[u8], token: Token<'b>) -> Result<Token<'b>, Malformed> {
        match self.rest.strip_prefix(spelling) {
            Some(rest) => {
                self.rest = rest;
                Ok(token)
            }
            None => Err(Malformed::Syntax),
        }
    }

    /// A string, its opening quote being next.
    fn string(&mut self) -> Result<Raw<'b>, Malformed> {
        self.advance(1);
        let body = self.rest;
        let mut length = memchr2(b'"', b'\\', body).ok_or(Malformed::Syntax)?;
        let escaped = body[length] == b'\\';
        while body[length] == b'\\' {
            // The escaped byte is not looked at here: it may be a quote.
            let next = length + 2;
            let tail = body.get(next..).ok_or(Malformed::Syntax)?;
            length = next + memchr2(b'"', b'\\', tail).ok_or(Malformed::Syntax)?;
        }
        self.rest = &body[length + 1..];
        Ok(Raw {
            bytes: &body[..length],
            escaped,
        })
    }

    fn number(&mut self) -> Result<Token<'b>, Malformed> {
        let rest = self.rest;
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        let (number, rest) = rest.split_at(length);
        let whole = check_number(number)?;
        self.rest = rest;
        let text = std::str::from_utf8(number).map_err(|_| Malformed::Syntax)?;
        match text.parse() {
            Ok(integer) if whole => Ok(Token::Integer(integer)),
            // Of any size: the parser saturates to infinity.
            _ => text.parse().map(Token::Float).map_err(|_| Malformed::Syntax),
        }
    }
}

/// Whether a number is a whole one, if it is a number by JSON's grammar.
fn check_number(number: &[u8]) -> Result<bool, Malformed> {
    let unsigned = number.strip_prefix(b"-").unwrap_or(number);
    let (whole, rest) = digits(unsigned)?;
    if whole.len() > 1 && whole.starts_with(b"0") {
        return Err(Malformed::Syntax);
    }
    let rest = match rest.strip_prefix(b".") {
        Some(fraction) => digits(fraction)?.1,
        None => rest,
    };
    let rest = match rest {
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => digits(exponent)?.1,
        rest => rest,
    };
    match rest.is_empty() {
        true => Ok(unsigned.len() == whole.len()),
        false => Err(Malformed::Syntax),
    }
}

/// One digit or more, and what follows.
fn digits(text: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match count {
        0 => Err(Malformed::Syntax),
        _ => Ok(text.split_at(count)),
    }
}

impl<'b> Raw<'b> {
    /// The string's bytes, if they stand in the body as they are meant.
    pub(super) fn plain(self) -> Option<&'b [u8]> {
        (!self.escaped).then_some(self.bytes)
    }

    pub(super) fn read(self) -> Result<Cow<'b, str>, Malformed> {
        // Not `any`: this loop has no way out and is done many bytes at a time.
        let control = self
            .bytes
            .iter()
            .fold(false, |control, byte| control | (*byte < b' '));
        if control {
            return Err(Malformed::Syntax);
        }
        if self.escaped {
            return utf8(Cow::Owned(unescape(self.bytes)?));
        }
        utf8(Cow::Borrowed(self.bytes))
    }
}

/// The text that a string with escapes stands for.
fn unescape(mut escaped: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut text = Vec::with_capacity(escaped.len());
    while let Some(length) = memchr(b'\\', escaped) {
        text.extend_from_slice(&escaped[..length]);
        let rest = &escaped[length + 1..];
        let (&kind, rest) = rest.split_first().ok_or(Malformed::Syntax)?;
        escaped = rest;
        match kind {
            b'"' | b'\\' | b'/' => text.push(kind),
            b'b' => text.push(0x08),
            b'f' => text.push(0x0C),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'u' => {
                let (character, rest) = unicode(escaped)?;
                escaped = rest;
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return Err(Malformed::Syntax),
        }
    }
    text.extend_from_slice(escaped);
    Ok(text)
}

/// The character behind `\u`, which may take a second `\u`.
fn unicode(text: &[u8]) -> Result<(char, &[u8]), Malformed> {
    let (first, rest) = code_unit(text)?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, rest));
    }
    let (second, rest) = code_unit(rest.strip_prefix(br"\u").ok_or(Malformed::Syntax)?)?;
    if !(0xD800..0xDC00).contains(&first) || !(0xDC00..0xE000).contains(&second) {
        return Err(Malformed::Syntax);
    }
    let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    Ok((char::from_u32(code).ok_or(Malformed::Syntax)?, rest))
}

fn code_unit(text: &[u8]) -> Result<(u32, &[u8]), Malformed> {
    let (digits, rest) = text.split_at_checked(4).ok_or(Malformed::Syntax)?;
    let mut unit = 0;
    for digit in digits {
        let digit = char::from(*digit).to_digit(16).ok_or(Malformed::Syntax)?;
        unit = unit * 16 + digit;
    }
    Ok((unit, rest))
}
