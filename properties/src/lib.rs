//! Java's `.properties` syntax, as the settings files of the Kinesis Producer Library (KPL) and of the Kinesis Client
//! Library (KCL) are written in it: comments, continued lines, escapes; values read as numbers, flags and words; and what is
//! said of a setting that is not taken as it stands. Knows no setting.
//!
//! ```
//! let read = kinesis_properties::parse("# mine\nstreamName = orders, \\\n    and more\n")?;
//! assert_eq!((read[0].line(), read[0].name(), read[0].value()), (2, "streamName", "orders, and more"));
//! # Ok::<(), kinesis_properties::EscapeError>(())
//! ```

mod note;
mod value;

pub use note::{NoteKind, Notes, PropertyNote};
pub use value::{Value, ValueError};

/// One property, unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    line: usize,
    name: String,
    value: String,
}

impl Property {
    /// The line on which it begins, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// What stands before the separator.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What stands after it; blanks at its end are part of it.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// A `\u` that is not followed by four hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: malformed \\u escape")]
pub struct EscapeError {
    line: usize,
}

impl EscapeError {
    /// The line of the property, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }
}

/// The text of a file: UTF-8, or else ISO-8859-1, which is what Java takes it for.
#[must_use]
pub fn decode(file: Vec<u8>) -> String {
    String::from_utf8(file).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect())
}

/// All properties of a text, in their order. Source: Java's `Properties.load`.
///
/// # Errors
/// [`EscapeError`] for what Java calls malformed; there is nothing else it would refuse.
pub fn parse(text: &str) -> Result<Vec<Property>, EscapeError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = text.split('\n').zip(1..);
    let mut properties = Vec::new();
    while let Some((first, line)) = lines.next() {
        let first = first.trim_start_matches(is_blank);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = first.to_owned();
        while is_continued(&logical) {
            logical.pop();
            let Some((next, _)) = lines.next() else { break };
            logical.push_str(next.trim_start_matches(is_blank));
        }
        let (name, value) = halves(&logical);
        properties.push(Property {
            line,
            name: unescape(name, line)?,
            value: unescape(value, line)?,
        });
    }
    Ok(properties)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

/// Whether a line ends in a backslash that is not itself escaped.
fn is_continued(line: &str) -> bool {
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    backslashes % 2 == 1
}

/// Name and value: separated by blanks, and by at most one `=` or `:`.
fn halves(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c| {
        let ends = !escaped && (is_blank(c) || matches!(c, '=' | ':'));
        escaped = c == '\\' && !escaped;
        ends
    });
    let (name, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (name, rest.trim_start_matches(is_blank))
}

fn unescape(text: &str, line: usize) -> Result<String, EscapeError> {
    let mut units = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let plain = match c {
            '\\' => match chars.next() {
                None => break,
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let is_hex = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                    let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
                    // Two of them may be one character.
                    units.push(unit.ok_or(EscapeError { line })?);
                    continue;
                }
                Some(other) => other,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    Ok(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        let of = |p: Property| (p.line(), p.name().to_owned(), p.value().to_owned());
        parse(text).expect(text).into_iter().map(of).collect()
    }

    /// Line, name and value of each property.
    type Read<'a> = &'a [(usize, &'a str, &'a str)];

    #[test]
    fn the_syntax_is_javas() {
        let cases: [(&str, Read<'_>); 12] = [
            ("a=b", &[(1, "a", "b")]),
            (
                "a : b\r\nc d\re\t=\tf",
                &[(1, "a", "b"), (2, "c", "d"), (3, "e", "f")],
            ),
            ("# a=b\n  ! c=d\n\n\t\n", &[]),
            (
                "a = b \\\n    c \\\n  d\ne=f",
                &[(1, "a", "b c d"), (4, "e", "f")],
            ),
            ("# no \\\na=b", &[(2, "a", "b")]),
            ("a=b\\\\\nc=d", &[(1, "a", "b\\"), (2, "c", "d")]),
            ("a\\ b\\=c = d=e:f", &[(1, "a b=c", "d=e:f")]),
            ("a", &[(1, "a", "")]),
            ("a=\\t\\n\\q", &[(1, "a", "\t\nq")]),
            ("a=\\u00e9\\uD83D\\uDE00", &[(1, "a", "é😀")]),
            ("a=b\\", &[(1, "a", "b")]),
            ("\u{feff}a=b  ", &[(1, "a", "b  ")]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected
                .iter()
                .map(|(line, name, value)| (*line, (*name).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(pairs(text), expected, "{text:?}");
        }
        for bad in ["a=\\u12", "a=\\u12g4", "x=1\n\\u+123=b"] {
            assert!(matches!(parse(bad), Err(EscapeError { .. })), "{bad:?}");
        }
    }

    #[test]
    fn a_file_is_utf8_or_else_latin_1() {
        assert_eq!(decode("größe".as_bytes().to_vec()), "größe");
        assert_eq!(decode(b"gr\xf6\xdfe".to_vec()), "größe");
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_an_end(text in "[a-z=:\\\\ \n\r#!u0-9]{0,200}") {
            let lines = text.replace("\r\n", "\n").replace('\r', "\n").split('\n').count();
            if let Ok(properties) = parse(&text) {
                prop_assert!(properties.iter().all(|property| (1..=lines).contains(&property.line())));
            }
        }
    }
}
