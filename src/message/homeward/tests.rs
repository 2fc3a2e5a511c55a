//! Tables: what a backend says, and what the visitor gets.

use super::super::SitePath;
use super::*;

fn host(text: &str) -> Host {
    Host::parse(text.as_bytes()).unwrap()
}

/// A visitor of `https://www.test`, whose backend is `127.0.0.1:8001` and is told `app.internal`.
fn home(typed: &Host, mapping: Option<&Mapping>) -> Homeward {
    Homeward {
        secure: true,
        typed: typed.clone(),
        port: typed.port().unwrap_or(443),
        cookies_secure: true,
        places: vec![
            Place { name: "127.0.0.1".into(), port: 8_001, told: false },
            Place::told(&host("app.internal"), false),
        ],
        mapping: mapping.cloned(),
    }
}

fn put(home: &Homeward, name: &'static str, value: &str) -> String {
    let mut headers = HeaderMap::new();
    headers.insert(name, value.parse().unwrap());
    home.put_right(&mut headers);
    headers.get(name).unwrap().to_str().unwrap().to_owned()
}

fn strip() -> Mapping {
    Mapping::new(&SitePath::parse(b"/wiki/a").unwrap(), 1, "/", false)
}

#[test]
fn addresses_of_ours_become_the_visitors() {
    let typed = host("www.test");
    let home = home(&typed, None);
    for (said, told) in [
        ("http://www.test/a?b#c", "https://www.test/a?b#c"),
        ("HTTP://WWW.Test./a", "https://www.test/a"),
        ("http://www.test:80/a", "https://www.test/a"),
        ("http://www.test:443/a", "https://www.test/a"),
        ("http://www.test:8001/a", "https://www.test/a"),
        ("http://www.test", "https://www.test"),
        ("http://www.test?a", "https://www.test?a"),
        ("http://app.internal/a", "https://www.test/a"),
        ("http://app.internal:80/a", "https://www.test/a"),
        ("https://app.internal/a", "https://www.test/a"),
        ("http://127.0.0.1:8001/a%20b/%7e", "https://www.test/a%20b/%7e"),
        ("http://localhost:8001/a", "https://www.test/a"),
        ("//app.internal/a", "//www.test/a"),
        ("https://www.test:8001/a", "https://www.test/a"),
    ] {
        assert_eq!(put(&home, "location", said), told, "{said}");
        assert_eq!(put(&home, "content-location", said), told, "{said}");
    }
}

#[test]
fn what_is_not_ours_or_is_right_passes_byte_for_byte() {
    let typed = host("www.test");
    let home = home(&typed, None);
    for said in [
        "https://www.test/a",
        "https://WWW.test:443/a",
        "//www.test/a",
        "/a/b?c",
        "a/b",
        "../b",
        "?a",
        "#a",
        "/\\app.internal/",
        "http://www.test:9000/a",
        "http://app.internal:9000/a",
        "http://127.0.0.1/a",
        "http://127.0.0.1:9000/a",
        "http://localhost/a",
        "http://other.test/a",
        "http://www.test.evil/a",
        "http://evilwww.test/a",
        "http://user@www.test/a",
        "http://www.test@evil/a",
        "http://www.test\\@evil/a",
        "http://www.test:x/a",
        "http:/www.test/a",
        "http:www.test/a",
        "http//www.test/a",
        "ftp://www.test/a",
        "javascript:alert(1)",
        "mailto:a@www.test",
        "http://",
        "http:///a",
        "/http://www.test/",
        " http://www.test/",
    ] {
        assert_eq!(put(&home, "location", said), said);
        assert_eq!(put(&home, "content-location", said), said);
    }
    // Bytes that are no text are a value all the same.
    let mut headers = HeaderMap::new();
    let raw = HeaderValue::from_bytes(b"http://www.test/\xe9\xff").unwrap();
    headers.insert(LOCATION, raw);
    home.put_right(&mut headers);
    assert_eq!(headers.get(LOCATION).unwrap().as_bytes(), b"https://www.test/\xe9\xff");
}

#[test]
fn a_port_that_was_typed_is_told() {
    let typed = host("www.test:8443");
    let home = home(&typed, None);
    for (said, told) in [
        ("http://www.test:8443/a", "https://www.test:8443/a"),
        ("http://www.test/a", "https://www.test:8443/a"),
        ("https://www.test/a", "https://www.test:8443/a"),
        ("http://app.internal/", "https://www.test:8443/"),
        ("https://www.test:8443/a", "https://www.test:8443/a"),
        ("http://www.test:9443/a", "http://www.test:9443/a"),
    ] {
        assert_eq!(put(&home, "location", said), told, "{said}");
    }
}

#[test]
fn who_speaks_http_may_be_sent_to_https() {
    let typed = host("www.test");
    let home = Homeward { secure: false, port: 80, cookies_secure: false, ..home(&typed, None) };
    for (said, told) in [
        ("https://www.test/login", "https://www.test/login"),
        ("http://www.test/a", "http://www.test/a"),
        ("http://www.test:8001/a", "http://www.test/a"),
        ("https://app.internal/a", "http://www.test/a"),
    ] {
        assert_eq!(put(&home, "location", said), told, "{said}");
    }
    assert_eq!(put(&home, "set-cookie", "a=b; Path=/"), "a=b; Path=/");
}

#[test]
fn a_backend_that_is_told_what_was_typed_may_say_another_scheme() {
    // Without `.host_header` the backend is told the visitor's own host: a Place of that name changes nothing.
    let typed = host("www.test");
    let places = vec![Place::told(&typed, false)];
    let plain = Homeward { secure: false, port: 80, cookies_secure: false, places, ..home(&typed, None) };
    assert_eq!(put(&plain, "location", "https://www.test/login"), "https://www.test/login");
}

#[test]
fn paths_are_mapped_back() {
    let (typed, strip) = (host("www.test"), strip());
    let home = home(&typed, Some(&strip));
    for (said, told) in [
        ("/login?next=/a", "/wiki/login?next=/a"),
        ("/", "/wiki/"),
        ("http://www.test/login", "https://www.test/wiki/login"),
        ("https://www.test/login", "https://www.test/wiki/login"),
        ("http://app.internal", "https://www.test/wiki/"),
        ("http://app.internal?a", "https://www.test/wiki/?a"),
        ("//app.internal/a", "//www.test/wiki/a"),
        ("/wiki/login", "/wiki/login"),
        ("http://www.test/wiki/login", "https://www.test/wiki/login"),
        ("login", "login"),
        ("", ""),
        ("http://other.test/login", "http://other.test/login"),
        ("//other.test/login", "//other.test/login"),
    ] {
        assert_eq!(put(&home, "location", said), told, "{said}");
    }
}

#[test]
fn the_address_in_a_refresh_and_in_links_is_put_right() {
    let (typed, strip) = (host("www.test"), strip());
    let home = home(&typed, Some(&strip));
    for (said, told) in [
        ("5; url=http://www.test/a", "5; url=https://www.test/wiki/a"),
        ("5;URL='http://www.test/a' ", "5;URL='https://www.test/wiki/a' "),
        ("0.5, Url = \"/a\"; x", "0.5, Url = \"/wiki/a\"; x"),
        ("5; url=/a  ", "5; url=/wiki/a  "),
        ("5", "5"),
        ("5; other=/a", "5; other=/a"),
        ("url=/a", "url=/a"),
        ("5; url=a", "5; url=a"),
        ("5; ur", "5; ur"),
        ("", ""),
    ] {
        assert_eq!(put(&home, "refresh", said), told, "{said}");
    }
    for (said, told) in [
        ("<http://www.test/a>; rel=next", "<https://www.test/wiki/a>; rel=next"),
        ("</a>; rel=\"prev\", <b>; rel=next, </c>", "</wiki/a>; rel=\"prev\", <b>; rel=next, </wiki/c>"),
        ("</a>; title=\"x \\\" </b>\", </c>", "</wiki/a>; title=\"x \\\" </b>\", </wiki/c>"),
        ("<http://other.test/a>; rel=next", "<http://other.test/a>; rel=next"),
        ("</a", "</a"),
        ("/a", "/a"),
    ] {
        assert_eq!(put(&home, "link", said), told, "{said}");
    }
}

#[test]
fn cookies_are_for_the_place_the_visitor_sees() {
    let (typed, strip) = (host("www.test"), strip());
    let replace = Mapping::new(&SitePath::parse(b"/wiki/a").unwrap(), 1, "/trac/env1/", false);
    let (plain, stripped, replaced) =
        (home(&typed, None), home(&typed, Some(&strip)), home(&typed, Some(&replace)));
    for (home, said, told) in [
        (&plain, "a=b", "a=b; Secure"),
        (&plain, "a=b; Path=/x; HttpOnly", "a=b; Path=/x; HttpOnly; Secure"),
        (&plain, "a=b; secure;SameSite=None", "a=b; secure;SameSite=None"),
        (&plain, "a=b;  Domain = .App.Internal ; Path=/", "a=b; Path=/; Secure"),
        (&plain, "a=b; Domain=127.0.0.1", "a=b; Secure"),
        (&plain, "a=b; Domain=localhost; Secure", "a=b; Secure"),
        (&plain, "a=b; Domain=www.test; Secure", "a=b; Domain=www.test; Secure"),
        (&plain, "a=b; Domain=.test; Secure", "a=b; Domain=.test; Secure"),
        (&plain, "a=b; Domain=other.test; Secure", "a=b; Domain=other.test; Secure"),
        (&plain, "a=b; Domain; Path; Secure", "a=b; Domain; Path; Secure"),
        (&plain, "a=\"x; Domain=app.internal\"; Secure", "a=\"x; Domain=app.internal\"; Secure"),
        (&plain, "; Secure", "; Secure"),
        (&stripped, "a=b; Path=/; Secure", "a=b; Path=/wiki; Secure"),
        (&stripped, "a=b;path=/x; Secure", "a=b; Path=/wiki/x; Secure"),
        (&stripped, "a=b; Path=/wiki/; Secure", "a=b; Path=/wiki/; Secure"),
        (&stripped, "a=b; Path=x; Secure", "a=b; Path=x; Secure"),
        (&stripped, "a=b; Path=; Secure", "a=b; Path=; Secure"),
        (&stripped, "__Host-a=b; Path=/; Secure", "__Host-a=b; Path=/; Secure"),
        (&replaced, "a=b; Path=/trac/env1; Secure", "a=b; Path=/wiki; Secure"),
        (&replaced, "a=b; Path=/trac/env1/; Secure", "a=b; Path=/wiki/; Secure"),
        (&replaced, "a=b; Path=/trac; Secure", "a=b; Path=/trac; Secure"),
        (&replaced, "a=b; Path=/; Secure", "a=b; Path=/; Secure"),
    ] {
        assert_eq!(put(home, "set-cookie", said), told, "{said}");
    }
    // Where plain http is served too, a cookie is for both.
    let both = Homeward { cookies_secure: false, ..home(&typed, None) };
    assert_eq!(put(&both, "set-cookie", "a=b"), "a=b");
}

#[test]
fn each_of_several_cookies_is_put_right_and_stays_in_its_place() {
    let typed = host("www.test");
    let home = home(&typed, None);
    let mut headers = HeaderMap::new();
    for value in ["a=1; Domain=app.internal", "b=2; Secure", "c=3"] {
        headers.append(SET_COOKIE, value.parse().unwrap());
    }
    assert!(concerns(&headers));
    home.put_right(&mut headers);
    let values: Vec<_> = headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(values, ["a=1; Secure", "b=2; Secure", "c=3; Secure"]);
    headers.clear();
    headers.insert("content-type", "text/html".parse().unwrap());
    assert!(!concerns(&headers));
}
