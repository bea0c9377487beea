//! One file of a spool that is being written.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::config::SpoolSync;
use super::error::SpoolError;
use super::frame::HEADER;

/// An open segment. Its end is always the end of a whole frame, unless the process dies in between.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Segment {
    pub(super) fn create(path: PathBuf, sync: SpoolSync) -> Result<Self, SpoolError> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(io("creating", &path))?;
        file.write_all(HEADER).map_err(io("writing", &path))?;
        if sync == SpoolSync::EachBatch
            && let Some(directory) = path.parent()
        {
            sync_directory(directory)?;
        }
        Ok(Self {
            file,
            path,
            length: HEADER.len() as u64,
        })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Appends whole frames, or nothing.
    pub(super) fn append(&mut self, frames: &[u8], sync: SpoolSync) -> Result<(), SpoolError> {
        let written = self.file.write_all(frames).and_then(|()| match sync {
            SpoolSync::EachBatch => self.file.sync_data(),
            SpoolSync::Never => Ok(()),
        });
        if let Err(source) = written {
            // What was written in part would stand before whatever comes next.
            let cut = self.file.set_len(self.length);
            let back = cut.and_then(|()| std::io::Seek::seek(&mut self.file, std::io::SeekFrom::End(0)));
            return Err(io("writing", &self.path)(back.err().unwrap_or(source)));
        }
        self.length += frames.len() as u64;
        Ok(())
    }
}

/// Forces the names in a directory to the disk, where the system can.
pub(super) fn sync_directory(directory: &Path) -> Result<(), SpoolError> {
    if cfg!(unix) {
        let opened = File::open(directory).and_then(|directory| directory.sync_all());
        opened.map_err(io("syncing", directory))?;
    }
    Ok(())
}

/// The error for what was tried.
pub(super) fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> SpoolError + 'a {
    move |source| SpoolError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}
