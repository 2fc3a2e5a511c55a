//! What lies below a folder, and nothing else: the kernel follows the path and refuses whatever leads out of the
//! folder, be it dots, an absolute link or a link that climbs. So nobody has to judge names, and no link that is
//! changed at the wrong moment helps anybody.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2};
use rustix::io::Errno;

/// A folder that is open. It stays the same folder when its name is given to another.
#[derive(Debug)]
pub struct Folder(OwnedFd);

impl Folder {
    /// The folder itself may be named by a link: the operator wrote it.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// Opens what lies below; `path` is relative.
    pub fn below(&self, path: &Path, how: OFlags) -> io::Result<OwnedFd> {
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        loop {
            match openat2(&self.0, path, how | OFlags::CLOEXEC, Mode::empty(), within) {
                // Something was renamed meanwhile; or a signal came.
                Err(Errno::AGAIN | Errno::INTR) => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    /// What the system knows of what lies below, without opening it.
    pub fn look(&self, path: &Path) -> io::Result<Stat> {
        Ok(fstat(self.below(path, OFlags::PATH)?)?)
    }
}

/// Whether it is an ordinary file: no folder, no socket, no device.
pub fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// Whether an error says that there is nothing to be had at a path, for whatever reason that lies in the path.
pub fn is_nothing(error: &io::Error) -> bool {
    const NOTHING: [Errno; 7] = [
        Errno::NOENT,
        Errno::NOTDIR,
        Errno::LOOP,
        Errno::NAMETOOLONG,
        Errno::ACCESS,
        Errno::INVAL,
        // A way out of the folder.
        Errno::XDEV,
    ];
    Errno::from_io_error(error).is_some_and(|errno| NOTHING.contains(&errno))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_nowhere_but_below() {
        let home = std::env::temp_dir().join(format!("doorward-beneath-{}", std::process::id()));
        let root = home.join("root");
        std::fs::create_dir_all(root.join("in")).unwrap();
        std::fs::write(home.join("secret"), "s").unwrap();
        std::fs::write(root.join("in/file"), "f").unwrap();
        for (to, name) in [
            ("in/file", "inside"),
            ("../root/in/file", "round"),
            ("../secret", "climbs"),
            ("/etc/passwd", "absolute"),
            ("loop", "loop"),
            ("/proc/self/root/etc/passwd", "magic"),
        ] {
            symlink(to, root.join(name)).unwrap();
        }
        symlink(&root, home.join("named")).unwrap();
        let folder = Folder::open(&home.join("named")).unwrap();
        for (path, there) in [
            ("in/file", true),
            ("inside", true),
            ("in/../in/file", true),
            ("round", false),
            ("climbs", false),
            ("absolute", false),
            ("loop", false),
            ("magic", false),
            ("in/file/x", false),
            ("none", false),
            ("../secret", false),
            ("/etc/passwd", false),
        ] {
            match folder.look(Path::new(path)) {
                Ok(stat) => assert!(there && is_file(&stat), "{path}"),
                Err(error) => assert!(!there && is_nothing(&error), "{path}: {error}"),
            }
        }
        assert!(!is_file(&folder.look(Path::new("in")).unwrap()));
        assert!(Folder::open(&root.join("in/file")).is_err());
        std::fs::remove_dir_all(home).unwrap();
    }
}
