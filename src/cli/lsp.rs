//! `doorward lsp`: the language server, for editors.

use super::arguments::Given;
use super::{End, Paper};
use crate::editor;

pub(super) fn run(_: &Given, paper: &mut Paper<'_>) -> End {
    match editor::serve() {
        Ok(()) => End::Good,
        Err(error) => {
            paper.draw(&format!("error: the editor's words could not be understood: {error}\n"), true);
            End::Faults
        }
    }
}
