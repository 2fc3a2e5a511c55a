//! What a request means. `front` hands in a head as it was read; `Request::admit` turns it into the one
//! canonical request that rules see, access is judged on, and the backend gets, or refuses it.
//!
//! Called by `front` (framing of bodies), `visit` (meaning), `upstream` (what is sent). Promises: nothing
//! with two readings gets through; no header from outside can pose as ours. Does no IO and reads no clock.

pub mod body;
pub mod destination;
pub mod exchange;
pub mod forwarded;
pub mod headers;
pub mod homeward;
pub mod host;
pub mod links;
pub mod mapping;
pub mod path;
pub mod request;

pub use body::Body;
pub use exchange::{Arrival, Aside, Departure, Door, Head, Hints, Pace, Secure, Street, Tunnel, TunnelRider};
pub use host::Host;
pub use mapping::Mapping;
pub use path::SitePath;
pub use request::Request;
