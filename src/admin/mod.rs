//! The pages for those who run the house: is it well, and what does it count. Read only, for loopback and
//! trusted networks; whatever changes something goes over the control socket.
//!
//! Called by `front` through its own listener, on the control runtime. Promises: answers while the house
//! is starting, open or draining, without touching a worker or a disk but `/proc`. It shows no visitor and no
//! address; of the rules it shows what a backend or a site that is not as usual is called.

pub mod control;

use std::fmt::Write as _;
use std::rc::Rc;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::answer::{self, Ask, Form, Taste};
use crate::base::cause::Cause;
use crate::base::clock::Wall;
use crate::base::json;
use crate::base::random::RequestId;
use crate::message::Body;
use crate::message::exchange::{Arrival, Departure, Door, Street};
use crate::upstream;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Open,
    /// The house is closing: open visits end, new ones go elsewhere.
    Draining,
}

impl Standing {
    const fn word(self) -> &'static str {
        match self {
            Standing::Open => "ok",
            Standing::Draining => "draining",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Standing::Open => StatusCode::OK,
            Standing::Draining => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// What is not as usual, though the house takes visitors.
#[derive(Default)]
pub struct Troubles {
    /// Backends that are not well, by name.
    pub backends: Vec<(Box<str>, upstream::Standing)>,
    /// Sites that are closed for maintenance, and until when where that is known.
    pub closed: Vec<(Box<str>, Option<Wall>)>,
}

/// What the house tells the pages.
pub struct State {
    pub standing: Box<dyn Fn() -> Standing>,
    pub troubles: Box<dyn Fn() -> Troubles>,
    /// The text of `/metrics`.
    pub metrics: Box<dyn Fn() -> String>,
}

impl Troubles {
    fn in_lines(&self) -> String {
        let mut text = String::new();
        for (name, standing) in &self.backends {
            let (word, since) = (standing.condition.word(), standing.since.minute());
            // Writing to a String can't fail.
            let why = standing.why().map(|why| format!(", {why}")).unwrap_or_default();
            let _ = writeln!(text, "backend {name}: {word} since {since}{why}");
        }
        for (site, until) in &self.closed {
            let until = until.map(|until| format!(" until {}", until.minute())).unwrap_or_default();
            let _ = writeln!(text, "site {site}: closed for maintenance{until}");
        }
        text
    }

    fn in_json(&self, standing: Standing) -> String {
        let mut text = format!("{{\"status\":\"{}\"", standing.word());
        for (at, (name, standing)) in self.backends.iter().enumerate() {
            let begin = if at == 0 { ",\"backends\":[" } else { "," };
            let _ = write!(
                text,
                "{begin}{{\"name\":{},\"state\":\"{}\",\"since\":\"{}\",\"reason\":{}}}",
                json::quoted(name),
                standing.condition.word(),
                standing.since.iso(),
                json::quoted(&standing.reason)
            );
        }
        text.push_str(if self.backends.is_empty() { "" } else { "]" });
        for (at, (site, until)) in self.closed.iter().enumerate() {
            let begin = if at == 0 { ",\"maintenance\":[" } else { "," };
            let until = until.map(|until| format!(",\"until\":\"{}\"", until.iso())).unwrap_or_default();
            let _ = write!(text, "{begin}{{\"site\":{}{until}}}", json::quoted(site));
        }
        text.push_str(if self.closed.is_empty() { "}\n" } else { "]}\n" });
        text
    }
}

pub struct Admin {
    state: State,
}

impl Admin {
    pub const fn new(state: State) -> Self {
        Self { state }
    }

    fn answer(&self, method: &Method, target: &[u8], headers: &HeaderMap) -> Response<Body> {
        let taste = Taste::of(method, headers);
        let ask = Ask {
            form: taste.form(),
            languages: taste.languages(),
            method_head: *method == Method::HEAD,
            ..Ask::blind(RequestId::next())
        };
        if !matches!(*method, Method::GET | Method::HEAD) {
            let text = "405 Method Not Allowed: these pages are only read\n".to_owned();
            let plain = Ask { form: Form::Plain, ..ask };
            let mut response = answer::answer(StatusCode::METHOD_NOT_ALLOWED, &plain, text);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path(target) {
            b"/" => Self::index(&ask),
            b"/health" => self.health(&ask),
            b"/metrics" => self.metrics(&ask),
            _ => answer::fault(Cause::NoRoute, &ask),
        }
    }

    fn index(ask: &Ask<'_>) -> Response<Body> {
        let version = env!("CARGO_PKG_VERSION");
        match ask.form {
            Form::Html => answer::small_page(
                StatusCode::OK,
                "Doorward",
                &format!(
                    "<p class=\"lead\">The gateway's own pages. They can only be read.</p>\n<ul>\n\
                     <li><a href=\"/health\">/health</a> says whether it takes visitors</li>\n\
                     <li><a href=\"/metrics\">/metrics</a> shows what it counts, for Prometheus</li>\n</ul>\n\
                     <footer><p class=\"small\">Version {version}</p></footer>"
                ),
                ask,
            ),
            Form::Json => answer::answer(
                StatusCode::OK,
                ask,
                format!("{{\"version\":\"{version}\",\"pages\":[\"/health\",\"/metrics\"]}}\n"),
            ),
            Form::Plain => {
                answer::answer(StatusCode::OK, ask, format!("doorward {version}: /health /metrics\n"))
            }
        }
    }

    fn health(&self, ask: &Ask<'_>) -> Response<Body> {
        let (standing, troubles) = ((self.state.standing)(), (self.state.troubles)());
        let (form, text) = match ask.form {
            Form::Json => (Form::Json, troubles.in_json(standing)),
            // The first line is what a script looks at.
            Form::Plain | Form::Html => {
                (Form::Plain, format!("{}\n{}", standing.word(), troubles.in_lines()))
            }
        };
        answer::answer(standing.status(), &Ask { form, ..ask.clone() }, text)
    }

    fn metrics(&self, ask: &Ask<'_>) -> Response<Body> {
        let mut response =
            answer::answer(StatusCode::OK, &Ask { form: Form::Plain, ..ask.clone() }, (self.state.metrics)());
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

impl Door for Admin {
    async fn visit(self: Rc<Self>, _street: &Rc<Street>, arrival: Arrival) -> Departure {
        let response = match arrival.head {
            Ok(head) => self.answer(&head.method, &head.target, &head.headers),
            Err(fault) => answer::fault(fault.cause, &Ask::blind(RequestId::next())),
        };
        Departure::answer(response)
    }
}

/// The path of a target in origin or absolute form, without its query.
fn path(target: &[u8]) -> &[u8] {
    let target = match target.windows(3).position(|window| window == b"://") {
        Some(at) if !target.starts_with(b"/") => {
            let rest = target.get(at + 3..).unwrap_or_default();
            let slash = rest.iter().position(|byte| *byte == b'/');
            slash.and_then(|slash| rest.get(slash..)).unwrap_or(b"/")
        }
        _ => target,
    };
    target.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use bytes::Bytes;
    use http::Version;

    use super::*;
    use crate::base::address::Peer;
    use crate::base::fault::Fault;
    use crate::message::exchange::{Head, Pace};

    fn house(standing: &Rc<Cell<Standing>>) -> Rc<Admin> {
        let standing = Rc::clone(standing);
        Rc::new(Admin::new(State {
            standing: Box::new(move || standing.get()),
            troubles: Box::new(Troubles::default),
            metrics: Box::new(|| "doorward_build_info 1\n".to_owned()),
        }))
    }

    async fn ask(
        admin: &Rc<Admin>,
        head: Result<(&str, &'static str, &'static str), Cause>,
    ) -> (u16, String, HeaderMap) {
        let street =
            Rc::new(Street { peer: Peer::unknown(), trusted: false, local: Street::UNKNOWN, secure: None });
        let head = match head {
            Ok((method, target, accept)) => {
                let mut headers = HeaderMap::new();
                headers.insert("accept", HeaderValue::from_static(accept));
                Ok(Head {
                    method: Method::from_bytes(method.as_bytes()).unwrap(),
                    target: Bytes::from_static(target.as_bytes()),
                    authority: None,
                    scheme: None,
                    protocol: None,
                    version: Version::HTTP_11,
                    headers,
                })
            }
            Err(cause) => Err(Fault::new(cause)),
        };
        let arrival = Arrival { head, body: Body::Empty, hints: None, pace: Pace::default() };
        let (parts, body) = Rc::clone(admin).visit(&street, arrival).await.response.into_parts();
        let text = match body {
            Body::Full(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => String::new(),
        };
        (parts.status.as_u16(), text, parts.headers)
    }

    #[tokio::test]
    async fn health_tells_whether_to_send_visitors() {
        let standing = Rc::new(Cell::new(Standing::Open));
        let admin = house(&standing);
        for (now, status, text) in [(Standing::Open, 200, "ok\n"), (Standing::Draining, 503, "draining\n")] {
            standing.set(now);
            let (got, body, _) = ask(&admin, Ok(("GET", "/health?x", "*/*"))).await;
            assert_eq!((got, body.as_str()), (status, text));
        }
        let (_, body, headers) = ask(&admin, Ok(("GET", "/health", "application/json"))).await;
        assert_eq!(body, "{\"status\":\"draining\"}\n");
        assert_eq!(headers["content-type"], "application/json; charset=utf-8");
        assert_eq!(headers["cache-control"], "no-store");
    }

    #[tokio::test]
    async fn pages_are_only_read() {
        let admin = house(&Rc::new(Cell::new(Standing::Open)));
        let (status, body, headers) =
            ask(&admin, Ok(("GET", "http://127.0.0.1:9900/metrics?a=/b", "*/*"))).await;
        assert_eq!((status, body.as_str()), (200, "doorward_build_info 1\n"));
        assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let (status, body, headers) = ask(&admin, Ok(("HEAD", "/metrics", "*/*"))).await;
        assert_eq!((status, body.as_str(), headers["content-length"].to_str().unwrap()), (200, "", "22"));
        for method in ["POST", "DELETE", "PROPFIND", "get"] {
            let (status, _, headers) = ask(&admin, Ok((method, "/metrics", "text/html"))).await;
            assert_eq!((status, headers["allow"].to_str().unwrap()), (405, "GET, HEAD"));
        }
        for target in ["/nothing", "/metrics/", "//metrics", "*", "", "/%6detrics"] {
            assert_eq!(ask(&admin, Ok(("GET", target, "*/*"))).await.0, 404, "{target}");
        }
        let (status, body, _) = ask(&admin, Ok(("GET", "/", "text/html"))).await;
        assert!(status == 200 && body.contains("<a href=\"/metrics\">"), "{body}");
        assert_eq!(ask(&admin, Err(Cause::Framing)).await.0, 400);
    }
}
