//! What lies in a folder, as a page: a table that a screen reader can walk, without a script.

use std::fmt::Write as _;

use http::{Response, StatusCode};

use super::page::escape_html;
use super::{Ask, small_page};
use crate::base::amount::write_size;
use crate::base::clock::Wall;
use crate::message::Body;

/// A name in a folder.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub name: &'a str,
    pub folder: bool,
    pub size: u64,
    pub modified: Wall,
}

/// The page for a folder at a canonical path. `more`: not all of it is in the rows.
pub fn listing<'a>(
    path: &str,
    rows: impl Iterator<Item = Row<'a>>,
    more: bool,
    ask: &Ask<'_>,
) -> Response<Body> {
    let mut content = String::new();
    if path != "/" {
        content.push_str("<p><a href=\"../\">One folder up</a></p>\n");
    }
    content.push_str(
        "<table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Size</th><th scope=\"col\">Changed (UTC)</th></tr></thead>\n<tbody>\n",
    );
    let mut count = 0;
    for Row { name, folder, size, modified } in rows {
        count += 1;
        let slash = if folder { "/" } else { "" };
        let size = if folder { "folder".to_owned() } else { approximately(size) };
        let (day, iso) = (modified.day(), modified.iso());
        let time = iso.get(11..16).unwrap_or_default();
        // Writing to a String can't fail.
        let _ = writeln!(
            content,
            "<tr><td><a href=\"./{}{slash}\">{}{slash}</a></td><td>{size}</td><td><time datetime=\"{iso}\">{day} {time}</time></td></tr>",
            encoded(name),
            escape_html(name),
        );
    }
    content.push_str("</tbody>\n</table>");
    if count == 0 {
        content.push_str("\n<p>Nothing lies here.</p>");
    }
    if more {
        content.push_str("\n<p>There is more than is shown here.</p>");
    }
    small_page(StatusCode::OK, &format!("Files in {}", decoded(path)), &content, ask)
}

/// A size for people: at most one digit behind the point.
fn approximately(size: u64) -> String {
    let mut unit = 1;
    while size / unit >= 1 << 10 && unit < 1 << 40 {
        unit <<= 10;
    }
    write_size(size / unit * unit)
}

/// A name as a segment of an address; one with a colon would begin with a scheme.
fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A canonical path as people read it.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let digits = (*byte == b'%').then(|| behind.split_at_checked(2)).flatten();
        let read = digits.and_then(|(two, after)| {
            Some((u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()?, after))
        });
        let (byte, after) = read.unwrap_or((*byte, behind));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Form;
    use crate::base::random::RequestId;

    #[test]
    fn names_can_do_nothing_in_a_listing() {
        let row = |name, folder, size| Row { name, folder, size, modified: Wall::from_seconds(784_111_777) };
        let rows = [
            row("größe & co", true, 0),
            row("<script>\"'", false, 1_500),
            row("javascript:alert(1)", false, 3 << 20),
        ];
        let ask = Ask { form: Form::Html, ..Ask::blind(RequestId::next()) };
        let response = listing("/a%20b/%3Cb%3E/", rows.into_iter(), true, &ask);
        let Body::Full(page) = response.into_body() else { panic!("a page") };
        let page = String::from_utf8(page.to_vec()).unwrap();
        for part in [
            "<title>Files in /a b/&lt;b&gt;/</title>",
            "<a href=\"./gr%C3%B6%C3%9Fe%20%26%20co/\">größe &amp; co/</a></td><td>folder</td>",
            "<a href=\"./%3Cscript%3E%22%27\">&lt;script&gt;&quot;&#39;</a></td><td>1KB</td>",
            "<a href=\"./javascript%3Aalert%281%29\">",
            "<td>3MB</td><td><time datetime=\"1994-11-06T08:49:37.000Z\">1994-11-06 08:49</time></td>",
            "There is more",
            "One folder up",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("<script"));
        let none = listing("/", std::iter::empty(), false, &ask);
        let Body::Full(page) = none.into_body() else { panic!("a page") };
        let page = String::from_utf8(page.to_vec()).unwrap();
        assert!(page.contains("Nothing lies here") && !page.contains("One folder up"));
    }

    #[test]
    fn sizes_are_short() {
        for (size, text) in
            [(0, "0"), (999, "999"), (1_024, "1KB"), (1_600, "1KB"), (10 << 20, "10MB"), (5 << 30, "5GB")]
        {
            assert_eq!(approximately(size).trim_end_matches('B'), text.trim_end_matches('B'), "{size}");
        }
    }
}
