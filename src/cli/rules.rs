//! Which rules a command is about, and reading them.

use std::path::{Path, PathBuf};

use super::{End, Paper};
use crate::settings::{self, Settings};

/// Where the rules of a machine lie when nothing was said. A `main.vcl` in the current folder goes first,
/// since a checkout is where rules are written; commands name the file they took.
const PLACES: [&str; 2] = ["main.vcl", "/etc/doorward/main.vcl"];

/// The file that was named, or the first of the usual ones that is there.
pub(super) fn find(named: Option<&Path>) -> Option<PathBuf> {
    find_in(named, &PLACES.map(Path::new))
}

fn find_in(named: Option<&Path>, places: &[&Path]) -> Option<PathBuf> {
    match named {
        Some(file) => Some(file.to_owned()),
        None => places.iter().find(|place| place.exists()).map(|place| (*place).to_owned()),
    }
}

pub(super) fn none_found(paper: &mut Paper<'_>) -> End {
    let [here, there] = PLACES;
    paper.fault(&format!(
        "doorward: there is neither ./{here} nor {there}. Name the rules' main file, or look at `doorward demo` \
         first.\n"
    ));
    End::Usage
}

/// The rules as they are meant; or the faults, drawn beside the command's result.
pub(super) fn read(main: &Path, paper: &mut Paper<'_>) -> Result<Settings, End> {
    settings::load(main).map_err(|diagnostics| {
        paper.draw(&diagnostics.draw(), false);
        End::Faults
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_file_goes_before_the_usual_ones() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (there, also) = (root.join("Cargo.toml"), root.join("src"));
        let missing = root.join("no such file");
        assert_eq!(find_in(Some(&missing), &[&there]), Some(missing.clone()));
        assert_eq!(find_in(None, &[&missing, &there, &also]), Some(there));
        assert_eq!(find_in(None, &[&missing]), None);
    }
}
