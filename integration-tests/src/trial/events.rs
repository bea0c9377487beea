//! What is put: lines of a file or events made up, each numbered, so that every copy can be told from every other.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use kpl::Record;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use super::error::TrialError;

/// Where events come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Made up: so many keys, data of so many bytes.
    Generated {
        /// Keys, drawn evenly.
        keys: u32,
        /// Bytes of data, at least what the number needs.
        size: usize,
    },
    /// A CSV file with a heading; column 12 is the key. Begins anew when it is at its end.
    Flights(PathBuf),
}

/// Events, one after the other, without end. Only a line of a file is held at a time.
#[derive(Debug)]
pub struct Events {
    lines: Lines,
    keys: HashMap<Arc<str>, u32>,
    text: Vec<u8>,
}

#[derive(Debug)]
enum Lines {
    Generated { keys: u32, size: usize, rng: SmallRng },
    Flights { path: PathBuf, reader: BufReader<File> },
}

impl Events {
    /// The first event is next.
    ///
    /// # Errors
    /// [`TrialError::Input`] for a file that cannot be read, [`TrialError::NoEvents`] for one that has none.
    pub fn open(source: &Source, seed: u64) -> Result<Self, TrialError> {
        let lines = match source {
            Source::Generated { keys, size } => Lines::Generated {
                keys: *keys,
                size: *size,
                rng: SmallRng::seed_from_u64(seed),
            },
            Source::Flights(path) => Lines::Flights {
                reader: below_heading(path)?,
                path: path.clone(),
            },
        };
        Ok(Self {
            lines,
            keys: HashMap::new(),
            text: Vec::new(),
        })
    }

    /// The event of this number, and the number of its key.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`TrialError::Record`] for a key that is none.
    pub fn next(&mut self, number: usize) -> Result<(u32, Record), TrialError> {
        self.text.clear();
        self.text.extend_from_slice(number.to_string().as_bytes());
        self.text.push(END_OF_NUMBER);
        let begin = self.text.len();
        let key: Arc<str> = match &mut self.lines {
            Lines::Generated { keys, size, rng } => {
                let key = rng.random_range(0..*keys);
                // Printable, and no two alike for long.
                let size = (*size).max(begin);
                self.text
                    .extend((begin..size).map(|_| rng.random_range(b'a'..=b'z')));
                format!("key-{key}").into()
            }
            Lines::Flights { path, reader } => {
                let told = |source| TrialError::Input {
                    path: path.display().to_string(),
                    source,
                };
                if reader.read_until(b'\n', &mut self.text).map_err(told)? == 0 {
                    *reader = below_heading(path)?;
                    reader.read_until(b'\n', &mut self.text).map_err(told)?;
                }
                while self.text.last().is_some_and(u8::is_ascii_whitespace) {
                    self.text.pop();
                }
                let column = self.text[begin..].split(|byte| *byte == b',').nth(KEY_COLUMN);
                String::from_utf8_lossy(column.unwrap_or(b"none")).into()
            }
        };
        let next_key = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let key_number = *self.keys.entry(Arc::clone(&key)).or_insert(next_key);
        let data = Bytes::copy_from_slice(&self.text);
        let record = Record::new(key, data).map_err(|source| TrialError::Record { number, source })?;
        Ok((key_number, record))
    }
}

/// The number that [`Events::next`] wrote in front of the data.
pub(super) fn number_of(data: &[u8]) -> Option<u32> {
    let end = data.iter().position(|byte| *byte == END_OF_NUMBER)?;
    std::str::from_utf8(&data[..end]).ok()?.parse().ok()
}

fn below_heading(path: &Path) -> Result<BufReader<File>, TrialError> {
    let told = |source| TrialError::Input {
        path: path.display().to_string(),
        source,
    };
    let mut reader = BufReader::new(File::open(path).map_err(told)?);
    reader.read_until(b'\n', &mut Vec::new()).map_err(told)?;
    if reader.fill_buf().map_err(told)?.is_empty() {
        return Err(TrialError::NoEvents {
            path: path.display().to_string(),
        });
    }
    Ok(reader)
}

const END_OF_NUMBER: u8 = b'|';
/// Column 12, counted from 0: the aircraft.
const KEY_COLUMN: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_carry_their_number_and_repeat_by_seed() {
        let source = Source::Generated { keys: 7, size: 40 };
        let mut one = Events::open(&source, 1).expect("generated");
        let mut other = Events::open(&source, 1).expect("generated");
        for number in 0..100 {
            let (key, record) = one.next(number).expect("an event");
            assert!(key < 7);
            assert_eq!(record.data().len(), 40);
            assert_eq!(number_of(record.data()).map(|n| n as usize), Some(number));
            assert_eq!(other.next(number).expect("an event"), (key, record));
        }
        assert_eq!(number_of(b"no number"), None);
    }

    #[test]
    fn a_file_begins_anew_below_its_heading() {
        let path = std::env::temp_dir().join(format!("producer-trial-events-{}.csv", std::process::id()));
        std::fs::write(
            &path,
            "1,2,3,4,5,6,7,8,9,10,11,tail\na,,,,,,,,,,,N1\r\nb,,,,,,,,,,,N2",
        )
        .expect("writable");
        let mut events = Events::open(&Source::Flights(path.clone()), 0).expect("readable");
        let mut next = |number| {
            let (key, record) = events.next(number).expect("an event");
            (key, record.partition_key().to_owned(), record.data().clone())
        };
        assert_eq!(next(0), (0, "N1".to_owned(), Bytes::from("0|a,,,,,,,,,,,N1")));
        assert_eq!(next(1).1, "N2");
        assert_eq!(next(2), (0, "N1".to_owned(), Bytes::from("2|a,,,,,,,,,,,N1")));
        std::fs::write(&path, "a heading\n").expect("writable");
        let opened = Events::open(&Source::Flights(path.clone()), 0);
        assert!(matches!(opened, Err(TrialError::NoEvents { .. })));
        std::fs::remove_file(&path).expect("there");
        let opened = Events::open(&Source::Flights(path), 0);
        assert!(matches!(opened, Err(TrialError::Input { .. })));
    }
}
