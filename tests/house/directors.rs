//! Several old servers that answer as one, as visitors meet them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::stage::{Folder, OldServer, Reply, Stage, Visitor, closed_port, connect, ok};
use super::tools::{Program, figure};

/// A site whose one route leads to the director `home` of `one` and `two`, with these settings.
fn home(one: &OldServer, two: &OldServer, settings: &str, rules: &str) -> Stage {
    Stage::with(
        "route \"/\" { .backend = home; }",
        &format!(
            "{}{}director home {{ .members = one, two; {settings} }}\n{rules}",
            one.declared("one"),
            two.declared("two")
        ),
    )
}

fn two() -> (OldServer, OldServer) {
    (OldServer::saying("one"), OldServer::saying("two"))
}

fn with_cookie(stage: &Stage, path: &str, cookie: &str) -> Reply {
    let asked = format!("GET {path} HTTP/1.1\r\nHost: www.test\r\nCookie: {cookie}\r\n\r\n");
    stage.visitor().ask(&asked)
}

/// An old server that can be killed, kept connections and all.
struct Mortal {
    address: SocketAddr,
    alive: Arc<AtomicBool>,
}

impl Mortal {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (address, alive) = (listener.local_addr().expect("an address"), Arc::new(AtomicBool::new(true)));
        let lives = Arc::clone(&alive);
        thread::spawn(move || {
            let mut open: Vec<TcpStream> = Vec::new();
            while let Ok((stream, _)) = listener.accept() {
                if !lives.load(Ordering::SeqCst) {
                    break;
                }
                open.push(stream.try_clone().expect("a connection"));
                thread::spawn(move || serve(stream));
            }
            for stream in open {
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
        });
        Self { address, alive }
    }

    fn kill(&self) {
        self.alive.store(false, Ordering::SeqCst);
        drop(connect(self.address));
        super::tools::until("the port is closed", || TcpStream::connect(self.address).is_err());
    }
}

fn serve(mut stream: TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0; 1]);
    while stream.read(&mut byte).is_ok_and(|count| count == 1) {
        head.extend_from_slice(&byte);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            if stream.write_all(&ok("mortal")).is_err() {
                return;
            }
        }
    }
}

#[test]
fn a_member_that_dies_takes_no_reader_with_it() {
    let (mortal, other) = (Mortal::new(), OldServer::saying("other"));
    let mut stage = Stage::with(
        "route \"/\" { .backend = home; }",
        &format!(
            "backend mortal {{ .url = \"http://{}\"; }}\n{}director home {{ .members = mortal, other; \
             .policy = round_robin; }}",
            mortal.address,
            other.declared("other")
        ),
    );
    let mut visitor = stage.visitor();
    let mut texts: Vec<String> = (0..20).map(|_| visitor.get("/").text()).collect();
    texts.sort_unstable();
    assert_eq!((texts[0].as_str(), texts[9].as_str(), texts[10].as_str()), ("mortal", "mortal", "other"));
    mortal.kill();
    for _ in 0..200 {
        let reply = visitor.get("/");
        assert_eq!((reply.status, reply.text().as_str()), (200, "other"));
    }
    // What changes something goes to who is there, too: nobody has seen anything of it.
    for body in ["", "x=y"] {
        let length = body.len();
        let asked = format!("POST / HTTP/1.1\r\nHost: www.test\r\nContent-Length: {length}\r\n\r\n{body}");
        for _ in 0..4 {
            assert_eq!(visitor.ask(&asked).text(), "other");
        }
    }
    drop(visitor);
    let log = stage.log("www.test", "access");
    assert!(!log.contains("\" 50"), "{log}");
}

#[test]
fn a_write_that_a_member_may_have_seen_is_never_sent_to_another() {
    let one = OldServer::playing(|connection| {
        // Takes the request, and hangs up.
        connection.request();
    });
    let two = OldServer::saying("two");
    let mut stage = home(&one, &two, ".policy = fallback;", "");
    for method in ["POST", "PUT", "MERGE", "DELETE"] {
        let asked = format!("{method} /{method} HTTP/1.1\r\nHost: www.test\r\nContent-Length: 3\r\n\r\nx=y");
        let reply = stage.visitor().ask(&asked);
        assert_eq!(reply.status, 503, "{method}");
        assert_eq!(one.heard().line, format!("{method} /{method} HTTP/1.1"));
        assert!(one.heard_nothing() && two.heard_nothing(), "{method}");
    }
    assert_eq!(stage.visitor().get("/read").text(), "two");
    assert_eq!(
        (one.heard().line, two.heard().line),
        ("GET /read HTTP/1.1".into(), "GET /read HTTP/1.1".into())
    );
    let errors = stage.log("www.test", "error");
    assert!(errors.contains("backend `one`: it hung up"), "{errors}");
}

#[test]
fn a_cookie_brings_a_visitor_back_and_is_no_business_of_the_backends() {
    let (one, two) = two();
    for rules in ["", "sub vcl_deliver { set resp.http.X-Ruled = \"yes\"; }"] {
        let stage = home(&one, &two, ".policy = round_robin; .sticky = \"seat\";", rules);
        let first = stage.visitor().get("/");
        let told = first.header("set-cookie").expect("a cookie").to_owned();
        assert!(told.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{told}");
        assert!(!told.contains("one") && !told.contains("two"), "{told}");
        let pair = told.split(';').next().expect("a pair");
        for _ in 0..6 {
            let again = with_cookie(&stage, "/", &format!("a=b; {pair}"));
            assert_eq!((again.text(), again.header("set-cookie")), (first.text(), None));
        }
        // Made up: chosen anew.
        let other = with_cookie(&stage, "/", "seat=one");
        assert!(other.header("set-cookie").is_some());
    }
}

#[test]
fn one_session_has_one_member() {
    let (one, two) = two();
    let stage = home(&one, &two, ".policy = hash; .by = cookie(\"session\");", "");
    let mut seen = std::collections::BTreeSet::new();
    for session in 0..12 {
        let cookie = format!("session={session}");
        let first = with_cookie(&stage, "/a", &cookie).text();
        assert!((0..3).all(|_| with_cookie(&stage, "/b", &cookie).text() == first), "{cookie}");
        seen.insert(first);
    }
    assert_eq!(seen.len(), 2);
    // Without one the visitor's network decides.
    let first = stage.visitor().get("/").text();
    assert!((0..6).all(|_| stage.visitor().get("/").text() == first));
}

#[test]
fn a_director_stands_wherever_a_backend_is_named() {
    let (one, two) = two();
    let stage = Stage::with(
        "route \"/\" { .backend = one; }\nroute \"/p/{project}/\" { .backend = lookup(projects, \"{project}\"); }",
        &format!(
            "{}{}director home {{ .members = two; }}\ntable projects BACKEND {{ \"a\": home, \"b\": one, }}\n\
             sub vcl_init {{ new nested = directors.fallback(); nested.add_backend(home); }}\n\
             sub vcl_recv {{\n\
             if (req.url == \"/hint\" && std.healthy(home)) {{ set req.backend_hint = home; }}\n\
             if (req.url == \"/nested\") {{ set req.backend_hint = nested.backend(); }}\n}}",
            one.declared("one"),
            two.declared("two")
        ),
    );
    for (path, text) in
        [("/", "one"), ("/p/a/", "two"), ("/p/b/", "one"), ("/hint", "two"), ("/nested", "two")]
    {
        assert_eq!(stage.visitor().get(path).text(), text, "{path}");
    }
}

#[test]
fn what_went_wrong_has_its_own_name() {
    let gone = |name: &str| format!("backend {name} {{ .url = \"http://{}\"; }}\n", closed_port());
    let rules = format!(
        "{}{}backend x none;\nbackend y none;\ndirector failed {{ .members = one, two; }}\n\
         director sick {{ .members = x, y; }}\ndirector single {{ .members = one; }}\n\
         director only {{ .members = x; }}\n",
        gone("one"),
        gone("two")
    );
    let routes = ["failed", "sick", "single", "only"]
        .map(|name| format!("route \"/{name}\" {{ .backend = {name}; }}\n"))
        .concat();
    // Rules see beforehand that nobody is there.
    for (ruled, nowhere) in [("", "refused"), ("sub vcl_recv { set req.http.X-A = \"b\"; }", "unhealthy")] {
        let mut stage = Stage::with(&routes, &format!("{rules}{ruled}"));
        for (path, cause) in
            [("/failed", "all_failed"), ("/sick", "none_healthy"), ("/single", "refused"), ("/only", nowhere)]
        {
            let asked = format!("GET {path} HTTP/1.1\r\nHost: www.test\r\nAccept: application/json\r\n\r\n");
            let reply = stage.visitor().ask(&asked);
            assert_eq!(reply.status, 503, "{path}");
            assert!(reply.text().contains(cause), "{path}: {}", reply.text());
        }
        let errors = stage.log("www.test", "error");
        assert!(
            errors.contains("director `failed`: backend `") && errors.contains("cause=all_failed"),
            "{errors}"
        );
    }
}

#[test]
fn the_record_names_the_member_and_the_house_tells_of_its_directors() {
    let (one, two) = two();
    let folder = Folder::new();
    let rest = |members: &str| {
        format!(
            "site \"www.test\" {{ .force_https = no; .log = json; route \"/\" {{ .backend = home; }} }}\n\
             log json {{ .format = json; }}\n{}{}director home {{ .members = {members}; .policy = round_robin; }}\n",
            one.declared("one"),
            two.declared("two")
        )
    };
    folder.write("main.vcl", &Stage::text("", &rest("one, two weight 3")));
    let house = Program::serve(&folder.0);
    let mut visitor = Visitor::new(connect(house.address("http")));
    let texts: Vec<String> = (0..8).map(|_| visitor.get("/").text()).collect();
    assert_eq!(texts.iter().filter(|text| *text == "two").count(), 6, "{texts:?}");
    let status = house.ask("status").1;
    assert!(status.contains("director home: round_robin, one weight 1, two weight 3; 0 retries"), "{status}");
    let share = |name: &str| {
        figure(
            house.address("admin"),
            &format!("doorward_director_share{{backend=\"{name}\",director=\"home\"}}"),
        )
    };
    assert_eq!((share("one"), share("two")), (Some(1.0), Some(3.0)));
    folder.write("main.vcl", &Stage::text("", &rest("one weight 2, two")));
    assert_eq!(house.ask("reload").0, Some(0));
    assert_eq!((share("one"), share("two")), (Some(2.0), Some(1.0)));
    assert_eq!(visitor.get("/").status, 200);
}
