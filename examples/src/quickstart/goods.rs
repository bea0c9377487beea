//! Where the events come from: made up, or read from a CSV file.

use std::path::Path;

use bytes::Bytes;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::args::QuickstartArgs;
use super::error::QuickstartError;
use super::sale::Sales;
use crate::lines::{Events, Keying, Splitter, Text};

/// A source of events, one after the other.
#[derive(Debug)]
pub enum Goods {
    /// So many more sales.
    Made {
        /// The sales.
        sales: Box<Sales>,
        /// How many are left.
        left: u64,
    },
    /// The lines of a file.
    Read(Box<Lines>),
}

/// A partition key, and a line of text.
pub type Event = (String, String);

impl Goods {
    /// Opens the source, and says how many events it has.
    ///
    /// # Errors
    /// When the file cannot be read or has no records.
    pub async fn open(args: &QuickstartArgs) -> Result<(Self, u64), QuickstartError> {
        let (Some(path), Some(column)) = (&args.input, args.key_column) else {
            let left = args.records.get();
            return Ok((
                Self::Made {
                    sales: Box::new(Sales::new(args.seed)),
                    left,
                },
                left,
            ));
        };
        let counted = Lines::open(path, args.header, Keying::Column(column))
            .await?
            .count()
            .await?;
        if counted == 0 {
            return Err(QuickstartError::NoRecords {
                input: path.display().to_string(),
            });
        }
        let lines = Lines::open(path, args.header, Keying::Column(column)).await?;
        Ok((Self::Read(Box::new(lines)), counted))
    }

    /// The next event; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is no event.
    pub async fn next(&mut self) -> Result<Option<Event>, QuickstartError> {
        match self {
            Self::Made { left: 0, .. } => Ok(None),
            Self::Made { sales, left } => {
                *left -= 1;
                Ok(sales.next().map(|sale| (sale.key(), sale.line())))
            }
            Self::Read(lines) => lines.next_event().await,
        }
    }
}

/// The lines of a file, read as needed.
#[derive(Debug)]
pub struct Lines {
    name: String,
    file: File,
    splitter: Splitter,
    events: Events,
    skip: u64,
    at_end: bool,
}

impl Lines {
    async fn open(path: &Path, header: bool, keying: Keying) -> Result<Self, QuickstartError> {
        let name = path.display().to_string();
        match File::open(path).await {
            Ok(file) => Ok(Self {
                name,
                file,
                splitter: Splitter::new(LONGEST_LINE),
                events: Events::new(keying, None, Text::Utf8, 0),
                skip: u64::from(header),
                at_end: false,
            }),
            Err(source) => Err(QuickstartError::Input { input: name, source }),
        }
    }

    async fn count(mut self) -> Result<u64, QuickstartError> {
        while self.next_line().await?.is_some() {}
        Ok(self.splitter.line_number().saturating_sub(self.skip))
    }

    async fn next_event(&mut self) -> Result<Option<Event>, QuickstartError> {
        let Some(line) = self.next_line().await? else {
            return Ok(None);
        };
        let record = self.events.record(line).map_err(|source| QuickstartError::Line {
            input: self.name.clone(),
            line: self.splitter.line_number(),
            source,
        })?;
        let line = String::from_utf8_lossy(record.data()).into_owned();
        Ok(Some((record.partition_key().to_owned(), line)))
    }

    async fn next_line(&mut self) -> Result<Option<Bytes>, QuickstartError> {
        loop {
            let line = match self.splitter.next_line() {
                Ok(None) if self.at_end => self.splitter.rest(),
                line => line,
            };
            let line = line.map_err(|too_long| QuickstartError::LineTooLong {
                input: self.name.clone(),
                line: too_long.line,
                limit: too_long.limit,
            })?;
            match line {
                Some(_) if self.splitter.line_number() <= self.skip => {}
                Some(line) => return Ok(Some(line)),
                None if self.at_end => return Ok(None),
                None => {
                    let read = self.file.read_buf(self.splitter.spare()).await;
                    let read = read.map_err(|source| QuickstartError::Input {
                        input: self.name.clone(),
                        source,
                    })?;
                    self.at_end = read == 0;
                }
            }
        }
    }
}

/// Half of what a stream takes by default, to leave room for the event's number.
const LONGEST_LINE: usize = 512 * 1024;
