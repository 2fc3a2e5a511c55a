//! A tracker of the old kind: a list of tickets, a form to add one. In memory, bounded, gone with the process.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::rc::Rc;

use http::{Method, StatusCode};

use super::page::{Asked, Face, not_allowed, not_found, page, see_other, without_body};
use crate::answer::escape_html;
use crate::base::clock;
use crate::message::{Arrival, Departure, Door, Street};

/// Older tickets are forgotten beyond this.
const TICKETS_MAX: usize = 200;
const SUMMARY_CHARACTERS_MAX: usize = 120;
const TEXT_CHARACTERS_MAX: usize = 8_000;
const KINDS: [&str; 3] = ["defect", "enhancement", "task"];

const FACE: Face = Face {
    name: "Old Tracker",
    home: "/tracker/",
    bar: &[("/tracker/", "View tickets"), ("/tracker/newticket", "New ticket"), ("/", "All services")],
};

pub(super) struct Tracker {
    tickets: RefCell<Tickets>,
}

struct Tickets {
    next: u32,
    open: VecDeque<Ticket>,
}

struct Ticket {
    number: u32,
    kind: &'static str,
    summary: String,
    text: String,
    reporter: String,
    day: String,
}

impl Tracker {
    pub fn new() -> Self {
        let tracker = Self { tickets: RefCell::new(Tickets { next: 1, open: VecDeque::new() }) };
        tracker.add(
            "defect",
            "httpd stops answering by itself".into(),
            "Every few days. A restart helps. Nobody knows why.".into(),
            "admin".into(),
        );
        tracker.add(
            "task",
            "TLS works for one virtual host only".into(),
            "Put something in front of it that does it for all of them.".into(),
            "admin".into(),
        );
        tracker
    }

    fn add(&self, kind: &str, summary: String, text: String, reporter: String) -> u32 {
        let kind = KINDS.into_iter().find(|known| *known == kind).unwrap_or(KINDS[0]);
        let mut tickets = self.tickets.borrow_mut();
        let number = tickets.next;
        tickets.next = number.wrapping_add(1);
        if tickets.open.len() >= TICKETS_MAX {
            tickets.open.pop_front();
        }
        let day = clock::wall().day();
        tickets.open.push_back(Ticket { number, kind, summary, text, reporter, day });
        number
    }

    fn list(&self, asked: &Asked) -> Departure {
        let tickets = self.tickets.borrow();
        let mut rows =
            String::from("<table><tr><th>#</th><th>Type</th><th>Summary</th><th>Reported</th></tr>\n");
        for ticket in tickets.open.iter().rev() {
            let Ticket { number, kind, summary, day, .. } = ticket;
            let _ = writeln!(
                rows,
                "<tr><td><a href=\"/tracker/ticket/{number}\">#{number}</a></td><td>{kind}</td><td>{}</td><td>{day}</td></tr>",
                escape_html(summary)
            );
        }
        rows.push_str("</table>\n<p><a href=\"/tracker/newticket\">Report a new ticket</a></p>");
        page(&FACE, asked, StatusCode::OK, "Active tickets", &rows)
    }

    fn ticket(&self, asked: &Asked, number: &str) -> Departure {
        let tickets = self.tickets.borrow();
        let found = tickets.open.iter().find(|ticket| number.parse() == Ok(ticket.number));
        let Some(Ticket { number, kind, summary, text, reporter, day }) = found else {
            return not_found(&FACE, asked);
        };
        let inner = format!(
            "<table><tr><th>Type</th><td>{kind}</td></tr><tr><th>Reported by</th><td>{}</td></tr>\
             <tr><th>On</th><td>{day}</td></tr></table>\n<pre>{}</pre>",
            escape_html(reporter),
            escape_html(text)
        );
        page(&FACE, asked, StatusCode::OK, &format!("Ticket #{number}: {summary}"), &inner)
    }

    async fn post(&self, mut asked: Asked) -> Departure {
        let form = match asked.form().await {
            Ok(form) => form,
            Err(departure) => return departure,
        };
        let summary = form.field("summary", SUMMARY_CHARACTERS_MAX);
        let text = form.field("text", TEXT_CHARACTERS_MAX);
        if summary.is_empty() {
            return blank(&asked, StatusCode::BAD_REQUEST, &text, "<p><b>A ticket needs a summary.</b></p>");
        }
        let reporter = asked.visitor().chars().take(80).collect();
        let number = self.add(&form.field("type", 20), summary, text, reporter);
        see_other(&format!("/tracker/ticket/{number}"))
    }
}

/// The form, with what was typed before.
fn blank(asked: &Asked, status: StatusCode, text: &str, before: &str) -> Departure {
    let mut inner = format!(
        "{before}<form method=\"post\" action=\"/tracker/newticket\">\n<p>Type: <select name=\"type\">"
    );
    for kind in KINDS {
        let _ = write!(inner, "<option>{kind}</option>");
    }
    let _ = write!(
        inner,
        "</select></p>\n<p>Summary:<br><input name=\"summary\" size=\"60\" maxlength=\"{SUMMARY_CHARACTERS_MAX}\"></p>\n\
         <p>Description:<br><textarea name=\"text\" rows=\"8\" cols=\"60\">{}</textarea></p>\n\
         <p><input type=\"submit\" value=\"Submit ticket\"></p></form>",
        escape_html(text)
    );
    page(&FACE, asked, status, "New ticket", &inner)
}

impl Door for Tracker {
    async fn visit(self: Rc<Self>, _street: &Rc<Street>, arrival: Arrival) -> Departure {
        let asked = match Asked::of(arrival) {
            Ok(asked) => asked,
            Err(departure) => return departure,
        };
        let reads = asked.method == Method::GET || asked.method == Method::HEAD;
        let departure = match asked.path.as_str() {
            "/tracker/newticket" if asked.method == Method::POST => return self.post(asked).await,
            "/tracker/newticket" if reads => blank(&asked, StatusCode::OK, "", ""),
            "/tracker/newticket" => return not_allowed("GET, HEAD, POST"),
            _ if !reads => return not_allowed("GET, HEAD"),
            "/tracker" | "/tracker/" => self.list(&asked),
            path => match path.strip_prefix("/tracker/ticket/") {
                Some(number) => self.ticket(&asked, number),
                None => not_found(&FACE, &asked),
            },
        };
        if asked.method == Method::HEAD { without_body(departure) } else { departure }
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::tests::{arrival, ask, header, street, text};
    use super::*;

    #[tokio::test]
    async fn a_posted_ticket_is_redirected_to_and_listed() {
        let tracker = Rc::new(Tracker::new());
        let posted =
            ask(&tracker, "POST", "/tracker/newticket", "type=task&summary=Say+%3Chi%3E&text=a%0D%0Ab").await;
        assert_eq!(posted.response.status(), 303);
        assert_eq!(header(&posted, "location"), "/tracker/ticket/3");
        let shown = text(ask(&tracker, "GET", "/tracker/ticket/3", "").await).await;
        assert!(shown.contains("Ticket #3: Say &lt;hi&gt;") && shown.contains("<pre>a\nb</pre>"), "{shown}");
        let list = text(ask(&tracker, "GET", "/tracker/", "").await).await;
        assert!(list.contains("Say &lt;hi&gt;") && list.contains("httpd stops answering"));
    }

    #[tokio::test]
    async fn the_reporter_is_whom_the_gateway_names() {
        let tracker = Rc::new(Tracker::new());
        let arrival =
            arrival("POST", "/tracker/newticket", &[("x-forwarded-for", "fd00:1:2::3")], "summary=Who+am+I");
        Rc::clone(&tracker).visit(&street(), arrival).await;
        assert!(text(ask(&tracker, "GET", "/tracker/ticket/3", "").await).await.contains("fd00:1:2::3"));
    }

    #[tokio::test]
    async fn a_ticket_without_a_summary_keeps_what_was_typed() {
        let tracker = Rc::new(Tracker::new());
        let departure = ask(&tracker, "POST", "/tracker/newticket", "summary=+&text=kept").await;
        assert_eq!(departure.response.status(), 400);
        assert!(text(departure).await.contains(">kept</textarea>"));
    }

    #[tokio::test]
    async fn old_tickets_make_room_for_new_ones() {
        let tracker = Rc::new(Tracker::new());
        for _ in 0..TICKETS_MAX {
            tracker.add("task", "one more".into(), String::new(), String::new());
        }
        assert_eq!(tracker.tickets.borrow().open.len(), TICKETS_MAX);
        assert_eq!(ask(&tracker, "GET", "/tracker/ticket/1", "").await.response.status(), 404);
        assert_eq!(ask(&tracker, "GET", "/tracker/ticket/202", "").await.response.status(), 200);
    }

    #[tokio::test]
    async fn head_has_the_length_and_no_body_and_other_methods_are_refused() {
        let tracker = Rc::new(Tracker::new());
        let whole = ask(&tracker, "GET", "/tracker/", "").await;
        let head = ask(&tracker, "HEAD", "/tracker/", "").await;
        assert_eq!(header(&head, "content-length"), header(&whole, "content-length"));
        assert!(text(head).await.is_empty());
        let refused = ask(&tracker, "DELETE", "/tracker/", "").await;
        assert_eq!(refused.response.status(), 405);
        assert_eq!(header(&refused, "allow"), "GET, HEAD");
        assert_eq!(ask(&tracker, "GET", "/tracker/nowhere", "").await.response.status(), 404);
    }
}
