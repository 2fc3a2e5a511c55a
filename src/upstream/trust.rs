//! Whom TLS towards a backend believes, and why a handshake failed in words that name no address.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    UnparsedPublicKey,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs as provider};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, PeerMisbehaved, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::TlsConnector;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::config::{Protocol, TlsTo};

/// A connector and the name that the backend must prove; the error says what an operator can do.
pub fn connector(
    to: &TlsTo,
    host: Option<&str>,
    protocol: Protocol,
) -> Result<(TlsConnector, ServerName<'static>), String> {
    let name = match (to.name.as_deref(), host) {
        (Some(name), _) => name,
        (None, Some(host)) => host.trim_start_matches('[').trim_end_matches(']'),
        // A pinned certificate needs no name; the protocol still wants one to ask for.
        (None, None) if to.pin.is_some() => "localhost",
        (None, None) => {
            return Err("TLS over a unix socket needs `.tls_name`, the name its certificate carries".into());
        }
    };
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| format!("`{name}` is no host name that a certificate could carry; set `.tls_name`"))?;
    let provider = Arc::new(provider::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = if let Some(leaf) = to.pin {
        Arc::new(Pinned { leaf, algorithms: provider.signature_verification_algorithms })
    } else {
        let roots = to.ca.as_deref().map_or_else(system_roots, roots_from)?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| format!("the authorities can't be used: {error}"))?
    };
    let mut client = client(provider, verifier, to.client.as_ref())?;
    client.alpn_protocols = vec![alpn(protocol).to_vec()];
    Ok((TlsConnector::from(Arc::new(client)), name))
}

fn client(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    proof: Option<&(PathBuf, PathBuf)>,
) -> Result<ClientConfig, String> {
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS can't be set up: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some((chain, key)) = proof else { return Ok(client.with_no_client_auth()) };
    let shown = chain.display();
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("can't read certificates from `{shown}`: {error}"))?;
    let own = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("can't read a key from `{}`: {error}", key.display()))?;
    client
        .with_client_auth_cert(certificates, own)
        .map_err(|error| format!("`{shown}` and its key can't be used: {error}"))
}

/// What is offered in the handshake; a backend that was told to speak HTTP/2 must take it.
pub const fn alpn(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Http1 | Protocol::FastCgi => b"http/1.1",
        Protocol::Http2 => b"h2",
    }
}

fn system_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(
            "the system has no certificate authorities; install `ca-certificates`, or name your own \
                    with `.ca`"
                .into(),
        );
    }
    Ok(roots)
}

fn roots_from(file: &Path) -> Result<RootCertStore, String> {
    let shown = file.display();
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|error| format!("can't read `{shown}`: {error}"))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| format!("`{shown}` is not PEM: {error}"))?;
        roots.add(certificate).map_err(|_| {
            format!(
                "`{shown}` holds a certificate that can't be an authority; for one old server's own \
                     certificate use `.pin`"
            )
        })?;
    }
    if roots.is_empty() {
        return Err(format!("`{shown}` holds no certificate"));
    }
    Ok(roots)
}

/// Believes exactly one certificate. Its dates, names and form don't matter, that the server holds its key
/// does: old servers show certificates that no verifier takes (version 1, no names, short keys).
#[derive(Debug)]
struct Pinned {
    leaf: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    fn signed(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let bad = || rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| bad())?;
        let key: &[u8] = &parsed.public_key().subject_public_key.data;
        let known = self.algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
        let valid = known
            .flat_map(|(_, algorithms)| algorithms.iter())
            .any(|algorithm| algorithm.verify_signature(key, message, signed.signature()).is_ok());
        // Keys of 1024 bits: no verifier takes them by default, but this one key is trusted by name.
        let legacy = match signed.scheme {
            SignatureScheme::RSA_PKCS1_SHA256 => Some(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
            SignatureScheme::RSA_PKCS1_SHA512 => Some(&RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
            _ => None,
        };
        let valid = valid
            || legacy.is_some_and(|algorithm| {
                UnparsedPublicKey::new(algorithm, key).verify(message, signed.signature()).is_ok()
            });
        if valid {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(CertificateError::BadSignature))
        }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if digest(&SHA256, leaf).as_ref() == self.leaf {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // PKCS #1 first: it is the one padding in which a key of 1024 bits can be checked here.
        let mut schemes = self.algorithms.supported_schemes();
        schemes.sort_by_key(|scheme| {
            !matches!(scheme, SignatureScheme::RSA_PKCS1_SHA256 | SignatureScheme::RSA_PKCS1_SHA512)
        });
        schemes
    }
}

/// Why TLS failed. The library's own words may carry the names in a certificate; these don't.
pub fn explain(error: &rustls::Error) -> &'static str {
    use CertificateError as C;
    match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            C::Expired | C::ExpiredContext { .. } => "its certificate has expired",
            C::NotValidYet | C::NotValidYetContext { .. } => {
                "its certificate is not valid yet: compare the clocks"
            }
            C::Revoked => "its certificate is revoked",
            C::UnknownIssuer => "its certificate is signed by nobody we trust: name the authority with `.ca`",
            C::NotValidForName | C::NotValidForNameContext { .. } => {
                "its certificate is for another name: say which with `.tls_name`"
            }
            C::BadSignature => "its signature is wrong",
            C::ApplicationVerificationFailure => "its certificate is not the one that is pinned",
            C::BadEncoding => "its certificate can't be read: an old one can be trusted with `.pin`",
            C::InvalidPurpose | C::InvalidPurposeContext { .. } => "its certificate is not made for servers",
            _ => "its certificate is not acceptable: an old one can be trusted with `.pin`",
        },
        rustls::Error::AlertReceived(_) => "it refused our handshake",
        rustls::Error::PeerIncompatible(_) => "it speaks no version or cipher of TLS that we speak",
        rustls::Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol)
        | rustls::Error::NoApplicationProtocol => "it insists on a protocol other than http/1.1",
        rustls::Error::InvalidMessage(_) => "it does not speak TLS there",
        _ => "the handshake failed",
    }
}
