use std::net::SocketAddr;

use http::HeaderName;

use super::*;
use crate::base::address::Peer;
use crate::message::exchange::Secure;

fn street(secure: bool, trusted: bool) -> Street {
    Street {
        peer: Peer::new(SocketAddr::from(([198, 51, 100, 7], 4_711))),
        trusted,
        local: ([198, 51, 100, 1], if secure { 443 } else { 80 }).into(),
        secure: secure.then_some(Secure { name: None, certificate: None, protocol: "TLSv1.3" }),
    }
}

fn fields(fields: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    map
}

fn first(method: &str, target: &str, headers: &[(&str, &str)]) -> Head {
    Head {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        target: Bytes::copy_from_slice(target.as_bytes()),
        authority: None,
        scheme: None,
        protocol: None,
        version: Version::HTTP_11,
        headers: fields(headers),
    }
}

/// An HTTP/2 head for `https://www.example`.
fn second(method: &str, path: &str, headers: &[(&str, &str)]) -> Head {
    Head {
        authority: Some(Bytes::from_static(b"www.example")),
        scheme: Some(Bytes::from_static(b"https")),
        version: Version::HTTP_2,
        ..first(method, path, headers)
    }
}

const HOST: (&str, &str) = ("host", "www.example");

fn admit(head: Head) -> Result<Request, Box<Refused>> {
    let secure = head.version == Version::HTTP_2;
    Request::admit(RequestId::next(), head, &street(secure, false))
}

fn refusal(head: Head) -> Cause {
    let shown = format!("{head:?}");
    match admit(head) {
        Err(refused) => refused.fault.cause,
        Ok(request) => panic!("{shown} was taken as {request:?}"),
    }
}

fn kept(request: &Request) -> Vec<String> {
    let mut kept: Vec<String> = request
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    kept.sort_unstable();
    kept
}

/// Targets, and the answer each gets: in HTTP/1 with `Host: www.example` on plain http, in HTTP/2 as `:path`.
#[test]
fn targets_are_taken_or_refused_alike() {
    use Cause::{BadHost, BadPath, Malformed, Misdirected, NotImplemented};
    // method, target, what the backend is asked for in HTTP/1, and in HTTP/2
    type Answer = Result<&'static str, Cause>;
    let table: &[(&str, &str, Answer, Answer)] = &[
        ("GET", "/", Ok("/"), Ok("/")),
        ("GET", "/?", Ok("/?"), Ok("/?")),
        ("GET", "/a?b?c/d=%zz", Ok("/a?b?c/d=%zz"), Ok("/a?b?c/d=%zz")),
        ("GET", "/%61?%61", Ok("/a?%61"), Ok("/a?%61")),
        ("GET", "//evil.example/x", Ok("/evil.example/x"), Ok("/evil.example/x")),
        ("GET", "/http://x/", Ok("/http:/x/"), Ok("/http:/x/")),
        ("GET", "/a?x=http://y/../z", Ok("/a?x=http://y/../z"), Ok("/a?x=http://y/../z")),
        ("OPTIONS", "*", Ok("*"), Ok("*")),
        ("OPTIONS", "/*", Ok("/*"), Ok("/*")),
        ("PROPFIND", "/svn/", Ok("/svn/"), Ok("/svn/")),
        ("get", "/", Ok("/"), Ok("/")),
        ("GET", "", Err(Malformed), Err(Malformed)),
        ("GET", "*", Err(Malformed), Err(Malformed)),
        ("OPTIONS", "*?x", Err(Malformed), Err(Malformed)),
        ("OPTIONS", "**", Err(Malformed), Err(Malformed)),
        ("GET", "index.html", Err(Malformed), Err(Malformed)),
        ("GET", "?x", Err(Malformed), Err(Malformed)),
        ("GET", "#x", Err(Malformed), Err(Malformed)),
        ("GET", "\\x", Err(Malformed), Err(Malformed)),
        ("GET", "www.example:80", Err(Malformed), Err(Malformed)),
        ("GET", "www.example/x", Err(Malformed), Err(Malformed)),
        ("GET", "ftp://www.example/", Err(Malformed), Err(Malformed)),
        ("GET", "://www.example/", Err(Malformed), Err(Malformed)),
        ("GET", "http:/www.example/", Err(Malformed), Err(Malformed)),
        ("GET", "http:www.example", Err(Malformed), Err(Malformed)),
        ("GET", " http://www.example/", Err(Malformed), Err(Malformed)),
        ("GET", "mailto:x@www.example", Err(Malformed), Err(Malformed)),
        ("GET", "http://www.example/a", Ok("/a"), Err(Malformed)),
        ("GET", "HTTP://WWW.Example:80/a?b", Ok("/a?b"), Err(Malformed)),
        ("GET", "http://www.example", Ok("/"), Err(Malformed)),
        ("GET", "http://www.example.", Ok("/"), Err(Malformed)),
        ("GET", "http://www.example:", Ok("/"), Err(Malformed)),
        ("GET", "http://www.example?x", Ok("/?x"), Err(Malformed)),
        ("OPTIONS", "http://www.example", Ok("*"), Err(Malformed)),
        ("OPTIONS", "http://www.example/", Ok("/"), Err(Malformed)),
        ("GET", "http://other.example/", Err(BadHost), Err(Malformed)),
        ("GET", "http://www.example:81/", Err(BadHost), Err(Malformed)),
        ("GET", "http://www.example:443/", Err(BadHost), Err(Malformed)),
        ("GET", "http:///a", Err(BadHost), Err(Malformed)),
        ("GET", "http://", Err(BadHost), Err(Malformed)),
        ("GET", "http://user@www.example/", Err(BadHost), Err(Malformed)),
        ("GET", "http://www.example@evil.example/", Err(BadHost), Err(Malformed)),
        ("GET", "http://www.example\\@evil.example/", Err(BadHost), Err(Malformed)),
        ("GET", "http://www.example:0/", Err(BadHost), Err(Malformed)),
        ("GET", "http://www.example#x", Err(BadPath), Err(Malformed)),
        ("GET", "https://www.example/", Err(Misdirected), Err(Malformed)),
        ("CONNECT", "www.example:443", Err(NotImplemented), Err(NotImplemented)),
        ("CONNECT", "/", Err(NotImplemented), Err(NotImplemented)),
        ("GET", "/a#b", Err(BadPath), Err(BadPath)),
        ("GET", "/pub#/../priv", Err(BadPath), Err(BadPath)),
        ("GET", "/a?b#c", Err(Malformed), Err(Malformed)),
        ("GET", "/a b", Err(BadPath), Err(BadPath)),
        ("GET", "/a?b c", Err(Malformed), Err(Malformed)),
        ("GET", "/a\u{0}", Err(BadPath), Err(BadPath)),
        ("GET", "/a?\u{7f}", Err(Malformed), Err(Malformed)),
        ("GET", "/ü", Err(BadPath), Err(BadPath)),
        ("GET", "/?ü", Err(Malformed), Err(Malformed)),
        ("GET", "/../x", Err(BadPath), Err(BadPath)),
        ("GET", "/x/..;/y", Err(BadPath), Err(BadPath)),
        ("GET", "/\\priv", Err(BadPath), Err(BadPath)),
        ("GET", "/%5cpriv", Err(BadPath), Err(BadPath)),
        ("GET", "/%c0%ae", Err(BadPath), Err(BadPath)),
        ("GET", "/%", Err(BadPath), Err(BadPath)),
    ];
    for (method, target, in_first, in_second) in table {
        for (head, expected) in
            [(first(method, target, &[HOST]), in_first), (second(method, target, &[]), in_second)]
        {
            let version = head.version;
            match (admit(head), expected) {
                (Ok(request), Ok(asked)) => {
                    assert_eq!(
                        request.target_for_backend().as_str(),
                        *asked,
                        "{version:?} {method} {target}"
                    );
                    assert_eq!(request.host.as_typed(), "www.example");
                }
                (Err(refused), Err(cause)) => {
                    assert_eq!(
                        refused.fault.cause, *cause,
                        "{version:?} {method} {target}: {}",
                        refused.fault
                    );
                }
                (outcome, _) => panic!("{version:?} {method} {target}: {outcome:?}, not {expected:?}"),
            }
        }
    }
}

#[test]
fn a_request_names_one_host() {
    let three = [HOST, HOST];
    for (head, cause) in [
        (first("GET", "/", &[]), Cause::BadHost),
        (first("GET", "/", &three), Cause::BadHost),
        (first("GET", "/", &[HOST, ("host", "evil.example")]), Cause::BadHost),
        (first("GET", "/", &[("host", "")]), Cause::BadHost),
        (first("GET", "/", &[("host", "a, b")]), Cause::BadHost),
        (first("GET", "/", &[("host", "a:0")]), Cause::BadHost),
        (first("GET", "/", &[("host", "a@b")]), Cause::BadHost),
        (first("GET", "http://www.example/", &[]), Cause::BadHost),
        (first("GET", "http://www.example/", &three), Cause::BadHost),
        (Head { version: Version::HTTP_10, ..first("GET", "/", &[]) }, Cause::BadHost),
        (Head { authority: None, ..second("GET", "/", &[]) }, Cause::BadHost),
        (Head { authority: Some(Bytes::new()), ..second("GET", "/", &[]) }, Cause::BadHost),
        (
            Head { authority: Some(Bytes::from_static(b"a@www.example")), ..second("GET", "/", &[]) },
            Cause::BadHost,
        ),
        (second("GET", "/", &[("host", "evil.example")]), Cause::BadHost),
        (second("GET", "/", &[("host", "www.example:444")]), Cause::BadHost),
        (second("GET", "/", &three), Cause::BadHost),
        (second("GET", "/", &[("host", "")]), Cause::BadHost),
    ] {
        let shown = format!("{head:?}");
        assert_eq!(refusal(head), cause, "{shown}");
    }
    for (head, typed) in [
        (first("GET", "/", &[("Host", "WWW.example:8080")]), "WWW.example:8080"),
        (first("GET", "http://www.EXAMPLE:80/", &[("host", "www.example.")]), "www.example."),
        (Head { version: Version::HTTP_10, ..first("GET", "http://www.example/", &[]) }, "www.example"),
        (Head { version: Version::HTTP_10, ..first("GET", "/", &[HOST]) }, "www.example"),
        (second("GET", "/", &[("host", "www.example")]), "www.example"),
        (second("GET", "/", &[("host", "WWW.example:443")]), "www.example"),
        (Head { authority: None, ..second("GET", "/", &[("host", "www.example")]) }, "www.example"),
    ] {
        let request = admit(head).unwrap();
        assert_eq!(request.host.as_typed(), typed);
        assert!(!request.headers.contains_key("host"));
    }
}

#[test]
fn an_http_2_head_is_held_to_its_own_grammar() {
    use Cause::{Malformed, Misdirected, NotImplemented};
    let scheme =
        |scheme: Option<&'static str>| Head { scheme: scheme.map(Bytes::from), ..second("GET", "/", &[]) };
    let protocol = |method: &str, protocol: &'static str| Head {
        protocol: Some(Bytes::from_static(protocol.as_bytes())),
        ..second(method, "/chat", &[])
    };
    let field = |name: &str, value: &str| second("GET", "/", &[(name, value)]);
    for (head, cause) in [
        (scheme(None), Malformed),
        (scheme(Some("")), Malformed),
        (scheme(Some("ftp")), Malformed),
        (scheme(Some("http")), Misdirected),
        (field("connection", "close"), Malformed),
        (field("connection", ""), Malformed),
        (field("keep-alive", "timeout=5"), Malformed),
        (field("proxy-connection", "keep-alive"), Malformed),
        (field("transfer-encoding", "chunked"), Malformed),
        (field("upgrade", "websocket"), Malformed),
        (field("http2-settings", "AAA"), Malformed),
        (field("te", "gzip"), Malformed),
        (field("te", "trailers, gzip"), Malformed),
        (field("te", ""), Malformed),
        (field("x-padded", " a"), Malformed),
        (field("x-padded", "a\t"), Malformed),
        (field("x-padded", " "), Malformed),
        (protocol("GET", "websocket"), Malformed),
        (protocol("CONNECT", "connect-udp"), NotImplemented),
        (protocol("CONNECT", ""), NotImplemented),
        (Head { target: Bytes::new(), ..protocol("CONNECT", "websocket") }, Malformed),
        (Head { scheme: None, ..protocol("CONNECT", "websocket") }, Malformed),
        (
            Head {
                protocol: Some(Bytes::from_static(b"websocket")),
                ..second("CONNECT", "/chat", &[("content-length", "5")])
            },
            Malformed,
        ),
        (Head { scheme: None, target: Bytes::new(), ..second("CONNECT", "", &[]) }, NotImplemented),
    ] {
        let shown = format!("{head:?}");
        assert_eq!(refusal(head), cause, "{shown}");
    }
    let request = admit(protocol("CONNECT", "websocket")).unwrap();
    assert_eq!((request.method, request.path.as_str()), (Method::GET, "/chat"));
    let upgrade = request.upgrade.unwrap();
    assert!(upgrade.protocol == "websocket" && upgrade.extended);
    let request = admit(field("te", "trailers")).unwrap();
    assert_eq!(kept(&request), ["te: trailers"]);
    // The library tells no scheme where there is no authority: the host is in `Host`.
    let head = Head { scheme: None, authority: None, ..second("GET", "/", &[("host", "www.example")]) };
    assert!(admit(head).unwrap().secure);
}

#[test]
fn the_length_is_said_once() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for wrong in ["", "-1", "+5", "5 5", "5,5", "5, 5", "0x5", "5.0", "1e3", "99999999999999999999"] {
            let head = match version {
                Version::HTTP_2 => second("POST", "/", &[("content-length", wrong)]),
                _ => first("POST", "/", &[HOST, ("content-length", wrong)]),
            };
            assert_eq!(refusal(head), Cause::Framing, "{version:?} {wrong:?}");
        }
    }
    let length = ("content-length", "5");
    let coding = ("transfer-encoding", "chunked");
    assert_eq!(refusal(first("POST", "/", &[HOST, length, length])), Cause::Framing);
    assert_eq!(refusal(second("POST", "/", &[length, length])), Cause::Framing);
    assert_eq!(refusal(first("POST", "/", &[HOST, length, coding])), Cause::Framing);
    assert_eq!(
        refusal(Head { version: Version::HTTP_10, ..first("POST", "/", &[HOST, coding]) }),
        Cause::Framing
    );
    let request = admit(first("POST", "/", &[HOST, coding])).unwrap();
    assert_eq!(kept(&request), Vec::<String>::new());
    let request = admit(first("POST", "/", &[HOST, length])).unwrap();
    assert_eq!(kept(&request), ["content-length: 5"]);
    for (sent, left) in
        [("0", "0"), ("000", "0"), ("010", "10"), ("18446744073709551615", "18446744073709551615")]
    {
        let request = admit(second("POST", "/", &[("content-length", sent)])).unwrap();
        assert_eq!(request.headers["content-length"], left);
    }
}

#[test]
fn cookies_come_in_one_field() {
    let crumbs = [HOST, ("cookie", "a=b"), ("cookie", "c=\"d;e\"")];
    assert_eq!(refusal(first("GET", "/", &crumbs)), Cause::Malformed);
    assert_eq!(kept(&admit(second("GET", "/", &crumbs)).unwrap()), ["cookie: a=b; c=\"d;e\""]);
    for cookie in ["a=b; c=d", "", "=", "a", ";;", "a=b;", "a=\"b", "ü=ü", "a=b; a=b"] {
        let request = admit(first("GET", "/", &[HOST, ("cookie", cookie)])).unwrap();
        assert_eq!(request.headers["cookie"].as_bytes(), cookie.as_bytes());
    }
}

#[test]
fn fields_that_decide_come_once() {
    for name in ["authorization", "content-type", "destination"] {
        assert_eq!(refusal(first("GET", "/", &[HOST, (name, "a"), (name, "a")])), Cause::Malformed, "{name}");
        assert_eq!(refusal(second("GET", "/", &[(name, "a"), (name, "b")])), Cause::Malformed, "{name}");
        assert_eq!(admit(first("GET", "/", &[HOST, (name, "a")])).unwrap().headers.len(), 1);
    }
}

#[test]
fn connection_takes_away_what_it_may() {
    let request = admit(first(
        "GET",
        "/",
        &[
            HOST,
            ("connection", "close, X-Foo,,\t x-bar , TE, x-forwarded-for, remote-user"),
            ("x-foo", "1"),
            ("x-bar", "1"),
            ("x-baz", "1"),
            ("te", "trailers"),
            ("remote-user", "root"),
            ("x-forwarded-for", "10.0.0.1"),
            ("trailer", "x-sum"),
            ("keep-alive", "300"),
            ("proxy-connection", "keep-alive"),
        ],
    ))
    .unwrap();
    assert_eq!(kept(&request), ["te: trailers", "trailer: x-sum", "x-baz: 1"]);
    for option in [
        "host",
        "Content-Length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "trailer",
        "Cookie",
        "authorization",
        "expect",
        "range",
        "if-match",
        "destination",
        "origin",
        "sec-fetch-site",
        "keep-alive, cookie",
        "a b",
        "a;b",
        "\"close\"",
        "a=b",
        "(x)",
        "ü",
    ] {
        assert_eq!(refusal(first("GET", "/", &[HOST, ("connection", option)])), Cause::Malformed, "{option}");
    }
}

#[test]
fn an_upgrade_is_wanted_by_both_fields_and_has_no_body() {
    let wants = ("connection", "keep-alive, Upgrade");
    let to = ("upgrade", "WebSocket");
    let upgrade = |head: Head| admit(head).unwrap().upgrade.map(|upgrade| upgrade.protocol);
    assert_eq!(upgrade(first("GET", "/", &[HOST, wants, to])).unwrap(), "WebSocket");
    assert_eq!(upgrade(first("GET", "/", &[HOST, wants, to, ("content-length", "0")])).unwrap(), "WebSocket");
    assert_eq!(
        upgrade(first("GET", "/", &[HOST, wants, ("upgrade", "h2c, websocket")])).unwrap(),
        "websocket"
    );
    assert_eq!(upgrade(first("GET", "/", &[HOST, wants, ("upgrade", "irc/6.9")])).unwrap(), "irc/6.9");
    for head in [
        first("GET", "/", &[HOST, to]),
        first("GET", "/", &[HOST, wants]),
        first("GET", "/", &[HOST, wants, ("upgrade", "")]),
        first("GET", "/", &[HOST, wants, ("upgrade", "h2c"), ("http2-settings", "AAA")]),
        first("GET", "/", &[HOST, wants, ("upgrade", "TLS/1.0")]),
        first("GET", "/", &[HOST, wants, ("upgrade", "HTTP/2.0")]),
        first("GET", "/", &[HOST, wants, ("upgrade", "websocket, irc")]),
        first("GET", "/", &[HOST, wants, to, to]),
        first("POST", "/", &[HOST, wants, to, ("content-length", "5")]),
        first("POST", "/", &[HOST, wants, to, ("transfer-encoding", "chunked")]),
        Head { version: Version::HTTP_10, ..first("GET", "/", &[HOST, wants, to]) },
    ] {
        let request = admit(head).unwrap();
        assert_eq!(request.upgrade, None);
        for name in ["upgrade", "connection", "http2-settings"] {
            assert!(!request.headers.contains_key(name), "{name}");
        }
    }
    assert_eq!(refusal(first("GET", "/", &[HOST, wants, ("upgrade", "a b")])), Cause::Malformed);
}

#[test]
fn one_expectation_is_known() {
    for value in ["100-continue", "100-Continue"] {
        let request = admit(first("POST", "/", &[HOST, ("expect", value)])).unwrap();
        assert_eq!(kept(&request), ["expect: 100-continue"]);
    }
    for value in ["", "200-ok", "100-continue, x", "100-continue;q=1"] {
        assert_eq!(refusal(first("POST", "/", &[HOST, ("expect", value)])), Cause::Expectation, "{value}");
        assert_eq!(refusal(second("POST", "/", &[("expect", value)])), Cause::Expectation, "{value}");
    }
    let old = Head { version: Version::HTTP_10, ..first("POST", "/", &[HOST, ("expect", "x")]) };
    assert_eq!(kept(&admit(old).unwrap()), Vec::<String>::new());
}

#[test]
fn strangers_are_not_believed() {
    let request = Request::admit(
        RequestId::next(),
        second(
            "GET",
            "/",
            &[
                ("x-forwarded-for", "10.0.0.1"),
                ("x-forwarded-proto", "rubbish"),
                ("x-forwarded-host", "evil.example"),
                ("x-forwarded-port", "1"),
                ("forwarded", "for=10.0.0.1;host=\"evil"),
                ("remote-user", "root"),
                ("remote_user", "root"),
            ],
        ),
        &street(true, false),
    )
    .unwrap();
    assert_eq!(request.client, street(true, false).peer.ip);
    assert_eq!((request.secure, request.host.name(), request.port), (true, "www.example", 443));
    assert_eq!(request.headers.len(), 0);
}

#[test]
fn a_trusted_peer_is_believed_or_refused() {
    let told = [
        HOST,
        ("x-forwarded-for", "10.0.0.1, 203.0.113.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "Public.example:8443"),
        ("remote-user", "root"),
    ];
    let request = Request::admit(RequestId::next(), first("GET", "/", &told), &street(false, true)).unwrap();
    assert_eq!(request.client, ClientIp::new("203.0.113.7".parse().unwrap()));
    assert_eq!((request.secure, request.host.as_typed(), request.port), (true, "Public.example:8443", 8_443));
    assert_eq!(request.headers.len(), 0);
    let refused = Request::admit(
        RequestId::next(),
        first("GET", "/", &[HOST, ("x-forwarded-proto", "x")]),
        &street(false, true),
    )
    .unwrap_err();
    assert_eq!(refused.fault.cause, Cause::Malformed);
    assert_eq!(refused.seen.host.unwrap().name(), "www.example");
    // What it does not say is as it seems.
    let request =
        Request::admit(RequestId::next(), first("GET", "/", &[HOST]), &street(false, true)).unwrap();
    assert_eq!((request.secure, request.port), (false, 80));
    // A proxy that ends TLS may ask for https over plain connections.
    let request = Request::admit(
        RequestId::next(),
        first("GET", "https://www.example/", &[HOST]),
        &street(false, true),
    )
    .unwrap();
    assert_eq!((request.secure, request.port), (true, 443));
}

#[test]
fn backends_are_told_what_was_decided() {
    let request = admit(second("GET", "/", &[("x-forwarded-for", "10.0.0.1"), ("accept", "*/*")])).unwrap();
    let mut headers = request.headers.clone();
    headers.append("x-forwarded-host", HeaderValue::from_static("stale"));
    forwarded::Introduction::new(&request, Some("192.0.2.1".parse().unwrap())).put(&mut headers);
    for (name, value) in [
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "www.example"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-ssl", "on"),
        ("forwarded", "for=192.0.2.1;host=\"www.example\";proto=https"),
    ] {
        assert_eq!(headers.get_all(name).iter().collect::<Vec<_>>(), [value], "{name}");
    }
    assert_eq!(headers.len(), 7);
    assert_eq!(forwarded::parse(&headers).unwrap().port, Some(443));

    forwarded::Introduction::new(&request, Some("2001:db8::1".parse().unwrap())).put(&mut headers);
    assert_eq!(headers["x-forwarded-for"], "2001:db8::1");
    assert_eq!(headers["forwarded"], "for=\"[2001:db8::1]\";host=\"www.example\";proto=https");

    // What is kept of a visitor keeps nothing of his request alive.
    let kept = forwarded::Introduction::new(&request, None);
    assert_eq!(kept.host(), request.host.as_typed());
    assert_ne!(kept.host().as_bytes().as_ptr(), request.host.as_typed().as_ptr());

    let request = admit(first("GET", "/", &[("host", "[::1]:8080")])).unwrap();
    forwarded::Introduction::new(&request, None).put(&mut headers);
    assert!(!headers.contains_key("x-forwarded-for"));
    assert_eq!(headers["forwarded"], "host=\"[::1]:8080\";proto=http");
    assert_eq!(
        (headers["x-forwarded-port"].as_bytes(), headers["x-forwarded-ssl"].as_bytes()),
        (&b"8080"[..], &b"off"[..])
    );
}

#[test]
fn a_refused_request_is_remembered_safely() {
    let refused = admit(first("GET", "/a\u{1b}[31m\"\\\u{7f}ü", &[HOST, ("user-agent", "x")])).unwrap_err();
    assert_eq!(&*refused.seen.target, "/a%1B[31m\"\\%7F%C3%BC");
    assert_eq!(refused.seen.host.as_ref().unwrap().name(), "www.example");
    assert_eq!(refused.seen.headers["user-agent"], "x");
    let refused = admit(first("GET", &format!("/\u{1}{}", "a".repeat(9_000)), &[HOST])).unwrap_err();
    assert!(refused.seen.target.len() < 2_100 && refused.seen.target.ends_with("..."));
}

#[test]
fn what_is_secret_is_not_printed() {
    let secrets =
        [HOST, ("authorization", "Basic c2VjcmV0"), ("cookie", "a=c2VjcmV0"), ("cookie", "b=c2VjcmV0")];
    let taken = admit(second("GET", "/", &secrets)).unwrap();
    assert_eq!(taken.headers["cookie"], "a=c2VjcmV0; b=c2VjcmV0");
    let refused = admit(first("GET", "/%00", &secrets)).unwrap_err();
    for shown in [format!("{taken:?}"), format!("{refused:?}")] {
        assert!(!shown.contains("c2VjcmV0"), "{shown}");
    }
}

#[test]
fn the_longest_path_and_query_make_a_target() {
    let long = format!("/{}?{}", "a".repeat(31_999), "b".repeat(32_000));
    let request = admit(first("GET", &long, &[HOST])).unwrap();
    assert_eq!(request.target_for_backend().as_str(), long);
    assert_eq!(refusal(first("GET", &format!("{long}b"), &[HOST])), Cause::TargetTooLong);
    assert_eq!(refusal(second("GET", &format!("/a{long}"), &[])), Cause::TargetTooLong);
}

/// Unusual, and valid: each passes, in HTTP/1 and where it exists in HTTP/2.
#[test]
fn what_is_unusual_but_valid_passes() {
    let targets = [
        "/",
        "//",
        "/?",
        "/??",
        "/?/",
        "/?a?b/c",
        "/?%",
        "/?%zz",
        "/?a[]=1&b={x}|y^z`\\",
        "/a;b",
        "/a;b=c;d",
        "/;a",
        "/a:b",
        "/a@b",
        "/!$&'()*+,=",
        "/-._~",
        "/a//b",
        "//a//b//",
        "/a/./b",
        "/a/../b",
        "/a/.",
        "/a/b/..",
        "/...",
        "/.a",
        "/a.",
        "/%41",
        "/%7e",
        "/%c3%bc",
        "/%F0%9F%9A%AA",
        "/%e2%82%ac",
        "/%2e%2e%2e",
        "/%25",
        "/%252f",
        "/%3f",
        "/%23",
        "/%20",
        "/%3B",
        "/%2B",
        "/[a]",
        "/a|b",
        "/a^b",
        "/*",
        "/http://www.example/",
        "/a=b&c=d",
        "/~user",
        "/a%2fb",
    ];
    for target in targets {
        assert!(admit(first("GET", target, &[HOST])).is_ok(), "{target}");
        assert!(admit(second("GET", target, &[])).is_ok(), "{target}");
    }
    for method in ["M-SEARCH", "get", "PURGE", "!#$%&'*+-.^_`|~09", "A", "REPORT", "TRACE", "QUERY"] {
        assert!(admit(first(method, "/", &[HOST])).is_ok(), "{method}");
        assert!(admit(second(method, "/", &[])).is_ok(), "{method}");
    }
    for (name, value) in [
        ("x-empty", ""),
        ("accept", ""),
        ("user-agent", "\"quoted \\\" pair\""),
        ("x-utf8", "ü"),
        ("x-tab", "a\tb"),
        ("x.dot", "1"),
        ("x!#$%&'*+^`|~", "1"),
        ("1", "1"),
        ("content-length", "0"),
        ("te", "trailers"),
        ("range", "bytes=0-0,-1"),
        ("via", "1.0 fred, 1.1 p.example (x)"),
        ("max-forwards", "0"),
        ("if-none-match", "W/\"a\", *"),
        ("referer", "about:blank"),
        ("origin", "null"),
        ("sec-websocket-protocol", "a, b"),
        ("authorization", "Basic"),
    ] {
        for head in [first("GET", "/", &[HOST, (name, value)]), second("GET", "/", &[(name, value)])] {
            let request = admit(head).unwrap();
            assert_eq!(request.headers[name].as_bytes(), value.as_bytes(), "{name}");
        }
    }
    let several =
        [HOST, ("accept", "a"), ("dav", "1"), ("accept", "b"), ("dav", "2"), ("dav", "3"), ("accept", "")];
    let request = admit(first("GET", "/", &several)).unwrap();
    assert_eq!(request.headers.get_all("dav").iter().collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(request.headers.get_all("accept").iter().collect::<Vec<_>>(), ["a", "b", ""]);
    for connection in
        ["", ",", "keep-alive", "Keep-Alive, close", "close,close", " , x", "Upgrade", "TE, close"]
    {
        assert!(admit(first("GET", "/", &[HOST, ("connection", connection)])).is_ok(), "{connection:?}");
    }
    for host in
        ["www.example.", "WWW.EXAMPLE", "www.example:", "www.example:80", "www.example:00080", "a_b", "[::1]"]
    {
        assert!(admit(first("GET", "/", &[("host", host)])).is_ok(), "{host}");
    }
}

/// `cargo test --release --lib message::request -- --ignored --nocapture`: the best of many rounds, since
/// what else the machine does only adds.
#[test]
#[ignore = "a measurement"]
fn what_admission_costs() {
    const ROUND: u32 = 100;
    fn best(of: &mut std::time::Duration, start: crate::base::clock::Instant) {
        *of = start.elapsed().min(*of);
    }
    let browser = [
        ("host", "www.example"),
        ("connection", "keep-alive"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("cookie", "trac_session=0123456789abcdef; trac_auth=0123456789abcdef"),
        ("upgrade-insecure-requests", "1"),
    ];
    let street = street(false, false);
    for target in ["/trac/ticket/4711", "/trac/ticket/4711?format=rss", "/wiki/Gr%c3%bc%C3%9Fe/./x"] {
        let [mut taking, mut asking, mut telling] = [std::time::Duration::MAX; 3];
        let mut requests: Vec<Request> = Vec::new();
        for _ in 0..500 {
            requests.clear();
            let heads: Vec<Head> = (0..ROUND).map(|_| first("GET", target, &browser)).collect();
            let start = crate::base::clock::now();
            requests.extend(
                heads.into_iter().map(|head| Request::admit(RequestId::next(), head, &street).unwrap()),
            );
            best(&mut taking, start);
            let start = crate::base::clock::now();
            for request in &requests {
                std::hint::black_box(request.target_for_backend());
            }
            best(&mut asking, start);
            let start = crate::base::clock::now();
            for request in &mut requests {
                let mut headers = std::mem::take(&mut request.headers);
                forwarded::Introduction::new(request, Some(std::net::IpAddr::from([192, 0, 2, 1])))
                    .put(&mut headers);
                request.headers = headers;
            }
            best(&mut telling, start);
        }
        println!(
            "{target}: admit {:?}, target_for_backend {:?}, introduction {:?}",
            taking / ROUND,
            asking / ROUND,
            telling / ROUND
        );
    }
}
