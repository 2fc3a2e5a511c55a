//! What kind of file a name stands for. The table is that of `mime_guess`.

/// The media type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(Option<&'static str>);

/// For a name, by what stands behind its last dot.
pub fn of(name: &str) -> Kind {
    let name = name.rsplit('/').next().unwrap_or_default();
    let end = name.rsplit_once('.').filter(|(before, _)| !before.is_empty()).map(|(_, end)| end);
    Kind(end.and_then(|end| match end {
        // The table takes it for a rare kind of DLNA video.
        "ts" => Some("video/mp2t"),
        // Of a script, text is what browsers and RFC 9239 call it.
        _ => mime_guess::from_ext(end).first_raw().map(|kind| match kind {
            "application/javascript" => "text/javascript",
            kind => kind,
        }),
    }))
}

impl Kind {
    /// As `Content-Type` has it. What is text is UTF-8.
    pub fn text(self) -> String {
        match self.0 {
            None => "application/octet-stream".to_owned(),
            Some(kind) if kind.starts_with("text/") => format!("{kind}; charset=utf-8"),
            Some(kind) => kind.to_owned(),
        }
    }

    /// Nobody knows: nobody is to guess, either.
    pub const fn guess(self) -> bool {
        self.0.is_none()
    }

    /// Whether a smaller form of it may lie beside it. Pictures and archives are small already, and looking costs.
    pub fn shrinks(self) -> bool {
        let Some(kind) = self.0 else { return true };
        match kind.split_once('/') {
            Some(("audio" | "video", _)) => false,
            Some(("image", what)) => matches!(what, "svg+xml" | "bmp" | "x-icon" | "vnd.microsoft.icon"),
            Some(("font", what)) => !what.starts_with("woff"),
            Some(("application", what)) => !matches!(
                what,
                "zip"
                    | "gzip"
                    | "x-gzip"
                    | "zstd"
                    | "x-bzip2"
                    | "x-xz"
                    | "x-7z-compressed"
                    | "vnd.rar"
                    | "font-woff"
            ),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_are() {
        for (name, kind) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a/b.CSS", "text/css; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("app.mjs", "text/javascript; charset=utf-8"),
            ("data.json", "application/json"),
            ("notes.txt", "text/plain; charset=utf-8"),
            ("logo.svg", "image/svg+xml"),
            ("logo.webp", "image/webp"),
            ("logo.avif", "image/avif"),
            ("font.woff2", "font/woff2"),
            ("app.wasm", "application/wasm"),
            ("app.webmanifest", "application/manifest+json"),
            ("film.mp4", "video/mp4"),
            ("film.ts", "video/mp2t"),
            ("paper.pdf", "application/pdf"),
            ("paper.tar.gz", "application/gzip"),
            ("feed.xml", "text/xml; charset=utf-8"),
            ("README", "application/octet-stream"),
            (".html", "application/octet-stream"),
            ("a.b/c", "application/octet-stream"),
            ("x.qqqq", "application/octet-stream"),
        ] {
            assert_eq!(of(name).text(), kind, "{name}");
        }
        assert!(of("README").guess() && !of("a.html").guess());
    }

    #[test]
    fn what_is_small_already_has_no_smaller_form() {
        for (name, shrinks) in [
            ("a.html", true),
            ("a.svg", true),
            ("a.ico", true),
            ("a.json", true),
            ("a.wasm", true),
            ("a.ttf", true),
            ("README", true),
            ("a.png", false),
            ("a.mp4", false),
            ("a.woff2", false),
            ("a.zip", false),
            ("a.tar.gz", false),
        ] {
            assert_eq!(of(name).shrinks(), shrinks, "{name}");
        }
    }
}
