//! Values while rules run. Texts are bytes, borrowed where they stand or shared with their message: reading
//! allocates nothing.

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;

use bytes::Bytes;
use http::HeaderValue;

use crate::base::address::ClientIp;
use crate::language::program::{Choice, Value as Constant};

/// What an expression gives.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// Nothing was ever written there: false, and empty as text.
    Unset,
    Text(Text<'a>),
    Bool(bool),
    Int(i64),
    Real(f64),
    /// Seconds.
    Duration(f64),
    /// Seconds since 1970.
    Time(f64),
    Bytes(i64),
    Ip(IpAddr),
    /// A visitor's address: it compares as it is, and as text it is the anonymous form.
    Visitor(ClientIp),
    Backend(Choice),
    Blob(Bytes),
}

/// A text.
#[derive(Clone)]
pub enum Text<'a> {
    Borrowed(&'a [u8]),
    Shared(Bytes),
    /// Shared with a message; set as a header again, it costs no copy and no check.
    Header(HeaderValue),
}

impl Deref for Text<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Text::Borrowed(bytes) => bytes,
            Text::Shared(bytes) => bytes,
            Text::Header(value) => value.as_bytes(),
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Text<'_> {
    /// Copies what is borrowed, shares the rest.
    pub fn into_owned(self) -> Text<'static> {
        match self {
            Text::Borrowed(bytes) => Text::Shared(Bytes::copy_from_slice(bytes)),
            Text::Shared(bytes) => Text::Shared(bytes),
            Text::Header(value) => Text::Header(value),
        }
    }

    pub fn into_bytes(self) -> Bytes {
        match self {
            Text::Shared(bytes) => bytes,
            other => Bytes::copy_from_slice(&other),
        }
    }
}

impl<'a> From<&'a [u8]> for Text<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Text::Borrowed(bytes)
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Text::Borrowed(text.as_bytes())
    }
}

impl From<Vec<u8>> for Text<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Text::Shared(bytes.into())
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Text::Shared(text.into())
    }
}

impl From<Bytes> for Text<'_> {
    fn from(bytes: Bytes) -> Self {
        Text::Shared(bytes)
    }
}

impl<'a> Value<'a> {
    pub fn text(text: impl Into<Text<'a>>) -> Self {
        Value::Text(text.into())
    }

    /// The bytes of a text; nothing of what is not one, and of what is unset.
    pub fn as_text(&self) -> &[u8] {
        match self {
            Value::Text(text) => text,
            _ => b"",
        }
    }

    pub const fn is_unset(&self) -> bool {
        matches!(self, Value::Unset)
    }

    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Unset => Value::Unset,
            Value::Text(text) => Value::Text(text.into_owned()),
            Value::Bool(value) => Value::Bool(value),
            Value::Int(value) => Value::Int(value),
            Value::Real(value) => Value::Real(value),
            Value::Duration(value) => Value::Duration(value),
            Value::Time(value) => Value::Time(value),
            Value::Bytes(value) => Value::Bytes(value),
            Value::Ip(value) => Value::Ip(value),
            Value::Visitor(value) => Value::Visitor(value),
            Value::Backend(value) => Value::Backend(value),
            Value::Blob(value) => Value::Blob(value),
        }
    }

    /// A constant of the program, borrowed.
    pub fn of(constant: &'a Constant) -> Self {
        match constant {
            Constant::Unset => Value::Unset,
            Constant::Text(text) => Value::Text(Text::Borrowed(text)),
            Constant::Bool(value) => Value::Bool(*value),
            Constant::Int(value) => Value::Int(*value),
            Constant::Real(value) => Value::Real(*value),
            Constant::Duration(value) => Value::Duration(*value),
            Constant::Time(value) => Value::Time(*value),
            Constant::Bytes(value) => Value::Bytes(*value),
            Constant::Ip(value) => Value::Ip(*value),
            Constant::Backend(value) => Value::Backend(*value),
            Constant::Blob(value) => Value::Blob(value.clone()),
        }
    }
}
