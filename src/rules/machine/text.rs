//! What values are as texts.

use std::borrow::Cow;
use std::io::Write as _;

use super::Machine;
use crate::base::clock::Wall;
use crate::language::program::Choice;
use crate::language::vocabulary::Dialect;
use crate::rules::Rules;
use crate::rules::value::Value;

impl Machine<'_, '_> {
    /// A value as text; what is a text already is not copied.
    pub(super) fn text_of<'v>(&self, value: &'v Value<'_>) -> Cow<'v, [u8]> {
        match value {
            Value::Text(text) => Cow::Borrowed(text),
            Value::Unset => Cow::Borrowed(b""),
            Value::Bool(value) => Cow::Borrowed(match (value, self.fastly()) {
                (true, true) => b"1",
                (false, true) => b"0",
                (true, false) => b"true",
                (false, false) => b"false",
            }),
            other => {
                let mut buffer = Vec::with_capacity(32);
                self.write(other, &mut buffer);
                Cow::Owned(buffer)
            }
        }
    }

    /// Whether Varnish's rules fail on this number as text: 15 digits in all, 12 of them before the dot where
    /// there is one.
    #[allow(clippy::cast_precision_loss)]
    fn is_too_long(&self, value: &Value<'_>) -> bool {
        self.program.dialect == Dialect::Varnish
            && match value {
                Value::Int(number) => number.unsigned_abs() > 999_999_999_999_999,
                Value::Bytes(number) => *number as f64 > 999_999_999_999.999,
                Value::Real(number) | Value::Duration(number) => {
                    !number.is_finite() || number.abs() > 999_999_999_999.999
                }
                _ => false,
            }
    }

    pub(super) fn write(&self, value: &Value<'_>, buffer: &mut Vec<u8>) {
        self.too_long.set(self.too_long.get() || self.is_too_long(value));
        // Writing to memory does not fail.
        let _ = match value {
            Value::Int(value) | Value::Bytes(value) => write!(buffer, "{value}"),
            Value::Real(value) | Value::Duration(value) => write!(buffer, "{value:.3}"),
            Value::Time(value) => write!(buffer, "{}", wall(*value).http_date()),
            Value::Ip(address) => write!(buffer, "{address}"),
            Value::Visitor(client) if self.hashing => write!(buffer, "{}", client.expose()),
            // No rule can write an address anywhere.
            Value::Visitor(client) => write!(buffer, "{}", client.anonymous()),
            Value::Backend(choice) => {
                buffer.extend_from_slice(self.rules.name(*choice).as_bytes());
                Ok(())
            }
            Value::Blob(bytes) => {
                buffer.extend_from_slice(bytes);
                Ok(())
            }
            Value::Text(_) | Value::Unset | Value::Bool(_) => {
                buffer.extend_from_slice(&self.text_of(value));
                Ok(())
            }
        };
    }
}

impl Rules {
    /// The name of a backend or a director, as the tree says it; empty for none.
    pub fn name(&self, choice: Choice) -> &str {
        match choice {
            Choice::None => "",
            Choice::Backend(id) => self.backends.get(id.0).map_or("", |name| name),
            Choice::Director(id) => self.program.objects.get(id.0 as usize).map_or("", |object| &object.name),
        }
    }
}

/// A point in time as the clock counts it. Before 1970 there is nothing to write.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn wall(seconds: f64) -> Wall {
    let whole = seconds.max(0.0).trunc();
    // Far beyond the last year that has four digits.
    Wall { seconds: whole.min(253_402_300_799.0) as u64, nanos: ((seconds.max(0.0) - whole) * 1e9) as u32 }
}
