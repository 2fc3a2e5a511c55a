//! Everything that can go wrong with a visit, by name. One table: the name rules and logs use, the status, the
//! page of `error-pages/` that tells a person, and the sentence that tells a program.

macro_rules! causes {
    ($( $(#[doc = $doc:literal])* $variant:ident = $name:literal, $status:literal, $page:literal, $sentence:literal; )*) => {
        /// What went wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Cause { $( $(#[doc = $doc])* $variant, )* }

        impl Cause {
            pub const ALL: &'static [Cause] = &[ $( Cause::$variant, )* ];

            /// The word rules, logs and metrics use.
            pub const fn name(self) -> &'static str {
                match self { $( Cause::$variant => $name, )* }
            }

            /// The HTTP status a visitor gets for it, where his site says nothing else: see [`Statuses`].
            pub const fn status(self) -> u16 {
                match self { $( Cause::$variant => $status, )* }
            }

            /// The page a person gets for it, by the name of its file.
            pub const fn page(self) -> &'static str {
                match self { $( Cause::$variant => $page, )* }
            }

            /// One sentence that a person understands; it names no address and no file.
            pub const fn sentence(self) -> &'static str {
                match self { $( Cause::$variant => $sentence, )* }
            }
        }
    };
}

causes! {
    // What the visitor sent
    /// The request line or a header breaks the grammar of HTTP.
    Malformed = "malformed", 400, "400", "The request could not be understood.";
    /// The length of the body is said twice, in two ways, or not in a way one can trust.
    Framing = "framing", 400, "unclear-length", "The request says its length in a way that could be read in two ways.";
    /// No Host, two of them, or one that is no host name.
    BadHost = "bad_host", 400, "unclear-host", "The request names no host, or names it in a way that could be read in two ways.";
    /// The path has two readings (`%2f`, `%00`, bad UTF-8, above the root).
    BadPath = "bad_path", 400, "unclear-address", "The address of this page could be read in two ways, so it is refused.";
    /// The plain-text form of a request arrived on a TLS port.
    PlainOnTls = "plain_on_tls", 400, "https-needed", "This port speaks https; the request came as plain http.";
    /// The address or the route may not be used from here.
    Denied = "denied", 403, "network-not-allowed", "You may not open this page from where you are.";
    /// No route of the site covers the path.
    NoRoute = "no_route", 404, "404", "There is no page at this address.";
    /// What lies at the path takes no requests of this method.
    MethodNotAllowed = "method_not_allowed", 405, "405", "This page cannot be asked for in this way.";
    /// The head did not arrive in time.
    HeadTimeout = "head_timeout", 408, "408", "The request took too long to arrive.";
    /// The body did not arrive in time.
    BodyTimeout = "body_timeout", 408, "upload-stopped", "The upload stopped on its way.";
    /// The body is larger than the site takes.
    BodyTooLarge = "body_too_large", 413, "413", "What was sent is larger than this page accepts.";
    /// The request target is longer than the house takes.
    TargetTooLong = "target_too_long", 414, "414", "The address of this page is too long.";
    /// The part of a file that was asked for lies behind its end.
    Range = "range", 416, "416", "The part that was asked for is not in this file.";
    /// An expectation other than 100-continue.
    Expectation = "expectation", 417, "417", "The request expects something this server does not do.";
    /// The host is not served here, or not under the certificate that was shown.
    Misdirected = "misdirected", 421, "421", "The site you asked for is not served here.";
    /// Too many bytes or lines of header.
    HeadTooLarge = "head_too_large", 431, "431", "The request carries more header fields than this server accepts.";
    /// The visitor's network has too many connections open.
    TooManyConnections = "too_many_connections", 429, "too-many-connections", "Too many connections come from your network right now.";
    /// The visitor went away before the answer was complete. Nobody sees the status but the log.
    VisitorLeft = "visitor_left", 499, "visit-ended", "The visitor left before the answer was complete.";
    /// A transfer coding or CONNECT that this house does not speak.
    NotImplemented = "not_implemented", 501, "501", "This server does not do what the request asks for.";
    /// A version of HTTP that is not spoken here.
    Version = "version", 505, "505", "This version of HTTP is not spoken here.";

    // What the server behind it did
    /// Nobody listens on the backend's port or socket.
    Refused = "refused", 503, "connection-refused", "The server behind this page is not running.";
    /// Nobody knows the backend's name.
    Dns = "dns", 503, "backend-name-unknown", "The server behind this page has a name that cannot be found.";
    /// The backend's network can't be reached.
    Unreachable = "unreachable", 503, "network-unreachable", "The server behind this page cannot be reached over the network.";
    /// The backend did not accept the connection in time.
    ConnectTimeout = "connect_timeout", 503, "backend-connect-timeout", "The server behind this page did not pick up in time.";
    /// TLS towards the backend failed.
    Tls = "tls", 503, "backend-not-trusted", "The server behind this page could not prove who it is.";
    /// The connection broke while the request was sent.
    Write = "write", 503, "backend-write-error", "The server behind this page hung up while your request was being sent.";
    /// The connection broke before or in the answer.
    Read = "read", 503, "backend-read-error", "The server behind this page hung up before its answer was complete.";
    /// The backend's answer is no HTTP, or HTTP that can't be trusted.
    Protocol = "protocol", 503, "backend-protocol-error", "The server behind this page gave an answer that makes no sense.";
    /// No answer began in time.
    FirstByteTimeout = "first_byte_timeout", 503, "backend-first-byte-timeout", "The server behind this page took too long to answer.";
    /// The answer stopped on its way.
    BetweenBytes = "between_bytes", 503, "backend-between-bytes-timeout", "The server behind this page stopped in the middle of its answer.";
    /// The backend's probe says that it is sick: it is not asked.
    Unhealthy = "unhealthy", 503, "backend-unhealthy", "The server behind this page is not well right now.";
    /// None of the backends that could be asked is well, or there is none.
    NoneHealthy = "none_healthy", 503, "no-healthy-backends", "None of the servers behind this page is well right now.";
    /// Each backend that could be asked was sick, or failed when it was asked.
    AllFailed = "all_failed", 503, "all-backends-failed", "None of the servers behind this page could answer.";
    /// As many requests wait for the backend as may wait.
    QueueFull = "queue_full", 503, "backend-queue-full", "Too many visitors are waiting for the server behind this page.";
    /// The backend reported a fault of its own, and the route says that our page takes the place of its.
    BackendError = "backend_error", 503, "backend-error", "The server behind this page reported a fault of its own.";
    /// The backend has as many requests as its limit of connections allows.
    MaxConnections = "max_connections", 503, "backend-connection-limit", "The server behind this page has as many visitors as it can take right now.";
    /// The visit as a whole took longer than the house allows.
    TotalTimeout = "total_timeout", 503, "total-timeout", "The answer took longer than this server allows.";

    // Ourselves
    /// The people who run the site have closed it for a while.
    Maintenance = "maintenance", 503, "maintenance", "This site is closed for maintenance.";
    /// A copy or a move (`WebDAV`) whose destination is no place of this site.
    Destination = "destination", 502, "destination-elsewhere", "The place to copy or move to is not on this site.";
    /// The house is at its limit of open connections.
    Overloaded = "overloaded", 503, "overloaded", "This server has as many visitors as it can take right now.";
    /// The house is closing its doors.
    Closing = "closing", 503, "restarting", "This server is being restarted.";
    /// A rule went wrong while it ran, or went round in circles. The log has its file and line.
    RuleFault = "rule_fault", 500, "rule-fault", "A rule of this server went wrong.";
    /// A fault of our own.
    Internal = "internal", 500, "500", "Something went wrong in this server.";
}

impl Cause {
    /// Whether the server behind is to blame: these are the pages with a word about waiting.
    pub const fn is_upstream(self) -> bool {
        matches!(
            self,
            Cause::Refused
                | Cause::Dns
                | Cause::Unreachable
                | Cause::ConnectTimeout
                | Cause::Tls
                | Cause::Write
                | Cause::Read
                | Cause::Protocol
                | Cause::FirstByteTimeout
                | Cause::BetweenBytes
                | Cause::Unhealthy
                | Cause::NoneHealthy
                | Cause::AllFailed
                | Cause::QueueFull
                | Cause::BackendError
                | Cause::MaxConnections
                | Cause::TotalTimeout
        )
    }

    /// The status that tells a program most: RFC 9110 has 502 for an answer that is none, 504 for one that came
    /// too late.
    const fn telling_status(self) -> u16 {
        match self {
            Cause::Tls | Cause::Write | Cause::Read | Cause::Protocol => 502,
            Cause::ConnectTimeout | Cause::FirstByteTimeout | Cause::BetweenBytes | Cause::TotalTimeout => {
                504
            }
            _ => self.status(),
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.name() == name)
    }
}

/// Which status a fault of a backend has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statuses {
    /// 503 for each: come back later.
    #[default]
    Always503,
    /// 502, 503 or 504, by what went wrong.
    ByCause,
}

impl Statuses {
    pub const fn of(self, cause: Cause) -> u16 {
        match self {
            Statuses::Always503 => cause.status(),
            Statuses::ByCause => cause.telling_status(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_may_ask_for_the_status_that_tells_more() {
        for (cause, status) in [
            (Cause::Refused, 503),
            (Cause::MaxConnections, 503),
            (Cause::ConnectTimeout, 504),
            (Cause::FirstByteTimeout, 504),
            (Cause::Read, 502),
            (Cause::Tls, 502),
            (Cause::NoRoute, 404),
        ] {
            assert_eq!(Statuses::ByCause.of(cause), status, "{cause:?}");
            assert_eq!(Statuses::default().of(cause), cause.status());
        }
    }

    #[test]
    fn names_are_unique_and_sentences_end() {
        for (at, cause) in Cause::ALL.iter().enumerate() {
            assert_eq!(Cause::by_name(cause.name()), Some(*cause));
            assert!(cause.sentence().ends_with('.'), "{}", cause.name());
            assert!((400..600).contains(&cause.status()));
            assert!(!cause.is_upstream() || cause.status() == 503, "{}", cause.name());
            assert!(cause.is_upstream() || Statuses::ByCause.of(*cause) == cause.status());
            assert!(Cause::ALL.iter().skip(at + 1).all(|other| other.name() != cause.name()));
        }
    }
}
