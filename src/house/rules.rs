//! The rules as they lie on the disk, for the gateway itself and for the commands that look at them.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::language::{self, Diagnostics, source};
use crate::settings::{self, Settings};

/// Reads a tree of rules from its main file, with this process's environment, and says what it means.
pub fn read(main: &Path) -> Result<Settings, Diagnostics> {
    let tree = language::load(&Disk, main, &|name| std::env::var(name).ok())?;
    settings::compile(&tree)
}

/// Rule files on the disk.
pub struct Disk;

impl source::Files for Disk {
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<source::Read> {
        // A pipe or a device might never end, or never begin; opening a pipe would wait already.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
        }
        let mut bytes = Vec::new();
        file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(source::Read { bytes, mode: metadata.permissions().mode() & 0o7777 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::source::Files;

    #[test]
    fn files_are_read_whole_or_not_at_all() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let whole = std::fs::read(&file).unwrap();
        let read = Disk.read(&file, whole.len() as u64).unwrap();
        assert!(read.bytes == whole && read.mode & 0o400 != 0);
        let short = Disk.read(&file, whole.len() as u64 - 1).err().unwrap();
        assert_eq!(short.kind(), io::ErrorKind::FileTooLarge);
        for not_a_file in ["/dev/zero", "/"] {
            assert_eq!(
                Disk.read(Path::new(not_a_file), 10).err().unwrap().kind(),
                io::ErrorKind::InvalidInput,
                "{not_a_file}"
            );
        }
        assert_eq!(Disk.read(Path::new("/no/such/file"), 10).err().unwrap().kind(), io::ErrorKind::NotFound);
    }
}
