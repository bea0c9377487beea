//! Input lines and what is in them: where a line ends, which field is its key.
//!
//! One line is one event. Pure: bytes come in by [`Splitter::spare`], lines go out by [`Splitter::next_line`].

mod event;
mod field;

use bytes::{Bytes, BytesMut};

pub use self::event::{EventError, Events, Keying, Text};
pub use self::field::{FieldError, Fields};

/// Cuts a byte stream into lines without copying them: each line shares the chunk it was read in.
///
/// A line ends with `\n` or `\r\n`, which is not part of it; the last line may lack it.
#[derive(Debug)]
pub struct Splitter {
    buffer: BytesMut,
    /// Bytes at the front of `buffer` known to hold no line end.
    scanned: usize,
    /// Lines handed out so far.
    lines: u64,
    longest: usize,
}

impl Splitter {
    /// A splitter that refuses lines of more than `longest` bytes, which bounds its memory.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            lines: 0,
            longest,
        }
    }

    /// Where to read the next bytes to: at least [`CHUNK`] bytes of room behind what is not split yet.
    pub fn spare(&mut self) -> &mut BytesMut {
        self.buffer.reserve(CHUNK);
        &mut self.buffer
    }

    /// The next whole line, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`LineTooLong`] when there is no line end within the limit.
    pub fn next_line(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        match self.buffer[self.scanned..].iter().position(|&byte| byte == b'\n') {
            Some(found) => {
                let end = self.scanned + found;
                let mut line = self.buffer.split_to(end + 1);
                line.truncate(end);
                self.hand_out(line).map(Some)
            }
            // One byte more may be the `\r` of the line's end.
            None if self.buffer.len() > self.longest + 1 => Err(self.too_long()),
            None => {
                self.scanned = self.buffer.len();
                Ok(None)
            }
        }
    }

    /// After the last byte: the line without a line end, if there is one.
    ///
    /// # Errors
    /// [`LineTooLong`] as for every line.
    pub fn rest(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        let line = self.buffer.split();
        (!line.is_empty()).then(|| self.hand_out(line)).transpose()
    }

    /// The number of the line handed out last, from 1; 0 before the first.
    #[must_use]
    pub fn line_number(&self) -> u64 {
        self.lines
    }

    fn hand_out(&mut self, mut line: BytesMut) -> Result<Bytes, LineTooLong> {
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        if line.len() > self.longest {
            return Err(self.too_long());
        }
        self.lines += 1;
        self.scanned = 0;
        Ok(line.freeze())
    }

    fn too_long(&self) -> LineTooLong {
        LineTooLong {
            line: self.lines + 1,
            limit: self.longest,
        }
    }
}

/// A line without an end in sight.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line is longer than {limit} bytes")]
pub struct LineTooLong {
    /// Its number, from 1.
    pub line: u64,
    /// The limit in bytes.
    pub limit: usize,
}

/// Bytes read at once: big enough that system calls do not count, small beside the producer's own buffers.
pub const CHUNK: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(input: &[u8], chunk: usize, longest: usize) -> Result<Vec<Vec<u8>>, LineTooLong> {
        let mut splitter = Splitter::new(longest);
        let mut lines = Vec::new();
        for part in input.chunks(chunk) {
            splitter.spare().extend_from_slice(part);
            while let Some(line) = splitter.next_line()? {
                lines.push(line.to_vec());
            }
        }
        lines.extend(splitter.rest()?.map(|line| line.to_vec()));
        assert_eq!(splitter.line_number(), lines.len() as u64);
        Ok(lines)
    }

    #[test]
    fn lines_end_as_files_end_them() {
        let cases: [(&[u8], &[&str]); 8] = [
            (b"", &[]),
            (b"\n", &[""]),
            (b"a", &["a"]),
            (b"a\n", &["a"]),
            (b"a\nb", &["a", "b"]),
            (b"a\r\nb\r\n", &["a", "b"]),
            (b"a\n\n\nb\n", &["a", "", "", "b"]),
            (b"a\rb\n", &["a\rb"]),
        ];
        for (input, expected) in cases {
            for chunk in 1..=4 {
                let lines = split(input, chunk, 100).expect("short lines");
                let lines: Vec<_> = lines
                    .iter()
                    .map(|l| String::from_utf8_lossy(l).into_owned())
                    .collect();
                assert_eq!(lines, expected, "{input:?} by {chunk}");
            }
        }
    }

    #[test]
    fn a_line_over_the_limit_is_refused_by_number() {
        let input = b"ok\n12345678\n123456789\nok\n";
        for chunk in [1, 3, 100] {
            assert_eq!(split(input, chunk, 8).map_err(|e| e.line), Err(3), "by {chunk}");
            assert!(split(input, chunk, 9).is_ok(), "by {chunk}");
            assert!(
                split(b"123\r\n", chunk, 3).is_ok(),
                "by {chunk}: the line end does not count"
            );
            assert!(split(b"1234\n", chunk, 3).is_err(), "by {chunk}");
            assert!(split(b"1234", chunk, 3).is_err(), "by {chunk}");
        }
        assert_eq!(
            split(b"no end at all", 5, 8),
            Err(LineTooLong { line: 1, limit: 8 })
        );
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(input in prop::collection::vec(prop::sample::select(&b"ab\n\r,"[..]), 0..200),
                                chunk in 1_usize..50) {
            prop_assert_eq!(split(&input, chunk, 1000), split(&input, 1000, 1000));
        }
    }
}
