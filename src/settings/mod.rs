//! Declarations → what each room is told. What was written (`language::Tree`) and what is meant
//! ([`Settings`]) are two types; rooms see the second only.
//!
//! Called by `cli` (check) and `house` (start and reload). Promises: everything that is wrong, here and in
//! the language, comes in one run and in file order; every setting of the table reaches somebody (a test
//! compiles each one and looks for the difference); names are not looked up and files that settings name are
//! not opened, so that a start never waits. Fails whole: there are no half settings.

mod compile;
mod disk;
mod places;
mod value;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::address::NetworkSet;
use crate::base::bound::Bounds;
use crate::language::program::Program;
use crate::language::{self, Diagnostics};
use crate::{plan, record, upstream};

pub use compile::{compile, compile_behind};
pub use disk::Disk;
pub use places::Places;
pub use value::listener;

/// Where a gateway keeps what it keeps, when nothing is said.
pub const STATE: &str = "/var/lib/doorward";

/// A whole gateway.
#[derive(Clone, Debug)]
pub struct Settings {
    pub gateway: Gateway,
    pub sites: Vec<plan::Site>,
    /// A `plan::BackendId` is a place in this list, and behind its end in that of the directors.
    pub backends: Vec<upstream::Config>,
    pub directors: Vec<upstream::DirectorConfig>,
    pub logs: Vec<record::LogConfig>,
    /// For sites that name no log, and for visits that reach no site.
    pub default_log: record::LogConfig,
    /// What is worth a look, and stops nothing.
    pub warnings: Diagnostics,
    /// The rule files that were read; the main one is the first.
    pub files: Vec<PathBuf>,
    /// The rules that run, where the tree has any.
    pub program: Option<Arc<Program>>,
    /// Each `acl`, in the order of `AclId`.
    pub networks: Vec<Arc<NetworkSet>>,
    /// Where it all stands.
    pub places: Places,
}

/// Where to listen and to keep things, for rules that say nothing of it: a plain VCL file. What is not said
/// here is as in a gateway without settings, but where one door is named the others stay shut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doors {
    pub http: Option<SocketAddr>,
    pub https: Option<SocketAddr>,
    pub admin: Option<SocketAddr>,
    pub state: Option<PathBuf>,
}

/// This process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// `[::]:80` stands for every address of the machine, IPv4 and IPv6.
    pub http: Vec<SocketAddr>,
    pub https: Vec<SocketAddr>,
    pub admin: Option<SocketAddr>,
    pub state: PathBuf,
    /// `None`: one for each core.
    pub workers: Option<usize>,
    /// Peers whose forwarding headers are believed.
    pub trusted: Arc<NetworkSet>,
    /// Trusted peers must begin with a PROXY header.
    pub proxy_protocol: bool,
    pub bounds: Bounds,
}

impl Settings {
    /// What each `plan::BackendId` is called.
    pub fn backend_names(&self) -> impl Iterator<Item = &str> {
        let backends = self.backends.iter().map(|backend| &*backend.name);
        backends.chain(self.directors.iter().map(|director| &*director.name))
    }

    pub fn backend_name(&self, id: plan::BackendId) -> Option<&str> {
        match self.backends.get(id.0) {
            Some(backend) => Some(&backend.name),
            None => self.director(id).map(|director| &*director.name),
        }
    }

    /// The director that is meant where this backend is named.
    pub fn director(&self, id: plan::BackendId) -> Option<&upstream::DirectorConfig> {
        self.directors.get(id.0.checked_sub(self.backends.len())?)
    }
}

/// Reads the rules from disk, with this process's environment.
pub fn load(main: &Path) -> Result<Settings, Diagnostics> {
    compile(&language::read(&Disk, main, &|name| std::env::var(name).ok()))
}

#[cfg(test)]
mod tests;
