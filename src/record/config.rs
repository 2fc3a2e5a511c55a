//! What an operator says of one log.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    pub name: Box<str>,
    pub format: Format,
    /// The access log's path; `{site}` and `{day}` are filled in when it is opened.
    pub file: Box<str>,
    /// The error log's path, the same way.
    pub errors: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Combined,
    Json,
}
