//! Certificates that an operator keeps in files: a chain and a key, both PEM. Whatever is wrong with them is
//! said by the name of the file, with what to do.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::authority::bare;
use super::disk;
use crate::base::clock::Wall;
use crate::base::crypto;

/// A certificate from files, good to be shown, and what an operator should know of it.
pub struct FromFiles {
    pub key: CertifiedKey,
    pub warnings: Vec<String>,
}

/// What tells two states of a file apart without reading it; `None` when it is not there.
pub type Stamp = Option<(SystemTime, u64, u64)>;

pub fn stamp(path: &Path) -> Stamp {
    let about = fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len(), about.ino()))
}

/// Reads a chain and its key. `Err` says why they can't be used; what is merely odd comes as warnings,
/// because a visitor can still click through an expired certificate, but not through none.
pub fn load(chain: &Path, key: &Path, names: &[Box<str>], now: Wall) -> Result<FromFiles, String> {
    let (chain_shown, key_shown) = (chain.display(), key.display());
    let certificates = read_chain(chain)?;
    let pem = disk::read(key).map_err(|error| cannot_read(key, &error))?;
    let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound if holds(&pem, "ENCRYPTED PRIVATE KEY") => format!(
            "the key in {key_shown} is locked with a password, which nobody could type at a restart: write \
             it without one (`openssl pkey -in {key_shown} -out unlocked.pem`), readable by the program's \
             user alone"
        ),
        rustls::pki_types::pem::Error::NoItemsFound if holds(&pem, "CERTIFICATE") => {
            format!(
                "{key_shown} holds a certificate and no private key: the key is the second of the two \
                files"
            )
        }
        rustls::pki_types::pem::Error::NoItemsFound => {
            format!("{key_shown} holds no private key (a PEM file with a line `-----BEGIN PRIVATE KEY-----`)")
        }
        _ => format!("the private key in {key_shown} is damaged: copy the file again"),
    })?;
    let signing = crypto::provider().key_provider.load_private_key(der).map_err(|_| {
        format!(
            "the private key in {key_shown} is of a kind that can't be used: take ECDSA (P-256, P-384) or \
             RSA (2048 to 8192 bits)"
        )
    })?;
    let certified = CertifiedKey::new(certificates, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
        Err(rustls::Error::InconsistentKeys(_)) => {
            // The right certificate in the wrong place is a mistake of its own.
            let behind = certified.cert.iter().skip(1).any(|other| {
                CertifiedKey::new(vec![other.clone()], certified.key.clone()).keys_match().is_ok()
            });
            return Err(if behind {
                format!(
                    "the first certificate in {chain_shown} is not the site's own: put the one that \
                     belongs to the key first, those of the authorities behind it"
                )
            } else {
                format!("the key in {key_shown} does not belong to the certificate in {chain_shown}")
            });
        }
        Err(error) => {
            return Err(format!("the certificate in {chain_shown} can't be used: {error}"));
        }
    }
    let mut warnings = Vec::new();
    warn_of_life_and_names(&certified, chain, names, now, &mut warnings)?;
    if disk::mode(key).is_ok_and(|mode| mode & 0o007 != 0) {
        warnings.push(format!(
            "the key in {key_shown} can be read or changed by every user of this machine: `chmod o-rwx \
             {key_shown}`"
        ));
    }
    Ok(FromFiles { key: certified, warnings })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let pem = disk::read(path).map_err(|error| cannot_read(path, &error))?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| format!("a certificate in {shown} is damaged: copy the file again"))?;
    if chain.is_empty() {
        return Err(if holds(&pem, "PRIVATE KEY") {
            format!(
                "{shown} holds a private key and no certificate: the certificate is the first of the two \
                 files"
            )
        } else {
            format!("{shown} holds no certificate (a PEM file with a line `-----BEGIN CERTIFICATE-----`)")
        });
    }
    Ok(chain)
}

fn warn_of_life_and_names(
    certified: &CertifiedKey,
    chain: &Path,
    names: &[Box<str>],
    now: Wall,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    let shown = chain.display();
    let damaged = || format!("the certificate in {shown} can't be read: it is no X.509 certificate");
    let leaf = certified.cert.first().ok_or_else(damaged)?;
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| damaged())?;
    let begins = u64::try_from(parsed.validity().not_before.timestamp()).unwrap_or(0);
    let ends = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    if now.seconds > ends {
        let day = Wall::from_seconds(ends).day();
        warnings.push(format!(
            "the certificate in {shown} expired on {day}: browsers refuse it; put a new one there"
        ));
    } else if now.seconds < begins {
        let day = Wall::from_seconds(begins).day();
        warnings.push(format!(
            "the certificate in {shown} is not valid before {day}: browsers refuse it until then (or is this \
             machine's clock wrong?)"
        ));
    }
    let named = ParsedCertificate::try_from(leaf).map_err(|_| damaged())?;
    for name in names {
        let fits =
            ServerName::try_from(bare(name)).is_ok_and(|name| verify_server_name(&named, &name).is_ok());
        if !fits {
            warnings.push(format!(
                "the certificate in {shown} does not cover the name {name}: browsers refuse it there"
            ));
        }
    }
    Ok(())
}

fn cannot_read(path: &Path, error: &io::Error) -> String {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("there is no file {shown}"),
        io::ErrorKind::PermissionDenied => {
            format!("the program's user may not read {shown}: give it the right to (a group, or `setfacl`)")
        }
        _ => format!("cannot read {shown}: {error}"),
    }
}

/// Whether a PEM file has a section of a kind.
fn holds(pem: &[u8], kind: &str) -> bool {
    String::from_utf8_lossy(pem).lines().any(|line| line.starts_with("-----BEGIN ") && line.contains(kind))
}
