//! Tokens of CBOR (RFC 8949), straight from the body's bytes, and the heads that the writer needs.
//!
//! Tags are passed over: the one that the service's dialect uses, 1, says nothing that the member's type does not.

use std::borrow::Cow;

use super::reader::{Container, Malformed, Text, Token, utf8};

/// Where in the body we are.
pub(super) struct Scanner<'b> {
    rest: &'b [u8],
}

/// The first bytes of an item.
struct Head {
    major: u8,
    /// Lower five bits of the first byte.
    information: u8,
    /// The number behind, or in, the first byte. `None` for indefinite length.
    argument: Option<u64>,
}

impl<'b> Scanner<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        Self { rest: body }
    }

    pub(super) fn token(&mut self) -> Result<Token<'b>, Malformed> {
        loop {
            let head = self.head()?;
            return match (head.major, head.argument) {
                (UNSIGNED, Some(number)) => Ok(Token::Integer(i64::try_from(number).unwrap_or(i64::MAX))),
                (NEGATIVE, Some(number)) => Ok(Token::Integer(
                    i64::try_from(number).map_or(i64::MIN, |number| -1 - number),
                )),
                (BYTES, length) => self.string(BYTES, length).map(Token::Bytes),
                (TEXT, length) => self
                    .string(TEXT, length)
                    .map(|text| Token::Text(Text::Plain(text))),
                (LIST, length) => Ok(Token::List(container(length))),
                (MAP, length) => Ok(Token::Map(container(length))),
                (TAG, Some(_)) => continue,
                (SIMPLE, Some(argument)) => simple(head.information, argument),
                _ => Err(Malformed::Syntax),
            };
        }
    }

    /// Whether another element comes, or the container ends here.
    pub(super) fn more(&mut self, container: &mut Container) -> Result<bool, Malformed> {
        match container {
            Container::Open(_) => match self.rest.split_first() {
                Some((&BREAK, rest)) => {
                    self.rest = rest;
                    Ok(false)
                }
                Some(_) => Ok(true),
                None => Err(Malformed::Syntax),
            },
            Container::Counted(0) => Ok(false),
            Container::Counted(left) => {
                *left -= 1;
                Ok(true)
            }
        }
    }

    /// A member's name.
    pub(super) fn key(&mut self) -> Result<Cow<'b, str>, Malformed> {
        match self.token()? {
            Token::Text(text) => text.read(),
            _ => Err(Malformed::Syntax),
        }
    }

    pub(super) fn end(&self) -> Result<(), Malformed> {
        match self.rest {
            [] => Ok(()),
            _ => Err(Malformed::Syntax),
        }
    }

    fn head(&mut self) -> Result<Head, Malformed> {
        let first = self.take(1)?[0];
        let information = first & 0x1F;
        let argument = match information {
            0..=23 => Some(u64::from(information)),
            24..=27 => {
                let bytes = self.take(1 << (information - 24))?;
                Some(
                    bytes
                        .iter()
                        .fold(0, |number, byte| (number << 8) | u64::from(*byte)),
                )
            }
            31 => None,
            _ => return Err(Malformed::Syntax),
        };
        Ok(Head {
            major: first >> 5,
            information,
            argument,
        })
    }

    fn take(&mut self, bytes: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(Malformed::Syntax)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The content of a byte or text string, whose head has been read.
    fn string(&mut self, major: u8, length: Option<u64>) -> Result<Cow<'b, [u8]>, Malformed> {
        if let Some(length) = length {
            return self.chunk(length).map(Cow::Borrowed);
        }
        let mut whole = Vec::new();
        loop {
            if let [BREAK, rest @ ..] = self.rest {
                self.rest = rest;
                return Ok(Cow::Owned(whole));
            }
            let head = self.head()?;
            match head.argument {
                Some(length) if head.major == major => {
                    let chunk = self.chunk(length)?;
                    if major == TEXT {
                        // Each chunk is a text by itself: no character is cut in two.
                        utf8(Cow::Borrowed(chunk))?;
                    }
                    whole.extend_from_slice(chunk);
                }
                _ => return Err(Malformed::Syntax),
            }
        }
    }

    fn chunk(&mut self, length: u64) -> Result<&'b [u8], Malformed> {
        self.take(usize::try_from(length).map_err(|_| Malformed::Syntax)?)
    }
}

fn container(length: Option<u64>) -> Container {
    length.map_or(Container::Open(true), Container::Counted)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the head has exactly as many bytes as the float"
)]
fn simple<'b>(information: u8, argument: u64) -> Result<Token<'b>, Malformed> {
    match (information, argument) {
        (20, _) => Ok(Token::Boolean(false)),
        (21, _) => Ok(Token::Boolean(true)),
        (22 | 23, _) => Ok(Token::Null),
        (25, bits) => Ok(Token::Float(half(bits as u16))),
        (26, bits) => Ok(Token::Float(f64::from(f32::from_bits(bits as u32)))),
        (27, bits) => Ok(Token::Float(f64::from_bits(bits))),
        _ => Err(Malformed::Syntax),
    }
}

/// A half-precision float: 1 bit of sign, 5 of exponent, 10 of mantissa.
fn half(bits: u16) -> f64 {
    let exponent = i32::from((bits >> 10) & 0x1F);
    let mantissa = f64::from(bits & 0x3FF);
    let magnitude = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + mantissa) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// Appends the head of an item in its shortest form.
pub(super) fn push_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    match argument {
        0..=23 => out.push(major | bytes[7]),
        24..=0xFF => out.extend_from_slice(&[major | 24, bytes[7]]),
        0x100..=0xFFFF => {
            out.push(major | 25);
            out.extend_from_slice(&bytes[6..]);
        }
        0x1_0000..=0xFFFF_FFFF => {
            out.push(major | 26);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&bytes);
        }
    }
}

pub(super) const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
pub(super) const BYTES: u8 = 2;
pub(super) const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
pub(super) const TAG: u8 = 6;
const SIMPLE: u8 = 7;

pub(super) const FALSE: u8 = 0xF4;
pub(super) const TRUE: u8 = 0xF5;
pub(super) const OPEN_LIST: u8 = 0x9F;
pub(super) const OPEN_MAP: u8 = 0xBF;
pub(super) const BREAK: u8 = 0xFF;

/// The tag of a time. Its number is seconds by the RFC; in this dialect it is milliseconds.
pub(super) const TIME: u64 = 1;
