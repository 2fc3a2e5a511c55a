//! Where the paths of a route lie at its backend, for one request: what stands before its own path outside, and
//! what stands there inside. Canonical in, canonical out, by whole segments.

use bytes::{BufMut, Bytes, BytesMut};
use http::uri::PathAndQuery;

use super::SitePath;
use super::path::Query;
use crate::base::cause::Cause;
use crate::base::fault::Fault;

/// What a route's path is replaced by, as far as one request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// What is taken off, without a slash at its end: `/wiki`; empty for the root.
    outside: Box<str>,
    /// What is put there: `/trac/env1`; empty for the root.
    inside: Box<str>,
    /// The path is replaced whole, by `inside` as it is written.
    exact: bool,
}

impl Mapping {
    /// The first `segments` of `path` are replaced by `to`, a canonical path; all of it where the route covers
    /// its path alone.
    pub fn new(path: &SitePath, segments: usize, to: &str, exact: bool) -> Self {
        if exact {
            return Self { outside: path.as_str().into(), inside: to.into(), exact };
        }
        let text = path.as_str();
        let mut slashes = text.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
        let end = slashes.nth(segments).unwrap_or(text.len());
        let outside = text.get(..end).unwrap_or_default();
        let outside = if outside == "/" { "" } else { outside };
        Self { outside: outside.into(), inside: to.strip_suffix('/').unwrap_or(to).into(), exact }
    }

    /// The path as the backend gets it. `path` is the one this was made for, or another of the same route.
    pub fn inward(&self, path: &SitePath, query: Option<&Query>) -> Result<PathAndQuery, Fault> {
        let rest = if self.exact { "" } else { path.as_str().get(self.outside.len()..).unwrap_or_default() };
        let mut text = BytesMut::with_capacity(self.inside.len() + rest.len() + 1);
        text.put_slice(self.inside.as_bytes());
        text.put_slice(rest.as_bytes());
        if text.is_empty() {
            text.put_u8(b'/');
        }
        // Read once more: what is sent has the one form, whatever the rules wrote.
        Ok(SitePath::read(text.freeze())?.target_with(query))
    }

    /// A path as the backend names it, as the visitor knows it. `None` where it stays as it is: it is not below
    /// what is mapped, or it is the visitor's already, since many programs know where they stand. Of two prefixes
    /// that fit, the longer one is meant.
    pub fn outward(&self, path: &[u8]) -> Option<Vec<u8>> {
        let path = if path.is_empty() { b"/" } else { path };
        if self.exact {
            return (canonical(path)?.as_str() == &*self.inside).then(|| self.outside.as_bytes().to_vec());
        }
        if path.first() != Some(&b'/') || has_dots(path) {
            return None;
        }
        if self.outside.len() > self.inside.len() && below(&self.outside, path).is_some() {
            return None;
        }
        let rest = below(&self.inside, path)?;
        if self.outside.is_empty() && begins_a_host(rest) {
            return None;
        }
        let mut mapped = self.outside.as_bytes().to_vec();
        mapped.extend_from_slice(rest);
        if mapped.is_empty() {
            mapped.push(b'/');
        }
        Some(mapped)
    }

    /// The same for the path of a cookie: one that holds for all of the backend holds for all of the route.
    pub fn outward_for_cookies(&self, path: &[u8]) -> Option<Vec<u8>> {
        if path == b"/" && self.inside.is_empty() && !self.outside.is_empty() && !self.exact {
            return Some(self.outside.as_bytes().to_vec());
        }
        self.outward(path)
    }
}

/// What follows a prefix of whole segments, however the path writes them.
fn below<'p>(prefix: &str, path: &'p [u8]) -> Option<&'p [u8]> {
    let mut rest = path;
    for wanted in prefix.split('/').filter(|segment| !segment.is_empty()) {
        let after = rest.strip_prefix(b"/")?;
        let end = after.iter().position(|byte| *byte == b'/').unwrap_or(after.len());
        let (segment, behind) = after.split_at_checked(end)?;
        let same = segment == wanted.as_bytes() || {
            let written = [b"/", segment].concat();
            canonical(&written).is_some_and(|path| path.as_str().strip_prefix('/') == Some(wanted))
        };
        if !same {
            return None;
        }
        rest = behind;
    }
    Some(rest)
}

/// Whether browsers would take this for a host, where it stands first in an address: behind one slash another, which
/// may be written backwards, and they leave out tabs and ends of lines.
fn begins_a_host(path: &[u8]) -> bool {
    let mut letters = path.iter().filter(|byte| !matches!(byte, b'\t' | b'\r' | b'\n'));
    letters.next() == Some(&b'/') && matches!(letters.next(), Some(b'/' | b'\\'))
}

fn canonical(path: &[u8]) -> Option<SitePath> {
    SitePath::read(Bytes::copy_from_slice(path)).ok()
}

/// Whether a path climbs: where it leads to is then not told by how it begins.
fn has_dots(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|segment| {
        let text = String::from_utf8_lossy(segment).replace("%2e", ".").replace("%2E", ".");
        matches!(text.as_str(), "." | "..")
    })
}

/// The path and the query of a target that was canonical already.
pub fn read_target(target: &PathAndQuery) -> Result<(SitePath, Option<Query>), Fault> {
    if target.as_str() == "*" {
        return Ok((SitePath::asterisk(), None));
    }
    let path = SitePath::parse(target.path().as_bytes())
        .map_err(|fault| Fault::with(Cause::Internal, fault.detail().to_owned()))?;
    Ok((path, target.query().map(|query| Query::parse(query.as_bytes())).transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> SitePath {
        SitePath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_path_is_mapped_by_whole_segments_and_back() {
        // The path, how many segments are the route's own, what replaces them, and what is sent.
        for (outside, segments, to, inside) in [
            ("/wiki/a", 1, "/", "/a"),
            ("/wiki/a/b/", 1, "/", "/a/b/"),
            ("/wiki/", 1, "/", "/"),
            ("/wiki", 1, "/", "/"),
            ("/wiki/AC%2FDC;x", 1, "/", "/AC%2FDC;x"),
            ("/wiki/wiki/a", 1, "/", "/wiki/a"),
            ("/wiki/a", 1, "/trac/env1/", "/trac/env1/a"),
            ("/wiki/", 1, "/trac/env1/", "/trac/env1/"),
            ("/wiki", 1, "/trac/env1/", "/trac/env1"),
            ("/wiki/a", 1, "/trac/env1", "/trac/env1/a"),
            ("/p/numpy/trac/x%20y", 3, "/trac/numpy/", "/trac/numpy/x%20y"),
            ("/a", 0, "/trac/", "/trac/a"),
            ("/", 0, "/trac/", "/trac/"),
        ] {
            let mapping = Mapping::new(&path(outside), segments, to, false);
            assert_eq!(mapping.inward(&path(outside), None).unwrap().as_str(), inside, "{outside}");
            // Alone and with a slash are two paths, and a server may hold both.
            if inside != "/" && !inside.starts_with("/wiki/") {
                let back = mapping.outward(inside.as_bytes());
                assert_eq!(back.as_deref(), Some(outside.as_bytes()), "{inside}");
            }
        }
        let query = Query::parse(b"x=/wiki/&y").unwrap();
        let mapping = Mapping::new(&path("/wiki/a"), 1, "/", false);
        assert_eq!(mapping.inward(&path("/wiki/b"), Some(&query)).unwrap().as_str(), "/b?x=/wiki/&y");
    }

    #[test]
    fn a_path_alone_is_replaced_whole() {
        let mapping = Mapping::new(&path("/feed"), 1, "/rss.xml", true);
        assert_eq!(mapping.inward(&path("/feed"), None).unwrap().as_str(), "/rss.xml");
        assert_eq!(mapping.outward(b"/rss.xml").as_deref(), Some(&b"/feed"[..]));
        assert_eq!(mapping.outward(b"/rss%2exml").as_deref(), Some(&b"/feed"[..]));
        assert_eq!(mapping.outward(b"/rss.xml/x"), None);
    }

    #[test]
    fn what_a_backend_names_is_put_where_visitors_find_it() {
        let strip = Mapping::new(&path("/wiki/a"), 1, "/", false);
        let replace = Mapping::new(&path("/wiki/a"), 1, "/trac/env1/", false);
        let longer = Mapping::new(&path("/trac/env1/sub/a"), 3, "/trac/env1/", false);
        let root = Mapping::new(&path("/a"), 0, "/trac/", false);
        for (mapping, named, known) in [
            (&strip, "/", Some("/wiki/")),
            (&strip, "", Some("/wiki/")),
            (&strip, "/login", Some("/wiki/login")),
            (&strip, "/a//b/%7e", Some("/wiki/a//b/%7e")),
            // The program knows where it stands.
            (&strip, "/wiki/login", None),
            (&strip, "/wiki", None),
            (&strip, "/wikis", Some("/wiki/wikis")),
            (&strip, "/a/../b", None),
            (&strip, "/a/%2E./b", None),
            (&strip, "login", None),
            (&replace, "/trac/env1/login", Some("/wiki/login")),
            (&replace, "/trac/env1", Some("/wiki")),
            (&replace, "/tr%61c/env%31/%61", Some("/wiki/%61")),
            (&replace, "/trac/env10/login", None),
            (&replace, "/trac/", None),
            (&replace, "/wiki/login", None),
            (&replace, "/", None),
            (&root, "/trac/login", Some("/login")),
            (&root, "/trac/", Some("/")),
            (&root, "/trac/a//b", Some("/a//b")),
            // Below the backend's own path it leads to the backend; without it, to somebody else.
            (&root, "/trac//evil.example/", None),
            (&root, "/trac/\\evil.example/", None),
            (&root, "/trac/\t/evil.example/", None),
            (&longer, "/trac/env1/sub/x", None),
            (&longer, "/trac/env1/x", Some("/trac/env1/sub/x")),
        ] {
            let found = mapping.outward(named.as_bytes()).map(|found| String::from_utf8(found).unwrap());
            assert_eq!(found.as_deref(), known, "{named}");
        }
        assert_eq!(strip.outward_for_cookies(b"/").as_deref(), Some(&b"/wiki"[..]));
        assert_eq!(strip.outward_for_cookies(b"/a").as_deref(), Some(&b"/wiki/a"[..]));
        assert_eq!(replace.outward_for_cookies(b"/"), None);
        assert_eq!(replace.outward_for_cookies(b"/trac/env1/").as_deref(), Some(&b"/wiki/"[..]));
    }
}
