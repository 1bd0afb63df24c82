//! The file under a recording: every system call of this module is here.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io,
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use rustix::fs::{FallocateFlags, fallocate};

/// What a recording needs of its file. The tests put one that dies at any step in its place.
pub(super) trait Disk: Send {
    fn len(&self) -> io::Result<u64>;
    /// Fills `buf` from `offset` on as far as the file goes; the number of bytes read.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()>;
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// Returns when everything written is on the medium.
    fn sync(&mut self) -> io::Result<()>;
    /// Another handle of the file, where there is one.
    fn handle(&self) -> io::Result<Option<File>> {
        Ok(None)
    }
    /// Moves the whole content up by `count` bytes, zeros before it. `false`: the file system cannot.
    fn insert_front(&mut self, count: u64) -> io::Result<bool>;
    /// Puts a file of `head` and the present content from `from` to `to` in this one's place, at once.
    fn replace(&mut self, head: &[u8], from: u64, to: u64) -> io::Result<()>;
}

/// A file of a real file system.
pub(super) struct FileDisk {
    file: File,
    path: PathBuf,
}

impl FileDisk {
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Self { file, path: path.into() })
    }

    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self { file, path: path.into() })
    }

    pub fn open_to_read(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, path: path.into() })
    }
}

impl Disk for FileDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.file.read_at(&mut buf[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn handle(&self) -> io::Result<Option<File>> {
        self.file.try_clone().map(Some)
    }

    fn insert_front(&mut self, count: u64) -> io::Result<bool> {
        use rustix::io::Errno;
        match fallocate(&self.file, FallocateFlags::INSERT_RANGE, 0, count) {
            Ok(()) => Ok(true),
            // Not this file system, not this block size, not past this file system's largest file.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::FBIG | Errno::PERM) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    fn replace(&mut self, head: &[u8], from: u64, to: u64) -> io::Result<()> {
        let mut name = OsString::from(&self.path);
        name.push(".tmp");
        let temporary = PathBuf::from(name);
        let mut new = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&temporary)?;
        new.write_all(head)?;
        self.file.seek(SeekFrom::Start(from))?;
        // Copied inside the kernel where it can be (copy_file_range).
        if io::copy(&mut (&self.file).take(to - from), &mut new)? != to - from {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        new.sync_all()?;
        std::fs::rename(&temporary, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        self.file = new;
        Ok(())
    }
}
