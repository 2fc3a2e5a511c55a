//! What the house answers by itself: files, redirects, fixed answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::BackendId;

/// A folder of files by its place in the list of its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilesId(pub usize);

/// Files below a folder of this machine: what stands behind the route's own path is looked up below the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    pub id: FilesId,
    pub root: PathBuf,
    /// What is served for a folder: the first that is there.
    pub index: Box<[Box<str>]>,
    /// A folder without an index shows what lies in it.
    pub listing: bool,
    /// How long an answer may be kept; `None` says nothing, zero asks for a look each time.
    pub expires: Option<Duration>,
    pub links: Links,
    /// Smaller forms that lie beside a file (`.br`, `.zst`, `.gz`) go to whoever takes them.
    pub precompressed: bool,
    /// What begins with a dot, what editors leave behind and sources of programs are shown too.
    pub hidden: bool,
    /// What is looked for, one after the other; empty: the path alone.
    pub tries: Box<[Try]>,
    /// Scripts that lie among the files, and who runs them.
    pub scripts: Option<ScriptsBeside>,
}

/// Scripts among files: what is called like one runs, and is never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptsBeside {
    pub backend: BackendId,
    /// The root of the files as the backend sees it.
    pub root_there: Arc<str>,
    /// How the name of a script ends.
    pub endings: Box<[Box<str>]>,
}

/// Where symbolic links may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Links {
    /// Anywhere beneath the root.
    #[default]
    Inside,
    /// Anywhere.
    Follow,
    /// Nowhere.
    Refuse,
}

/// One thing to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Try {
    /// `{path}.html`: what was asked for, with text around it.
    Below { before: Box<str>, behind: Box<str> },
    /// `/index.html`: this file of the root.
    At(Box<str>),
    /// `404`: nothing; stands at the end.
    Status(u16),
}

/// Sends the visitor elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    pub status: u16,
    pub to: Box<[Part]>,
}

/// A piece of an address to send visitors to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text(Box<str>),
    /// The place of a name among those of the route.
    Name(usize),
    /// What stands behind the route's own path, without a slash before it.
    Path,
    /// The query with its `?`; nothing where there is none.
    Query,
}

/// Always the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    pub status: u16,
    /// `None`: our page for the status.
    pub text: Option<Text>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub kind: HeaderValue,
    pub text: Box<str>,
}
