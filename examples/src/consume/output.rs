//! Where lines go: one file or stdout, shared by all shards of the worker.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::journal::Journal;

/// Appends whole lines, and enters in the journal what is written. Cheap to clone; clones share the file.
#[derive(Debug, Clone)]
pub struct Output {
    sink: Arc<Mutex<Sink>>,
    journal: Arc<Journal>,
}

/// Lines to write, and what they come to.
#[derive(Debug, Default)]
pub struct Piece {
    /// The lines, each with its line end.
    pub lines: Vec<u8>,
    /// How many there are.
    pub records: u64,
    /// Bytes of data in them.
    pub bytes: u64,
}

#[derive(Debug)]
enum Sink {
    File(File),
    Stdout,
}

impl Output {
    /// Lines to stdout.
    #[must_use]
    pub fn stdout(journal: Arc<Journal>) -> Self {
        Self::to(Sink::Stdout, journal)
    }

    /// Lines appended to a file, which is made if it does not exist.
    ///
    /// A worker that was killed may have left half a line at the end. Its record was not checkpointed and comes
    /// again, so the half is cut off.
    ///
    /// # Errors
    /// When the file cannot be opened, read or cut.
    pub fn append(path: &Path, journal: Arc<Journal>) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        mend(&mut file)?;
        Ok(Self::to(Sink::File(file), journal))
    }

    fn to(sink: Sink, journal: Arc<Journal>) -> Self {
        let sink = Arc::new(Mutex::new(sink));
        Self { sink, journal }
    }

    /// Writes a piece at once, through to the system, and hands its memory back, empty.
    ///
    /// # Errors
    /// When the system does not take it all. How much it took is unknown.
    ///
    /// # Cancel safety
    /// A dropped call writes and counts all the same, and no other call's lines come in between.
    pub async fn write(&self, mut piece: Piece) -> io::Result<Piece> {
        let (sink, journal) = (Arc::clone(&self.sink), Arc::clone(&self.journal));
        let writing = tokio::task::spawn_blocking(move || {
            // A thread that died while it held the lock left at worst half a line behind.
            sink.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write(&piece.lines)?;
            journal.written(piece.records, piece.bytes);
            piece.clear();
            Ok(piece)
        });
        writing.await.map_err(io::Error::other)?
    }
}

impl Piece {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.lines.clear();
        (self.records, self.bytes) = (0, 0);
    }
}

impl Sink {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all(lines),
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(lines)?;
                out.flush()
            }
        }
    }
}

/// Makes the file end with a whole line: cuts off half a line of ours, completes what is not ours.
fn mend(file: &mut File) -> io::Result<()> {
    let Ok(length) = file
        .metadata()
        .map(|data| if data.is_file() { data.len() } else { 0 })
    else {
        return Ok(());
    };
    let mut end = length;
    let mut tail: Vec<u8> = Vec::new();
    // Backwards, a block at a time, until a line end is seen.
    while end > 0 && !tail.contains(&b'\n') {
        let start = end.saturating_sub(BLOCK);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(end - start).read_to_end(&mut block)?;
        block.append(&mut tail);
        (tail, end) = (block, start);
    }
    let half = match tail.iter().rposition(|&byte| byte == b'\n') {
        Some(last) => &tail[last + 1..],
        None => &tail[..],
    };
    match half {
        [] => Ok(()),
        half if LINE_START.starts_with(half) || half.starts_with(LINE_START) => {
            file.set_len(length - half.len() as u64)
        }
        _ => file.write_all(b"\n"),
    }
}

/// How each line of ours begins.
const LINE_START: &[u8] = b"{\"shard_id\":\"";

/// Bytes read at once while looking for the last line end; a line has a megabyte or two at most.
const BLOCK: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("consume-output-{}-{name}", std::process::id()))
    }

    fn new_line() -> Piece {
        Piece {
            lines: b"new\n".to_vec(),
            records: 1,
            bytes: 3,
        }
    }

    #[tokio::test]
    async fn a_file_is_appended_to_and_its_half_line_mended() {
        let long = format!("{{\"shard_id\":\"{}", "x".repeat(200_000));
        let cases = [
            ("", ""),
            ("a\n", "a\n"),
            ("a\n{\"shard_id\":\"s\",\"da", "a\n"),
            ("a\n{\"sh", "a\n"),
            ("{\"shard_id\":\"half", ""),
            ("a\nnot ours", "a\nnot ours\n"),
            (&format!("a\n{long}"), "a\n"),
            (&format!("{long}\n{long}"), &format!("{long}\n")),
        ];
        for (index, (before, kept)) in cases.into_iter().enumerate() {
            let path = path(&index.to_string());
            std::fs::write(&path, before).expect("a writable temporary directory");
            let journal = Arc::new(Journal::new(None));
            let output = Output::append(&path, Arc::clone(&journal)).expect("an output");
            let piece = output.write(new_line()).await.expect("written");
            assert!(
                piece.lines.is_empty() && piece.records == 0,
                "handed back for the next lines"
            );
            assert_eq!(journal.records(), 1);
            let now = std::fs::read_to_string(&path).expect("readable");
            std::fs::remove_file(&path).expect("ours");
            assert_eq!(now, format!("{kept}new\n"), "case {index}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_an_error() {
        let journal = Arc::new(Journal::new(None));
        assert!(
            Output::append(Path::new("/"), Arc::clone(&journal)).is_err(),
            "a directory"
        );
        let read_only = Sink::File(File::open("Cargo.toml").expect("a file"));
        let output = Output::to(read_only, Arc::clone(&journal));
        assert!(output.write(new_line()).await.is_err());
        assert_eq!(journal.records(), 0, "only what is written counts");
    }
}
