//! What people read when something is wrong. One table, one row for each cause: what happened, what that
//! means, what can be done about it. Nobody is blamed, nothing technical is said; the cause's own name
//! stands small at the foot of the page, for those who run the site.

use crate::base::cause::Cause;

pub struct Words {
    /// What happened; also the title.
    pub headline: &'static str,
    /// What that means.
    pub meaning: &'static str,
    pub advice: &'static [&'static str],
}

const fn words(headline: &'static str, meaning: &'static str, advice: &'static [&'static str]) -> Words {
    Words { headline, meaning, advice }
}

const RELOAD_SOON: &str = "Wait a minute, then load the page again. Most of the time this passes by itself.";
const TELL_IF_IT_STAYS: &str = "If it stays like this, tell the people who run this site.";
const FORM_SAFE: &str = "If you were sending a form, keep a copy of what you wrote before you try again.";
const MAYBE_DONE: &str = "If you were saving something, look whether it was saved before you send it again.";
const TYPE_AGAIN: &str = "Look at the address for a typing mistake, or start at the front page.";
const OTHER_LINK: &str = "If a link brought you here, tell the owner of the page it was on.";

pub const fn of(cause: Cause) -> Words {
    match cause {
        Cause::Malformed => words(
            "We could not understand the request",
            "Your browser, or something between it and us, sent a message that does not follow the rules of the web.",
            &["Load the page again.", "Try another browser, or another network.", TELL_IF_IT_STAYS],
        ),
        Cause::Framing => words(
            "The request did not add up",
            "The message that reached us gives its own length in a way that could be read in two ways. To be on the safe side it was not passed on.",
            &["Load the page again.", "If you use a proxy or a filter, try without it.", TELL_IF_IT_STAYS],
        ),
        Cause::BadHost => words(
            "The request does not say which site it wants",
            "Several sites live at this address. The request named none of them, or not clearly enough.",
            &["Type the address of the site again.", OTHER_LINK],
        ),
        Cause::BadPath => words(
            "This address can be read in two ways",
            "The address of the page holds signs that different programs understand differently, so it was not opened.",
            &[TYPE_AGAIN, OTHER_LINK],
        ),
        Cause::PlainOnTls => words(
            "This address needs https",
            "The page was asked for without encryption, at a place where only encrypted connections are served.",
            &["Put https:// in front of the address, in place of http://.", OTHER_LINK],
        ),
        Cause::Denied => words(
            "This page is not open from here",
            "The page exists, but only for certain networks, and yours is not one of them right now.",
            &[
                "If you belong to the project, try again from its own network or over its VPN.",
                "If you think you should have access, ask the people who run this site.",
            ],
        ),
        Cause::NoRoute => words(
            "There is no page at this address",
            "The page may have moved, or there may be a mistake in the address.",
            &[TYPE_AGAIN, OTHER_LINK],
        ),
        Cause::HeadTimeout => words(
            "The request took too long to arrive",
            "Your connection was slow or broke off before the whole request had reached us.",
            &["Load the page again.", "If your connection is weak, wait until it is better."],
        ),
        Cause::BodyTimeout => words(
            "The upload stopped on its way",
            "Part of what you were sending arrived, then nothing more came. It was not passed on as if it were complete.",
            &["Send it again, if you can over a steadier connection.", FORM_SAFE],
        ),
        Cause::BodyTooLarge => words(
            "This is too large for the page",
            "What you were sending is larger than this page accepts.",
            &[
                "Send a smaller file, or several smaller ones.",
                "If it has to be this large, ask the people who run this site; they can change the limit.",
            ],
        ),
        Cause::TargetTooLong => words(
            "This address is too long",
            "The address of the page is longer than we can take. This often comes from a form or search that put everything into the address.",
            &["Ask for less at once, for example with a shorter search.", OTHER_LINK],
        ),
        Cause::Expectation => words(
            "The request expects something we do not do",
            "The program you use asked for a special treatment that is not known here.",
            &["If you wrote the program, leave out the Expect header.", TELL_IF_IT_STAYS],
        ),
        Cause::Misdirected => words(
            "This site is not served here",
            "You reached this server, but the site you asked for does not live on it, or not on this connection.",
            &[
                "Close this tab and open the address again in a new one.",
                "Look at the address for a typing mistake.",
                "If you run the site, look whether its name points to the right server.",
            ],
        ),
        Cause::HeadTooLarge => words(
            "Your browser sent too much at once",
            "Besides the request itself your browser sent more details than we can take. Mostly these are old cookies that have piled up.",
            &["Delete the cookies of this site in your browser, then load the page again.", TELL_IF_IT_STAYS],
        ),
        Cause::TooManyConnections => words(
            "Too many connections from your network",
            "Many requests come from where you are at the same time. It may not be you: others can share your network.",
            &[
                "Wait a minute, then load the page again.",
                "If you run a program that fetches many pages, let it fetch fewer at once.",
            ],
        ),
        Cause::VisitorLeft => words(
            "The visit ended early",
            "The connection was closed before the answer was complete.",
            &["Load the page again."],
        ),
        Cause::NotImplemented => words(
            "We do not know how to do this",
            "The program you use asked for something that this server does not offer.",
            &["Try it with a browser.", TELL_IF_IT_STAYS],
        ),
        Cause::Version => words(
            "We do not speak this language",
            "The program you use speaks a version of HTTP that is not spoken here.",
            &["Use an up-to-date browser or program.", TELL_IF_IT_STAYS],
        ),
        Cause::Refused => words(
            "This part of the site is not running",
            "We are here, but the server that makes this page is switched off or is just starting.",
            &[RELOAD_SOON, FORM_SAFE, TELL_IF_IT_STAYS],
        ),
        Cause::Dns => words(
            "We cannot find this part of the site",
            "The server that makes this page has a name that leads nowhere at the moment.",
            &[RELOAD_SOON, FORM_SAFE, TELL_IF_IT_STAYS],
        ),
        Cause::Unreachable => words(
            "We cannot reach this part of the site",
            "The server that makes this page cannot be found on the network at the moment.",
            &[RELOAD_SOON, FORM_SAFE, TELL_IF_IT_STAYS],
        ),
        Cause::ConnectTimeout => words(
            "This part of the site does not pick up",
            "We called the server that makes this page, and it did not answer the call in time. It may be very busy.",
            &[RELOAD_SOON, FORM_SAFE, TELL_IF_IT_STAYS],
        ),
        Cause::Tls => words(
            "We could not make sure this is the right server",
            "The server that makes this page could not prove who it is, so nothing of yours was sent to it.",
            &["Come back later: this has to be mended by the people who run this site.", TELL_IF_IT_STAYS],
        ),
        Cause::Write => words(
            "The connection broke while we passed on your request",
            "The server that makes this page hung up before it had everything.",
            &["Load the page again.", MAYBE_DONE, TELL_IF_IT_STAYS],
        ),
        Cause::Read => words(
            "The answer broke off",
            "The server that makes this page hung up before its answer was complete.",
            &["Load the page again.", MAYBE_DONE, TELL_IF_IT_STAYS],
        ),
        Cause::Protocol => words(
            "The answer makes no sense",
            "The server that makes this page sent something that is not a proper answer, so it was not passed on to you.",
            &["Load the page again.", MAYBE_DONE, TELL_IF_IT_STAYS],
        ),
        Cause::FirstByteTimeout => words(
            "This page is taking too long",
            "The server that makes this page received your request but did not answer in time. It may be very busy.",
            &[
                "Wait a few minutes, then load the page again.",
                MAYBE_DONE,
                "If you asked for a lot at once, such as a long list or a large search, ask for less.",
            ],
        ),
        Cause::BetweenBytes => words(
            "The answer stopped in the middle",
            "The server that makes this page began to answer, then fell silent.",
            &["Wait a few minutes, then load the page again.", MAYBE_DONE, TELL_IF_IT_STAYS],
        ),
        Cause::Unhealthy => words(
            "This part of the site is not well",
            "The server that makes this page has not been answering as it should, so it is left alone until it does.",
            &[RELOAD_SOON, FORM_SAFE, TELL_IF_IT_STAYS],
        ),
        Cause::NoneHealthy => words(
            "No server for this page is well",
            "Several servers can make this page, and none of them has been answering as it should.",
            &[RELOAD_SOON, FORM_SAFE, TELL_IF_IT_STAYS],
        ),
        Cause::AllFailed => words(
            "No server could make this page",
            "Several servers can make this page, and each of them is out of order or failed when we asked.",
            &[RELOAD_SOON, FORM_SAFE, TELL_IF_IT_STAYS],
        ),
        Cause::QueueFull => words(
            "The queue for this part of the site is full",
            "Many visitors are waiting for the server that makes this page, so your request was not put in line.",
            &[RELOAD_SOON, FORM_SAFE, TELL_IF_IT_STAYS],
        ),
        Cause::BackendError => words(
            "This part of the site has a fault",
            "The server that makes this page tried to answer, and something in it went wrong.",
            &["Load the page again.", MAYBE_DONE, TELL_IF_IT_STAYS],
        ),
        Cause::MaxConnections => words(
            "This part of the site is busy",
            "The server that makes this page has all hands full, and your request was not passed on to it.",
            &[RELOAD_SOON, FORM_SAFE, TELL_IF_IT_STAYS],
        ),
        Cause::TotalTimeout => words(
            "This took longer than we allow",
            "Your request was still being worked on when its time was up.",
            &["Ask for less at once, if you can.", MAYBE_DONE, TELL_IF_IT_STAYS],
        ),
        Cause::Maintenance => words(
            "We are working on this site",
            "It was closed on purpose for a while, and nothing of yours is lost.",
            &[RELOAD_SOON, FORM_SAFE],
        ),
        Cause::MethodNotAllowed => words(
            "This page cannot be used in this way",
            "It can be read, but nothing can be sent to it.",
            &[TYPE_AGAIN, TELL_IF_IT_STAYS],
        ),
        Cause::Range => words(
            "This part of the file is not there",
            "Your program asked for a piece of a file that is shorter than it thinks.",
            &["Load the file again from its beginning.", TELL_IF_IT_STAYS],
        ),
        Cause::Destination => words(
            "This place is not on this site",
            "Something was to be copied or moved to an address that does not belong here.",
            &["Check the address you copy or move to.", TELL_IF_IT_STAYS],
        ),
        Cause::Overloaded => words(
            "We are full right now",
            "More visitors are here than this server can look after at the same time.",
            &[RELOAD_SOON, FORM_SAFE],
        ),
        Cause::Closing => words(
            "We will be right back",
            "This server is being restarted. That takes a few seconds.",
            &["Wait a few seconds, then load the page again.", FORM_SAFE],
        ),
        Cause::RuleFault => words(
            "Something is set up wrongly here",
            "It was nothing you did. One of the rules by which this site is served does not work as it was meant to.",
            &["Load the page again.", MAYBE_DONE, TELL_IF_IT_STAYS],
        ),
        Cause::Internal => words(
            "Something went wrong on our side",
            "It was nothing you did. The people who run this site can see in their records what happened.",
            &["Load the page again.", MAYBE_DONE, TELL_IF_IT_STAYS],
        ),
    }
}

/// What a status means that rules asked for; `None` where it says that all is well.
pub fn of_status(status: http::StatusCode) -> Option<Words> {
    match status.as_u16() {
        0..400 => None,
        403 | 451 => Some(words(
            "This page is not open to you",
            "The people who run this site do not show it to requests like this one.",
            &[TYPE_AGAIN, "If you think you should have access, ask the people who run this site."],
        )),
        404 | 410 => Some(of(Cause::NoRoute)),
        429 => Some(words(
            "That was a little too much at once",
            "More requests came from you, or from your network, than this site answers in a short time.",
            &["Wait a minute, then load the page again.", TELL_IF_IT_STAYS],
        )),
        400..500 => Some(words(
            "This request was turned away",
            "This site does not answer requests of this kind.",
            &[TYPE_AGAIN, TELL_IF_IT_STAYS],
        )),
        _ => Some(words(
            "This page cannot be shown right now",
            "We are here, but this page is not available at the moment.",
            &[RELOAD_SOON, FORM_SAFE, TELL_IF_IT_STAYS],
        )),
    }
}
