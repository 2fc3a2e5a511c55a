//! What is open in the editor, over what lies on disk; and which tree a file belongs to.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use lsp_types::Uri;

use crate::language::{Files, Read, source};
use crate::settings::Disk;

/// How many folders above a file may hold the `main.vcl` of its tree.
const FOLDERS_UP_MAX: usize = 6;
/// A text larger than any rule file is not looked at.
const BYTES_MAX: u64 = 32 << 20;

/// The texts in the editor's windows.
#[derive(Default)]
pub struct Documents(HashMap<PathBuf, String>);

impl Documents {
    pub fn open(&mut self, uri: &Uri, text: String) {
        if let Some(path) = path(uri) {
            self.0.insert(path, text);
        }
    }

    pub fn close(&mut self, uri: &Uri) {
        if let Some(path) = path(uri) {
            self.0.remove(&path);
        }
    }

    /// The text of a file, as the editor has it or as it lies on disk.
    pub fn text(&self, path: &Path) -> Option<String> {
        if let Some(open) = self.0.get(path) {
            return Some(open.clone());
        }
        String::from_utf8(Disk.read(path, BYTES_MAX).ok()?.bytes).ok()
    }

    /// The main files a file may belong to: the nearest first, itself last.
    pub fn mains(&self, file: &Path) -> Vec<PathBuf> {
        let mut mains: Vec<PathBuf> = file
            .ancestors()
            .skip(1)
            .take(FOLDERS_UP_MAX)
            .map(|folder| folder.join("main.vcl"))
            .filter(|main| main != file && (self.0.contains_key(main) || main.is_file()))
            .collect();
        mains.push(file.to_owned());
        mains
    }
}

impl Files for Documents {
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Read> {
        let Some(open) = self.0.get(path) else { return Disk.read(path, bytes_max) };
        if open.len() as u64 > bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // Who may read it is a matter of the file; one that was never saved is the writer's own.
        let mode = Disk.read(path, bytes_max).map_or(0o600, |read| read.mode);
        Ok(Read { bytes: open.clone().into_bytes(), mode })
    }
}

/// The file of a `file:` address.
pub fn path(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    let path = rest.get(rest.find('/')?..)?;
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = path.get(at + 1..at + 3);
        let decoded = digits.filter(|_| *byte == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        out.push(decoded.unwrap_or(*byte));
        at += if decoded.is_some() { 3 } else { 1 };
    }
    Some(source::joined(Path::new("/"), String::from_utf8(out).ok()?))
}

/// The `file:` address of a file.
pub fn uri(path: &Path) -> Option<Uri> {
    use std::fmt::Write as _;
    let mut out = String::from("file://");
    for byte in path.to_str()?.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Uri::from_str(&out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_files_lead_to_each_other() {
        for name in ["/etc/doorward/main.vcl", "/home/ü/a b/c#d%41?.vcl"] {
            let there = uri(Path::new(name)).unwrap();
            assert_eq!(path(&there).as_deref(), Some(Path::new(name)), "{}", there.as_str());
        }
        let from = |text: &str| path(&Uri::from_str(text).unwrap());
        assert_eq!(from("file://localhost/a/./b/../c.vcl"), Some("/a/c.vcl".into()));
        assert_eq!(from("untitled:new"), None);
    }
}
