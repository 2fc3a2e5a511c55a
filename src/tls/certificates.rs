//! Which certificate is shown for which name. Built whole, never changed: a renewal builds another.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::authority::{self, Authority};
use super::files::{self, Stamp};
use crate::base::clock::Wall;
use crate::message::exchange::{CertificateMark, Secure};
use crate::plan::CertificateWish;

/// One site's wish: its names, the canonical one first, and where its certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub names: Vec<Box<str>>,
    pub certificate: CertificateWish,
}

/// How bad a problem with a certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The certificate that the rules name is shown, but something about it is not right.
    Warning,
    /// Another certificate is shown than the rules name.
    Failure,
}

/// What an operator should know of a certificate. It names files and sites, never a visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `None`: of all sites with a local certificate.
    pub site: Option<Box<str>>,
    pub severity: Severity,
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.site {
            Some(site) => write!(f, "{site}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// The certificates of a generation.
pub struct Certificates {
    wanted: Vec<Wanted>,
    by_name: HashMap<Box<str>, Shown>,
    /// For visitors who name nobody: SNI has no way to say an address (RFC 6066, 3), so whoever opens
    /// `https://192.0.2.1/` says nothing. The first site that is named by an address; else the neutral one.
    unnamed: Shown,
    neutral: Shown,
    upkeep: Vec<Upkeep>,
}

/// A certificate as it is shown, and its mark; the neutral one has none.
#[derive(Clone)]
pub(super) struct Shown {
    pub key: Arc<CertifiedKey>,
    pub mark: Option<CertificateMark>,
}

/// What has to be watched for a certificate to stay good.
enum Upkeep {
    /// Local: its life.
    Life { begins: u64, ends: u64 },
    /// From files: whether they have changed since. Programs that renew certificates put them there without
    /// telling anybody; the old one would be shown until it expires.
    Files { chain: (PathBuf, Stamp), key: (PathBuf, Stamp) },
    /// It could not be made: try again.
    Missing,
}

impl Certificates {
    /// Loads or makes a certificate for every site. No site is left out: where the wished one can't be had,
    /// the one it showed before (`previous`) is shown on, else one of the local authority, else the neutral
    /// one; each such case is a `Failure` among the problems. `Err` only when not even a neutral one can be
    /// made.
    pub fn load(
        wanted: Vec<Wanted>,
        authority: &Authority,
        previous: Option<&Certificates>,
        now: Wall,
    ) -> Result<(Self, Vec<Problem>), String> {
        let neutral = match previous {
            Some(previous) => previous.neutral.clone(),
            None => Shown {
                key: Arc::new(
                    authority::neutral(now)
                        .map_err(|error| format!("cannot make a neutral certificate: {error}"))?,
                ),
                mark: None,
            },
        };
        let mut loading = Loading { authority, previous, now, problems: Vec::new(), upkeep: Vec::new() };
        if wanted.iter().any(|site| site.certificate == CertificateWish::Local) {
            for text in authority.warnings(now) {
                loading.problems.push(Problem { site: None, severity: Severity::Warning, text });
            }
        }
        let mut by_name = HashMap::new();
        let mut unnamed = None;
        for site in &wanted {
            let shown = loading.site(site).unwrap_or_else(|| neutral.clone());
            for name in &site.names {
                if authority::bare(name).parse::<IpAddr>().is_ok() {
                    unnamed.get_or_insert_with(|| shown.clone());
                }
                by_name.entry(key(name).into()).or_insert_with(|| shown.clone());
            }
        }
        let Loading { problems, upkeep, .. } = loading;
        let unnamed = unnamed.unwrap_or_else(|| neutral.clone());
        Ok((Self { wanted, by_name, unnamed, neutral, upkeep }, problems))
    }

    /// The same wishes again: renews what is due and reads files that have changed.
    pub fn renewed(&self, authority: &Authority, now: Wall) -> Result<(Self, Vec<Problem>), String> {
        Self::load(self.wanted.clone(), authority, Some(self), now)
    }

    /// Whether `renewed` would find something to do. Looks at the files' dates, so it is not for a worker.
    pub fn renew_due(&self, now: Wall) -> bool {
        self.upkeep.iter().any(|upkeep| match upkeep {
            Upkeep::Life { begins, ends } => authority::needs_renewal(now, *begins, *ends),
            Upkeep::Files { chain, key } => {
                [chain, key].into_iter().any(|(path, stamp)| files::stamp(path) != *stamp)
            }
            Upkeep::Missing => true,
        })
    }

    /// When each site's certificate ends, by the site's first name; sites without one of their own are left out.
    pub fn ends(&self) -> Vec<(&str, Wall)> {
        let end = |site: &'_ Wanted| -> Option<Wall> {
            let shown =
                self.by_name.get(key(site.names.first()?).as_ref()).filter(|shown| shown.mark.is_some())?;
            let (_, leaf) = X509Certificate::from_der(shown.key.cert.first()?).ok()?;
            Some(Wall::from_seconds(u64::try_from(leaf.validity().not_after.timestamp()).ok()?))
        };
        self.wanted.iter().filter_map(|site| Some((&**site.names.first()?, end(site)?))).collect()
    }

    /// Which certificate a visitor is shown who asks for this host (canonical: lower case, no trailing dot);
    /// `None` for the neutral one. Two hosts with one mark may share a connection.
    pub fn mark(&self, name: &str) -> Option<CertificateMark> {
        self.by_name.get(key(name).as_ref()).and_then(|shown| shown.mark)
    }

    /// Whether a request for this host may come over a connection that was secured as `secure`: under the
    /// name it was opened for, or under another with the same certificate, which browsers use one connection
    /// for. Anything else is misdirected (421).
    pub fn fits(&self, secure: &Secure, host: &str) -> bool {
        secure.name.as_deref().is_some_and(|name| key(name) == key(host))
            || secure.certificate.is_some_and(|shown| self.mark(host) == Some(shown))
    }

    /// What is shown for a name as a visitor sent it, or for none.
    pub(super) fn shown(&self, name: Option<&str>) -> &Shown {
        match name {
            Some(name) => self.by_name.get(key(name).as_ref()).unwrap_or(&self.neutral),
            None => &self.unnamed,
        }
    }
}

/// What names are compared by: `canonical`, and an IPv6 address without brackets, written in its one short
/// way.
fn key(name: &str) -> Cow<'_, str> {
    if name.contains(':') {
        return match authority::bare(name).parse::<IpAddr>() {
            Ok(address) => address.to_string().into(),
            Err(_) => name.into(),
        };
    }
    canonical(name)
}

/// A name in SNI as the rules write it.
pub(super) fn canonical(name: &str) -> Cow<'_, str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}

struct Loading<'a> {
    authority: &'a Authority,
    previous: Option<&'a Certificates>,
    now: Wall,
    problems: Vec<Problem>,
    upkeep: Vec<Upkeep>,
}

impl Loading<'_> {
    fn site(&mut self, site: &Wanted) -> Option<Shown> {
        match &site.certificate {
            CertificateWish::Local => match self.local(site) {
                Ok(shown) => Some(shown),
                Err(text) => {
                    let before = self.before(site);
                    let instead = if before.is_some() { "the one from before" } else { "a neutral one" };
                    self.say(site, Severity::Failure, format!("{text}; {instead} is shown"));
                    self.upkeep.push(Upkeep::Missing);
                    before
                }
            },
            CertificateWish::Files { chain, key } => {
                // Stamped before they are read: a change in between is seen the next time.
                self.upkeep.push(Upkeep::Files {
                    chain: (chain.clone(), files::stamp(chain)),
                    key: (key.clone(), files::stamp(key)),
                });
                match files::load(chain, key, &site.names, self.now) {
                    Ok(loaded) => {
                        for text in loaded.warnings {
                            self.say(site, Severity::Warning, text);
                        }
                        Some(Shown::new(loaded.key))
                    }
                    Err(text) => self.instead(site, &text),
                }
            }
        }
    }

    fn local(&mut self, site: &Wanted) -> Result<Shown, String> {
        let leaf = self.authority.leaf(&site.names, self.now).map_err(|fault| fault.to_string())?;
        if let Some(text) = leaf.warning {
            self.say(site, Severity::Warning, text);
        }
        if !leaf.last {
            self.upkeep.push(Upkeep::Life { begins: leaf.begins, ends: leaf.ends });
        }
        Ok(Shown::new(leaf.key))
    }

    /// What stands in for files that can't be used.
    fn instead(&mut self, site: &Wanted, why: &str) -> Option<Shown> {
        if let Some(before) = self.before(site) {
            self.say(site, Severity::Failure, format!("{why}; the certificate from before is shown"));
            return Some(before);
        }
        match self.local(site) {
            Ok(shown) => {
                self.say(
                    site,
                    Severity::Failure,
                    format!("{why}; one of the local authority is shown, which browsers do not trust"),
                );
                Some(shown)
            }
            Err(text) => {
                self.say(site, Severity::Failure, format!("{why}; {text}; a neutral one is shown"));
                self.upkeep.push(Upkeep::Missing);
                None
            }
        }
    }

    /// What the site showed in the generation before, if it was a certificate of its own.
    fn before(&self, site: &Wanted) -> Option<Shown> {
        let name = site.names.first()?;
        self.previous?.by_name.get(key(name).as_ref()).filter(|shown| shown.mark.is_some()).cloned()
    }

    fn say(&mut self, site: &Wanted, severity: Severity, text: String) {
        self.problems.push(Problem { site: site.names.first().cloned(), severity, text });
    }
}

impl Shown {
    fn new(key: CertifiedKey) -> Self {
        let leaf = key.cert.first().map(AsRef::as_ref).unwrap_or_default();
        let hash = digest::digest(&digest::SHA256, leaf);
        let first = hash.as_ref().first_chunk::<8>().copied().unwrap_or_default();
        Self { key: Arc::new(key), mark: Some(CertificateMark(u64::from_be_bytes(first))) }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}
