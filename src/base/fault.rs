//! A fault: what the visitor may know (its cause's sentence) and what the log knows (a detail).

use std::error::Error;
use std::fmt;

use super::cause::Cause;

/// Small on purpose: it travels through every `Result` of the corridor, and through hyper as a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub cause: Cause,
    /// For the error log alone. It may name a site, a backend, a header; never an address or a secret.
    detail: Option<Box<str>>,
    /// A visitor was sending when it happened.
    upload: bool,
}

impl Fault {
    pub const fn new(cause: Cause) -> Self {
        Self { cause, detail: None, upload: false }
    }

    pub fn with(cause: Cause, detail: impl Into<Box<str>>) -> Self {
        Self { cause, detail: Some(detail.into()), upload: false }
    }

    /// It happened while a visitor was sending, or was being waited for: he may have brought it about.
    #[must_use]
    pub fn in_upload(self, upload: bool) -> Self {
        Self { upload, ..self }
    }

    pub const fn is_of_upload(&self) -> bool {
        self.upload
    }

    pub fn detail(&self) -> &str {
        self.detail.as_deref().unwrap_or(self.cause.sentence())
    }

    /// The fault that travelled inside another library's error, if one did.
    pub fn inside<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Fault> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(fault) = error.downcast_ref::<Fault>() {
                return Some(fault);
            }
            next = error.source();
        }
        None
    }
}

impl From<Cause> for Fault {
    fn from(cause: Cause) -> Self {
        Self::new(cause)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause.name(), self.detail())
    }
}

impl Error for Fault {}
