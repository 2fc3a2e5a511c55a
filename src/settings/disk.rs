//! Rule files on disk.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::language::{Files, Read};

/// The file system as the language sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Read> {
        // Asked before it is opened: opening a named pipe would wait for its other end.
        let kind = fs::metadata(path)?;
        if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !kind.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.dev() != kind.dev() || about.ino() != kind.ino() {
            return Err(io::Error::other("it was replaced while it was opened; try again"));
        }
        let mode = about.permissions().mode() & 0o7777;
        let mut bytes = Vec::with_capacity(usize::try_from(about.len().min(bytes_max)).unwrap_or(0));
        file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Read { bytes, mode })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_file_is_read_with_its_mode_and_nothing_else_is() {
        let folder = std::env::temp_dir().join(format!("doorward-disk-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("a.vcl");
        fs::write(&file, "let a = 1;").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let read = Disk.read(&file, 10).unwrap();
        assert_eq!((read.bytes.as_slice(), read.mode), (&b"let a = 1;"[..], 0o640));
        let kind = |path: &Path, most| Disk.read(path, most).err().map(|error| error.kind());
        assert_eq!(kind(&file, 9), Some(io::ErrorKind::FileTooLarge));
        assert_eq!(kind(&folder, 9), Some(io::ErrorKind::IsADirectory));
        assert_eq!(kind(&folder.join("b"), 9), Some(io::ErrorKind::NotFound));
        assert_eq!(kind(Path::new("/dev/zero"), 9), Some(io::ErrorKind::InvalidInput));
        fs::remove_dir_all(&folder).unwrap();
    }
}
