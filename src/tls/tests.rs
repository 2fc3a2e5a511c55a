//! The room as a visitor and an operator meet it: real handshakes over a pipe in memory, real files in a
//! folder of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rcgen::{CertificateParams, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionMemoryCache, Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, HandshakeKind, NamedGroup, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::certificates::canonical;
use super::*;
use crate::base::cause::Cause;
use crate::base::clock::{self, Wall};
use crate::base::{crypto, random};
use crate::message::exchange::Secure;
use crate::plan::CertificateWish;

const DAY: u64 = 86_400;

/// A folder of its own, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("doorward-tls-{:016x}", random::number()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn authority(&self) -> Authority {
        Authority::open(&self.0, clock::wall()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn later(days: u64) -> Wall {
    Wall::from_seconds(clock::wall().seconds + days * DAY)
}

fn names(names: &[&str]) -> Vec<Box<str>> {
    names.iter().map(|name| Box::from(*name)).collect()
}

fn local(site: &[&str]) -> Wanted {
    Wanted { names: names(site), certificate: CertificateWish::Local }
}

fn files(site: &[&str], chain: &Path, key: &Path) -> Wanted {
    Wanted {
        names: names(site),
        certificate: CertificateWish::Files { chain: chain.to_owned(), key: key.to_owned() },
    }
}

fn load(wanted: Vec<Wanted>, authority: &Authority) -> (Certificates, Vec<Problem>) {
    Certificates::load(wanted, authority, None, clock::wall()).unwrap()
}

fn acceptor(wanted: Vec<Wanted>, authority: &Authority) -> Acceptor {
    let (certificates, problems) = load(wanted, authority);
    assert_eq!(problems, []);
    Acceptor::new(Arc::new(certificates), Tickets::new(clock::wall()).unwrap()).unwrap()
}

/// Takes any certificate, and keeps it for the test to look at.
#[derive(Debug)]
struct Witness {
    inner: Arc<WebPkiServerVerifier>,
    seen: Mutex<Option<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap() = Some(leaf.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn roots(root: &Path) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
    Arc::new(roots)
}

const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// A visitor who imported the root and trusts nothing else.
fn strict(authority: &Authority, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    ClientConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots(&authority.root_path()))
        .with_no_client_auth()
}

/// A visitor who takes whatever is shown.
fn curious(authority: &Authority) -> (ClientConfig, Arc<Witness>) {
    let inner =
        WebPkiServerVerifier::builder_with_provider(roots(&authority.root_path()), crypto::provider())
            .build();
    let witness = Arc::new(Witness { inner: inner.unwrap(), seen: Mutex::new(None) });
    let config = ClientConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(BOTH)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    (config, witness)
}

/// What both sides saw of a handshake that ended well.
struct Met {
    secure: Secure,
    h2: bool,
    group: Option<NamedGroup>,
    kind: Option<HandshakeKind>,
}

/// One connection with a byte each way, so that tickets arrive.
async fn meet(acceptor: &Acceptor, config: &Arc<ClientConfig>, name: &str) -> Result<Met, String> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let visitor = async {
        let mut stream =
            TlsConnector::from(Arc::clone(config)).connect(name, theirs).await.map_err(|e| e.to_string())?;
        stream.write_all(b"?").await.map_err(|e| e.to_string())?;
        stream.read_u8().await.map_err(|e| e.to_string())?;
        let group =
            stream.get_ref().1.negotiated_key_exchange_group().map(rustls::crypto::SupportedKxGroup::name);
        Ok::<_, String>((group, stream.get_ref().1.handshake_kind()))
    };
    let house = async {
        let (mut stream, secure) = acceptor.accept(ours).await.map_err(|fault| fault.to_string())?;
        let h2 = speaks_h2(stream.get_ref().1);
        stream.read_u8().await.map_err(|e| e.to_string())?;
        stream.write_all(b"!").await.map_err(|e| e.to_string())?;
        stream.flush().await.map_err(|e| e.to_string())?;
        Ok::<_, String>((secure, h2))
    };
    let (visitor, house) = tokio::join!(visitor, house);
    let ((group, kind), (secure, h2)) = (visitor?, house?);
    Ok(Met { secure, h2, group, kind })
}

mod handshakes {
    use super::*;

    #[tokio::test]
    async fn a_site_of_the_local_authority_is_trusted_in_both_versions() {
        let folder = Folder::new();
        let authority = folder.authority();
        let site = ["www.test", "test", "localhost", "old_wiki.test", "192.0.2.1", "[2001:db8::1]"];
        let acceptor = acceptor(vec![local(&site)], &authority);
        for (versions, protocol) in
            [(&[&rustls::version::TLS13], "TLSv1.3"), (&[&rustls::version::TLS12], "TLSv1.2")]
        {
            let config = Arc::new(strict(&authority, versions));
            for name in ["www.test", "test", "localhost", "old_wiki.test"] {
                let met = meet(&acceptor, &config, name).await.unwrap();
                assert_eq!(met.secure.protocol, protocol);
                assert_eq!(met.secure.name.as_deref(), Some(name));
                assert_eq!(met.secure.certificate, acceptor.certificates().mark("www.test"));
                assert!(met.secure.certificate.is_some());
            }
            // An address is never said in SNI; the site that has one is shown all the same.
            for name in ["192.0.2.1", "2001:db8::1"] {
                let met = meet(&acceptor, &config, name).await.unwrap();
                assert_eq!(met.secure.name, None);
                assert_eq!(met.secure.certificate, acceptor.certificates().mark("www.test"));
            }
        }
    }

    #[tokio::test]
    async fn each_name_gets_its_own_certificate() {
        let folder = Folder::new();
        let authority = folder.authority();
        let acceptor = acceptor(vec![local(&["a.test"]), local(&["b.test"])], &authority);
        let certificates = acceptor.certificates();
        assert_ne!(certificates.mark("a.test"), certificates.mark("b.test"));
        let config = Arc::new(strict(&authority, BOTH));
        for name in ["a.test", "b.test"] {
            assert_eq!(
                meet(&acceptor, &config, name).await.unwrap().secure.certificate,
                certificates.mark(name)
            );
        }
        // However it is written.
        let met = meet(&acceptor, &config, "A.Test").await.unwrap();
        assert_eq!(met.secure.name.as_deref(), Some("a.test"));
        assert_eq!(met.secure.certificate, certificates.mark("a.test"));
        assert_eq!(canonical("A.Test."), "a.test");
        assert_eq!(canonical("a.test"), "a.test");
    }

    #[test]
    fn a_connection_serves_the_hosts_of_its_certificate_and_no_others() {
        let folder = Folder::new();
        let sites = vec![local(&["a.test", "also.test"]), local(&["b.test"]), local(&["[2001:db8::1]"])];
        let (certificates, _) = load(sites, &folder.authority());
        let over = |name: Option<&str>| Secure {
            name: name.map(Box::from),
            certificate: certificates.shown(name).mark,
            protocol: "TLSv1.3",
        };
        for (name, host, fits) in [
            (Some("a.test"), "a.test", true),
            (Some("a.test"), "also.test", true),
            (Some("a.test"), "b.test", false),
            (Some("a.test"), "unknown.test", false),
            (Some("unknown.test"), "a.test", false),
            (Some("unknown.test"), "other.test", false),
            (None, "a.test", false),
            (None, "unknown.test", false),
            (None, "[2001:db8::1]", true),
            (None, "2001:db8:0::1", true),
        ] {
            assert_eq!(certificates.fits(&over(name), host), fits, "{name:?} {host}");
        }
    }

    #[test]
    fn each_site_tells_when_its_certificate_ends() {
        let folder = Folder::new();
        let (certificates, _) =
            load(vec![local(&["a.test", "also.test"]), local(&["b.test"])], &folder.authority());
        let ends = certificates.ends();
        assert_eq!(ends.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["a.test", "b.test"]);
        assert!(ends.iter().all(|(_, end)| later(29) < *end && *end < later(31)));
    }

    #[tokio::test]
    async fn a_name_that_is_not_served_and_no_name_get_the_neutral_certificate() {
        let folder = Folder::new();
        let authority = folder.authority();
        let acceptor = acceptor(vec![local(&["a.test"])], &authority);
        let (mut config, witness) = curious(&authority);
        let unknown = meet(&acceptor, &Arc::new(config.clone()), "other.test").await.unwrap();
        assert_eq!((unknown.secure.name.as_deref(), unknown.secure.certificate), (Some("other.test"), None));
        let first = witness.seen.lock().unwrap().take().unwrap();
        config.enable_sni = false;
        let unnamed = meet(&acceptor, &Arc::new(config), "a.test").await.unwrap();
        assert_eq!((unnamed.secure.name, unnamed.secure.certificate), (None, None));
        let second = witness.seen.lock().unwrap().take().unwrap();
        assert_eq!(first, second);
        assert!(!first.windows(6).any(|part| part == b"a.test"), "it gives no site away");
        assert!(first.windows(15).any(|part| part == b"neutral.invalid"));
        // Who checks, stops here.
        let refused = meet(&acceptor, &Arc::new(strict(&authority, BOTH)), "other.test").await;
        assert!(refused.is_err());
        assert_eq!(acceptor.certificates().mark("other.test"), None);
    }

    #[tokio::test]
    async fn h2_comes_before_http_1_and_silence_is_http_1() {
        let folder = Folder::new();
        let authority = folder.authority();
        let acceptor = acceptor(vec![local(&["a.test"])], &authority);
        for (offered, h2) in
            [(&[&b"http/1.1"[..], b"h2"][..], true), (&[b"h2"], true), (&[b"http/1.1"], false), (&[], false)]
        {
            let mut config = strict(&authority, BOTH);
            config.alpn_protocols = offered.iter().map(|protocol| protocol.to_vec()).collect();
            assert_eq!(meet(&acceptor, &Arc::new(config), "a.test").await.unwrap().h2, h2, "{offered:?}");
        }
        let mut config = strict(&authority, BOTH);
        config.alpn_protocols = vec![b"imap".to_vec()];
        let refused = meet(&acceptor, &Arc::new(config), "a.test").await.err().unwrap();
        assert!(refused.contains("NoApplicationProtocol"), "{refused}");
    }

    #[tokio::test]
    async fn the_hybrid_key_exchange_is_settled_on() {
        let folder = Folder::new();
        let authority = folder.authority();
        let acceptor = acceptor(vec![local(&["a.test"])], &authority);
        let met = meet(&acceptor, &Arc::new(strict(&authority, BOTH)), "a.test").await.unwrap();
        assert_eq!(met.group, Some(NamedGroup::X25519MLKEM768));
        // A visitor without it is served by the classic one.
        let mut provider = (*crypto::provider()).clone();
        provider.kx_groups.retain(|group| group.name() == NamedGroup::X25519);
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(BOTH)
            .unwrap()
            .with_root_certificates(roots(&authority.root_path()))
            .with_no_client_auth();
        let met = meet(&acceptor, &Arc::new(config), "a.test").await.unwrap();
        assert_eq!(met.group, Some(NamedGroup::X25519));
    }

    #[tokio::test]
    async fn a_session_is_resumed_also_across_a_reload_but_not_on_another_site() {
        let folder = Folder::new();
        let authority = folder.authority();
        let sites = || vec![local(&["a.test"]), local(&["b.test"])];
        for versions in [[&rustls::version::TLS13], [&rustls::version::TLS12]] {
            let acceptor = acceptor(sites(), &authority);
            let mut config = strict(&authority, &versions);
            let memory = Arc::new(ClientSessionMemoryCache::new(8));
            config.resumption = Resumption::store(Arc::clone(&memory) as Arc<_>);
            let config = Arc::new(config);
            let first = meet(&acceptor, &config, "a.test").await.unwrap();
            assert_eq!(first.kind, Some(HandshakeKind::Full));
            let second = meet(&acceptor, &config, "a.test").await.unwrap();
            assert_eq!(second.kind, Some(HandshakeKind::Resumed));
            assert_eq!(second.secure.certificate, first.secure.certificate);
            acceptor.swap(Arc::new(load(sites(), &authority).0));
            let third = meet(&acceptor, &config, "a.test").await.unwrap();
            assert_eq!(third.kind, Some(HandshakeKind::Resumed));
            // The ticket of one site, shown to another (which rustls' own client would never do).
            let mut thief = (*config).clone();
            let as_of = ServerName::try_from("a.test").unwrap();
            thief.resumption = Resumption::store(Arc::new(Stolen { memory, as_of }));
            let thief = Arc::new(thief);
            let own = meet(&acceptor, &thief, "a.test").await.unwrap();
            assert_eq!(own.kind, Some(HandshakeKind::Resumed), "the thief does show tickets");
            let other = meet(&acceptor, &thief, "b.test").await.unwrap();
            assert_eq!(other.kind, Some(HandshakeKind::Full));
            assert_eq!(other.secure.certificate, acceptor.certificates().mark("b.test"));
        }
    }

    /// Hands out the sessions of one name for every name.
    #[derive(Debug)]
    struct Stolen {
        memory: Arc<ClientSessionMemoryCache>,
        as_of: ServerName<'static>,
    }

    impl rustls::client::ClientSessionStore for Stolen {
        fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}
        fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
            None
        }
        fn set_tls12_session(&self, _: ServerName<'static>, _: rustls::client::Tls12ClientSessionValue) {}
        fn tls12_session(&self, _: &ServerName<'_>) -> Option<rustls::client::Tls12ClientSessionValue> {
            self.memory.tls12_session(&self.as_of)
        }
        fn remove_tls12_session(&self, _: &ServerName<'static>) {}
        fn insert_tls13_ticket(&self, _: ServerName<'static>, _: rustls::client::Tls13ClientSessionValue) {}
        fn take_tls13_ticket(
            &self,
            _: &ServerName<'static>,
        ) -> Option<rustls::client::Tls13ClientSessionValue> {
            self.memory.take_tls13_ticket(&self.as_of)
        }
    }

    #[tokio::test]
    async fn a_reload_shows_the_new_certificate_at_once() {
        let folder = Folder::new();
        let authority = folder.authority();
        let acceptor = acceptor(vec![local(&["a.test"])], &authority);
        let before = acceptor.certificates().mark("a.test");
        let (with_alias, _) = load(vec![local(&["a.test", "b.test"])], &authority);
        acceptor.swap(Arc::new(with_alias));
        let met = meet(&acceptor, &Arc::new(strict(&authority, BOTH)), "b.test").await.unwrap();
        assert_ne!(met.secure.certificate, before);
        assert_eq!(met.secure.certificate, acceptor.certificates().mark("a.test"));
    }

    #[tokio::test]
    async fn a_handshake_that_fails_says_whose_fault_it_was() {
        let folder = Folder::new();
        let authority = folder.authority();
        let acceptor = acceptor(vec![local(&["a.test"])], &authority);
        for (sent, cause) in [
            (&b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"[..], Cause::Malformed),
            (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", Cause::Malformed),
            (b"", Cause::VisitorLeft),
            (b"\x16\x03\x01", Cause::VisitorLeft),
        ] {
            let (ours, mut theirs) = tokio::io::duplex(1 << 12);
            theirs.write_all(sent).await.unwrap();
            theirs.shutdown().await.unwrap();
            let fault = acceptor.accept(ours).await.err().unwrap();
            assert_eq!(fault.cause, cause, "{fault}");
        }
        // Whoever does not trust the certificate says so.
        let stranger = Folder::new();
        let config = strict(&stranger.authority(), BOTH);
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let name = ServerName::try_from("a.test").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let (visitor, house) = tokio::join!(connector.connect(name, theirs), acceptor.accept(ours));
        assert!(visitor.is_err());
        let fault = house.err().unwrap();
        assert_eq!(fault.cause, Cause::VisitorLeft);
        assert!(fault.detail().contains("broke off"), "{fault}");
    }

    #[tokio::test]
    async fn the_first_byte_tells_plain_http_from_tls() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        for (sent, greets) in [
            (&b"GET / HTTP/1.1"[..], Greeting::Http),
            (b"m-search", Greeting::Http),
            (b"\x16\x03\x01", Greeting::Tls),
            (b"\x80\x2e\x01", Greeting::Other),
            (b"\r\n", Greeting::Other),
            (b"", Greeting::Nothing),
        ] {
            let mut visitor = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            visitor.write_all(sent).await.unwrap();
            visitor.shutdown().await.unwrap();
            assert_eq!(greeting(&stream).await.unwrap(), greets);
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, sent, "nothing was taken");
        }
    }
}

mod authority {
    use super::*;
    use x509_parser::extensions::ParsedExtension;
    use x509_parser::prelude::{FromDer, X509Certificate};

    fn reopened(folder: &Folder) -> String {
        Authority::open(&folder.0, clock::wall()).err().unwrap().to_string()
    }

    #[test]
    fn its_files_are_for_their_owner_and_the_root_is_for_servers_only() {
        let folder = Folder::new();
        let authority = folder.authority();
        load(vec![local(&["www.test", "test"])], &authority);
        assert_eq!(mode(&folder.path("authority")), 0o700);
        assert_eq!(mode(&folder.path("authority/root.key")), 0o600);
        assert_eq!(mode(&folder.path("authority/root.pem")), 0o644);
        assert_eq!(mode(&folder.path("authority/sites/www.test.pem")), 0o600);
        assert_eq!(authority.root_path(), folder.path("authority/root.pem"));
        let left: Vec<_> =
            fs::read_dir(folder.path("authority")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 3, "no temporary file stays: {left:?}");
        let cut_off = folder.write("authority/sites/.new-0123", "half a key");
        folder.authority();
        assert!(!cut_off.exists(), "nor does one that a power cut left");

        let root = CertificateDer::from_pem_file(authority.root_path()).unwrap();
        let (_, root) = X509Certificate::from_der(&root).unwrap();
        let leaf = CertificateDer::from_pem_file(folder.path("authority/sites/www.test.pem")).unwrap();
        let (_, leaf) = X509Certificate::from_der(&leaf).unwrap();
        for certificate in [&root, &leaf] {
            let usage = certificate.extended_key_usage().unwrap().unwrap().value;
            assert!(usage.server_auth && !usage.client_auth && !usage.code_signing && !usage.any);
            assert_eq!(certificate.raw_serial().len(), 16);
        }
        let constraints = root.basic_constraints().unwrap().unwrap().value;
        assert!(constraints.ca && constraints.path_len_constraint == Some(0));
        assert!(root.key_usage().unwrap().unwrap().value.key_cert_sign());
        assert!(!leaf.basic_constraints().unwrap().unwrap().value.ca);
        assert!(leaf.key_usage().unwrap().unwrap().value.digital_signature());
        let of = |certificate: &X509Certificate<'_>| {
            let (mut own, mut issuer) = (None, None);
            for extension in certificate.extensions() {
                match extension.parsed_extension() {
                    ParsedExtension::SubjectKeyIdentifier(id) => own = Some(id.0.to_vec()),
                    ParsedExtension::AuthorityKeyIdentifier(id) => {
                        issuer = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                    }
                    _ => {}
                }
            }
            (own, issuer)
        };
        let ((root_own, _), (leaf_own, leaf_issuer)) = (of(&root), of(&leaf));
        assert!(root_own.is_some() && leaf_own.is_some());
        assert_eq!(leaf_issuer, root_own);
        let (begins, ends) = (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
        let now = i64::try_from(clock::wall().seconds).unwrap();
        assert!((now - begins - 3_600).abs() < 60 && (ends - now - 30 * 86_400).abs() < 60);
    }

    #[test]
    fn it_is_the_same_after_a_restart_and_so_are_its_certificates() {
        let folder = Folder::new();
        let wanted = || vec![local(&["www.test"]), local(&["[2001:db8::1]"])];
        let (first, _) = load(wanted(), &folder.authority());
        let root = fs::read(folder.path("authority/root.pem")).unwrap();
        let (second, problems) = load(wanted(), &folder.authority());
        assert_eq!(problems, []);
        assert_eq!(fs::read(folder.path("authority/root.pem")).unwrap(), root);
        for name in ["www.test", "[2001:db8::1]"] {
            assert!(first.mark(name).is_some());
            assert_eq!(first.mark(name), second.mark(name));
        }
        let (other_names, _) = load(vec![local(&["www.test", "test"])], &folder.authority());
        assert_ne!(other_names.mark("www.test"), first.mark("www.test"));
        let (fewer_names, _) = load(wanted(), &folder.authority());
        assert_ne!(fewer_names.mark("www.test"), other_names.mark("www.test"));
    }

    #[test]
    fn certificates_are_renewed_when_a_third_of_their_life_is_left() {
        let day = |day: u64| Wall::from_seconds(1_000 * DAY + day * DAY);
        let (begins, ends) = (1_000 * DAY, 1_030 * DAY);
        for (days, due) in [(0, false), (19, false), (20, true), (29, true), (31, true), (400, true)] {
            assert_eq!(needs_renewal(day(days), begins, ends), due, "{days}");
        }
        // The clock was set back: it would be refused as not yet valid.
        assert!(needs_renewal(Wall::from_seconds(begins - 1), begins, ends));
        assert!(needs_renewal(day(0), ends, begins), "a life that ends before it begins");

        let folder = Folder::new();
        let authority = folder.authority();
        let (first, _) = load(vec![local(&["www.test"])], &authority);
        assert!(!first.renew_due(clock::wall()) && !first.renew_due(later(19)));
        assert!(first.renew_due(later(20)));
        let (same, _) = first.renewed(&authority, later(19)).unwrap();
        assert_eq!(same.mark("www.test"), first.mark("www.test"));
        let (second, problems) = first.renewed(&authority, later(21)).unwrap();
        assert_eq!(problems, []);
        assert_ne!(second.mark("www.test"), first.mark("www.test"));
        assert!(!second.renew_due(later(21)) && second.renew_due(later(42)));
    }

    #[test]
    fn a_broken_certificate_of_a_site_is_made_again() {
        let folder = Folder::new();
        let authority = folder.authority();
        let (first, _) = load(vec![local(&["www.test"])], &authority);
        let path = folder.path("authority/sites/www.test.pem");
        let good = fs::read_to_string(&path).unwrap();
        let stranger = Folder::new();
        load(vec![local(&["www.test"])], &stranger.authority());
        let of_another_root = fs::read_to_string(stranger.path("authority/sites/www.test.pem")).unwrap();
        let split = good.find("-----BEGIN CERTIFICATE").unwrap();
        let mixed = format!("{}{}", &of_another_root[..split], &good[split..]);
        for broken in
            ["", "rubbish", &good[..good.len() / 2], &good[..split], &good[split..], &of_another_root, &mixed]
        {
            fs::write(&path, broken).unwrap();
            let (again, problems) = load(vec![local(&["www.test"])], &authority);
            assert_eq!(problems, []);
            assert!(again.mark("www.test").is_some() && again.mark("www.test") != first.mark("www.test"));
            assert_ne!(fs::read_to_string(&path).unwrap(), broken);
            assert_eq!(mode(&path), 0o600);
        }
    }

    #[test]
    fn a_certificate_that_cannot_be_kept_is_shown_all_the_same() {
        let folder = Folder::new();
        let authority = folder.authority();
        // A folder stands where the file should be: that fails for root as well.
        fs::create_dir_all(folder.path("authority/sites/www.test.pem/x")).unwrap();
        let (certificates, problems) = load(vec![local(&["www.test"])], &authority);
        assert!(certificates.mark("www.test").is_some());
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].severity, Severity::Warning);
        assert!(problems[0].text.contains("could not be kept"), "{}", problems[0]);
    }

    #[test]
    fn a_root_is_never_replaced_silently() {
        let folder = Folder::new();
        folder.authority();
        let (key, root) = (folder.path("authority/root.key"), folder.path("authority/root.pem"));
        let (good_key, good_root) = (fs::read(&key).unwrap(), fs::read(&root).unwrap());
        let stranger = Folder::new();
        stranger.authority();

        fs::remove_file(&key).unwrap();
        let text = reopened(&folder);
        assert!(text.contains("root.key is gone") && text.contains("backup"), "{text}");
        assert!(!key.exists(), "nothing was made");

        fs::write(&key, "rubbish").unwrap();
        let text = reopened(&folder);
        assert!(text.contains("holds no private key") && text.contains("backup"), "{text}");
        assert_eq!(fs::read(&key).unwrap(), b"rubbish");

        fs::remove_file(&key).unwrap();
        fs::create_dir(&key).unwrap();
        let text = reopened(&folder);
        assert!(text.contains("cannot read") && text.contains("0600"), "{text}");
        fs::remove_dir(&key).unwrap();

        fs::copy(stranger.path("authority/root.key"), &key).unwrap();
        let text = reopened(&folder);
        assert!(text.contains("does not belong to the certificate"), "{text}");

        fs::write(&key, &good_key).unwrap();
        fs::write(&root, "rubbish").unwrap();
        let text = reopened(&folder);
        assert!(text.contains("remove this one file"), "{text}");
        assert_eq!(fs::read(&root).unwrap(), b"rubbish");

        fs::write(&root, good_root).unwrap();
        folder.authority();
    }

    #[tokio::test]
    async fn a_root_made_again_from_its_key_is_the_same_to_those_who_trust_it() {
        let folder = Folder::new();
        let config = Arc::new(strict(&folder.authority(), BOTH));
        fs::remove_file(folder.path("authority/root.pem")).unwrap();
        let authority = folder.authority();
        let acceptor = acceptor(vec![local(&["www.test"])], &authority);
        meet(&acceptor, &config, "www.test").await.unwrap();
    }

    #[test]
    fn a_key_that_others_could_read_is_closed_and_reported() {
        let folder = Folder::new();
        folder.authority();
        let key = folder.path("authority/root.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(folder.path("authority"), fs::Permissions::from_mode(0o755)).unwrap();
        let (_, problems) = load(vec![local(&["www.test"])], &folder.authority());
        assert_eq!((mode(&key), mode(&folder.path("authority"))), (0o600, 0o700));
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].site, None);
        assert!(problems[0].text.contains("could be read by other users"), "{}", problems[0]);
    }

    #[test]
    fn an_old_root_says_so_before_it_ends_and_nothing_outlives_it() {
        let folder = Folder::new();
        let authority = folder.authority();
        assert!(authority.warnings(clock::wall()).is_empty());
        let near = later(3_652 - 10);
        assert!(authority.warnings(near)[0].contains("have the new root imported"));
        let (certificates, problems) =
            Certificates::load(vec![local(&["www.test"])], &authority, None, near).unwrap();
        assert!(certificates.mark("www.test").is_some());
        assert_eq!(problems.len(), 1);
        assert!(!certificates.renew_due(near), "nothing can be done about it but by a person");
        let (again, _) = certificates.renewed(&authority, near).unwrap();
        assert_eq!(again.mark("www.test"), certificates.mark("www.test"), "it can't be made any longer");
    }

    #[test]
    fn a_state_folder_that_cannot_be_made_is_named() {
        let folder = Folder::new();
        let file = folder.write("state", "");
        let text = Authority::open(&file, clock::wall()).err().unwrap().to_string();
        assert!(text.contains("state/authority") && text.contains(".state"), "{text}");
    }

    #[test]
    fn a_name_can_not_leave_the_folder() {
        let folder = Folder::new();
        let authority = folder.authority();
        load(vec![local(&["../../evil/x.test"])], &authority);
        let kept: Vec<_> = fs::read_dir(folder.path("authority/sites"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(kept, [".._.._evil_x.test.pem"]);
    }
}

mod from_files {
    use super::*;
    use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize};

    struct Made {
        chain: String,
        key: KeyPair,
    }

    fn made_with(key: KeyPair, site: &[&str], begins: u64, ends: u64) -> Made {
        let names: Vec<String> = site.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let date =
            |wall: u64| time::OffsetDateTime::from_unix_timestamp(i64::try_from(wall).unwrap()).unwrap();
        params.not_before = date(begins);
        params.not_after = date(ends);
        Made { chain: params.self_signed(&key).unwrap().pem(), key }
    }

    fn made(site: &[&str]) -> Made {
        let now = clock::wall().seconds;
        made_with(KeyPair::generate().unwrap(), site, now - DAY, now + 90 * DAY)
    }

    /// The problems of one site with these two files, as texts.
    fn problems(folder: &Folder, chain: &Path, key: &Path) -> (bool, Vec<String>) {
        let (certificates, problems) = load(vec![files(&["a.test"], chain, key)], &folder.authority());
        assert!(certificates.mark("a.test").is_some(), "the site has a certificate whatever happens");
        assert!(problems.iter().all(|problem| problem.site.as_deref() == Some("a.test")));
        let failed = problems.iter().any(|problem| problem.severity == Severity::Failure);
        (failed, problems.iter().map(ToString::to_string).collect())
    }

    fn pem(kind: &str, der: &[u8]) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for part in der.chunks(3) {
            let bits =
                part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
            for place in 0..4 {
                let letter = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
                text.push(if place <= part.len() { char::from(letter) } else { '=' });
            }
        }
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
    }

    /// What lies inside a PKCS#8 key: the last octet string, which is PKCS#1 or SEC1.
    fn inside(pkcs8: &[u8]) -> Vec<u8> {
        let (_, all) = x509_parser::der_parser::parse_der(pkcs8).unwrap();
        all.as_sequence().unwrap()[2].as_slice().unwrap().to_vec()
    }

    #[tokio::test]
    async fn every_usual_kind_of_key_is_taken() {
        let now = clock::wall().seconds;
        let folder = Folder::new();
        for (number, algorithm) in
            [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_RSA_SHA256].iter().enumerate()
        {
            let rsa = number == 2;
            let key = if rsa {
                KeyPair::generate_rsa_for(algorithm, RsaKeySize::_2048).unwrap()
            } else {
                KeyPair::generate_for(algorithm).unwrap()
            };
            let made = made_with(key, &["a.test"], now - DAY, now + DAY);
            let chain = folder.write("a.pem", &made.chain);
            let old_kind = if rsa { "RSA PRIVATE KEY" } else { "EC PRIVATE KEY" };
            for text in [made.key.serialize_pem(), pem(old_kind, &inside(made.key.serialized_der()))] {
                let key = folder.write("a.key", text);
                assert_eq!(problems(&folder, &chain, &key), (false, vec![]));
                let authority = folder.authority();
                let acceptor = acceptor(vec![files(&["a.test"], &chain, &key)], &authority);
                let (config, witness) = curious(&authority);
                for versions in [&rustls::version::TLS12, &rustls::version::TLS13] {
                    let mut one = ClientConfig::builder_with_provider(crypto::provider())
                        .with_protocol_versions(&[versions])
                        .unwrap()
                        .dangerous()
                        .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
                        .with_no_client_auth();
                    one.alpn_protocols.clone_from(&config.alpn_protocols);
                    meet(&acceptor, &Arc::new(one), "a.test").await.unwrap();
                }
                let shown = witness.seen.lock().unwrap().take().unwrap();
                assert_eq!(shown, CertificateDer::from_pem_slice(made.chain.as_bytes()).unwrap());
            }
        }
    }

    #[test]
    fn whatever_is_wrong_with_the_files_is_said_in_plain_words() {
        let folder = Folder::new();
        let (a, b) = (made(&["a.test"]), made(&["b.test"]));
        let chain = folder.write("a.pem", &a.chain);
        let key = folder.write("a.key", a.key.serialize_pem());
        let other_key = folder.write("b.key", b.key.serialize_pem());
        let wrong_order = folder.write("order.pem", format!("{}{}", b.chain, a.chain));
        let right_order = folder.write("chain.pem", format!("{}{}", a.chain, b.chain));
        let both = folder.write("both.pem", format!("{}{}", a.key.serialize_pem(), a.chain));
        let nothing = folder.write("empty.pem", "");
        let cut = folder.write("cut.pem", &a.chain[..a.chain.len() - 40]);
        let cut_key = folder.write("cut.key", a.key.serialize_pem().replace("MIG", "!!!"));
        let locked = folder.write("locked.key", pem("ENCRYPTED PRIVATE KEY", &[48, 3, 2, 1, 0]));
        let strange = folder.write("strange.key", pem("PRIVATE KEY", &[48, 3, 2, 1, 0]));
        let no_x509 = folder.write("no.pem", pem("CERTIFICATE", b"hello"));
        let large = folder.write("large.pem", vec![b'x'; (1 << 20) + 1]);
        let missing = folder.path("missing.pem");
        let deeper = folder.0.clone();
        for (chain, key, says) in [
            (&chain, &other_key, &["the key in", "b.key does not belong to the certificate in", "a.pem"][..]),
            (&wrong_order, &key, &["order.pem is not the site's own", "first"]),
            (&missing, &key, &["there is no file", "missing.pem"]),
            (&chain, &missing, &["there is no file", "missing.pem"]),
            (&key, &chain, &["a.key holds a private key and no certificate", "first of the two"]),
            (&chain, &chain, &["a.pem holds a certificate and no private key", "second of the two"]),
            (&nothing, &key, &["empty.pem holds no certificate"]),
            (&chain, &nothing, &["empty.pem holds no private key"]),
            (&cut, &key, &["cut.pem is damaged"]),
            (&chain, &cut_key, &["cut.key is damaged"]),
            (&chain, &locked, &["locked.key is locked with a password", "openssl pkey"]),
            (&chain, &strange, &["strange.key is of a kind that can't be used"]),
            (&no_x509, &key, &["no.pem"]),
            (&large, &key, &["large.pem", "too large"]),
            (&deeper, &key, &["not a regular file"]),
        ] {
            let (failed, texts) = problems(&folder, chain, key);
            assert!(failed && texts.len() == 1, "{texts:?}");
            for word in says {
                assert!(texts[0].contains(word), "{word}: {}", texts[0]);
            }
            assert!(
                texts[0].starts_with("a.test: ") && texts[0].contains("one of the local authority is shown")
            );
        }
        assert_eq!(problems(&folder, &right_order, &key), (false, vec![]));
        assert_eq!(problems(&folder, &both, &both), (false, vec![]), "one file with both is usual too");
    }

    #[test]
    fn what_is_merely_odd_is_a_warning() {
        let now = clock::wall().seconds;
        let folder = Folder::new();
        let warned = |made: Made, mode: u32| {
            let chain = folder.write("a.pem", made.chain);
            let key = folder.write("a.key", made.key.serialize_pem());
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            let (failed, texts) = problems(&folder, &chain, &key);
            assert!(!failed);
            texts.join("\n")
        };
        let fresh = || KeyPair::generate().unwrap();
        let text = warned(made_with(fresh(), &["a.test"], now - 9 * DAY, now - DAY), 0o600);
        assert!(text.contains("expired on"), "{text}");
        let text = warned(made_with(fresh(), &["a.test"], now + DAY, now + 9 * DAY), 0o600);
        assert!(text.contains("is not valid before"), "{text}");
        let text = warned(made(&["b.test"]), 0o600);
        assert!(text.contains("does not cover the name a.test"), "{text}");
        let text = warned(made(&["a.test"]), 0o644);
        assert!(text.contains("chmod o-rwx"), "{text}");
        assert_eq!(warned(made(&["a.test"]), 0o640), "", "a group for keys is usual");
        let wild = made(&["*.b.test"]);
        let (chain, key) =
            (folder.write("w.pem", &wild.chain), folder.write("w.key", wild.key.serialize_pem()));
        let (_, problems) = load(vec![files(&["a.b.test", "b.test"], &chain, &key)], &folder.authority());
        assert_eq!(problems.len(), 1);
        assert!(problems[0].text.contains("does not cover the name b.test"), "a wildcard covers one label");
    }

    #[test]
    fn a_file_that_breaks_later_leaves_the_certificate_from_before() {
        let folder = Folder::new();
        let authority = folder.authority();
        let good = made(&["a.test"]);
        let chain = folder.write("a.pem", &good.chain);
        let key = folder.write("a.key", good.key.serialize_pem());
        let (first, problems) = load(vec![files(&["a.test"], &chain, &key), local(&["b.test"])], &authority);
        assert_eq!(problems, []);
        assert!(!first.renew_due(clock::wall()));

        fs::remove_file(&key).unwrap();
        assert!(first.renew_due(clock::wall()), "a change of the files is seen");
        let (second, problems) = first.renewed(&authority, clock::wall()).unwrap();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].severity, Severity::Failure);
        assert!(problems[0].text.contains("the certificate from before is shown"), "{}", problems[0]);
        assert_eq!(second.mark("a.test"), first.mark("a.test"));
        assert_eq!(second.mark("b.test"), first.mark("b.test"));
        assert!(!second.renew_due(clock::wall()), "told once, not at every look");

        // The operator puts a new pair there: it is shown without anybody saying a word.
        let newer = made(&["a.test"]);
        folder.write("a.pem", &newer.chain);
        folder.write("a.key", newer.key.serialize_pem());
        assert!(second.renew_due(clock::wall()));
        let (third, problems) = second.renewed(&authority, clock::wall()).unwrap();
        assert_eq!(problems, []);
        assert_ne!(third.mark("a.test"), first.mark("a.test"));
    }

    #[test]
    fn two_sites_with_one_certificate_have_one_mark() {
        let folder = Folder::new();
        let both = made(&["a.test", "b.test"]);
        let (chain, key) =
            (folder.write("a.pem", &both.chain), folder.write("a.key", both.key.serialize_pem()));
        let wanted =
            vec![files(&["a.test"], &chain, &key), files(&["b.test"], &chain, &key), local(&["c.test"])];
        let (certificates, problems) = load(wanted, &folder.authority());
        assert_eq!(problems, []);
        assert_eq!(certificates.mark("a.test"), certificates.mark("b.test"));
        assert_ne!(certificates.mark("a.test"), certificates.mark("c.test"));
    }
}
