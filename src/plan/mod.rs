//! What rules may ask for, as plain data: the vocabulary between `rules`, `settings` and the rooms along
//! the corridor, so that none of them needs to know another. No IO, no time.

mod house;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Method;

use crate::base::address::{ClientIp, NetworkSet};
use crate::base::cause::Statuses;

pub use house::{Files, FilesId, Fixed, Links, Part, Redirect, ScriptsBeside, Text, Try};

/// A backend by its place in the list of its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendId(pub usize);

/// A log by its place in the list of its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId(pub usize);

/// A site by its place in the list of its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(pub usize);

/// Which certificate a site shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateWish {
    /// From the authority the machine makes for itself.
    Local,
    Files {
        chain: PathBuf,
        key: PathBuf,
    },
}

/// What a route does with an encoded slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EncodedSlash {
    #[default]
    Refuse,
    /// Its backend knows `%2F` from `/` (`MediaWiki` titles such as `AC%2FDC`).
    Keep,
}

/// What a backend learns of a visitor's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum VisitorAddress {
    /// The same for a day, another tomorrow; shaped as an IPv6 unique local address.
    #[default]
    Pseudonym,
    /// The network: /24 or /48.
    Cut,
    /// The address itself.
    Full,
    /// Nothing.
    None,
}

/// Who may pass. Judged on the last path of `vcl_recv`, before anything is sent anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Access {
    #[default]
    Anyone,
    Nobody,
    Network(Arc<NetworkSet>),
    And(Box<Access>, Box<Access>),
    Or(Box<Access>, Box<Access>),
    Not(Box<Access>),
}

impl Access {
    pub fn admits(&self, client: ClientIp) -> bool {
        match self {
            Access::Anyone => true,
            Access::Nobody => false,
            Access::Network(networks) => networks.contains(client),
            Access::And(a, b) => a.admits(client) && b.admits(client),
            Access::Or(a, b) => a.admits(client) || b.admits(client),
            Access::Not(inner) => !inner.admits(client),
        }
    }
}

/// What the backend of a route speaks. It says which requests only read: those are judged by `.read`, all
/// others by `.write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Serves {
    #[default]
    Web,
    Subversion,
    Webdav,
    Git,
}

impl Serves {
    /// Whether a request is known to change nothing. What is not known counts as a change. `path` is
    /// canonical, `query` stands without its `?`.
    pub fn only_reads(self, method: &Method, path: &str, query: Option<&str>) -> bool {
        let plain = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        match self {
            Serves::Web => plain,
            // PROPFIND lists, REPORT is what `svn log`, `svn update` and `svn blame` read with.
            Serves::Subversion => plain || matches!(method.as_str(), "PROPFIND" | "REPORT"),
            Serves::Webdav => plain || matches!(method.as_str(), "PROPFIND" | "REPORT" | "SEARCH"),
            Serves::Git => git_only_reads(method, path, query.unwrap_or_default()),
        }
    }
}

/// Git asks `GET …/info/refs?service=…` what it then does by `POST …/git-upload-pack` (it fetches) or
/// `POST …/git-receive-pack` (it pushes): a push is known by its first request, so that git can be asked for
/// a password before it packs anything. One service in one spelling is a fetch; whatever else is asked of
/// these two doors may be read as a push by the backend, also where it drops `;…` or decodes `%2F`.
fn git_only_reads(method: &Method, path: &str, query: &str) -> bool {
    let two_readings = path.contains(';') || path.contains("%2F");
    let path = path.strip_suffix('/').unwrap_or(path);
    if *method == Method::POST {
        return path.ends_with("/git-upload-pack") && query.is_empty() && !two_readings;
    }
    if !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return false;
    }
    if path.ends_with("/git-receive-pack") {
        return false;
    }
    query.is_empty() || query == "service=git-upload-pack" || !(path.ends_with("/info/refs") || two_readings)
}

/// The rows of a `table` whose values are backends, by their keys as segments of a canonical path.
pub type BackendRows = Arc<Rows<BackendId>>;

/// Keys and what each stands for. Its `Debug` counts them.
#[derive(Clone, PartialEq, Eq)]
pub struct Rows<T>(pub HashMap<Box<str>, T>);

impl<T> fmt::Debug for Rows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.0.len())
    }
}

/// Who answers on a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answers {
    Backend(BackendId),
    /// `lookup(projects, "{project}")`: the row of a table, by a name in the path. Where there is no row and
    /// no other backend, there is no such route.
    Lookup {
        /// As `tables` are called in the rules.
        table: Box<str>,
        rows: BackendRows,
        key: Key,
        otherwise: Option<BackendId>,
    },
    /// Files of this machine.
    Files(Arc<Files>),
    /// Visitors are sent elsewhere.
    Redirect(Arc<Redirect>),
    /// Always the same.
    Fixed(Arc<Fixed>),
}

/// A text with names of a path in it: `{project}`, or `{group}/{project}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(pub Box<[Piece]>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(Box<str>),
    /// The place of a name among those of the route.
    Name(usize),
}

impl Key {
    /// Borrowed where it is one name and nothing else.
    pub fn fill<'n>(&self, names: &[&'n str]) -> Cow<'n, str> {
        if let [Piece::Name(at)] = *self.0 {
            return Cow::Borrowed(names.get(at).copied().unwrap_or_default());
        }
        let text = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text,
            Piece::Name(at) => names.get(*at).copied().unwrap_or_default(),
        });
        Cow::Owned(text.collect())
    }

    /// What the names stand for where this is the text: `fill`, read backwards. `None` for a text that no names
    /// make. Of two names without a slash between them nobody could tell where one ends: see `tells_apart`.
    pub fn read<'t>(&self, text: &'t str) -> Option<Vec<(usize, &'t str)>> {
        let mut found: Vec<(usize, &str)> = Vec::new();
        let mut segments = text.split('/');
        let mut rest = segments.next()?;
        let mut name = None;
        // A name reaches to what is written behind it, or to the end of its segment.
        let mut close = |name: Option<usize>, value: &'t str| {
            let Some(name) = name else { return value.is_empty() };
            let other = found.iter().any(|(known, before)| *known == name && *before != value);
            found.push((name, value));
            !value.is_empty() && !other
        };
        for piece in &self.0 {
            match piece {
                Piece::Name(at) => name = Some(*at),
                Piece::Text(text) => {
                    for (at, written) in text.split('/').enumerate() {
                        if at > 0 {
                            if !close(name.take(), rest) {
                                return None;
                            }
                            rest = segments.next()?;
                        }
                        rest = match name {
                            Some(_) => rest.strip_suffix(written)?,
                            None => rest.strip_prefix(written)?,
                        };
                    }
                }
            }
        }
        (close(name, rest) && segments.next().is_none()).then_some(found)
    }

    /// Whether a slash stands between any two of its names.
    pub fn tells_apart(&self) -> bool {
        let mut open = false;
        self.0.iter().all(|piece| match piece {
            Piece::Text(text) => {
                open &= !text.contains('/');
                true
            }
            Piece::Name(_) => !std::mem::replace(&mut open, true),
        })
    }

    /// As the rules write it, with the names of the route.
    pub fn written(&self, names: &[Box<str>]) -> String {
        let braced: Vec<String> = names.iter().map(|name| format!("{{{name}}}")).collect();
        self.fill(&braced.iter().map(String::as_str).collect::<Vec<_>>()).into_owned()
    }
}

impl Answers {
    /// Whether the house answers by itself: no backend is asked, or only for scripts among its files.
    pub const fn is_ours(&self) -> bool {
        matches!(self, Answers::Files(_) | Answers::Redirect(_) | Answers::Fixed(_))
    }

    /// `None`: the route is not there for these names, or no backend answers. Of files: who runs the scripts among them.
    pub fn backend(&self, names: &[&str]) -> Option<BackendId> {
        match self {
            Answers::Backend(backend) => Some(*backend),
            Answers::Lookup { rows, key, otherwise, .. } => {
                rows.0.get(&*key.fill(names)).copied().or(*otherwise)
            }
            Answers::Files(files) => files.scripts.as_ref().map(|scripts| scripts.backend),
            Answers::Redirect(_) | Answers::Fixed(_) => None,
        }
    }
}

/// Where the scripts of a route lie, and which of them a path means: see the room `script`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scripts {
    /// The folder they lie in, here.
    pub root: PathBuf,
    /// The same as the backend sees it.
    pub root_there: Arc<str>,
    /// The script that stands for a folder.
    pub index: Box<str>,
    /// The one script that stands for every path, from the root: `/index.php`.
    pub front: Option<Box<str>>,
    /// How the name of a script ends.
    pub endings: Box<[Box<str>]>,
}

/// What happens to a request on one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// As written in the rules, in canonical form, for logs and listings: `/svn/{project}/`.
    pub path: Box<str>,
    /// The names in the path, from left to right.
    pub names: Box<[Box<str>]>,
    /// Covers the path alone, and nothing below it.
    pub exact: bool,
    /// Is not there for visitors: a backend's answer leads here (`X-Accel-Redirect`, `X-Sendfile`).
    pub internal: bool,
    pub answers: Answers,
    pub serves: Serves,
    /// Who may do what only reads.
    pub read: Access,
    /// Who may do everything else.
    pub write: Access,
    /// `None`: what the gateway says.
    pub body_bytes_max: Option<u64>,
    pub total_timeout: Option<Duration>,
    /// A request's body up to this length is read before the backend is asked; 0: it streams.
    pub collect_max: u64,
    /// So much of an answer is held for a visitor who reads slowly; 0: he slows the backend.
    pub answer_buffer: u64,
    /// How long its visitors may pause while they send or take a body.
    pub body_timeout: Option<Duration>,
    pub encoded_slash: EncodedSlash,
    /// Our page takes the place of the backend's own where it reports a fault of its own.
    pub replace_errors: bool,
    /// Where scripts lie, for a backend that runs them (FastCGI).
    pub scripts: Option<Box<Scripts>>,
    /// What stands at the backend in the place of this path, canonical; `None`: this path.
    pub moved_to: Option<Key>,
    /// Links in pages that name a place of ours as the backend knows it are put right.
    pub rewrite_links: bool,
    /// `None`: where its site's visits are written.
    pub log: Option<Box<Recorded>>,
}

/// Where the visits of a route are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub log: LogId,
    /// The names that stand in the names of its files, in the log's order: their places among those of the
    /// route. `settings` takes none that is not confined to the rows of a table.
    pub names: Box<[usize]>,
}

impl Route {
    /// Larger than the forms that people fill in, pages of a wiki and long comments included; small enough that
    /// a thousand of them at once fit the buffers.
    pub const COLLECT_MAX: u64 = 64 << 10;
    /// Larger than most pages and pictures; what is larger is held so far, and slows its backend from there on.
    pub const ANSWER_BUFFER: u64 = 1 << 20;

    /// A route that says nothing but who answers: everyone may pass, and limits are the gateway's.
    pub fn new(path: impl Into<Box<str>>, answers: Answers) -> Self {
        Self {
            path: path.into(),
            names: Box::default(),
            exact: false,
            internal: false,
            answers,
            serves: Serves::Web,
            read: Access::Anyone,
            write: Access::Anyone,
            body_bytes_max: None,
            total_timeout: None,
            collect_max: Self::COLLECT_MAX,
            answer_buffer: Self::ANSWER_BUFFER,
            body_timeout: None,
            encoded_slash: EncodedSlash::Refuse,
            replace_errors: false,
            scripts: None,
            moved_to: None,
            rewrite_links: false,
            log: None,
        }
    }

    /// Who may make this request.
    pub fn access_for(&self, method: &Method, path: &str, query: Option<&str>) -> &Access {
        if self.serves.only_reads(method, path, query) { &self.read } else { &self.write }
    }
}

/// One host name (with its aliases) and its routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The canonical name.
    pub name: Box<str>,
    /// Takes every host that no other site has: a plain VCL file knows no sites.
    pub any_host: bool,
    /// Other names, redirected to the first.
    pub aliases: Vec<Box<str>>,
    pub certificate: CertificateWish,
    pub force_https: bool,
    /// The rules close it: visitors get the page for that.
    pub maintenance: bool,
    /// Who sees it while it is closed.
    pub maintenance_allow: Access,
    /// The name of the `log` declaration; `None` for the default log.
    pub log: Option<Box<str>>,
    /// Where it is told how the services are: an address that stands on its pages when we are at fault.
    pub status_page: Option<Box<str>>,
    pub statuses: Statuses,
    /// The folder of its own pages, for what goes wrong.
    pub pages: Option<PathBuf>,
    pub routes: Vec<Route>,
}

impl Site {
    /// A site that says nothing but its routes.
    pub fn new(name: impl Into<Box<str>>, routes: Vec<Route>) -> Self {
        Self {
            name: name.into(),
            any_host: false,
            aliases: Vec::new(),
            certificate: CertificateWish::Local,
            force_https: true,
            maintenance: false,
            maintenance_allow: Access::Nobody,
            log: None,
            status_page: None,
            statuses: Statuses::default(),
            pages: None,
            routes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Network;

    #[test]
    fn access_is_what_its_terms_say() {
        let office = Access::Network(Arc::new(NetworkSet::new([(
            Network::new("192.0.2.0".parse().unwrap(), 24).unwrap(),
            true,
        )])));
        let inside = ClientIp::new("192.0.2.1".parse().unwrap());
        let outside = ClientIp::new("203.0.113.1".parse().unwrap());
        let not_office = Access::Not(Box::new(office.clone()));
        assert!(office.admits(inside) && !office.admits(outside));
        assert!(!not_office.admits(inside) && not_office.admits(outside));
        assert!(!Access::And(Box::new(office.clone()), Box::new(Access::Nobody)).admits(inside));
        assert!(Access::Or(Box::new(office), Box::new(Access::Nobody)).admits(inside));
    }

    fn reads(serves: Serves, method: &str, path: &str, query: &str) -> bool {
        let query = (!query.is_empty()).then_some(query);
        serves.only_reads(&Method::from_bytes(method.as_bytes()).unwrap(), path, query)
    }

    #[test]
    fn what_is_not_known_to_read_is_a_write() {
        use Serves::{Git, Subversion, Web, Webdav};
        for (method, read_by) in [
            ("GET", &[Web, Subversion, Webdav, Git][..]),
            ("HEAD", &[Web, Subversion, Webdav, Git]),
            ("OPTIONS", &[Web, Subversion, Webdav, Git]),
            ("PROPFIND", &[Subversion, Webdav]),
            ("REPORT", &[Subversion, Webdav]),
            ("SEARCH", &[Webdav]),
            ("POST", &[]),
            ("PUT", &[]),
            ("PATCH", &[]),
            ("DELETE", &[]),
            ("TRACE", &[]),
            ("CONNECT", &[]),
            ("PROPPATCH", &[]),
            ("MKCOL", &[]),
            ("COPY", &[]),
            ("MOVE", &[]),
            ("LOCK", &[]),
            ("UNLOCK", &[]),
            ("MERGE", &[]),
            ("CHECKOUT", &[]),
            ("MKACTIVITY", &[]),
            ("get", &[]),
            ("BREW", &[]),
        ] {
            for serves in [Web, Subversion, Webdav, Git] {
                assert_eq!(
                    reads(serves, method, "/svn/a", ""),
                    read_by.contains(&serves),
                    "{method} {serves:?}"
                );
            }
        }
    }

    #[test]
    fn git_says_early_that_it_will_push() {
        for (method, path, query, read) in [
            ("GET", "/a.git/info/refs", "service=git-upload-pack", true),
            ("GET", "/a.git/info/refs", "", true),
            ("GET", "/a.git/HEAD", "", true),
            ("GET", "/a.git", "p=a.git;a=summary", true),
            ("POST", "/a.git/git-upload-pack", "", true),
            ("GET", "/a.git/info/refs", "service=git-receive-pack", false),
            ("GET", "/a.git/info/refs", "service=git%2Dreceive%2Dpack", false),
            ("GET", "/a.git/info/refs", "service=git-upload-pack&service=git-receive-pack", false),
            ("GET", "/a.git/info/refs/", "service=git-receive-pack", false),
            ("GET", "/a.git/info/refs;x", "service=git-receive-pack", false),
            ("GET", "/a.git/info%2Frefs", "service=git-receive-pack", false),
            ("POST", "/a.git/git-receive-pack", "", false),
            ("GET", "/a.git/git-receive-pack", "", false),
            ("POST", "/a.git/git-receive-pack;/git-upload-pack", "", false),
            ("POST", "/a.git/git-receive-pack%2F/git-upload-pack", "", false),
            ("POST", "/a.git/git-upload-pack", "service=git-receive-pack", false),
            ("POST", "/a.git/info/lfs/objects/batch", "", false),
            ("PUT", "/a.git/info/lfs/objects/1", "", false),
        ] {
            assert_eq!(reads(Serves::Git, method, path, query), read, "{method} {path}?{query}");
        }
    }

    #[test]
    fn a_key_is_read_backwards() {
        let text = |text: &str| Piece::Text(text.into());
        let name = Piece::Name;
        for (pieces, written, found) in [
            (vec![name(0)], "numpy", Some(vec![(0, "numpy")])),
            (vec![name(0)], "a/b", None),
            (vec![name(0)], "", None),
            (vec![text("svn-"), name(1)], "svn-a", Some(vec![(1, "a")])),
            (vec![text("svn-"), name(1)], "svn-", None),
            (vec![text("svn-"), name(1)], "git-a", None),
            (vec![name(1), text("/"), name(0)], "g/a", Some(vec![(1, "g"), (0, "a")])),
            (vec![name(1), text("/"), name(0)], "g/a/b", None),
            (vec![name(1), text("/"), name(0)], "g", None),
            (
                vec![name(0), text("-x/y/z"), name(1), text(".git")],
                "a-x/y/zb.git",
                Some(vec![(0, "a"), (1, "b")]),
            ),
            (vec![name(0), text("-x/y/z"), name(1), text(".git")], "a-x/w/zb.git", None),
            (vec![name(0), text("/"), name(0)], "a/a", Some(vec![(0, "a"), (0, "a")])),
            (vec![name(0), text("/"), name(0)], "a/b", None),
            (vec![text("a/b")], "a/b", Some(vec![])),
        ] {
            assert_eq!(Key(pieces.clone().into()).read(written), found, "{pieces:?} {written}");
        }
        for (pieces, apart) in [
            (vec![name(0)], true),
            (vec![name(0), text("-"), name(1)], false),
            (vec![name(0), name(1)], false),
            (vec![name(0), text("-/"), name(1), text("/"), name(2)], true),
            (vec![name(0), text("/"), name(1), text("x"), name(2)], false),
        ] {
            assert_eq!(Key(pieces.clone().into()).tells_apart(), apart, "{pieces:?}");
        }
    }

    #[test]
    fn a_key_is_filled_with_names() {
        let rows = Arc::new(Rows(HashMap::from([("a".into(), BackendId(1)), ("g/a".into(), BackendId(2))])));
        let answers = |pieces: Vec<Piece>, otherwise| Answers::Lookup {
            table: "t".into(),
            rows: Arc::clone(&rows),
            key: Key(pieces.into()),
            otherwise,
        };
        let one = answers(vec![Piece::Name(0)], None);
        assert_eq!((one.backend(&["a"]), one.backend(&["b"])), (Some(BackendId(1)), None));
        let two = answers(vec![Piece::Name(1), Piece::Text("/".into()), Piece::Name(0)], Some(BackendId(0)));
        assert_eq!(
            (two.backend(&["a", "g"]), two.backend(&["g", "a"])),
            (Some(BackendId(2)), Some(BackendId(0)))
        );
        assert_eq!(format!("{rows:?}"), "2 rows");
    }
}
