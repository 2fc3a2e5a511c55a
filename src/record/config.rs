//! What a `log` declaration says.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Combined,
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    pub name: Box<str>,
    pub format: Format,
    /// Where visits go: a template with `{state}`, `{site}` and `{day}`.
    pub file: Box<str>,
    /// Where faults go: a template with the same words.
    pub errors: Box<str>,
}
