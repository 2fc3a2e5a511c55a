//! Which site and which route a request belongs to.

mod routes;

pub use routes::{NAMES_MAX, Names, RouteRef, SEGMENTS_MAX, Site, SiteRef, Table};
