//! The directory of a spool: its lock, its segments, its bound. Blocks; called where that is allowed.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::config::SpoolConfig;
use super::error::SpoolError;
use super::frame::{self, Content, SpooledRecord};
use super::segment::{Segment, io, sync_directory};

/// What is to become of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// They are put again.
    Again,
    /// They are kept for people to look at.
    Refused,
}

/// Names a segment; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SegmentId {
    kind: Kind,
    number: u64,
}

/// The directory, while it is ours.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
    config: SpoolConfig,
    /// Locked until it is dropped, or the process dies.
    _lock: File,
    /// Sizes of those that are not being written.
    sealed: BTreeMap<SegmentId, u64>,
    open: BTreeMap<Kind, (SegmentId, Segment)>,
    next_number: u64,
}

impl Store {
    pub(super) fn open(directory: &Path, config: SpoolConfig) -> Result<Self, SpoolError> {
        config.check()?;
        fs::create_dir_all(directory).map_err(io("creating", directory))?;
        let lock = lock(directory)?;
        let mut sealed = BTreeMap::new();
        for entry in fs::read_dir(directory).map_err(io("reading", directory))? {
            let entry = entry.map_err(io("reading", directory))?;
            if let Some(id) = SegmentId::of(&entry.path()) {
                let size = entry.metadata().map_err(io("reading", &entry.path()))?.len();
                sealed.insert(id, size);
            }
        }
        let next_number = sealed.keys().map(|id| id.number + 1).max().unwrap_or(1);
        Ok(Self {
            directory: directory.to_path_buf(),
            config,
            _lock: lock,
            sealed,
            open: BTreeMap::new(),
            next_number,
        })
    }

    /// Bytes on disk.
    pub(super) fn size(&self) -> u64 {
        let open: u64 = self.open.values().map(|(_, segment)| segment.length()).sum();
        open + self.sealed.values().sum::<u64>()
    }

    /// Writes records; all or none.
    pub(super) fn append(&mut self, kind: Kind, records: &[SpooledRecord]) -> Result<(), SpoolError> {
        let mut frames = Vec::new();
        for record in records {
            frame::write(record, &mut frames);
        }
        let size = self.size() + (frames.len() + frame::HEADER.len()) as u64;
        if size > self.config.max_bytes() {
            return Err(SpoolError::Full {
                bytes: size - self.config.max_bytes(),
                limit: self.config.max_bytes(),
            });
        }
        let sync = self.config.sync();
        let is_full = |segment: &Segment| segment.length() >= self.config.segment_bytes();
        if self.open.get(&kind).is_some_and(|(_, segment)| is_full(segment)) {
            self.seal(kind);
        }
        if !self.open.contains_key(&kind) {
            let id = SegmentId {
                kind,
                number: self.next_number,
            };
            let segment = Segment::create(id.path(&self.directory), sync)?;
            self.next_number += 1;
            self.open.insert(kind, (id, segment));
        }
        let (_, segment) = self.open.get_mut(&kind).expect("invariant: opened above");
        segment.append(&frames, sync)
    }

    /// All segments of a kind, oldest first; none of them is written to any more.
    pub(super) fn sealed(&mut self, kind: Kind) -> Result<Vec<SegmentId>, SpoolError> {
        self.seal(kind);
        Ok(self.sealed.keys().filter(|id| id.kind == kind).copied().collect())
    }

    /// What a sealed segment holds.
    pub(super) fn read(&self, id: SegmentId) -> Result<Content, SpoolError> {
        let path = id.path(&self.directory);
        let bytes = fs::read(&path).map_err(io("reading", &path))?;
        Ok(frame::read(&Bytes::from(bytes)))
    }

    /// Deletes a sealed segment.
    pub(super) fn remove(&mut self, id: SegmentId) -> Result<(), SpoolError> {
        let path = id.path(&self.directory);
        fs::remove_file(&path).map_err(io("deleting", &path))?;
        self.sealed.remove(&id);
        sync_directory(&self.directory)
    }

    fn seal(&mut self, kind: Kind) {
        if let Some((id, segment)) = self.open.remove(&kind) {
            self.sealed.insert(id, segment.length());
        }
    }
}

impl SegmentId {
    fn path(self, directory: &Path) -> PathBuf {
        directory.join(format!("{:012}.{}", self.number, self.kind.extension()))
    }

    /// The segment in a file of this name; `None` for what is not ours.
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        let kind = [Kind::Again, Kind::Refused]
            .into_iter()
            .find(|kind| kind.extension() == extension)?;
        let number = path.file_stem()?.to_str()?.parse().ok()?;
        Some(Self { kind, number })
    }
}

impl Kind {
    fn extension(self) -> &'static str {
        match self {
            Self::Again => "segment",
            Self::Refused => "refused",
        }
    }
}

fn lock(directory: &Path) -> Result<File, SpoolError> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(io("opening", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SpoolError::Locked {
            directory: directory.to_path_buf(),
        }),
        Err(TryLockError::Error(source)) => Err(io("locking", &path)(source)),
    }
}
