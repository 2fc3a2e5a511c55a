//! What a visitor gets when a visit stops: the page, the line or the JSON for its cause.

use http::{HeaderMap, Method, StatusCode};

use crate::answer::{self, Ask, Form};
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::base::random::RequestId;
use crate::message::Departure;

/// Who asks, as far as it is known: enough to choose the form of an answer, also before there is a request.
pub struct Asker {
    id: RequestId,
    form: Form,
    head_only: bool,
    /// The host that was asked, empty while there is none.
    site: String,
}

impl Asker {
    pub fn new(id: RequestId) -> Self {
        Self { id, form: Form::Plain, head_only: false, site: String::new() }
    }

    pub fn know(&mut self, method: &Method, headers: &HeaderMap, host: &str) {
        self.form = answer::form_for(method, headers);
        self.head_only = *method == Method::HEAD;
        self.site.push_str(host);
    }

    fn ask(&self) -> Ask<'_> {
        Ask {
            form: self.form,
            request_id: self.id,
            site_name: (!self.site.is_empty()).then_some(&self.site),
            method_head: self.head_only,
            retry_after: None,
        }
    }
}

/// Every fault is answered; one that says the connection can't be trusted ends it.
pub fn answer(fault: &Fault, asker: &Asker) -> Departure {
    let close = matches!(
        fault.cause,
        Cause::Malformed | Cause::Framing | Cause::BadHost | Cause::HeadTimeout | Cause::BodyTimeout | Cause::Closing
    );
    Departure { response: answer::fault(fault.cause, &asker.ask()), tunnel: None, close }
}

/// Sends the visitor to where the page really stands.
pub fn redirect(location: &str, asker: &Asker) -> Departure {
    Departure::answer(answer::redirect(StatusCode::MOVED_PERMANENTLY, location, &asker.ask()))
}
