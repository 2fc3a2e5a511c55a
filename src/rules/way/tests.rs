//! Which destinations are places of the same backend, and open.

use bytes::Bytes;
use http::{Method, Version};

use super::*;
use crate::base::address::{Network, NetworkSet, Peer};
use crate::base::random::RequestId;
use crate::message::{Head, Street};
use crate::plan::{Access, Answers, Key, Piece, Route, Site};

fn table() -> Table {
    let route = |path: &str, backend| Route::new(path, Answers::Backend(BackendId(backend)));
    let office = NetworkSet::new([(Network::new("192.0.2.0".parse().unwrap(), 24).unwrap(), true)]);
    let closed = Route { write: Access::Network(std::sync::Arc::new(office)), ..route("/svn/closed/", 0) };
    let moved = Route {
        names: ["project".into()].into(),
        moved_to: Some(Key([Piece::Text("/dav/".into()), Piece::Name(0), Piece::Text("/".into())].into())),
        ..route("/p/{project}/files/", 0)
    };
    let mut site = Site::new("www.test", vec![route("/svn/", 0), closed, moved, route("/wiki/", 1)]);
    site.aliases = vec!["old.test".into()];
    Table::new(vec![site, Site::new("other.test", vec![route("/svn/", 0)])])
}

fn asked(host: &str) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("host", host.parse().unwrap());
    let head = Head {
        method: Method::from_bytes(b"COPY").unwrap(),
        target: Bytes::from_static(b"/svn/a"),
        authority: None,
        scheme: None,
        protocol: None,
        version: Version::HTTP_11,
        headers,
    };
    let street = Street {
        peer: Peer::new("203.0.113.9:4711".parse().unwrap()),
        trusted: false,
        local: Street::UNKNOWN,
        secure: Some(crate::message::Secure { name: None, certificate: None, protocol: "TLSv1.3" }),
    };
    Request::admit(RequestId::imagined(1), head, &street).unwrap()
}

/// What the backend is told, or why nobody is asked.
fn judged(host: &str, written: &str) -> Result<String, Cause> {
    let (table, request) = (table(), asked(host));
    let found = table.site("www.test").unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("destination", HeaderValue::from_bytes(written.as_bytes()).unwrap());
    let destined = destination(&table, found, &request, &headers, &[BackendId(0)]);
    let destined = destined.map_err(|fault| fault.cause)?.unwrap();
    destined.admits(&request).map_err(|fault| fault.cause)?;
    let told = destination_told(false, &request.host.header(), &destined.target).unwrap();
    Ok(told.to_str().unwrap().to_owned())
}

#[test]
fn a_destination_on_this_site_is_told_as_its_backend_sees_itself() {
    for (written, told) in [
        ("https://www.test/svn/b", "http://www.test/svn/b"),
        ("https://www.test:443/svn/b", "http://www.test/svn/b"),
        ("http://WWW.test./svn/b", "http://www.test/svn/b"),
        ("https://old.test/svn/b", "http://www.test/svn/b"),
        ("/svn/b", "http://www.test/svn/b"),
        ("https://www.test/svn/f%20one%20ue.txt", "http://www.test/svn/f%20one%20ue.txt"),
        ("https://www.test/svn/%c3%bc;v?x=%2f", "http://www.test/svn/%C3%BC;v?x=%2f"),
        ("https://www.test/wiki/../svn/b", "http://www.test/svn/b"),
        ("https://www.test/p/numpy/files/a", "http://www.test/dav/numpy/a"),
    ] {
        assert_eq!(judged("www.test", written).as_deref(), Ok(told), "{written}");
    }
    let typed = "www.test:8443";
    assert_eq!(judged(typed, "https://www.test:8443/svn/b").as_deref(), Ok("http://www.test:8443/svn/b"));
    assert_eq!(judged(typed, "https://www.test/svn/b").as_deref(), Ok("http://www.test:8443/svn/b"));
}

#[test]
fn a_destination_elsewhere_or_behind_a_closed_door_is_refused() {
    for (written, cause) in [
        ("https://evil.test/svn/b", Cause::Destination),
        ("https://other.test/svn/b", Cause::Destination),
        ("https://www.test:9443/svn/b", Cause::Destination),
        ("https://www.test/wiki/b", Cause::Destination),
        ("https://www.test/svn/../wiki/b", Cause::Destination),
        ("https://www.test/nowhere/b", Cause::Destination),
        ("https://www.test", Cause::Destination),
        ("/.doorward/x", Cause::Destination),
        // Another reading of the path is another door.
        ("https://www.test/svn;x/b", Cause::Destination),
        ("https://www.test/svn/closed;x/b", Cause::Destination),
        ("https://www.test/svn/a%2fb", Cause::BadPath),
        ("https://www.test/svn/closed/b", Cause::Denied),
        ("https://www.test/svn/%63losed/b", Cause::Denied),
        ("https://www.test/svn/a/../closed", Cause::Denied),
        ("/svn/closed/b", Cause::Denied),
        ("svn/b", Cause::Malformed),
    ] {
        assert_eq!(judged("www.test", written), Err(cause), "{written}");
    }
}

#[test]
fn no_destination_is_none() {
    let (table, request) = (table(), asked("www.test"));
    let found = table.site("www.test").unwrap();
    assert!(destination(&table, found, &request, &HeaderMap::new(), &[]).unwrap().is_none());
}

#[test]
fn a_path_is_mapped_as_its_route_says() {
    let path = |text: &str| SitePath::parse(text.as_bytes()).unwrap();
    let table = table();
    let found = table.site("www.test").unwrap();
    let sent = |text: &str| {
        let path = path(text);
        let covered = route_of(found, &path).unwrap();
        let way = Way::of(found, covered.route, covered.names.values(), &path);
        let target = way.target(&path, None).unwrap();
        assert_eq!(way.ruled_target(path.target_with(None)).unwrap(), target);
        target.to_string()
    };
    assert_eq!(sent("/p/numpy/files/a%20b/"), "/dav/numpy/a%20b/");
    assert_eq!(sent("/p/%7enumpy/files"), "/dav/~numpy");
    assert_eq!(sent("/svn/a"), "/svn/a");
    let strip = Route {
        moved_to: Some(Key([Piece::Text("/".into())].into())),
        ..Route::new("/", Answers::Backend(BackendId(0)))
    };
    let names: [&str; 0] = [];
    let way = Way::of(found, &strip, &names, &SitePath::asterisk());
    assert_eq!(way.target(&SitePath::asterisk(), None).unwrap().as_str(), "*");
}
