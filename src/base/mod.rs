//! The ground floor: small things every room stands on. Nothing here knows what a request is.
//!
//! | part | what it holds |
//! |---|---|
//! | `clock` | the only place that reads time |
//! | `random` | the only place that makes randomness |
//! | `secret` | bytes that can't be printed and are wiped |
//! | `address` | visitors' addresses (unprintable), their anonymous form, networks |
//! | `amount` | durations and sizes as people write them, numbers as quickly as they can be written |
//! | `base64` | for keys of WebSockets, digests in pages, and rules |
//! | `beneath` | what lies below a folder, whatever links say |
//! | `bound` | the one table of limits |
//! | `cause` | everything that can go wrong with a visit, by name |
//! | `fault` | a cause with what the log may know of it |
//! | `json` | text between quotes, for programs |
//! | `crypto` | the one TLS crypto provider |

pub mod address;
pub mod amount;
pub mod base64;
pub mod beneath;
pub mod bound;
pub mod cause;
pub mod clock;
pub mod crypto;
pub mod fault;
pub mod json;
pub mod random;
pub mod secret;
