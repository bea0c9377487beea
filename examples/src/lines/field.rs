//! One field of a CSV line, by its number.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use csv_core::{ReadFieldResult, Reader, ReaderBuilder, Terminator};

/// Finds fields in comma separated lines; quoted fields are unquoted (RFC 4180, without line ends in quotes).
#[derive(Debug)]
pub struct Fields {
    csv: Reader,
}

impl Fields {
    /// A finder for lines with `,` between fields and `"` around those that hold one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            csv: ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build(),
        }
    }

    /// Field number `column` of `line`, the first being 1.
    ///
    /// # Errors
    /// [`FieldError`] when the line has fewer fields, or a quote that does not close.
    pub fn get<'a>(&mut self, line: &'a [u8], column: NonZeroUsize) -> Result<Cow<'a, [u8]>, FieldError> {
        if line.contains(&b'"') {
            return self.quoted(line, column).map(Cow::Owned);
        }
        // Without quotes each comma separates, which is many times faster to see than to parse.
        let mut fields = line.split(|&byte| byte == b',');
        fields
            .nth(column.get() - 1)
            .map(Cow::Borrowed)
            .ok_or_else(|| FieldError::Missing {
                column: column.get(),
                columns: line.iter().filter(|&&byte| byte == b',').count() + 1,
            })
    }

    fn quoted(&mut self, line: &[u8], column: NonZeroUsize) -> Result<Vec<u8>, FieldError> {
        self.csv.reset();
        // A field is no longer than its line, plus the line end that an open quote swallows.
        let mut field = vec![0; line.len() + 2];
        let (mut input, mut ended) = (line, false);
        let (mut number, mut written) = (1, 0);
        loop {
            let (result, read, wrote) = self.csv.read_field(input, &mut field[written..]);
            input = &input[read..];
            written += wrote;
            match result {
                ReadFieldResult::InputEmpty if !ended => (input, ended) = (b"\n", true),
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {
                    return Err(FieldError::OpenQuote);
                }
                ReadFieldResult::Field { .. } if number == column.get() => {
                    field.truncate(written);
                    return Ok(field);
                }
                ReadFieldResult::Field { record_end: false } => (number, written) = (number + 1, 0),
                ReadFieldResult::Field { record_end: true } | ReadFieldResult::End => {
                    return Err(FieldError::Missing {
                        column: column.get(),
                        columns: number,
                    });
                }
            }
        }
    }
}

impl Default for Fields {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a line has no such field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The line has fewer fields.
    #[error("there is no column {column}, the line has {columns}")]
    Missing {
        /// The column asked for, from 1.
        column: usize,
        /// How many there are.
        columns: usize,
    },
    /// A quote is opened and not closed on this line.
    #[error("a quote is not closed on this line")]
    OpenQuote,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(line: &str, column: usize) -> Result<String, FieldError> {
        let column = NonZeroUsize::new(column).expect("a column of the test");
        let field = Fields::new().get(line.as_bytes(), column)?.into_owned();
        Ok(String::from_utf8(field).expect("the test speaks utf-8"))
    }

    #[test]
    fn fields_are_found_and_unquoted() {
        let cases = [
            ("a,b,c", 1, "a"),
            ("a,b,c", 3, "c"),
            ("a,,c", 2, ""),
            ("", 1, ""),
            (",", 2, ""),
            ("a,b,", 3, ""),
            (r#""a",b"#, 1, "a"),
            (r#""a,b",c"#, 1, "a,b"),
            (r#""a,b",c"#, 2, "c"),
            (r#""say ""hi""",c"#, 1, r#"say "hi""#),
            (r#"a,"""#, 2, ""),
            (r#"a,b"c,d"#, 2, r#"b"c"#),
            (r#""größe",b"#, 1, "größe"),
        ];
        for (line, column, expected) in cases {
            assert_eq!(
                get(line, column).as_deref(),
                Ok(expected),
                "{line} column {column}"
            );
        }
    }

    #[test]
    fn what_is_not_there_is_an_error_with_the_count() {
        let missing = |column, columns| Err(FieldError::Missing { column, columns });
        assert_eq!(get("a,b,c", 4), missing(4, 3));
        assert_eq!(get("", 2), missing(2, 1));
        assert_eq!(get(r#""a,b",c"#, 3), missing(3, 2));
        assert_eq!(get(r#"a,"b"#, 2), Err(FieldError::OpenQuote));
        assert_eq!(get(r#""a,b"#, 2), Err(FieldError::OpenQuote));
        assert_eq!(
            get(r#"a,"b"#, 1).as_deref(),
            Ok("a"),
            "only fields up to the key are looked at"
        );
    }

    #[test]
    fn a_finder_forgets_the_line_before() {
        let mut fields = Fields::new();
        let second = NonZeroUsize::new(2).expect("not zero");
        assert_eq!(fields.get(br#"a,"open"#, second), Err(FieldError::OpenQuote));
        assert_eq!(fields.get(br#""a","b""#, second).as_deref(), Ok(&b"b"[..]));
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(fields in prop::collection::vec("[a-c,\" ]{0,6}", 1..6), pick in 0_usize..6) {
            let quoted: Vec<_> = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
            let found = get(&quoted.join(","), pick + 1);
            match fields.get(pick) {
                Some(field) => prop_assert_eq!(found.as_deref(), Ok(field.as_str())),
                None => prop_assert_eq!(found, Err(FieldError::Missing { column: pick + 1, columns: fields.len() })),
            }
        }

        #[test]
        fn both_ways_agree_without_quotes(line in "[a-c, ]{1,20}", column in 1_usize..8) {
            let column = NonZeroUsize::new(column).expect("from 1");
            let mut fields = Fields::new();
            let slow = fields.quoted(line.as_bytes(), column).map(Cow::Owned);
            prop_assert_eq!(fields.get(line.as_bytes(), column), slow);
        }
    }
}
