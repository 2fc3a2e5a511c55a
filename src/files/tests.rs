//! What is promised of files, on a real disk.

use std::ffi::CString;
use std::fs;
use std::future::poll_fn;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http_body::Body as _;

use super::*;
use crate::base::random;
use crate::plan::{FilesId, Links, Try};

const CHANGED: u64 = 784_111_777;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path =
            std::env::temp_dir().join(format!("doorward-files-{:016x}", u64::from_be_bytes(random::bytes())));
        fs::create_dir_all(path.join("root")).unwrap();
        Self(path)
    }

    /// Below `root/`, changed long ago.
    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.0.join("root").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        self.age(name, CHANGED);
    }

    fn age(&self, name: &str, seconds: u64) {
        let file = fs::File::options().write(true).open(self.0.join("root").join(name)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }

    fn plan(&self) -> plan::Files {
        plan::Files {
            scripts: None,
            id: FilesId(0),
            root: self.0.join("root"),
            index: Box::from([Box::from("index.html")]),
            listing: false,
            expires: None,
            links: Links::Inside,
            precompressed: true,
            hidden: false,
            tries: Box::default(),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Got {
    status: u16,
    headers: HeaderMap,
    body: Result<Vec<u8>, Fault>,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone().unwrap()).unwrap()
    }
}

async fn all(mut body: Body) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let told = body.length();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        bytes.extend_from_slice(frame?.data_ref().map_or(&[][..], |data: &Bytes| data));
    }
    assert_eq!(told, Some(bytes.len() as u64));
    Ok(bytes)
}

async fn served(
    plan: &plan::Files,
    method: &str,
    path: &str,
    fields: &[(&'static str, &str)],
) -> Result<Served, Fault> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    let root = Arc::new(Root::new(&plan.root));
    let ask = Ask {
        method: &Method::from_bytes(method.as_bytes()).unwrap(),
        headers: &headers,
        below: Below::Path(path),
        slash: path.is_empty() || path.ends_with('/'),
        now: Wall::from_seconds(CHANGED + 86_400),
        content_type: None,
        ranges: true,
        named: false,
    };
    serve(&root, &Arc::new(plan.clone()), ask).await
}

async fn ask(plan: &plan::Files, method: &str, path: &str, fields: &[(&'static str, &str)]) -> Got {
    let (status, headers, body) = match served(plan, method, path, fields).await {
        Ok(Served::Answer(response)) => {
            let (parts, body) = response.into_parts();
            (parts.status.as_u16(), parts.headers, all(body).await)
        }
        Ok(Served::Failed) => (412, HeaderMap::new(), Ok(Vec::new())),
        Ok(Served::NoSuchPart(size)) => (416, HeaderMap::new(), Ok(size.to_string().into_bytes())),
        Ok(Served::Slash) => (301, HeaderMap::new(), Ok(Vec::new())),
        Ok(Served::Script { name, .. }) => (200, HeaderMap::new(), Ok(name.into_bytes())),
        Ok(Served::Listing(listing)) => {
            let names: Vec<String> = listing
                .entries
                .iter()
                .map(|entry| format!("{}{} {}", entry.name, if entry.folder { "/" } else { "" }, entry.size))
                .collect();
            (200, HeaderMap::new(), Ok(names.join("\n").into_bytes()))
        }
        Ok(Served::Status(status)) => (status, HeaderMap::new(), Ok(Vec::new())),
        Err(fault) => (fault.cause.status(), HeaderMap::new(), Ok(fault.detail().as_bytes().to_vec())),
    };
    Got { status, headers, body }
}

async fn get(plan: &plan::Files, path: &str) -> Got {
    ask(plan, "GET", path, &[]).await
}

#[tokio::test]
async fn a_file_is_served_with_what_is_known_of_it() {
    let folder = Folder::new();
    folder.write("a/b.css", "body{}");
    folder.write("empty.txt", "");
    folder.write("ü x", "odd");
    let plan = folder.plan();
    let got = get(&plan, "a/b.css").await;
    assert_eq!((got.status, got.text().as_str()), (200, "body{}"));
    for (name, value) in [
        ("content-type", "text/css; charset=utf-8"),
        ("content-length", "6"),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("etag", &format!("\"{CHANGED:x}-6\"")),
        ("accept-ranges", "bytes"),
        ("vary", "accept-encoding"),
        ("cache-control", ""),
        ("x-content-type-options", ""),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    let head = ask(&plan, "HEAD", "a/b.css", &[("range", "bytes=0-0")]).await;
    assert_eq!((head.status, head.header("content-length"), head.text().len()), (200, "6", 0));
    assert_eq!(get(&plan, "empty.txt").await.text(), "");
    let odd = get(&plan, "%C3%BC%20x").await;
    assert_eq!((odd.text().as_str(), odd.header("x-content-type-options")), ("odd", "nosniff"));
    for (expires, said) in [(0, "no-cache"), (60, "public, max-age=60")] {
        let plan = plan::Files { expires: Some(Duration::from_secs(expires)), ..plan.clone() };
        assert_eq!(get(&plan, "a/b.css").await.header("cache-control"), said);
    }
    let options = ask(&plan, "OPTIONS", "a/b.css", &[]).await;
    assert_eq!((options.status, options.header("allow")), (204, METHODS));
    for method in ["POST", "PUT", "DELETE", "PROPFIND", "TRACE"] {
        assert_eq!(ask(&plan, method, "a/b.css", &[]).await.status, 405, "{method}");
    }
}

#[tokio::test]
async fn conditions_and_parts_go_together() {
    let folder = Folder::new();
    let text: String = ('a'..='z').collect();
    folder.write("letters.txt", &text);
    let plan = folder.plan();
    let tag = format!("\"{CHANGED:x}-1a\"");
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let later = "Mon, 07 Nov 1994 08:49:37 GMT";
    let before = "Sat, 05 Nov 1994 08:49:37 GMT";
    for (fields, status, body) in [
        (&[("range", "bytes=0-2")][..], 206, "abc"),
        (&[("range", "bytes=-2")], 206, "yz"),
        (&[("range", "bytes=26-")], 416, "26"),
        (&[("range", "lines=1-2")], 200, text.as_str()),
        (&[("range", "bytes=0-2"), ("if-range", &tag)], 206, "abc"),
        (&[("range", "bytes=0-2"), ("if-range", date)], 206, "abc"),
        (&[("range", "bytes=0-2"), ("if-range", "\"old\"")], 200, &text),
        (&[("range", "bytes=99-"), ("if-range", "\"old\"")], 200, &text),
        (&[("range", "bytes=0-2"), ("if-none-match", &tag)], 304, ""),
        (&[("range", "bytes=99-"), ("if-none-match", &tag)], 304, ""),
        (&[("range", "bytes=0-2"), ("if-none-match", "\"old\"")], 206, "abc"),
        (&[("range", "bytes=0-2"), ("if-match", "\"old\"")], 412, ""),
        (&[("range", "bytes=0-2"), ("if-match", &tag)], 206, "abc"),
        (&[("if-modified-since", later)], 304, ""),
        (&[("if-modified-since", before)], 200, &text),
        (&[("if-unmodified-since", before)], 412, ""),
        (&[("if-unmodified-since", later), ("range", "bytes=25-")], 206, "z"),
    ] {
        let got = ask(&plan, "GET", "letters.txt", fields).await;
        assert_eq!((got.status, got.text().as_str()), (status, body), "{fields:?}");
        let told = !matches!(status, 412 | 416);
        assert_eq!(got.header("etag"), if told { tag.as_str() } else { "" }, "{fields:?}");
        if status == 304 {
            assert!(!got.headers.contains_key("content-length") && !got.headers.contains_key("content-type"));
        }
    }
    let got = ask(&plan, "GET", "letters.txt", &[("range", "bytes=1-2")]).await;
    assert_eq!((got.header("content-range"), got.header("content-length")), ("bytes 1-2/26", "2"));
}

#[tokio::test]
async fn several_parts_are_parted_by_a_boundary() {
    let folder = Folder::new();
    let text: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
    folder.write("numbers.bin", &text);
    let fields = [("range", "bytes=700000-799999,0-3")];
    let got = ask(&folder.plan(), "GET", "numbers.bin", &fields).await;
    assert_eq!(got.status, 206);
    let boundary =
        got.header("content-type").strip_prefix("multipart/byteranges; boundary=").unwrap().to_owned();
    let body = got.body.clone().unwrap();
    assert_eq!(got.header("content-length"), body.len().to_string());
    let mut expected = Vec::new();
    for (at, range) in [(0, 0..4), (1, 700_000..800_000)] {
        let head = format!(
            "{}--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {}-{}/800000\r\n\r\n",
            if at == 0 { "" } else { "\r\n" },
            range.start,
            range.end - 1
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&text[range]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(body == expected);
}

#[tokio::test]
async fn large_files_come_piece_by_piece_and_whole() {
    let folder = Folder::new();
    let text: Vec<u8> = (0..1_000_003_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    folder.write("large.bin", &text);
    let got = get(&folder.plan(), "large.bin").await;
    assert!(got.body.unwrap() == text);
    let got = ask(&folder.plan(), "GET", "large.bin", &[("range", "bytes=65535-900000")]).await;
    assert!(got.body.unwrap() == text[65_535..=900_000]);
}

#[tokio::test]
async fn a_file_that_shrinks_ends_as_a_fault() {
    let folder = Folder::new();
    folder.write("shrinking.bin", vec![7; 300_000]);
    let Ok(Served::Answer(response)) = served(&folder.plan(), "GET", "shrinking.bin", &[]).await else {
        panic!("no answer")
    };
    let mut body = response.into_body();
    let first = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
    assert!(first.data_ref().is_some_and(|data| !data.is_empty()));
    let file = fs::File::options().write(true).open(folder.0.join("root/shrinking.bin")).unwrap();
    file.set_len(70_000).unwrap();
    let fault = loop {
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(_)) => {}
            Some(Err(fault)) => break fault,
            None => panic!("a complete body that is too short"),
        }
    };
    assert_eq!(fault.to_string(), "internal: the file became shorter while it was sent");
}

#[tokio::test]
async fn nothing_outside_the_root_is_reached() {
    let folder = Folder::new();
    fs::write(folder.0.join("secret"), "secret").unwrap();
    folder.write("plain.txt", "plain");
    folder.write("deep/plain.txt", "deep");
    let root = folder.0.join("root");
    for (name, to) in [
        ("out", "../secret"),
        ("absolute", folder.0.join("secret").to_str().unwrap()),
        ("absolute-inside", root.join("plain.txt").to_str().unwrap()),
        ("inside", "deep/plain.txt"),
        ("deep/up", "../plain.txt"),
        ("deep/too-far", "../../secret"),
        ("folder-out", ".."),
        ("round", "round"),
        ("proc", "/proc/self/root"),
        ("magic", "/proc/self/cwd"),
    ] {
        symlink(to, root.join(name)).unwrap();
    }
    let secret = folder.0.join("secret").to_str().unwrap().trim_start_matches('/').to_owned();
    for (path, inside, follow, refuse) in [
        ("plain.txt", 200, 200, 200),
        ("out", 404, 200, 404),
        ("absolute", 404, 200, 404),
        ("absolute-inside", 404, 200, 404),
        ("inside", 200, 200, 404),
        ("deep/up", 200, 200, 404),
        ("deep/too-far", 404, 200, 404),
        ("folder-out/secret", 404, 200, 404),
        ("round", 404, 404, 404),
        (&format!("proc/{secret}"), 404, 404, 404),
        ("magic/Cargo.toml", 404, 404, 404),
        ("../secret", 404, 404, 404),
        ("%2E%2E/secret", 404, 404, 404),
        ("..%2Fsecret", 404, 404, 404),
        ("deep/..%2F..%2Fsecret", 404, 404, 404),
        ("plain.txt%00.html", 404, 404, 404),
        ("plain.txt/", 404, 404, 404),
        ("plain.txt/x", 404, 404, 404),
        (&"x".repeat(300), 404, 404, 404),
        (&"x/".repeat(4_000), 404, 404, 404),
    ] {
        for (links, status) in [(Links::Inside, inside), (Links::Follow, follow), (Links::Refuse, refuse)] {
            let got = get(&plan::Files { links, ..folder.plan() }, path).await;
            assert_eq!(got.status, status, "{path} {links:?}: {}", got.text());
        }
    }
}

#[tokio::test]
async fn only_regular_files_are_served_and_nothing_holds_us() {
    let folder = Folder::new();
    let root = folder.0.join("root");
    fs::create_dir(root.join("folder")).unwrap();
    let pipe = CString::new(root.join("pipe").to_str().unwrap()).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    symlink("/dev/zero", root.join("zero")).unwrap();
    for path in ["pipe", "socket", "zero", "folder", "folder/"] {
        let plan = plan::Files { links: Links::Follow, ..folder.plan() };
        assert_eq!(get(&plan, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn what_may_not_be_read_is_not_there() {
    let folder = Folder::new();
    folder.write("closed.txt", "closed");
    let path = folder.0.join("root/closed.txt");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read everything.
    if fs::File::open(&path).is_err() {
        let got = get(&folder.plan(), "closed.txt").await;
        assert_eq!(got.status, 404);
        assert_eq!(got.text(), "the user that doorward runs as may not read this file");
    }
}

#[tokio::test]
async fn what_is_hidden_is_shown_where_the_route_says_so() {
    let folder = Folder::new();
    for name in [".env", ".git/config", "notes.txt~", "index.php", ".well-known/security.txt"] {
        folder.write(name, "x");
    }
    let plan = folder.plan();
    let shown = plan::Files { hidden: true, ..folder.plan() };
    for name in [".env", ".git/config", "notes.txt~", "index.php"] {
        assert_eq!((get(&plan, name).await.status, get(&shown, name).await.status), (404, 200), "{name}");
    }
    assert_eq!(get(&plan, ".well-known/security.txt").await.status, 200);
}

#[tokio::test]
async fn a_programs_source_is_no_index_and_nothing_to_try() {
    let folder = Folder::new();
    folder.write("index.php", "<?php secret");
    folder.write("page.php", "<?php secret");
    folder.write("app/index.php", "<?php secret");
    folder.write("app/index.html", "index");
    // As people write it who know it from servers that run what they find.
    let plan = plan::Files {
        index: Box::from([Box::from("index.php"), Box::from("index.html")]),
        tries: Box::from([
            plan::Try::Below { before: "".into(), behind: "".into() },
            plan::Try::Below { before: "".into(), behind: ".php".into() },
            plan::Try::At("/index.php".into()),
        ]),
        ..folder.plan()
    };
    for path in ["", "page", "page.php", "nothing", "index.php"] {
        assert_eq!(get(&plan, path).await.status, 404, "{path}");
    }
    assert_eq!(get(&plan, "app/").await.text(), "index");
    let plan = plan::Files { hidden: true, ..plan };
    assert_eq!(get(&plan, "nothing").await.text(), "<?php secret");
}

#[tokio::test]
async fn a_folder_has_an_index_or_is_listed_or_is_nothing() {
    let folder = Folder::new();
    folder.write("with/index.html", "index");
    folder.write("with/other.htm", "other");
    folder.write("without/b.txt", "bb");
    folder.write("without/a.txt", "a");
    folder.write("without/.hidden", "");
    folder.write("without/z/x", "");
    symlink("../../secret", folder.0.join("root/without/link-out")).unwrap();
    symlink("a.txt", folder.0.join("root/without/link-in")).unwrap();
    let plan = folder.plan();
    assert_eq!(get(&plan, "with/").await.text(), "index");
    assert_eq!(get(&plan, "with").await.status, 301);
    assert_eq!(get(&plan, "without/").await.status, 404);
    assert_eq!(get(&plan, "without").await.status, 404);
    assert_eq!(get(&plan, "").await.status, 404);
    let other =
        plan::Files { index: Box::from([Box::from("none"), Box::from("other.htm")]), ..folder.plan() };
    assert_eq!(get(&other, "with/").await.text(), "other");
    let listed = plan::Files { listing: true, ..folder.plan() };
    assert_eq!(get(&listed, "with/").await.text(), "index");
    assert_eq!(get(&listed, "without").await.status, 301);
    let names = get(&listed, "without/").await.text();
    let names: Vec<&str> = names.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["z/", "a.txt", "b.txt", "link-in"]);
}

#[tokio::test]
async fn one_thing_is_tried_after_the_other() {
    let folder = Folder::new();
    folder.write("index.html", "the one page");
    folder.write("about.html", "about");
    folder.write("app.js", "js");
    folder.write("docs/index.html", "docs");
    fs::create_dir(folder.0.join("root/bare")).unwrap();
    let path = |behind: &str| Try::Below { before: "".into(), behind: behind.into() };
    let tries = vec![path(""), path(".html"), Try::At("/index.html".into())];
    let plan = plan::Files { tries: tries.into(), ..folder.plan() };
    for (asked, found) in [
        ("app.js", "js"),
        ("about", "about"),
        ("", "the one page"),
        ("no/such/page", "the one page"),
        ("docs/", "docs"),
        ("bare/", "the one page"),
        ("bare", "the one page"),
        (".git/config", "the one page"),
        ("app.js/", "the one page"),
    ] {
        assert_eq!(get(&plan, asked).await.text(), found, "{asked}");
    }
    assert_eq!(get(&plan, "docs").await.status, 301);
    for (status, asked) in [(404, 404), (410, 410), (503, 503)] {
        let tries = vec![path(""), Try::Status(status)];
        let plan = plan::Files { tries: tries.into(), ..folder.plan() };
        assert_eq!(get(&plan, "app.js").await.status, 200);
        assert_eq!(get(&plan, "no").await.status, asked);
    }
    let sub = Try::Below { before: "docs/".into(), behind: "".into() };
    let plan = plan::Files { tries: vec![sub].into(), ..folder.plan() };
    assert_eq!(get(&plan, "index.html").await.text(), "docs");
}

#[tokio::test]
async fn smaller_forms_go_to_whoever_takes_them() {
    let folder = Folder::new();
    folder.write("app.js", "plain");
    folder.write("app.js.br", "brotli!");
    folder.write("app.js.gz", "gzip!!!!");
    folder.write("stale.css", "new");
    folder.write("stale.css.gz", "old");
    folder.age("stale.css.gz", CHANGED - 1);
    folder.write("photo.png", "png");
    folder.write("photo.png.gz", "no");
    folder.write("page/index.html", "page");
    folder.write("page/index.html.zst", "zst");
    fs::create_dir(folder.0.join("root/app.js.zst")).unwrap();
    let plan = folder.plan();
    for (name, accepts, text, encoding, vary) in [
        ("app.js", "gzip, br, zstd", "brotli!", "br", true),
        ("app.js", "gzip", "gzip!!!!", "gzip", true),
        ("app.js", "zstd", "plain", "", true),
        ("app.js", "br;q=0.1, gzip", "gzip!!!!", "gzip", true),
        ("app.js", "identity", "plain", "", true),
        ("app.js", "", "plain", "", true),
        ("stale.css", "gzip", "new", "", true),
        ("photo.png", "gzip", "png", "", false),
        ("page/", "zstd", "zst", "zstd", true),
    ] {
        let got = ask(&plan, "GET", name, &[("accept-encoding", accepts)]).await;
        assert_eq!(
            (got.text().as_str(), got.header("content-encoding")),
            (text, encoding),
            "{name} {accepts}"
        );
        assert_eq!(got.header("vary") == "accept-encoding", vary, "{name}");
        assert!(!got.header("content-type").contains("gzip"), "{name}");
        let tag = got.header("etag").to_owned();
        assert_eq!(tag.ends_with(&format!("-{encoding}\"")), !encoding.is_empty(), "{tag}");
        let again = ask(&plan, "GET", name, &[("accept-encoding", accepts), ("if-none-match", &tag)]).await;
        assert_eq!(again.status, 304);
    }
    // Parts are of the form that is sent.
    let got = ask(&plan, "GET", "app.js", &[("accept-encoding", "br"), ("range", "bytes=6-")]).await;
    assert_eq!((got.text().as_str(), got.header("content-range")), ("!", "bytes 6-6/7"));
    let off = plan::Files { precompressed: false, ..folder.plan() };
    let got = ask(&off, "GET", "app.js", &[("accept-encoding", "br")]).await;
    assert_eq!((got.text().as_str(), got.header("vary")), ("plain", ""));
}

#[tokio::test]
async fn a_root_may_be_missing_and_come_back() {
    let folder = Folder::new();
    let plan = Arc::new(plan::Files { root: folder.0.join("later"), ..folder.plan() });
    let root = Arc::new(Root::new(&plan.root));
    assert!(root.try_open().is_err());
    let headers = HeaderMap::new();
    let look = || async {
        let ask = Ask {
            method: &Method::GET,
            headers: &headers,
            below: Below::Path("a"),
            slash: false,
            now: Wall::from_seconds(CHANGED),
            content_type: None,
            ranges: true,
            named: false,
        };
        serve(&root, &plan, ask).await
    };
    let fault = look().await.err().unwrap();
    assert_eq!(fault.cause, Cause::Internal);
    assert!(fault.detail().contains("later"), "{}", fault.detail());
    fs::create_dir(folder.0.join("later")).unwrap();
    fs::write(folder.0.join("later/a"), "a").unwrap();
    assert!(matches!(look().await, Ok(Served::Answer(_))));
}

#[tokio::test(start_paused = true)]
async fn a_root_that_is_switched_by_a_link_is_noticed() {
    let folder = Folder::new();
    for release in ["one", "two"] {
        fs::create_dir(folder.0.join(release)).unwrap();
        fs::write(folder.0.join(release).join("a"), release).unwrap();
    }
    symlink("one", folder.0.join("current")).unwrap();
    let plan = Arc::new(plan::Files { root: folder.0.join("current"), ..folder.plan() });
    let root = Arc::new(Root::new(&plan.root));
    let headers = HeaderMap::new();
    let look = || async {
        let ask = Ask {
            method: &Method::GET,
            headers: &headers,
            below: Below::Path("a"),
            slash: false,
            now: Wall::from_seconds(CHANGED),
            content_type: None,
            ranges: true,
            named: false,
        };
        let Ok(Served::Answer(response)) = serve(&root, &plan, ask).await else { panic!("no answer") };
        String::from_utf8(all(response.into_body()).await.unwrap()).unwrap()
    };
    assert_eq!(look().await, "one");
    symlink("two", folder.0.join("next")).unwrap();
    fs::rename(folder.0.join("next"), folder.0.join("current")).unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(look().await, "two");
}

#[tokio::test]
async fn what_is_called_like_a_script_runs_or_is_not_there() {
    let folder = Folder::new();
    for name in [
        "index.php",
        "a.php",
        "b/index.php",
        "c/index.html",
        "x.jpg",
        "a.phtml",
        ".h/a.php",
        "d;e.php",
        "f.PHP",
    ] {
        folder.write(name, "<?php");
    }
    fs::create_dir_all(folder.0.join("root/g.php")).unwrap();
    symlink("/etc/hostname", folder.0.join("root/out.php")).unwrap();
    let scripts = plan::ScriptsBeside {
        backend: plan::BackendId(0),
        root_there: "/there".into(),
        endings: [".php".into()].into(),
    };
    let plain = plan::Files {
        scripts: Some(scripts),
        index: ["index.php".into(), "index.html".into()].into(),
        // Sources are not shown all the same.
        hidden: true,
        ..folder.plan()
    };
    let look =
        async |plan: &plan::Files, method: Method, path: &str| match served(plan, method.as_str(), path, &[])
            .await
        {
            Ok(Served::Script { name, info }) => format!("{name} {info}"),
            Ok(Served::Answer(response)) => response.status().as_str().to_owned(),
            Ok(Served::Slash) => "slash".to_owned(),
            Ok(_) => "else".to_owned(),
            Err(fault) => fault.cause.name().to_owned(),
        };
    for (path, found) in [
        ("", "/index.php "),
        ("a.php", "/a.php "),
        ("a.php/", "/a.php /"),
        ("a.php/AC%2FDC", "/a.php /AC/DC"),
        ("b/", "/b/index.php "),
        ("b", "slash"),
        ("c/", "200"),
        ("x.jpg", "200"),
        ("x.jpg/a.php", "no_route"),
        ("a.phtml", "no_route"),
        ("f.PHP", "no_route"),
        (".h/a.php", "no_route"),
        ("d;e.php", "no_route"),
        ("g.php", "no_route"),
        ("g.php/", "no_route"),
        ("out.php", "no_route"),
        ("x%2Fa.php", "no_route"),
        ("none", "no_route"),
    ] {
        assert_eq!(look(&plain, Method::GET, path).await, found, "{path}");
    }
    for (method, path, found) in [
        (Method::POST, "a.php", "/a.php "),
        (Method::OPTIONS, "a.php", "/a.php "),
        (Method::OPTIONS, "x.jpg", "204"),
        (Method::POST, "x.jpg", "method_not_allowed"),
        (Method::POST, "c/", "method_not_allowed"),
        (Method::POST, "none", "no_route"),
    ] {
        assert_eq!(look(&plain, method, path).await, found, "{path}");
    }
    let itself = || plan::Try::Below { before: "".into(), behind: "".into() };
    let below =
        |before: &str, behind: &str| plan::Try::Below { before: before.into(), behind: behind.into() };
    for (last, path, found) in [
        (plan::Try::At("/index.php".into()), "pretty/link/", "/index.php "),
        (plan::Try::At("/index.php".into()), "x.jpg/a.php", "/index.php "),
        (plan::Try::At("/index.php".into()), "a.php/x", "/a.php /x"),
        (plan::Try::At("/index.php".into()), "f.PHP", "/index.php "),
        (below("index.php/", ""), "pretty/a%2Fb/", "/index.php /pretty/a/b/"),
        (below("", ".php"), "a", "/a.php "),
        (below("", "/index.php"), "b/", "/b/index.php "),
    ] {
        let plan = plan::Files { tries: [itself(), last].into(), ..plain.clone() };
        assert_eq!(look(&plan, Method::GET, path).await, found, "{path}");
    }
}
