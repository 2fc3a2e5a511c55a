//! The local authority: a root that the machine makes for itself at the first start, and a certificate for
//! each site signed by it, so that a first run has https without any other authority.
//!
//! `{state}/authority/` (only its owner may enter) holds
//! - `root.key`: the secret. Whoever has it can pose as any site to those who imported the root.
//! - `root.pem`: what a visitor imports to trust the sites.
//! - `sites/NAME.pem`: key and certificate of a site in one file, so that they can't fall apart.
//!
//! **How far the root reaches.** It carries no name constraints: they would have to list the names of the
//! sites there were at the first start, and the next site would need another root in every browser. It is
//! held as tight as it can be without that: it may sign certificates for servers only (EKU), none for
//! another authority (path length 0), and its key never leaves its folder.
//!
//! **What is made again and what never.** A site's certificate that is old, does not fit its names or can't
//! be read is made again: nobody trusts it but through the root. The root is never: when its key is gone or
//! broken, the start fails and says what to do. `root.pem` alone can be made again from the key and stays the
//! same authority, because its name and its key identifier come from the key.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::disk;
use crate::base::clock::Wall;
use crate::base::crypto;
use crate::base::random;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
/// Clocks of visitors go wrong: what is made now was already good an hour ago.
const BACKDATED: u64 = HOUR;
const ROOT_LIFE: u64 = 3_652 * DAY;
/// Short, so that a stolen key of a site is soon worth nothing; renewed by itself after 20 days.
const LEAF_LIFE: u64 = 30 * DAY;

/// Why there is no authority, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityFault(String);

impl fmt::Display for AuthorityFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AuthorityFault {}

/// The local authority, opened. One for the life of the process.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    /// What a visitor who imported the root would say to a certificate.
    verifier: Arc<WebPkiServerVerifier>,
    root_expires: u64,
    warnings: Vec<String>,
}

/// A site's certificate, signed by the authority.
pub(super) struct Leaf {
    pub key: CertifiedKey,
    pub begins: u64,
    pub ends: u64,
    /// It lives as long as the root: it can't be renewed for longer.
    pub last: bool,
    /// It is good, but could not be kept for the next start.
    pub warning: Option<String>,
}

/// A third of its life is left, or less, or its life has not begun.
pub fn needs_renewal(now: Wall, begins: u64, ends: u64) -> bool {
    let life = ends.saturating_sub(begins);
    let left = ends.saturating_sub(now.seconds);
    now.seconds < begins || left.saturating_mul(3) <= life
}

impl Authority {
    /// Opens `{state}/authority/`, making it at the first start.
    pub fn open(state: &Path, now: Wall) -> Result<Self, AuthorityFault> {
        let folder = state.join("authority");
        for folder in [&folder, &folder.join("sites")] {
            disk::private_folder(folder).map_err(|error| {
                AuthorityFault(format!(
                    "cannot make the folder {} ({error}): give the program's user the right to write \
                     there, or name another folder with `.state`",
                    folder.display()
                ))
            })?;
            disk::sweep(folder);
        }
        let (key_path, root_path) = (folder.join("root.key"), folder.join("root.pem"));
        let mut warnings = Vec::new();
        let key = match disk::read(&key_path) {
            Ok(pem) => {
                tighten(&key_path, &mut warnings);
                key_from(&pem).ok_or_else(|| {
                    AuthorityFault(format!(
                        "{} holds no private key that can be read. {}",
                        key_path.display(),
                        mend(&folder)
                    ))
                })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if root_path.exists() {
                    return Err(AuthorityFault(format!(
                        "{} is there but its key {} is gone. {}",
                        root_path.display(),
                        key_path.display(),
                        mend(&folder)
                    )));
                }
                new_key(&key_path)?
            }
            Err(error) => {
                return Err(AuthorityFault(format!(
                    "cannot read {} ({error}): it must belong to the user the program runs as, with mode \
                     0600. A new root is never made while this one is there",
                    key_path.display()
                )));
            }
        };
        let root = match disk::read(&root_path) {
            Ok(pem) => CertificateDer::from_pem_slice(&pem).map_err(|_| unreadable_root(&root_path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => new_root(&root_path, &key, now)?,
            Err(error) => {
                return Err(AuthorityFault(format!("cannot read {}: {error}", root_path.display())));
            }
        };
        let (_, parsed) = X509Certificate::from_der(&root).map_err(|_| unreadable_root(&root_path))?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(AuthorityFault(format!(
                "the key in {} does not belong to the certificate in {}. {}",
                key_path.display(),
                root_path.display(),
                mend(&folder)
            )));
        }
        let root_expires = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).map_err(|_| unreadable_root(&root_path))?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crypto::provider())
            .build()
            .map_err(|error| AuthorityFault(format!("cannot use {}: {error}", root_path.display())))?;
        let issuer = Issuer::from_ca_cert_der(&root, key).map_err(|_| unreadable_root(&root_path))?;
        Ok(Self { folder, issuer, verifier, root_expires, warnings })
    }

    /// The certificate that visitors import.
    pub fn root_path(&self) -> PathBuf {
        self.folder.join("root.pem")
    }

    /// What an operator should know of the authority as a whole.
    pub fn warnings(&self, now: Wall) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        if self.root_expires.saturating_sub(now.seconds) < 90 * DAY {
            warnings.push(format!(
                "the local authority's root {} ends on {}: move the folder {} away, start again, and have \
                 the new root imported wherever the old one was",
                self.root_path().display(),
                Wall::from_seconds(self.root_expires).day(),
                self.folder.display()
            ));
        }
        warnings
    }

    /// The certificate for these names: the one on the disk while it is fresh and fits, else a new one.
    pub(super) fn leaf(&self, names: &[Box<str>], now: Wall) -> Result<Leaf, AuthorityFault> {
        let first = names.first().ok_or_else(|| AuthorityFault("a certificate needs a name".to_owned()))?;
        let path = self.folder.join("sites").join(format!("{}.pem", file_name(first)));
        if let Some(kept) = disk::read(&path).ok().and_then(|pem| self.kept(&pem, names, now)) {
            return Ok(kept);
        }
        let fault = |error: String| AuthorityFault(format!("cannot make a certificate for {first}: {error}"));
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|e| fault(e.to_string()))?;
        let (begins, ends) =
            (now.seconds.saturating_sub(BACKDATED), (now.seconds + LEAF_LIFE).min(self.root_expires));
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        // X.520 ends a common name at 64 characters; the names that count are those below.
        if first.len() <= 64 {
            params.distinguished_name.push(DnType::CommonName, &**first);
        }
        params.subject_alt_names = names
            .iter()
            .map(|name| san(name))
            .collect::<Option<_>>()
            .ok_or_else(|| fault("one of its names can't stand in a certificate".to_owned()))?;
        set_life(&mut params, begins, ends);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|e| fault(e.to_string()))?;

        let pem = Zeroizing::new(format!("{}{}", *Zeroizing::new(key.serialize_pem()), certificate.pem()));
        let warning = disk::replace(&path, pem.as_bytes(), 0o600).err().map(|error| {
            format!(
                "the new certificate for {first} could not be kept in {} ({error}): it is used, and made \
                 again at the next start",
                path.display()
            )
        });
        let key = certified(vec![certificate.der().clone()], key.serialized_der()).map_err(fault)?;
        Ok(Leaf { key, begins, ends, last: ends >= self.root_expires, warning })
    }

    /// A kept certificate, if a visitor with our root would accept it for exactly these names, and long
    /// enough.
    fn kept(&self, pem: &[u8], names: &[Box<str>], now: Wall) -> Option<Leaf> {
        let PrivateKeyDer::Pkcs8(key) = PrivateKeyDer::from_pem_slice(pem).ok()? else { return None };
        let certificate = CertificateDer::from_pem_slice(pem).ok()?;
        let (_, parsed) = X509Certificate::from_der(&certificate).ok()?;
        let begins = u64::try_from(parsed.validity().not_before.timestamp()).ok()?;
        let ends = u64::try_from(parsed.validity().not_after.timestamp()).ok()?;
        let last = ends >= self.root_expires;
        if needs_renewal(now, begins, ends) && !last {
            return None;
        }
        if names_in(&parsed) != names_of(names) {
            return None;
        }
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.seconds));
        for name in names {
            let name = ServerName::try_from(bare(name)).ok()?;
            self.verifier.verify_server_cert(&certificate, &[], &name, &[], at).ok()?;
        }
        let key = certified(vec![certificate], key.secret_pkcs8_der()).ok()?;
        Some(Leaf { key, begins, ends, last, warning: None })
    }
}

/// A certificate for nobody, for visitors who ask for no name or a name that is not served: the handshake
/// has to end well for the visit to be answered 421. Kept in memory alone.
pub(super) fn neutral(now: Wall) -> Result<CertifiedKey, String> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|e| e.to_string())?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "neutral.invalid");
    params.subject_alt_names = san("neutral.invalid").into_iter().collect();
    // Nobody accepts it anyway, so it need not be renewed.
    set_life(&mut params, now.seconds.saturating_sub(BACKDATED), now.seconds + ROOT_LIFE);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key).map_err(|e| e.to_string())?;
    certified(vec![certificate.der().clone()], key.serialized_der())
}

fn certified(chain: Vec<CertificateDer<'static>>, pkcs8: &[u8]) -> Result<CertifiedKey, String> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.to_vec()));
    CertifiedKey::from_der(chain, key, &crypto::provider()).map_err(|error| error.to_string())
}

fn new_key(path: &Path) -> Result<KeyPair, AuthorityFault> {
    let fault = |error: String| {
        AuthorityFault(format!("cannot make the local authority's key {}: {error}", path.display()))
    };
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|e| fault(e.to_string()))?;
    let pem = Zeroizing::new(key.serialize_pem());
    disk::create(path, pem.as_bytes(), 0o600).map_err(|e| fault(e.to_string()))?;
    Ok(key)
}

fn new_root(path: &Path, key: &KeyPair, now: Wall) -> Result<CertificateDer<'static>, AuthorityFault> {
    let fault = |error: String| {
        AuthorityFault(format!("cannot make the local authority's root {}: {error}", path.display()))
    };
    let mut params = CertificateParams::default();
    let mark = params.key_identifier(key).first_chunk().map_or(0, |first| u32::from_be_bytes(*first));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Doorward");
    // The mark tells the roots of two machines apart in a browser's list.
    params.distinguished_name.push(DnType::CommonName, format!("Doorward local authority {mark:08x}"));
    set_life(&mut params, now.seconds.saturating_sub(BACKDATED), now.seconds + ROOT_LIFE);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let root = params.self_signed(key).map_err(|e| fault(e.to_string()))?;
    disk::create(path, root.pem().as_bytes(), 0o644).map_err(|e| fault(e.to_string()))?;
    Ok(root.der().clone())
}

fn set_life(params: &mut CertificateParams, begins: u64, ends: u64) {
    let date = |seconds: u64| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    };
    params.not_before = date(begins);
    params.not_after = date(ends);
    let mut serial: [u8; 16] = random::bytes();
    if let Some(first) = serial.first_mut() {
        // Positive, and never shortened by a leading zero.
        *first = (*first & 0x7f) | 0x40;
    }
    params.serial_number = Some(SerialNumber::from_slice(&serial));
}

fn key_from(pem: &[u8]) -> Option<KeyPair> {
    let key = PrivateKeyDer::from_pem_slice(pem).ok()?;
    KeyPair::try_from(&key).ok()
}

/// The key was readable by others: they may have it, so it is said, and not for longer than now.
fn tighten(path: &Path, warnings: &mut Vec<String>) {
    if disk::mode(path).is_ok_and(|mode| mode & 0o077 != 0) {
        let after = match fs::set_permissions(path, fs::Permissions::from_mode(0o600)) {
            Ok(()) => "that is mended, but whoever read it can pose as any site to those who trust the root",
            Err(_) => "and could not be made private",
        };
        warnings.push(format!("{} could be read by other users: {after}", path.display()));
    }
}

fn mend(folder: &Path) -> String {
    format!(
        "Put the folder {0} back from a backup; or move it away and start again: a new root is made then, \
         and has to be imported wherever the old one was",
        folder.display()
    )
}

fn unreadable_root(path: &Path) -> AuthorityFault {
    AuthorityFault(format!(
        "{} holds no certificate that can be read. Put it back from a backup, or remove this one file and \
         start again: it is made from the key and stays the same authority",
        path.display()
    ))
}

/// A host name without the brackets an IPv6 address wears in URLs.
pub(super) fn bare(name: &str) -> &str {
    name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name)
}

fn san(name: &str) -> Option<SanType> {
    match bare(name).parse::<IpAddr>() {
        Ok(address) => Some(SanType::IpAddress(address)),
        Err(_) => Ia5String::try_from(name).ok().map(SanType::DnsName),
    }
}

/// Names as a sorted list that compares the wanted with the certified.
fn names_of(names: &[Box<str>]) -> Vec<String> {
    let mut names: Vec<String> = names
        .iter()
        .map(|name| match bare(name).parse::<IpAddr>() {
            Ok(address) => address.to_string(),
            Err(_) => name.to_ascii_lowercase(),
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn names_in(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let mut names: Vec<String> = names
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) => name.to_ascii_lowercase(),
            GeneralName::IPAddress(octets) => {
                match (<[u8; 4]>::try_from(*octets), <[u8; 16]>::try_from(*octets)) {
                    (Ok(v4), _) => IpAddr::from(v4).to_string(),
                    (_, Ok(v6)) => IpAddr::V6(Ipv6Addr::from(v6)).to_string(),
                    _ => String::new(),
                }
            }
            // Nothing we ever write: compares unequal, and the certificate is made again.
            _ => String::new(),
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// A site's name as a file's: whatever could mean something to a file system becomes `_`.
fn file_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    name.to_ascii_lowercase().chars().map(|c| if plain(c) { c } else { '_' }).collect()
}
