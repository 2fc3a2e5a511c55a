//! What lies in a folder.

use rustix::fs::{Dir, FileType};

use super::disk::{Folder, kind, modified, on_disk, size};
use super::{broken, names};
use crate::base::clock::Wall;
use crate::base::fault::Fault;

/// More names than this nobody reads; each costs a look at the disk.
pub const ENTRIES_MAX: usize = 5_000;

/// A name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub folder: bool,
    pub size: u64,
    pub modified: Wall,
}

/// What lies in a folder, and whether there is more than is shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Listing {
    pub entries: Vec<Entry>,
    pub more: bool,
}

/// Folders first, each kind by name. What is hidden, is no file, or can't be asked for is left out.
pub async fn of(folder: Folder, hidden: bool) -> Result<Listing, Fault> {
    let listed = on_disk(move || read(&folder, hidden)).await?;
    listed.map_err(|error| broken("a folder can't be listed", &error))
}

fn read(folder: &Folder, hidden: bool) -> std::io::Result<Listing> {
    let mut dir = Dir::new(folder.root.list(&folder.name, folder.links)?)?;
    let mut listing = Listing { entries: Vec::new(), more: false };
    while let Some(entry) = dir.read() {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if matches!(name, "." | "..") || (!hidden && !names::may_be_shown(name)) {
            continue;
        }
        if listing.entries.len() == ENTRIES_MAX {
            listing.more = true;
            break;
        }
        let below = if folder.name.is_empty() { name.to_owned() } else { format!("{}/{name}", folder.name) };
        // A link that leads nowhere, or out of the root, is not shown: it could not be opened either.
        let Ok(stat) = folder.root.stat(&below, folder.links) else { continue };
        let is_folder = match kind(&stat) {
            FileType::Directory => true,
            FileType::RegularFile => false,
            _ => continue,
        };
        listing.entries.push(Entry {
            name: name.to_owned(),
            folder: is_folder,
            size: size(&stat),
            modified: modified(&stat),
        });
    }
    listing.entries.sort_by(|a, b| (!a.folder, &a.name).cmp(&(!b.folder, &b.name)));
    Ok(listing)
}
