//! What becomes of pages, whatever the pieces they come in.

use std::collections::VecDeque;
use std::future::poll_fn;

use super::*;
use crate::base::cause::Cause;
use crate::message::homeward::Place;
use crate::message::{Host, Mapping, SitePath};

fn homeward(mapping: Option<Mapping>) -> Homeward {
    Homeward {
        secure: true,
        typed: Host::parse(b"www.test").unwrap(),
        port: 443,
        cookies_secure: true,
        places: vec![Place { name: "127.0.0.1".into(), port: 8_001, told: false }],
        mapping,
    }
}

fn strip() -> Mapping {
    Mapping::new(&SitePath::parse(b"/wiki/a").unwrap(), 1, "/", false)
}

/// A body in pieces, which may break.
struct Pieces(VecDeque<Result<Bytes, Fault>>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        Poll::Ready(self.get_mut().0.pop_front().map(|piece| piece.map(Frame::data)))
    }
}

fn pieces(page: &[u8], size: usize) -> Body {
    Body::stream(Pieces(page.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect()))
}

async fn all(mut body: Body) -> (Vec<u8>, Option<Cause>) {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(fault) => return (bytes, Some(fault.cause)),
        }
    }
    assert!(body.is_end_stream());
    (bytes, None)
}

async fn put(page: &[u8], mapping: Option<Mapping>) -> Vec<u8> {
    let mut whole: Option<Vec<u8>> = None;
    for size in [1, 2, 3, 7, 64, 100_000] {
        let (bytes, fault) =
            all(Body::stream(Page::new(pieces(page, size), homeward(mapping.clone())))).await;
        assert_eq!(fault, None);
        assert!(whole.as_ref().is_none_or(|before| *before == bytes), "in pieces of {size}");
        whole = Some(bytes);
    }
    whole.unwrap()
}

#[tokio::test]
async fn links_to_ourselves_become_the_visitors() {
    for (page, right) in [
        ("<a href=\"http://www.test/a?b&amp;c#d\">x</a>", "<a href=\"https://www.test/a?b&amp;c#d\">x</a>"),
        ("<A HREF='http://127.0.0.1:8001/a' class=x>", "<A HREF=\"https://www.test/a\" class=x>"),
        ("<img src=http://www.test/a.png alt=''>", "<img src=\"https://www.test/a.png\" alt=''>"),
        ("<base href=\" http://www.test/ \">", "<base href=\"https://www.test/\">"),
        (
            "<form action=\"http://www.test/f\"><button formaction=\"http://www.test/g\">",
            "<form action=\"https://www.test/f\"><button formaction=\"https://www.test/g\">",
        ),
        (
            "<video poster=\"http://www.test/p\"><object data=\"http://www.test/o\">",
            "<video poster=\"https://www.test/p\"><object data=\"https://www.test/o\">",
        ),
        ("<script src=\"http://www.test/x.js\"></script>", "<script src=\"https://www.test/x.js\"></script>"),
        (
            "<link rel=stylesheet href=\"//127.0.0.1:8001/x.css\">",
            "<link rel=stylesheet href=\"//www.test/x.css\">",
        ),
        (
            "<img srcset=\"http://www.test/a.png 1x, http://other/b.png 2x,http://www.test/c,d 3x\">",
            "<img srcset=\"https://www.test/a.png 1x, http://other/b.png 2x,https://www.test/c,d 3x\">",
        ),
        (
            "<meta http-equiv=\"Refresh\" content=\"5; url=http://www.test/a\">",
            "<meta http-equiv=\"Refresh\" content=\"5; url=https://www.test/a\">",
        ),
        (
            "<svg><use xlink:href=\"http://www.test/i#x\"/></svg>",
            "<svg><use xlink:href=\"https://www.test/i#x\" /></svg>",
        ),
    ] {
        assert_eq!(String::from_utf8(put(page.as_bytes(), None).await).unwrap(), right, "{page}");
    }
}

#[tokio::test]
async fn everything_else_passes_byte_for_byte() {
    for page in [
        &b""[..],
        b"http://www.test/",
        b"<a href=\"https://www.test/a\"><a href=/a><a href='b'><a href><a>",
        b"<a href=\"http://other.test/a\" title=\"http://www.test/\">http://www.test/</a>",
        b"<a HREF = 'http://other.test/' \n disabled  x=\"y\"  >",
        b"<!-- <a href=\"http://www.test/\"> -->",
        b"<script>var a = '<a href=\"http://www.test/\">';</script>",
        b"<style>a { b: url(http://www.test/) }</style>",
        b"<textarea><a href=\"http://www.test/\"></textarea>",
        b"<meta name=x content=\"5; url=http://www.test/a\">",
        b"<div data=\"http://www.test/\" data-src=\"http://www.test/\">",
        b"<a href=\"http://www.test/a",
        b"<a href=\"/\xe9\xff\x81\" title='gr\xc3\xbc\xc3\x9fe'>\xff\xfe\x00</a>",
        b"<<<a <>></ a ><p><p></div>",
    ] {
        let right = put(page, None).await;
        assert_eq!(String::from_utf8_lossy(&right), String::from_utf8_lossy(page));
        assert_eq!(right, page);
    }
    // Bytes of any encoding stay, also in a tag that is changed.
    let page = b"<a title='\xe4\x81\xff' href=\"http://www.test/\xfc\x8d\">\x82\xa0";
    assert_eq!(put(page, None).await, b"<a title='\xe4\x81\xff' href=\"https://www.test/\xfc\x8d\">\x82\xa0");
}

#[tokio::test]
async fn paths_are_mapped_where_the_route_maps_them() {
    let page =
        b"<a href=\"/login\"><a href=\"login\"><img src=\"/wiki/a.png\"><a href=\"http://www.test/x\">";
    let right = b"<a href=\"/wiki/login\"><a href=\"login\"><img src=\"/wiki/a.png\"><a href=\"https://www.test/wiki/x\">";
    assert_eq!(put(page, Some(strip())).await, right);
}

#[tokio::test]
async fn the_rest_of_a_page_that_takes_too_much_passes_as_it_is() {
    let picture = "x".repeat(MEMORY_BYTES_MAX * 2);
    let page = format!(
        "<a href=\"http://www.test/1\"><img src=\"data:{picture}\" alt=y><a href=\"http://www.test/2\">end"
    );
    for size in [10_000, 400_000] {
        let (bytes, fault) =
            all(Body::stream(Page::new(pieces(page.as_bytes(), size), homeward(None)))).await;
        assert_eq!(fault, None);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("<a href=\"https://www.test/1\"><img src=\"data:xxx"), "{size}");
        assert!(
            text.ends_with("\" alt=y><a href=\"http://www.test/2\">end"),
            "{size}: {}",
            &text[text.len() - 80..]
        );
        assert_eq!(text.matches('x').count(), picture.len());
    }
    let deep = format!("{}<a href=\"http://www.test/2\">", "<td>".repeat(200_000));
    let (bytes, fault) = all(Body::stream(Page::new(pieces(deep.as_bytes(), 4_096), homeward(None)))).await;
    assert_eq!((bytes.len().abs_diff(deep.len()) <= 1, fault), (true, None));
}

#[tokio::test]
async fn a_page_that_breaks_off_breaks_off() {
    let broken = VecDeque::from([
        Ok(Bytes::from_static(b"<a href=\"http://www.test/\"><a hr")),
        Err(Fault::new(Cause::Read)),
    ]);
    let (bytes, fault) = all(Body::stream(Page::new(Body::stream(Pieces(broken)), homeward(None)))).await;
    assert_eq!((&bytes[..], fault), (&b"<a href=\"https://www.test/\"><a hr"[..], Some(Cause::Read)));
}

#[test]
fn only_whole_plain_pages_are_read() {
    let with = |status: u16, fields: &[(&str, &str)]| {
        let mut answer = http::Response::new(());
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            answer.headers_mut().append(name, value.parse().unwrap());
        }
        let (mut parts, ()) = answer.into_parts();
        let body = put_right(&mut parts, Body::full("<a>"), || homeward(None));
        let mut left: Vec<String> = parts
            .headers
            .iter()
            .filter(|(name, _)| !name.as_str().starts_with("content-t"))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        left.sort();
        (matches!(body, Body::Stream(_)), left.join(", "))
    };
    let html = ("content-type", "text/html; charset=UTF-8");
    let length = ("content-length", "3");
    assert_eq!(with(200, &[html, length]), (true, String::new()));
    assert_eq!(with(404, &[("content-type", "Text/HTML")]), (true, String::new()));
    assert_eq!(with(200, &[html, ("content-encoding", "identity")]).0, true);
    let told = [("etag", "\"x\""), ("accept-ranges", "bytes"), ("content-md5", "x"), ("repr-digest", "x")];
    assert_eq!(with(200, &[&[html, length][..], &told].concat()), (true, "etag: W/\"x\"".to_owned()));
    assert_eq!(with(200, &[html, ("etag", "W/\"x\"")]), (true, "etag: W/\"x\"".to_owned()));
    assert_eq!(with(304, &[("etag", "\"x\"")]), (false, "etag: W/\"x\"".to_owned()));
    for (status, fields) in [
        (206, &[html, length][..]),
        (200, &[("content-type", "text/plain"), length]),
        (200, &[("content-type", "application/xhtml+xml"), length]),
        (200, &[("content-type", "text/html; charset=utf-16le"), length]),
        (200, &[("content-type", "text/html;Charset=\"ISO-2022-JP\""), length]),
        (200, &[html, html, length]),
        (200, &[html, ("content-encoding", "gzip"), length]),
        (200, &[length]),
    ] {
        let (read, left) = with(status, fields);
        assert!(!read && left.contains("content-length: 3"), "{status} {fields:?}");
    }
}
