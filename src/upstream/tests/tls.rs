//! TLS towards backends: whom it believes, and what it says when it does not.

use std::path::PathBuf;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::base::cause::Cause;

struct Certified {
    ca: PathBuf,
    leaf: CertificateDer<'static>,
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
    let leaf = leaf.signed_by(&key, &root).unwrap().der().clone();
    let ca = std::env::temp_dir().join(format!("doorward-ca-{}.pem", crate::base::random::RequestId::next()));
    std::fs::write(&ca, root.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    Certified { ca, leaf, server: Arc::new(server) }
}

impl Drop for Certified {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.ca);
    }
}

const HI: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

async fn serve(certified: &Certified, to: TlsTo) -> Raw {
    let acceptor = TlsAcceptor::from(Arc::clone(&certified.server));
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
        let to = TlsTo { name, ca: Some(good.ca.clone()), pin: None };
        play(async {
            let raw = serve(&good, to).await;
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
    let config =
        Config { tls: Some(TlsTo { name: None, ca: Some(before.ca.clone()), pin: None }), ..config(tcp(1)) };
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
            TlsTo { name: Some("trac.internal".into()), ca: Some(good.ca.clone()), pin: None },
            "another name",
        ),
        (&good, TlsTo { name: None, ca: Some(other.ca.clone()), pin: None }, "nobody we trust"),
        (&old, TlsTo { name: None, ca: Some(old.ca.clone()), pin: None }, "expired"),
        (&good, TlsTo { name: None, ca: None, pin: Some([7; 32]) }, "pinned"),
    ];
    for (certified, to, why) in cases {
        play(async {
            let raw = serve(certified, to).await;
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
    let to = TlsTo { name: None, ca: None, pin: Some(pin_of(&old.leaf)) };
    play(async {
        let raw = serve(&old, to).await;
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
        let old = Certified { ca: PathBuf::new(), leaf: leaf.clone(), server: Arc::new(server) };
        for (pin, expected) in [(pin_of(&leaf), Ok("hi".into())), ([7; 32], Err(Cause::Tls))] {
            play(async {
                let raw = serve(&old, TlsTo { name: None, ca: None, pin: Some(pin) }).await;
                let got = text(&Pool::new(), &raw.backend, get()).await;
                assert_eq!(got.map_err(|fault| fault.cause), expected);
            });
        }
    }
}

#[test]
fn silent_and_hung_up_and_plain_backends_are_told_apart() {
    let to = || TlsTo { name: None, ca: None, pin: Some([0; 32]) };
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
        let to = TlsTo { name: None, ca: Some(good.ca.clone()), pin: None };
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
        config.tls = Some(TlsTo { name: None, ca: Some("/no/such/ca.pem".into()), pin: None });
    });
    assert!(why.contains("`old`") && why.contains("/no/such/ca.pem"), "{why}");
    let why = broken(|config| {
        config.address = Address::Unix("/run/x.sock".into());
        config.tls = Some(TlsTo::default());
    });
    assert!(why.contains(".tls_name"), "{why}");
    let why = broken(|config| config.tls = Some(TlsTo { name: Some("a b".into()), ca: None, pin: None }));
    assert!(why.contains("`a b`"), "{why}");
    let why = broken(|config| config.host_header = Some("a\nb".into()));
    assert!(why.contains(".host_header"), "{why}");
    let empty =
        std::env::temp_dir().join(format!("doorward-empty-{}", crate::base::random::RequestId::next()));
    std::fs::write(&empty, "nothing").unwrap();
    let mut config = config(tcp(1));
    config.tls = Some(TlsTo { name: None, ca: Some(empty.clone()), pin: None });
    assert!(Backend::new(config).unwrap_err().contains("no certificate"));
    std::fs::remove_file(empty).unwrap();
}
