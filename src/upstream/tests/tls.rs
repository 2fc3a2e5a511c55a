//! TLS towards backends: whom it believes, and what it says when it does not.

use std::path::PathBuf;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::base::cause::Cause;

struct Certified {
    ca: PathBuf,
    leaf: CertificateDer<'static>,
    /// The leaf and its key, in files.
    chain: (PathBuf, PathBuf),
    key: PrivateKeyDer<'static>,
    server: Arc<ServerConfig>,
}

fn certified(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Certified {
    let mut root = CertificateParams::new(vec![]).unwrap();
    let name = crate::base::random::RequestId::next().to_string();
    root.distinguished_name.push(rcgen::DnType::CommonName, name);
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    change(&mut leaf);
    let leaf = leaf.signed_by(&key, &root).unwrap();
    let name = crate::base::random::RequestId::next();
    let file = |what| std::env::temp_dir().join(format!("doorward-{what}-{name}.pem"));
    let (ca, chain) = (file("ca"), (file("leaf"), file("key")));
    std::fs::write(&ca, root.pem()).unwrap();
    std::fs::write(&chain.0, leaf.pem()).unwrap();
    std::fs::write(&chain.1, key.serialize_pem()).unwrap();
    let leaf = leaf.der().clone();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.clone()], key.clone_key())
        .unwrap();
    Certified { ca, leaf, chain, key, server: Arc::new(server) }
}

impl Drop for Certified {
    fn drop(&mut self) {
        for file in [&self.ca, &self.chain.0, &self.chain.1] {
            let _ = std::fs::remove_file(file);
        }
    }
}

const HI: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

async fn serve(server: &Arc<ServerConfig>, to: TlsTo) -> Raw {
    let acceptor = TlsAcceptor::from(Arc::clone(server));
    raw_with(
        move |_, stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                while !head(&mut stream).await.is_empty() {
                    stream.write_all(HI.as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
        },
        |config| config.tls = Some(to),
    )
    .await
}

fn pin_of(leaf: &CertificateDer<'_>) -> [u8; 32] {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, leaf).as_ref().try_into().unwrap()
}

#[test]
fn a_backend_that_proves_its_name_is_spoken_to() {
    let good = certified(&["127.0.0.1", "wiki.internal"], |_| {});
    for name in [None, Some("wiki.internal".into())] {
        let to = TlsTo { name, ca: Some(good.ca.clone()), pin: None, client: None };
        play(async {
            let raw = serve(&good.server, to).await;
            let pool = Pool::new();
            for _ in 0..3 {
                assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "hi");
            }
            assert_eq!((raw.accepted.get(), raw.backend.figures().connections_open), (1, 1));
        });
    }
}

#[test]
fn other_authorities_in_the_same_file_make_another_backend() {
    let (before, after) = (certified(&["127.0.0.1"], |_| {}), certified(&["127.0.0.1"], |_| {}));
    let config = Config {
        tls: Some(TlsTo { name: None, ca: Some(before.ca.clone()), pin: None, client: None }),
        ..config(tcp(1))
    };
    let kept = backend(config.clone());
    assert!(kept.is(&config));
    assert!(!kept.is(&Config { idle_max: 7, ..config.clone() }));
    std::fs::copy(&after.ca, &before.ca).unwrap();
    assert!(!kept.is(&config));
}

#[test]
fn what_is_not_proved_is_not_believed() {
    let good = certified(&["127.0.0.1", "wiki.internal"], |_| {});
    let other = certified(&["127.0.0.1"], |_| {});
    let old = certified(&["127.0.0.1"], |leaf| leaf.not_after = rcgen::date_time_ymd(2001, 1, 1));
    let cases = [
        (
            &good,
            TlsTo { name: Some("trac.internal".into()), ca: Some(good.ca.clone()), pin: None, client: None },
            "another name",
        ),
        (&good, TlsTo { name: None, ca: Some(other.ca.clone()), pin: None, client: None }, "nobody we trust"),
        (&old, TlsTo { name: None, ca: Some(old.ca.clone()), pin: None, client: None }, "expired"),
        (&good, TlsTo { name: None, ca: None, pin: Some([7; 32]), client: None }, "pinned"),
    ];
    for (certified, to, why) in cases {
        play(async {
            let raw = serve(&certified.server, to).await;
            let fault = text(&Pool::new(), &raw.backend, get()).await.unwrap_err();
            assert_eq!(fault.cause, Cause::Tls);
            assert!(fault.detail().contains(why) && fault.detail().contains("`old`"), "{fault}");
            assert!(!fault.detail().contains("internal") && !fault.detail().contains("127"), "{fault}");
        });
    }
}

#[test]
fn a_pinned_certificate_is_believed_whatever_is_wrong_with_it() {
    let old = certified(&["elsewhere.example"], |leaf| leaf.not_after = rcgen::date_time_ymd(2001, 1, 1));
    let to = TlsTo { name: None, ca: None, pin: Some(pin_of(&old.leaf)), client: None };
    play(async {
        let raw = serve(&old.server, to).await;
        assert_eq!(text(&Pool::new(), &raw.backend, get()).await.unwrap(), "hi");
    });
}

/// Shows one certificate, whatever it is.
#[derive(Debug)]
struct Shown(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Shown {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A certificate of X.509 version 1, as old servers have them: no extensions, so no names. Its own signature
/// is nonsense, which is nobody's business either.
fn version_1(key: &KeyPair) -> CertificateDer<'static> {
    use rcgen::PublicKeyData;
    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let length = if content.len() < 128 { vec![length[1]] } else { [&[0x82][..], &length].concat() };
        [&[tag][..], &length, &content].concat()
    }
    let algorithm = der(0x30, &[&[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]);
    let name = der(0x30, &[&der(0x31, &[&der(0x30, &[&[0x06, 3, 0x55, 4, 3], &der(0x0c, &[b"old"])])])]);
    let validity = der(0x30, &[&der(0x17, &[b"010101000000Z"]), &der(0x17, &[b"020101000000Z"])]);
    let signed = [&[2, 1, 1][..], &algorithm, &name, &validity, &name, &key.subject_public_key_info()];
    der(0x30, &[&der(0x30, &signed), &algorithm, &der(0x03, &[&[0; 9]])]).into()
}

#[test]
fn a_certificate_that_no_verifier_reads_can_be_pinned() {
    let key = KeyPair::generate().unwrap();
    let leaf = version_1(&key);
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let shown = Arc::new(Shown(Arc::new(rustls::sign::CertifiedKey::new(vec![leaf.clone()], key))));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        let server = Arc::new(server);
        for (pin, expected) in [(pin_of(&leaf), Ok("hi".into())), ([7; 32], Err(Cause::Tls))] {
            play(async {
                let raw = serve(&server, TlsTo { name: None, ca: None, pin: Some(pin), client: None }).await;
                let got = text(&Pool::new(), &raw.backend, get()).await;
                assert_eq!(got.map_err(|fault| fault.cause), expected);
            });
        }
    }
}

#[test]
fn silent_and_hung_up_and_plain_backends_are_told_apart() {
    let to = || TlsTo { name: None, ca: None, pin: Some([0; 32]), client: None };
    play(async {
        let gone = raw_with(|_, _| async {}, |config| config.tls = Some(to())).await;
        let silent = raw_with(
            |_, stream| async move {
                std::future::pending::<()>().await;
                drop(stream);
            },
            |config| config.tls = Some(to()),
        )
        .await;
        let speaks = raw_with(
            |_, mut stream| async move {
                let _ = stream.write_all(b"220 mail.example ready\r\n").await;
                std::future::pending::<()>().await;
            },
            |config| config.tls = Some(to()),
        )
        .await;
        for (raw, cause) in [(gone, Cause::Tls), (silent, Cause::ConnectTimeout), (speaks, Cause::Tls)] {
            assert_eq!(text(&Pool::new(), &raw.backend, get()).await.unwrap_err().cause, cause);
        }
    });
}

#[test]
fn a_body_cut_under_tls_is_not_complete() {
    let good = certified(&["127.0.0.1"], |_| {});
    play(async {
        let acceptor = TlsAcceptor::from(Arc::clone(&good.server));
        let to = TlsTo { name: None, ca: Some(good.ca.clone()), pin: None, client: None };
        let raw = raw_with(
            move |_, stream| {
                let acceptor = acceptor.clone();
                async move {
                    let mut stream = acceptor.accept(stream).await.unwrap();
                    head(&mut stream).await;
                    stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhalf").await.unwrap();
                    stream.flush().await.unwrap();
                    // The connection ends without TLS having said so: anyone on the way could do that.
                }
            },
            |config| config.tls = Some(to),
        )
        .await;
        assert_eq!(text(&Pool::new(), &raw.backend, get()).await.unwrap_err().cause, Cause::Read);
    });
}

#[test]
fn a_declaration_that_can_not_work_is_explained() {
    let broken = |change: fn(&mut Config)| {
        let mut config = config(tcp(1));
        change(&mut config);
        Backend::new(config).unwrap_err()
    };
    let why = broken(|config| {
        config.tls = Some(TlsTo { name: None, ca: Some("/no/such/ca.pem".into()), pin: None, client: None });
    });
    assert!(why.contains("`old`") && why.contains("/no/such/ca.pem"), "{why}");
    let why = broken(|config| {
        config.address = Address::Unix("/run/x.sock".into());
        config.tls = Some(TlsTo::default());
    });
    assert!(why.contains(".tls_name"), "{why}");
    let why = broken(|config| {
        config.tls = Some(TlsTo { name: Some("a b".into()), ca: None, pin: None, client: None });
    });
    assert!(why.contains("`a b`"), "{why}");
    let why = broken(|config| config.host_header = Some("a\nb".into()));
    assert!(why.contains(".host_header"), "{why}");
    let empty =
        std::env::temp_dir().join(format!("doorward-empty-{}", crate::base::random::RequestId::next()));
    std::fs::write(&empty, "nothing").unwrap();
    let mut config = config(tcp(1));
    config.tls = Some(TlsTo { name: None, ca: Some(empty.clone()), pin: None, client: None });
    assert!(Backend::new(config).unwrap_err().contains("no certificate"));
    std::fs::remove_file(empty).unwrap();
}

#[test]
fn the_house_proves_who_it_is_where_it_is_asked() {
    let good = certified(&["127.0.0.1"], |_| {});
    let ours = certified(&["gateway"], |_| {});
    let mut trusted = rustls::RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_file(&ours.ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(trusted.into(), Arc::clone(&provider))
            .build()
            .unwrap();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![good.leaf.clone()], good.key.clone_key())
        .unwrap();
    let server = Arc::new(server);
    let to = |client| TlsTo { name: None, ca: Some(good.ca.clone()), pin: None, client };
    let (chain, key) = &ours.chain;
    play(async {
        let raw = serve(&server, to(Some((chain.clone(), key.clone())))).await;
        assert_eq!(text(&Pool::new(), &raw.backend, get()).await.unwrap(), "hi");
        let raw = serve(&server, to(None)).await;
        let fault = text(&Pool::new(), &raw.backend, get()).await.unwrap_err();
        assert_eq!(fault.cause, Cause::Tls, "{}", fault.detail());
    });
    let missing = to(Some((chain.clone(), "/none/of.key".into())));
    let why = Backend::new(Config { tls: Some(missing), ..config(tcp(1)) }).unwrap_err();
    assert!(why.contains("can't read a key from `/none/of.key`"), "{why}");
    let mixed = to(Some((chain.clone(), good.chain.1.clone())));
    let why = Backend::new(Config { tls: Some(mixed), ..config(tcp(1)) }).unwrap_err();
    assert!(why.contains("and its key can't be used"), "{why}");
}
