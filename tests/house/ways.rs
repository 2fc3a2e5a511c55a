//! Old programs that think they stand somewhere else: paths, addresses, cookies, copies and links, put right on
//! the way. Everything twice: without rules, and under rules that do nothing.

use crate::stage::{Asked, OldServer, Stage};

/// Rules that change nothing make every visit take the other walk.
const RULES: [&str; 2] = ["", "sub vcl_deliver { set resp.http.Ruled = \"yes\"; }"];

fn answer(fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn a_program_that_stands_elsewhere_is_put_where_visitors_find_it() {
    let old = OldServer::answering(|asked: &Asked| {
        let host = asked.header("host").unwrap_or_default();
        let redirect = match asked.line.split(' ').nth(1).unwrap_or_default() {
            "/feed.xml" => "/feed.xml".to_owned(),
            path => format!("http://{host}{}", path.split('?').next().unwrap_or_default()),
        };
        let cookies =
            "Set-Cookie: a=1; Path=/trac/numpy; Domain=app.internal\r\nSet-Cookie: b=2; Path=/; secure\r\n";
        answer(&format!("Location: {redirect}\r\nContent-Location: http://other.test/x\r\n{cookies}"), "")
    });
    for rules in RULES {
        let site = "
            route \"/wiki/\" { .backend = old; .strip = yes; }
            route \"/projects/{project}/\" { .backend = old; .replace = \"/trac/{project}/\"; }
            route exact \"/feed\" { .backend = old; .replace = \"/feed.xml\"; }
            route \"/plain/\" { .backend = old; }";
        let stage = Stage::with(
            site,
            &format!("{}{rules}", old.declared_with("old", ".host_header = \"app.internal\";")),
        );
        let mut visitor = stage.visitor();
        for (path, sent, location, cookies) in [
            (
                "/wiki/a%20b/?x=/y",
                "/a%20b/?x=/y",
                "https://www.test/wiki/a%20b/",
                ["a=1; Path=/wiki/trac/numpy; Secure", "b=2; Path=/wiki; secure"],
            ),
            (
                "/wiki",
                "/",
                "https://www.test/wiki/",
                ["a=1; Path=/wiki/trac/numpy; Secure", "b=2; Path=/wiki; secure"],
            ),
            (
                "/wiki/%7euser//x/../y",
                "/~user/y",
                "https://www.test/wiki/~user/y",
                ["a=1; Path=/wiki/trac/numpy; Secure", "b=2; Path=/wiki; secure"],
            ),
            (
                "/projects/numpy/t/1",
                "/trac/numpy/t/1",
                "https://www.test/projects/numpy/t/1",
                ["a=1; Path=/projects/numpy; Secure", "b=2; Path=/; secure"],
            ),
            (
                "/projects/numpy",
                "/trac/numpy",
                "https://www.test/projects/numpy",
                ["a=1; Path=/projects/numpy; Secure", "b=2; Path=/; secure"],
            ),
            ("/feed", "/feed.xml", "/feed", ["a=1; Path=/trac/numpy; Secure", "b=2; Path=/; secure"]),
            (
                "/plain/x",
                "/plain/x",
                "https://www.test/plain/x",
                ["a=1; Path=/trac/numpy; Secure", "b=2; Path=/; secure"],
            ),
        ] {
            let reply = visitor.get(path);
            let asked = old.heard();
            assert_eq!(asked.line, format!("GET {sent} HTTP/1.1"), "{rules}");
            assert_eq!((reply.status, reply.header("location")), (200, Some(location)), "{path} {rules}");
            assert_eq!(reply.header("content-location"), Some("http://other.test/x"));
            let set: Vec<&str> = reply
                .headers
                .iter()
                .filter(|(name, _)| name == "set-cookie")
                .map(|(_, value)| &**value)
                .collect();
            assert_eq!(set, cookies, "{path} {rules}");
        }
    }
}

#[test]
fn rules_see_a_path_as_visitors_do() {
    let old = OldServer::answering(|asked: &Asked| {
        answer(&format!("Location: /seen{}\r\n", asked.line.split(' ').nth(1).unwrap_or_default()), "")
    });
    let rules = "
        sub vcl_backend_fetch {
            set bereq.http.Seen = bereq.url;
            if (bereq.url == \"/wiki/turn\") { set bereq.url = \"/other/x\"; }
            if (bereq.url == \"/wiki/climb\") { set bereq.url = \"/closed/x\"; }
            if (bereq.url == \"/wiki/within\") { set bereq.url = \"/wiki/a/../b\"; }
        }
        sub vcl_backend_response { set beresp.http.Was = beresp.http.Location; }
        sub vcl_deliver { set resp.http.Link = \"<http://www.test/as-written>; rel=next\"; }";
    let site = "
        route \"/wiki/\" { .backend = old; .strip = yes; }
        route \"/other/\" { .backend = old; .replace = \"/elsewhere/\"; }
        route \"/closed/\" { .backend = old; .allow = nobody; .strip = yes; }";
    let stage = Stage::with(site, &format!("{}{rules}", old.declared("old")));
    let mut visitor = stage.visitor();
    for (path, sent, location) in [
        ("/wiki/a", "/a", "/wiki/seen/a"),
        ("/wiki/turn", "/elsewhere/x", "/seen/elsewhere/x"),
        ("/wiki/within", "/b", "/wiki/seen/b"),
    ] {
        let reply = visitor.get(path);
        let asked = old.heard();
        assert_eq!(
            (asked.line, asked.headers.iter().any(|(name, value)| name == "seen" && value == path)),
            (format!("GET {sent} HTTP/1.1"), true)
        );
        assert_eq!((reply.header("location"), reply.header("was")), (Some(location), Some(location)));
        // What rules write is theirs.
        assert_eq!(reply.header("link"), Some("<http://www.test/as-written>; rel=next"));
    }
    assert_eq!((visitor.get("/wiki/climb").status, old.heard_nothing()), (403, true));
}

#[test]
fn a_copy_is_judged_where_it_goes_to() {
    let old = OldServer::answering(|_| b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_vec());
    let other = OldServer::saying("other");
    for rules in RULES {
        let site = "
            .aliases = \"old.test\";
            route \"/dav/\" { .backend = old; .serves = webdav; }
            route \"/dav/closed/\" { .backend = old; .serves = webdav; .write = nobody; }
            route \"/moved/\" { .backend = old; .replace = \"/dav/x/\"; }
            route \"/other/\" { .backend = other; }";
        let rest = format!("{}{}{rules}", old.declared("old"), other.declared("other"));
        let stage = Stage::with(site, &rest);
        // What is refused at the door ends its connection.
        let copy = |fields: &str| {
            stage.visitor().ask(&format!("COPY /dav/a HTTP/1.1\r\nHost: www.test\r\n{fields}\r\n"))
        };
        for (destination, told) in [
            ("https://www.test/dav/b%20%C3%BC", "http://www.test/dav/b%20%C3%BC"),
            ("http://OLD.test/dav/b", "http://www.test/dav/b"),
            ("/dav/%7eb", "http://www.test/dav/~b"),
            ("https://www.test:443/moved/b", "http://www.test/dav/x/b"),
        ] {
            let reply = copy(&format!(
                "Destination: {destination}\r\nOverwrite: F\r\nIf: <https://www.test/dav/a> (<x>)\r\n"
            ));
            let asked = old.heard();
            assert_eq!((reply.status, asked.header("destination")), (201, Some(told)), "{rules}");
            assert_eq!((asked.count("destination"), asked.header("overwrite")), (1, Some("F")));
            assert_eq!(asked.header("if"), Some("<https://www.test/dav/a> (<x>)"));
        }
        for (fields, status) in [
            ("Destination: https://evil.test/dav/b\r\n", 502),
            ("Destination: https://www.test/other/b\r\n", 502),
            ("Destination: https://www.test/nowhere\r\n", 502),
            ("Destination: https://www.test/dav/closed/b\r\n", 403),
            ("Destination: https://www.test/dav/%63losed\r\n", 403),
            ("Destination: https://www.test/dav/x/../closed/b\r\n", 403),
            ("Destination: https://user@www.test/dav/b\r\n", 400),
            ("Destination: https://www.test/dav/b#c\r\n", 400),
            ("Destination: b\r\n", 400),
            ("Destination: /dav/b\r\nDestination: /dav/c\r\n", 400),
        ] {
            assert_eq!((copy(fields).status, old.heard_nothing()), (status, true), "{fields} {rules}");
        }
        // The header alone makes it so, whatever is done and whatever is served.
        assert_eq!(
            stage
                .visitor()
                .ask("GET /moved/a HTTP/1.1\r\nHost: www.test\r\nDestination: /dav/closed/\r\n\r\n")
                .status,
            403
        );
        assert!(old.heard_nothing() && other.heard_nothing());
    }
}

#[test]
fn links_of_old_pages_lead_to_the_visitors_place() {
    let old = OldServer::answering(|asked: &Asked| {
        let page = "<a href=\"http://www.test/x\">x</a><img src=\"/y.png\">";
        match asked.line.split(' ').nth(1).unwrap_or_default() {
            "/text" => answer("Content-Type: text/plain\r\n", page),
            "/part" => format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Type: text/html\r\nContent-Range: bytes 0-{}/1000\r\nContent-Length: {}\r\n\r\n{page}",
                page.len() - 1,
                page.len()
            )
            .into_bytes(),
            "/packed" => answer("Content-Type: text/html\r\nContent-Encoding: gzip\r\n", page),
            _ if asked.line.starts_with("HEAD") => {
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: \"1\"\r\nContent-Length: 50\r\n\r\n".to_vec()
            }
            _ => answer("Content-Type: text/html; charset=utf-8\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\n", page),
        }
    });
    let page = "<a href=\"http://www.test/x\">x</a><img src=\"/y.png\">";
    let right = "<a href=\"https://www.test/old/x\">x</a><img src=\"/old/y.png\">";
    for rules in RULES {
        let site = "
            route \"/old/\" { .backend = old; .strip = yes; .rewrite_links = yes; }
            route \"/as-is/\" { .backend = old; .strip = yes; }";
        let stage = Stage::with(site, &format!("{}{rules}", old.declared("old")));
        let mut visitor = stage.visitor();
        let mut ask = |line: &str| {
            let reply =
                visitor.ask(&format!("{line} HTTP/1.1\r\nHost: www.test\r\nAccept-Encoding: gzip\r\n\r\n"));
            (reply, old.heard().header("accept-encoding").map(str::to_owned))
        };
        let (reply, packed) = ask("GET /old/page");
        assert_eq!((reply.text().as_str(), reply.complete, packed), (right, true, None), "{rules}");
        assert_eq!((reply.header("etag"), reply.header("accept-ranges")), (Some("W/\"1\""), None));
        assert_eq!(reply.header("content-length"), None);
        let (reply, _) = ask("HEAD /old/page");
        assert_eq!(
            (reply.header("content-length"), reply.header("etag")),
            (None, Some("W/\"1\"")),
            "{rules}"
        );
        for path in ["/old/text", "/old/part", "/old/packed"] {
            let (reply, _) = ask(&format!("GET {path}"));
            assert_eq!((reply.text().as_str(), reply.header("content-length")), (page, Some("51")), "{path}");
        }
        let (reply, packed) = ask("GET /as-is/page");
        assert_eq!((reply.text().as_str(), packed.as_deref()), (page, Some("gzip")));
    }
}

#[test]
fn a_route_has_a_patience_of_its_own() {
    let old = OldServer::saying("taken");
    for rules in RULES {
        let site =
            "route \"/\" { .backend = old; } route \"/quick/\" { .backend = old; .body_timeout = 200ms; }";
        let stage = Stage::with(site, &format!("{}{rules}", old.declared("old")));
        let mut visitor = stage.visitor();
        visitor.send("POST /quick/a HTTP/1.1\r\nHost: www.test\r\nContent-Length: 10\r\n\r\nhalf");
        let reply = visitor.reply(false);
        assert_eq!(reply.status, 408, "{rules}");
        // The connection's next visitor of another route is not held to it.
        let mut visitor = stage.visitor();
        visitor.get("/quick/a");
        visitor.send("POST /a HTTP/1.1\r\nHost: www.test\r\nContent-Length: 10\r\n\r\nhalf");
        // Longer than the other route would wait: asked of a second connection, which is not let go before.
        let mut witness = stage.visitor();
        witness.send("POST /quick/a HTTP/1.1\r\nHost: www.test\r\nContent-Length: 10\r\n\r\nhalf");
        assert_eq!(witness.reply(false).status, 408);
        visitor.send("-whole");
        assert_eq!(visitor.reply(false).status, 200, "{rules}");
    }
}
