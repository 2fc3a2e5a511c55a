//! What the kernel knows of this process, read from `/proc/self`. Where there is no `/proc`, there are no
//! figures.

use std::fs;

/// The clock ticks of `/proc/self/stat`; 100 on every Linux this house runs on.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub cpu_seconds: Option<f64>,
    pub resident_bytes: Option<u64>,
    pub threads: Option<u64>,
    pub open_files: Option<u64>,
    pub most_files: Option<u64>,
}

pub(super) fn figures() -> Figures {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    Figures {
        cpu_seconds: cpu_seconds(&stat),
        resident_bytes: field(&status, "VmRSS:").map(|kilobytes| kilobytes << 10),
        threads: field(&status, "Threads:"),
        open_files: fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64),
        most_files: field(&limits, "Max open files"),
    }
}

/// Fields 14 and 15, counted behind the command's name, which may hold spaces and brackets.
#[allow(clippy::cast_precision_loss)]
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 100 1 1";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(field("Name:\tx\nVmRSS:\t  2048 kB\n", "VmRSS:"), Some(2_048));
        assert_eq!(
            field(
                "Max open files            1024                 4096                 files\n",
                "Max open files"
            ),
            Some(1_024)
        );
        assert_eq!(cpu_seconds(""), None);
        let own = figures();
        assert!(
            own.resident_bytes.is_some_and(|bytes| bytes > 0)
                && own.open_files.is_some_and(|files| files > 0)
        );
    }
}
