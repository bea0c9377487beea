//! Dead letters in a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{DeadLetter, DeadLetters};

/// Dead letters in a file, a line of JSON each, on the disk before the record is passed. For one consumer: two that write to one
/// file disturb each other.
///
/// A line has `record` (its name), `reason`, `kind` (see [`Reason::kind`](crate::Reason::kind)), `attempts`,
/// `partition_key`, `arrived_ms` (since 1970), `stream`, `shard_id`, `worker_id`, `sequence_number`,
/// `sub_sequence_number`, and `data` in base64; what is not known is left out.
#[derive(Debug, Clone)]
pub struct DeadLetterFile {
    file: Arc<Mutex<File>>,
}

impl DeadLetterFile {
    /// Opens the file to append to, or makes it. Blocks the thread for as long as the disk takes.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        if file.metadata()?.len() > 0 {
            // A line that a crash has cut off must not take the next one with it.
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        file.sync_all()?;
        // So that the file's name survives as well. Not every system lets a directory be opened.
        if let Some(Ok(directory)) = path.parent().filter(|p| p.is_dir()).map(File::open) {
            let _ = directory.sync_all();
        }
        Ok(Self {
            file: Arc::new(Mutex::new(file)),
        })
    }
}

impl DeadLetters for DeadLetterFile {
    type Error = io::Error;

    async fn take(&self, letters: Vec<DeadLetter>) -> io::Result<()> {
        let mut lines = Vec::new();
        for letter in &letters {
            let mut line = letter.header();
            let data = STANDARD.encode(letter.record().data());
            line.insert("data".to_owned(), Value::String(data));
            serde_json::to_writer(&mut lines, &line)?;
            lines.push(b'\n');
        }
        let file = Arc::clone(&self.file);
        let written = tokio::task::spawn_blocking(move || append(&file, &lines));
        written.await.map_err(io::Error::other)?
    }
}

/// All of it, on the disk, or nothing.
fn append(file: &Mutex<File>, lines: &[u8]) -> io::Result<()> {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    let before = file.metadata()?.len();
    let written = file.write_all(lines).and_then(|()| file.sync_data());
    if written.is_err() {
        // What was half written is written again as a whole.
        file.set_len(before)?;
    }
    written
}
