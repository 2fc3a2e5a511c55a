//! php-fpm, as Debian installs it, spoken to by FastCGI over a unix socket and over TCP.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::{Server, free_port};
use crate::stage::{Folder, Stage};

/// The newest that is installed; Debian puts the version into the name.
fn program() -> PathBuf {
    let mut found: Vec<PathBuf> = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"]
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("php-fpm")))
        .collect();
    found.sort();
    found.pop().expect("php-fpm: `tests/needs.sh test` installs it")
}

/// php-fpm with three processes, its scripts in `www` of its folder.
struct Php {
    server: Server,
    /// As rules write it.
    url: String,
}

impl Php {
    fn on_a_socket() -> Self {
        let folder = Folder::new();
        let socket = folder.0.join("php.sock");
        let mut php = Self::start(folder, &socket.display().to_string());
        php.server.wait_for_socket(&socket);
        php.url = format!("fastcgi:{}", socket.display());
        php
    }

    fn on_tcp() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut php = Self::start(Folder::new(), &address.to_string());
        php.server.wait_for(address);
        php.url = format!("fastcgi://{address}");
        php
    }

    fn start(folder: Folder, listen: &str) -> Self {
        // Started by root it would change to a user of its own, who needs a way into the folder.
        fs::create_dir(folder.0.join("www")).unwrap();
        let home = folder.0.display();
        let conf = folder.write(
            "fpm.conf",
            &format!(
                "[global]\nerror_log = {home}/fpm.log\ndaemonize = no\n\
                 [www]\nlisten = {listen}\nlisten.mode = 0666\npm = static\npm.max_children = 3\n\
                 catch_workers_output = no\nphp_admin_value[upload_tmp_dir] = {home}\n\
                 php_admin_value[upload_max_filesize] = 64M\nphp_admin_value[post_max_size] = 64M\n\
                 php_admin_flag[log_errors] = on\nphp_admin_flag[display_errors] = off\n\
                 php_admin_value[output_buffering] = 0\nphp_admin_value[error_log] = \nphp_admin_value[session.save_path] = {home}\n"
            ),
        );
        let mut command = Command::new(program());
        command.arg("--nodaemonize").arg("--allow-to-run-as-root").arg("--fpm-config").arg(&conf);
        Self { server: Server::start(folder, command), url: String::new() }
    }

    fn root(&self) -> PathBuf {
        self.server.path("www")
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("<?php {text}")).unwrap();
    }

    fn stage(&self, backend: &str, route: &str) -> Stage {
        Stage::with(
            &format!("route \"/\" {{ .backend = php; .root = \"{}\"; {route} }}", self.root().display()),
            &format!("backend php {{ .url = \"{}\"; {backend} }}", self.url),
        )
    }
}

const FORM: &str = "header('X-Own: yes'); echo $_SERVER['REQUEST_METHOD'], ' ', $_POST['name'] ?? '-', ' ',
    $_GET['q'] ?? '-', ' ', $_COOKIE['c'] ?? '-';";

#[test]
fn forms_are_read_over_both_kinds_of_sockets() {
    for php in [Php::on_a_socket(), Php::on_tcp()] {
        php.script("form.php", FORM);
        let stage = php.stage("", "");
        let mut visitor = stage.visitor();
        let page = visitor.ask(
            "POST /form.php?q=7 HTTP/1.1\r\nHost: www.test\r\nCookie: c=8\r\nContent-Length: 9\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\nname=h%C3%A4",
        );
        // Nine bytes: `name=h%C3`, which is all that was said to be sent; the rest is the begin of no request.
        assert_eq!(page.status, 200);
        assert_eq!(page.body, b"POST h\xc3 7 8");
        let mut visitor = stage.visitor();
        let page = visitor.ask(
            "POST /form.php HTTP/1.1\r\nHost: www.test\r\nTransfer-Encoding: chunked\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n5\r\nname=\r\n3\r\nxyz\r\n0\r\n\r\n",
        );
        // Of unknown length: collected, so that php learns how long it is.
        assert_eq!((page.status, page.text().as_str()), (200, "POST xyz - -"));
        assert_eq!(
            (page.header("x-own"), page.header("content-type")),
            (Some("yes"), Some("text/html; charset=UTF-8"))
        );
        assert_eq!(visitor.get("/form.php").text(), "GET - - -");
    }
}

#[test]
fn a_program_learns_where_it_is_and_who_asks() {
    let php = Php::on_a_socket();
    php.script(
        "wiki/index.php",
        "foreach (['SCRIPT_NAME','SCRIPT_FILENAME','PATH_INFO','REQUEST_URI','PHP_SELF','HTTPS','SERVER_NAME',
            'SERVER_PORT','REQUEST_SCHEME','DOCUMENT_ROOT','QUERY_STRING','HTTP_HOST'] as $name)
            echo $name, '=', $_SERVER[$name] ?? 'none', \"\\n\";
         echo isset($_SERVER['HTTP_PROXY']) ? 'poxy' : 'well', ' ', filter_var($_SERVER['REMOTE_ADDR'],
            FILTER_VALIDATE_IP) ? 'an address' : 'no address', ' ', $_SERVER['HTTP_X_FORWARDED_FOR'] ?? 'once';",
    );
    let stage = php.stage("", ".encoded_slash = keep;");
    let mut visitor = stage.visitor();
    let page = visitor.ask(
        "GET /wiki/index.php/AC%2FDC?x=y HTTP/1.1\r\nHost: www.test\r\nProxy: http://evil.test/\r\n\
         X-Forwarded-For: 10.1.2.3\r\n\r\n",
    );
    let root = php.root();
    let root = root.display();
    assert_eq!(
        page.text(),
        format!(
            "SCRIPT_NAME=/wiki/index.php\nSCRIPT_FILENAME={root}/wiki/index.php\nPATH_INFO=/AC/DC\n\
             REQUEST_URI=/wiki/index.php/AC%2FDC?x=y\nPHP_SELF=/wiki/index.php/AC/DC\nHTTPS=on\n\
             SERVER_NAME=www.test\nSERVER_PORT=443\nREQUEST_SCHEME=https\nDOCUMENT_ROOT={root}\n\
             QUERY_STRING=x=y\nHTTP_HOST=www.test\nwell an address once"
        )
    );
    let page = visitor.get("/wiki/").text();
    assert!(page.contains("SCRIPT_NAME=/wiki/index.php\n") && page.contains("PATH_INFO=none\n"), "{page}");
}

#[test]
fn what_is_no_script_never_runs() {
    let php = Php::on_a_socket();
    php.script("x.jpg", "echo 'a picture that runs';");
    php.script("a.php", "echo 'a';");
    php.script(".git/a.php", "echo 'hidden';");
    php.script("notes.txt", "echo 'notes';");
    std::os::unix::fs::symlink("/etc/hostname", php.root().join("out.php")).unwrap();
    let stage = php.stage("", ".encoded_slash = keep;");
    let mut visitor = stage.visitor();
    for path in [
        "/x.jpg",
        "/x.jpg/a.php",
        "/x.jpg/.php",
        "/x.jpg%20.php",
        "/a.php.jpg",
        "/a.php%2Fb",
        "/a.php;x",
        "/.git/a.php",
        "/notes.txt",
        "/out.php",
        "/none.php",
        "/",
        "/a.PHP",
        "/%2e%2e%2fa.php/x.jpg",
    ] {
        let page = visitor.get(path);
        assert!(matches!(page.status, 404 | 400), "{path}: {} {}", page.status, page.text());
        assert!(!page.text().contains("hidden") && !page.text().contains("runs"), "{path}");
    }
    assert_eq!(visitor.get("/a.php/x.jpg").text(), "a");
    // One script for everything, where the rules say so.
    php.script("front.php", "echo $_SERVER['REQUEST_URI'], $_SERVER['PATH_INFO'] ?? '';");
    let stage = php.stage("", ".script = \"/front.php\";");
    assert_eq!(stage.visitor().get("/x.jpg/a.php?b").text(), "/x.jpg/a.php?b");
}

#[test]
fn uploads_and_downloads_of_megabytes_stream() {
    let php = Php::on_a_socket();
    php.script("up.php", "echo $_FILES['f']['size'], ' ', md5_file($_FILES['f']['tmp_name']);");
    php.script("raw.php", "echo strlen(file_get_contents('php://input')), ' ', $_SERVER['CONTENT_LENGTH'];");
    php.script(
        "down.php",
        "$n = 200; if (isset($_GET['length'])) header('Content-Length: ' . $n * 65536);
         for ($i = 0; $i < $n; $i++) { echo str_repeat(chr(65 + $i % 26), 65536); flush(); }",
    );
    let stage = php.stage("", ".body_bytes_max = 64MB;");
    let mut visitor = stage.visitor();
    let file: Vec<u8> = (0..6_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut body = b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.bin\"\r\n\r\n".to_vec();
    body.extend_from_slice(&file);
    body.extend_from_slice(b"\r\n--b--\r\n");
    visitor.send(format!(
        "POST /up.php HTTP/1.1\r\nHost: www.test\r\nContent-Type: multipart/form-data; boundary=b\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    ));
    visitor.send(&body);
    let page = visitor.reply(false);
    let kept = php.server.folder.write("copy", "");
    fs::write(&kept, &file).unwrap();
    let sum = Command::new("md5sum").arg(&kept).output().unwrap().stdout;
    let sum = String::from_utf8_lossy(&sum)[..32].to_owned();
    assert_eq!(page.text(), format!("{} {sum}", file.len()));
    visitor
        .send(format!("PUT /raw.php HTTP/1.1\r\nHost: www.test\r\nContent-Length: {}\r\n\r\n", file.len()));
    visitor.send(&file);
    assert_eq!(visitor.reply(false).text(), format!("{0} {0}", file.len()));
    for path in ["/down.php", "/down.php?length"] {
        let page = visitor.get(path);
        assert!(page.complete && page.status == 200, "{path}");
        assert_eq!(page.body.len(), 200 * 65_536, "{path}");
        assert!(
            page.body
                .chunks(65_536)
                .enumerate()
                .all(|(at, part)| { part.iter().all(|byte| usize::from(*byte) == 65 + at % 26) })
        );
    }
    // Too much without a length.
    let mut visitor = stage.visitor();
    visitor.send("POST /raw.php HTTP/1.1\r\nHost: www.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n".to_vec(), vec![0; 65_536], b"\r\n".to_vec()].concat();
    visitor.send(chunk.repeat(17));
    assert_eq!(visitor.reply(false).status, 413);
}

#[test]
fn heads_are_passed_on_as_the_program_means_them() {
    let php = Php::on_a_socket();
    php.script("go.php", "header('Location: /elsewhere'); exit;");
    php.script("gone.php", "http_response_code(410); setcookie('a', 'b'); setcookie('c', 'd'); echo 'gone';");
    php.script("same.php", "http_response_code(304); header('ETag: \"x\"');");
    php.script("empty.php", "http_response_code(204);");
    php.script("length.php", "header('Content-Length: 3'); echo 'abc', \"\\n\";");
    php.script(
        "early.php",
        "echo 'early'; flush(); header('X-Late: yes'); echo headers_sent() ? ' sent' : ' not';",
    );
    let mut stage = php.stage(".idle_max = 2;", "");
    let mut visitor = stage.visitor();
    let page = visitor.get("/go.php");
    assert_eq!((page.status, page.header("location")), (302, Some("/elsewhere")));
    let page = visitor.get("/gone.php");
    assert_eq!((page.status, page.text().as_str()), (410, "gone"));
    assert_eq!(page.headers.iter().filter(|(name, _)| name == "set-cookie").count(), 2);
    assert_eq!(visitor.get("/same.php").status, 304);
    assert_eq!(visitor.get("/empty.php").status, 204);
    // A line end behind `?>` is a classic: what was promised is what is sent.
    assert_eq!(visitor.get("/length.php").text(), "abc");
    assert_eq!(visitor.get("/early.php").text(), "early sent");
    let head = visitor.ask("HEAD /gone.php HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!((head.status, head.body.len()), (410, 0));
    assert_eq!(visitor.get("/gone.php").text(), "gone");
    let log = stage.log("www.test", "error");
    assert!(log.contains("program=\"") && log.contains("headers already sent"), "{log}");
}

#[test]
fn what_php_complains_of_stands_in_the_error_log_and_nowhere_else() {
    let php = Php::on_a_socket();
    php.script(
        "warn.php",
        "echo 'a'; trigger_error('the disk is full of secret@example.org', E_USER_WARNING); echo 'b';",
    );
    php.script("fatal.php", "nobody_wrote_this();");
    php.script("late.php", "echo str_repeat('x', 100000); flush(); throw new Exception('too late');");
    php.script("syntax.php", "this is no php");
    let mut stage = php.stage("", "");
    let mut visitor = stage.visitor();
    assert_eq!(visitor.get("/warn.php").text(), "ab");
    let page = visitor.get("/fatal.php");
    assert_eq!((page.status, page.body.len()), (500, 0));
    assert_eq!(visitor.get("/syntax.php").status, 500);
    assert_eq!(visitor.get("/late.php").body.len(), 100_000);
    let log = stage.log("www.test", "error");
    for text in ["the disk is full of", "nobody_wrote_this", "too late", "syntax error"] {
        assert!(log.lines().any(|line| line.contains("program=\"") && line.contains(text)), "{text}\n{log}");
    }
    assert!(!log.contains("secret@example.org"), "{log}");
}

#[test]
fn connections_are_kept_where_the_rules_say_so() {
    let php = Php::on_a_socket();
    php.script("pid.php", "echo getmypid();");
    let pids = |stage: &Stage| {
        let mut visitor = stage.visitor();
        let mut pids: Vec<String> = (0..12).map(|_| visitor.get("/pid.php").text()).collect();
        pids.sort();
        pids.dedup();
        pids.len()
    };
    assert_eq!(pids(&php.stage(".idle_max = 1;", "")), 1, "one connection, one process");
    // More visitors at once than php has processes, and none is left hanging by a kept connection.
    let stage = php.stage("", "");
    let mut visitors: Vec<_> = (0..8).map(|_| stage.visitor()).collect();
    for _ in 0..3 {
        for visitor in &mut visitors {
            visitor.send("GET /pid.php HTTP/1.1\r\nHost: www.test\r\n\r\n");
        }
        for visitor in &mut visitors {
            assert_eq!(visitor.reply(false).status, 200);
        }
    }
}

#[test]
fn a_visitor_who_leaves_does_not_keep_php_busy() {
    let php = Php::on_a_socket();
    php.script(
        "slow.php",
        "ignore_user_abort(false); $left = __DIR__ . '/left'; register_shutdown_function(function () use ($left) {
            file_put_contents($left, connection_aborted()); });
         while (true) { echo str_repeat('x', 8192); flush(); usleep(1000); }",
    );
    php.script("quick.php", "echo 'quick';");
    let stage = php.stage("", "");
    for _ in 0..4 {
        let mut visitor = stage.visitor();
        visitor.send("GET /slow.php HTTP/1.1\r\nHost: www.test\r\n\r\n");
        let mut some = [0; 1_000];
        visitor.stream.read_exact(&mut some).unwrap();
        drop(visitor);
    }
    // Three processes, four who left: one that were kept would be missing here.
    assert_eq!(stage.visitor().get("/quick.php").text(), "quick");
    assert!(Path::new(&php.root().join("left")).exists());
}

#[test]
fn php_that_is_gone_has_its_page() {
    let php = Php::on_a_socket();
    php.script("die.php", "posix_kill(getmypid(), 9);");
    php.script("sleep.php", "sleep(60);");
    let stage = Stage::with(
        &format!(
            ".fault_status = by_cause; route \"/\" {{ .backend = php; .root = \"{}\"; }}",
            php.root().display()
        ),
        &format!("backend php {{ .url = \"{}\"; .first_byte_timeout = 200ms; .failures_max = 0; }}", php.url),
    );
    let mut visitor = stage.visitor();
    assert_eq!(visitor.get("/die.php").status, 502);
    assert_eq!(visitor.get("/sleep.php").status, 504);
    drop(php);
    assert_eq!(visitor.get("/other.php").status, 500, "the folder of the scripts went with it");
    let stage = Stage::with(
        "route \"/\" { .backend = php; .root = \"/srv\"; .script = \"/a.php\"; }",
        "backend php { .url = \"fastcgi:/nowhere/php.sock\"; }",
    );
    assert_eq!(stage.visitor().get("/").status, 503);
}

/// A program as WordPress is laid out: scripts and files in one folder, pretty links for all that is neither.
fn blog(php: &Php, rules: &str) -> Stage {
    php.script(
        "index.php",
        "echo 'front ', $_SERVER['REQUEST_METHOD'], ' ', $_SERVER['REQUEST_URI'], ' ', $_SERVER['SCRIPT_NAME'], ' ',
            $_SERVER['PATH_INFO'] ?? '-', ' ', $_POST['name'] ?? '-';",
    );
    php.script("wp-login.php", "echo 'login ', $_POST['name'] ?? '-';");
    php.script("wp-admin/index.php", "echo 'admin ', $_SERVER['SCRIPT_NAME'];");
    php.script("wp-content/uploads/evil.php", "echo 'evil';");
    php.script("old.php.bak", "echo 'a secret';");
    php.script("upper.PHP", "echo 'a secret';");
    php.script(".git/a.php", "echo 'a secret';");
    for (name, text) in [
        ("style.css", "body {}"),
        ("x.jpg", "<?php echo 'a picture that runs';"),
        ("wp-content/uploads/a.txt", "an upload"),
        ("docs/index.html", "docs"),
    ] {
        let path = php.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let (root, url) = (php.root(), &php.url);
    let root = root.display();
    Stage::with(
        &format!(
            "route \"/\" {{ .files = \"{root}\"; .scripts = php; .try = \"{{path}}\", \"/index.php\"; .hidden = yes; }}
             route \"/wp-content/uploads/\" {{ .files = \"{root}/wp-content/uploads\"; }}
             route \"/below/\" {{ .files = \"{root}\"; .scripts = php; .encoded_slash = keep; }}
             route internal \"/inside/\" {{ .files = \"{root}\"; .scripts = php; }}"
        ),
        &format!("backend php {{ .url = \"{url}\"; }} {rules}"),
    )
}

#[test]
fn scripts_run_beside_files() {
    let php = Php::on_a_socket();
    // Both walks: without rules, and with some that change nothing.
    for rules in ["", "sub vcl_recv { set req.http.X-Rule = \"1\"; }"] {
        let stage = blog(&php, rules);
        let mut visitor = stage.visitor();
        for (path, answer) in [
            ("/", "front GET / /index.php - -"),
            ("/hello-world/?p=1", "front GET /hello-world/?p=1 /index.php - -"),
            ("/index.php/a/b", "front GET /index.php/a/b /index.php /a/b -"),
            ("/wp-login.php", "login -"),
            ("/wp-admin/", "admin /wp-admin/index.php"),
            ("/docs/", "docs"),
            ("/style.css", "body {}"),
            ("/none.php", "front GET /none.php /index.php - -"),
            ("/wp-content/uploads/a.txt", "an upload"),
            ("/below/wp-admin/", "admin /below/wp-admin/index.php"),
            ("/below/index.php/AC%2FDC", "front GET /below/index.php/AC%2FDC /below/index.php /AC/DC -"),
            // It is no script that is there: the front controller's business.
            ("/x.jpg/a.php", "front GET /x.jpg/a.php /index.php - -"),
            ("/upper.PHP", "front GET /upper.PHP /index.php - -"),
            ("/.git/a.php", "front GET /.git/a.php /index.php - -"),
            ("/index.php;x", "front GET /index.php;x /index.php - -"),
        ] {
            let page = visitor.get(path);
            assert_eq!((page.status, page.text().as_str()), (200, answer), "{path} {rules}");
        }
        let page = visitor.get("/style.css");
        assert_eq!(page.header("content-type"), Some("text/css; charset=utf-8"));
        let page = visitor.get("/wp-admin?a=b");
        assert_eq!((page.status, page.header("location")), (301, Some("/wp-admin/?a=b")));
        // Nothing runs below a route without `.scripts`, and no source is shown there.
        for path in
            ["/wp-content/uploads/evil.php", "/below/none.php", "/below/x.jpg/a.php", "/below/upper.PHP"]
        {
            let page = visitor.get(path);
            assert_eq!(page.status, 404, "{path}: {}", page.text());
        }
        // A form goes to a script, also by a pretty link; a file is only read.
        let post = |path: &str| {
            format!(
                "POST {path} HTTP/1.1\r\nHost: www.test\r\nContent-Length: 8\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\n\r\nname=abc"
            )
        };
        assert_eq!(visitor.ask(&post("/wp-login.php")).text(), "login abc");
        assert_eq!(visitor.ask(&post("/a-page/")).text(), "front POST /a-page/ /index.php - abc");
        let mut visitor = stage.visitor();
        assert_eq!(visitor.ask(&post("/style.css")).status, 405);
        let mut visitor = stage.visitor();
        assert_eq!(visitor.ask(&post("/wp-admin")).status, 308);
    }
}

#[test]
fn rules_and_hand_overs_reach_scripts_beside_files() {
    let php = Php::on_a_socket();
    php.script("lead.php", "header('X-Accel-Redirect: ' . $_GET['to']);");
    let stage = blog(
        &php,
        "sub vcl_recv {
            if (req.url == \"/alias\") { set req.url = \"/wp-login.php\"; }
            if (req.url == \"/named.css\") { set req.backend_hint = php; }
         }
         sub vcl_backend_fetch { if (bereq.url == \"/late\") { set bereq.url = \"/wp-admin/\"; } }",
    );
    let mut visitor = stage.visitor();
    for (path, status, answer) in [
        ("/alias", 200, "login -"),
        ("/late", 200, "admin /wp-admin/index.php"),
        // A rule names the backend: what it runs is looked for all the same.
        ("/named.css", 200, "front GET /named.css /index.php - -"),
        ("/lead.php?to=/inside/wp-admin/", 200, "admin /inside/wp-admin/index.php"),
        ("/lead.php?to=/inside/style.css", 200, "body {}"),
    ] {
        let page = visitor.get(path);
        assert_eq!((page.status, page.text().as_str()), (status, answer), "{path}");
    }
    assert_eq!(visitor.get("/lead.php?to=/inside/upper.PHP").status, 404);
}
