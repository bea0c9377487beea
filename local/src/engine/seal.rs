//! Opaque tokens: iterators and page tokens that a client can hand back but neither read nor make.
//!
//! Not cryptography. A token is scrambled so that no client comes to depend on what is in it, and checked so
//! that a damaged or invented one is refused.

use super::dice::Dice;

/// Makes and opens the tokens of one engine.
#[derive(Debug, Clone)]
pub(crate) struct Sealer {
    secret: u64,
}

impl Sealer {
    pub(crate) fn new(secret: u64) -> Self {
        Self { secret }
    }

    /// The text of a token of this kind. The same content gives the same text.
    pub(crate) fn seal(&self, kind: Kind, content: &[u8]) -> String {
        let check = self.check(kind, content);
        let mut text = String::with_capacity((content.len() + 8) * 2);
        for byte in check.to_be_bytes() {
            push_hex(&mut text, byte);
        }
        for (byte, noise) in content.iter().zip(self.noise(check)) {
            push_hex(&mut text, byte ^ noise);
        }
        text
    }

    /// The content of a token of this kind, or `None` if this engine made no such token.
    pub(crate) fn open(&self, kind: Kind, text: &str) -> Option<Vec<u8>> {
        let bytes: Vec<u8> = text
            .as_bytes()
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => Some((digit(*high)? << 4) | digit(*low)?),
                _ => None,
            })
            .collect::<Option<_>>()?;
        let (check, scrambled) = bytes.split_first_chunk::<8>()?;
        let check = u64::from_be_bytes(*check);
        let content: Vec<u8> = scrambled
            .iter()
            .zip(self.noise(check))
            .map(|(byte, noise)| byte ^ noise)
            .collect();
        (self.check(kind, &content) == check).then_some(content)
    }

    fn noise(&self, check: u64) -> impl Iterator<Item = u8> + use<> {
        let mut dice = Dice::new(self.secret ^ check);
        std::iter::repeat_with(move || dice.next().to_be_bytes()).flatten()
    }

    fn check(&self, kind: Kind, content: &[u8]) -> u64 {
        let mut state = self.secret ^ (kind as u64);
        for chunk in content.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            state = Dice::new(state ^ u64::from_be_bytes(word)).next();
        }
        Dice::new(state ^ content.len() as u64).next()
    }
}

/// What a token is for. One kind does not open as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Iterator = 1,
    Shards = 2,
    Consumers = 3,
    Streams = 4,
}

fn push_hex(text: &mut String, byte: u8) {
    text.push(char::from(HEX[usize::from(byte >> 4)]));
    text.push(char::from(HEX[usize::from(byte & 0xF)]));
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Writes a token's content.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        let mut written = self.number(text.len() as u64);
        written.0.extend_from_slice(text.as_bytes());
        written
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a token's content back.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*number))
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_opens_only_as_what_it_is_and_only_here() {
        let sealer = Sealer::new(7);
        let token = sealer.seal(Kind::Iterator, b"content");
        assert_eq!(sealer.open(Kind::Iterator, &token), Some(b"content".to_vec()));
        assert_eq!(sealer.open(Kind::Shards, &token), None);
        assert_eq!(Sealer::new(8).open(Kind::Iterator, &token), None);
        assert!(!token.contains("636f6e74"), "the content shows: {token}");
    }

    #[test]
    fn a_damaged_token_does_not_open() {
        let sealer = Sealer::new(7);
        let token = sealer.seal(Kind::Iterator, b"some content");
        for at in 0..token.len() {
            let mut damaged = token.clone().into_bytes();
            damaged[at] = if damaged[at] == b'0' { b'1' } else { b'0' };
            let damaged = String::from_utf8(damaged).unwrap();
            assert_eq!(sealer.open(Kind::Iterator, &damaged), None, "at {at}");
            assert_eq!(sealer.open(Kind::Iterator, &token[..at]), None, "cut at {at}");
        }
    }

    proptest! {
        #[test]
        fn content_survives(secret: u64, content: Vec<u8>) {
            let sealer = Sealer::new(secret);
            let token = sealer.seal(Kind::Consumers, &content);
            prop_assert_eq!(sealer.open(Kind::Consumers, &token), Some(content));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,200}") {
            prop_assert_eq!(Sealer::new(1).open(Kind::Iterator, &text), None);
        }

        #[test]
        fn numbers_and_texts_read_back(number: u64, text in "\\PC{0,40}") {
            let written = Writer::default().number(number).text(&text).number(1).finish();
            let mut reader = Reader(&written);
            prop_assert_eq!(reader.number(), Some(number));
            prop_assert_eq!(reader.text(), Some(text.as_str()));
            prop_assert_eq!(reader.number(), Some(1));
            prop_assert_eq!(reader.number(), None);
        }
    }
}
