//! The way of a request to its backend and back, as `rules::way` has it, in this house: with its servers.

use http::HeaderValue;
use http::response::Parts;
use http::uri::PathAndQuery;

use super::World;
use crate::base::fault::Fault;
use crate::message::homeward::Place;
use crate::message::{Body, Request};
use crate::plan::BackendId;
use crate::rules::way::{destination, place_told};
use crate::rules::{SiteRef, Way};
use crate::upstream::Target;

/// Judges a `Destination`: it must be a place of the same site and of a backend that is asked, and the visitor must
/// be allowed to write there. What the backend has at it.
pub fn judge(
    world: &World,
    found: SiteRef<'_>,
    request: &Request,
    headers: &http::HeaderMap,
    asked: &[BackendId],
) -> Result<Option<PathAndQuery>, Fault> {
    let Some(destined) = destination(&world.rules, found, request, headers, asked)? else { return Ok(None) };
    destined.admits(request)?;
    Ok(Some(destined.target))
}

/// What has to be known when the answer is there.
pub struct Home<'a> {
    pub way: &'a Way<'a>,
    pub request: &'a Request,
    pub target: &'a Target,
    /// A `Host` that rules wrote.
    pub told: Option<HeaderValue>,
}

impl Home<'_> {
    pub fn put_right(&self, parts: &mut Parts, body: Body) -> Body {
        self.way.put_right(self.request, || self.places(), parts, body)
    }

    /// What the servers that may have answered call themselves.
    fn places(&self) -> Vec<Place> {
        let tls = || self.target.servers().any(|server| server.config().tls.is_some());
        let told = self.told.as_ref().and_then(|told| place_told(told, tls()));
        self.target.servers().flat_map(|server| server.config().places()).chain(told).collect()
    }
}
