//! Values of private files: they may decide, and go to a backend; nothing writes them where they would be shown.
//!
//! A value is followed through one statement and through locals. What is computed from it is private too, but for
//! what nobody can turn back: a digest, and whether something holds.

use super::Writer;
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::program::{Argument, Place};
use crate::language::vocabulary::{Family, Function};

impl Writer<'_, '_, '_> {
    /// What was noted since `before` does not show in what came of it.
    pub(super) fn veiled(&mut self, before: usize) {
        self.secrets.truncate(before);
    }

    /// Whether a call gives a private row, or hides what it is given.
    pub(super) fn secret_called(
        &mut self,
        function: Function,
        args: &[Argument],
        span: crate::language::source::Span,
        before: usize,
    ) {
        let name = function.name();
        if name.starts_with("digest.hash_") || name.starts_with("digest.hmac_") {
            self.veiled(before);
        }
        if let Some(Argument::Table(table)) = args.first()
            && self.checker.private_tables.contains(&(table.0 as usize))
            && name.starts_with("table.lookup")
        {
            self.secrets.push(span);
        }
        let shown = match function {
            Function::StdLog | Function::StdSyslog | Function::StdTimestamp => "a log",
            Function::Synthetic | Function::SyntheticBase64 => "a page",
            Function::HeaderSet if !matches!(args.first(), Some(Argument::Http(family)) if is_asked(*family)) => {
                "an answer"
            }
            _ => return,
        };
        self.hidden(before, shown);
    }

    /// What is put into a place: some are shown to whoever asks, and a local is as private as its value.
    pub(super) fn secret_put(&mut self, place: &Place, before: usize) {
        match place {
            Place::Header { family, .. } if !is_asked(*family) => self.hidden(before, "an answer"),
            Place::Variable(variable)
                if ["resp.", "beresp.", "obj."].iter().any(|family| variable.name().starts_with(family)) =>
            {
                self.hidden(before, "an answer");
            }
            Place::Local(slot) if self.secrets.len() > before => {
                for local in self.here.locals.values_mut().filter(|local| local.slot == *slot) {
                    local.secret = true;
                }
            }
            _ => {}
        }
        self.veiled(before);
    }

    /// Nothing private was noted since `before`; reports what was.
    pub(super) fn hidden(&mut self, before: usize, place: &str) {
        if let Some(secret) = self.secrets.get(before).copied()
            && !self.here.built_in
        {
            let quote = self.quote(secret);
            self.fault::<()>(
                Diagnostic::new(
                    Code::SecretShown,
                    secret,
                    format!("{quote} is private, and would be written into {place}"),
                )
                .label("what a private file holds is shown to nobody"),
            );
        }
        self.veiled(before);
    }
}

/// Whether a message goes to a backend rather than to whoever asked.
const fn is_asked(family: Family) -> bool {
    matches!(family, Family::Req | Family::ReqTop | Family::Bereq)
}
