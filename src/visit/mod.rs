//! The corridor: the one file that knows the order of a request. Order is a security property here: it is
//! fixed, not configured. Nothing else in the house calls two rooms for one request, but `rulebook` beside it,
//! which takes the same steps where the tree has rules of its own to run between them.
//!
//! Called by `front`, once for each request, also for one that could not be read. Promises: the record is
//! opened first and written exactly once; access is judged on the canonical request, and that request is
//! what the backend gets; whatever goes wrong becomes an answer in `rescue`, and nothing lets anyone in by
//! failing.

mod buffers;
mod collect;
mod doorplate;
mod drain;
mod errand;
mod maintenance;
mod meter;
mod rescue;
mod rulebook;
mod settle;
mod way;
mod world;

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use http::StatusCode;

use crate::base::fault::Fault;
use crate::base::random::RequestId;
use crate::message::path::Query;
use crate::message::{Arrival, Body, Departure, Door, Head, Hints, Pace, Request, Street};
use crate::record::{self, Asked, Pen, Ticket};
use crate::rules::{self, Way};
use crate::script::Seen;
use crate::upstream::{Passage, Pool, Waits};

pub use self::buffers::Buffers;
use self::collect::Collecting;
use self::errand::Bearer;
pub use self::maintenance::{Closure, Closures};
pub use self::rulebook::{Outside, Rulebook, explain};
use self::settle::Outcome;
use self::way::Home;
pub use self::world::{Terms, World, Worlds};

/// One worker's corridor.
pub struct Corridor {
    worlds: Arc<Worlds>,
    world: RefCell<Arc<World>>,
    number: Cell<u64>,
    pool: Rc<Pool>,
    pen: Rc<Pen>,
    introductions: errand::Introductions,
    scripts: Seen,
}

/// What a request brings along.
struct Luggage {
    body: Body,
    hints: Option<Hints>,
    pace: Pace,
}

impl Corridor {
    pub fn new(worlds: Arc<Worlds>, pool: Rc<Pool>, pen: Rc<Pen>) -> Self {
        let number = Cell::new(worlds.number());
        let world = RefCell::new(worlds.current());
        let introductions = errand::Introductions::default();
        Self { worlds, world, number, pool, pen, introductions, scripts: Seen::default() }
    }

    /// The generation that holds now.
    pub fn world(&self) -> Arc<World> {
        let number = self.worlds.number();
        if self.number.replace(number) != number {
            self.world.replace(self.worlds.current());
        }
        Arc::clone(&self.world.borrow())
    }

    /// The walk: each line either goes on or stops. What is returned as a fault is answered in `visit`.
    async fn walk(
        &self,
        world: &World,
        mut request: Request,
        luggage: Luggage,
        street: &Street,
        ticket: &mut Ticket,
        asker: &rescue::Asker,
    ) -> Result<Departure, Fault> {
        let found = doorplate::site(world, &request, street)?;
        ticket.site(world.sheet(found.site.id));
        asker.at(found.site.id);
        maintenance::open(world, found, &request, asker)?;
        if let Some(location) = rules::doorplate::elsewhere(found, &request, world.https_port) {
            let location = rescue::redirect(StatusCode::MOVED_PERMANENTLY, &location, asker);
            return Ok(Departure::answer(location));
        }
        if let Some(book) = &world.rulebook {
            // In a box: most trees have no rules of their own, and their visits need no room for this.
            let ground = rulebook::Ground { corridor: self, world, book, street, asker };
            return Box::pin(rulebook::walk(ground, found, request, luggage, ticket)).await;
        }
        let covered = rules::doorplate::route(found, &request)?;
        let route = covered.route;
        rules::doorplate::access(route, &request)?;
        // Before the line is anybody's: a name that is in no row names no file.
        let backend = (!route.answers.is_ours()).then(|| rules::doorplate::backend(&covered)).transpose()?;
        world.recorded(ticket, found.site.id, route, covered.names.values());
        let body = meter::capped(
            ticket.upload(luggage.body),
            route.body_bytes_max.unwrap_or(world.terms.bounds.body_bytes_max),
        )?;
        if let Some(pause) = route.body_timeout {
            luggage.pace.set(pause);
        }
        let time = meter::Time::begin(route.total_timeout.unwrap_or(world.terms.bounds.total_timeout));
        let (backend, script) = if let Some(backend) = backend {
            (backend, None)
        } else {
            let question = settle::question(&covered, &request);
            match Box::pin(settle::settle(world, question, None, asker)).await? {
                Outcome::Settled(settled) => return Ok(settled.leave(&time, ticket)),
                Outcome::Script(backend, script) => (backend, Some(script)),
            }
        };
        let target = world.target(backend)?;
        ticket.backend(target.name());
        let way = Way::of(found, route, covered.names.values(), &request.path);
        let destination = way::judge(world, found, &request, &request.headers, &[backend])?;
        let form = Collecting::on(Some(route), &request);
        let body =
            form.collect(body, &mut request.headers, luggage.hints.as_ref(), &time, &world.buffers).await?;
        let spare = settle::spare(found, &request.headers);
        let (mut errand, wish) = errand::compose(&mut request, body, &way)?;
        let runs = (Some(route), script);
        errand::find_script(&mut errand, target, runs, &request, street, ticket, &self.scripts)?;
        let answer = {
            let bearer = Bearer {
                request: &request,
                world,
                introductions: &self.introductions,
                destination: destination.as_ref(),
            };
            let passage = Passage {
                hints: luggage.hints,
                waits: Waits::default(),
                introduce: &|backend, headers| bearer.introduce(backend, headers),
                client: request.client,
                secure: request.secure,
            };
            let sending = pin!(self.pool.ask(target, errand, passage));
            time.within(sending).await?
        };
        errand::answered(&answer, ticket);
        if settle::leads_on(&answer) {
            let ground = settle::Ground { corridor: self, world, found, street, asker, time: &time };
            let settled = Box::pin(settle::follow(&ground, &answer, &mut request, spare, ticket)).await?;
            return Ok(settled.leave(&time, ticket));
        }
        if rescue::replaces(route, &answer, asker) {
            return Ok(rescue::replaced(answer, ticket, asker));
        }
        let home = Home { way: &way, request: &request, target, told: None };
        let departure = errand::bring_back(answer, &wish, &time, |parts, body| home.put_right(parts, body))?;
        Ok(drain::departing(departure, Some(route), &time, &world.buffers))
    }
}

impl Door for Corridor {
    async fn visit(self: Rc<Self>, street: &Rc<Street>, arrival: Arrival) -> Departure {
        let id = RequestId::next();
        let mut ticket = self.pen.ticket(id, street.peer.ip.anonymous());
        let Arrival { head, body, hints, pace } = arrival;
        let luggage = Luggage { body, hints, pace };
        let mut asker = rescue::Asker::new(self.world(), id);
        let walked = match admit(id, head, street, &mut ticket, &mut asker) {
            Ok(request) => {
                let walk = pin!(self.walk(asker.world(), request, luggage, street, &mut ticket, &asker));
                rescue::surviving(walk).await
            }
            Err(fault) => Err(fault),
        };
        let departure = match walked {
            Ok(departure) => departure,
            Err(fault) => {
                ticket.fault(&fault);
                rescue::answer(&fault, &asker)
            }
        };
        sign_out(departure, ticket)
    }
}

/// From a head to the one canonical request. What is known of it is noted either way, so that a refusal is
/// recorded and answered like everything else.
fn admit(
    id: RequestId,
    head: Result<Head, Fault>,
    street: &Street,
    ticket: &mut Ticket,
    asker: &mut rescue::Asker,
) -> Result<Request, Fault> {
    match Request::admit(id, head?, street) {
        Ok(request) => {
            ticket.client(request.client.anonymous());
            ticket.asked(&Asked {
                method: request.method.as_str(),
                path: request.path.as_str(),
                query: request.query.as_ref().map(Query::as_str),
                version: request.version,
                host: request.host.name(),
                headers: &request.headers,
            });
            asker.know(&request.method, &request.headers, request.host.name());
            Ok(request)
        }
        Err(refused) => {
            let seen = &refused.seen;
            ticket.client(seen.client.anonymous());
            ticket.garbled(
                seen.method.as_str(),
                seen.target.as_bytes(),
                Some(seen.version),
                Some(&seen.headers),
            );
            asker.know(&seen.method, &seen.headers, seen.host.as_ref().map_or("", |host| host.name()));
            Err(refused.fault)
        }
    }
}

/// The record leaves with the answer: its line is written when the body, or the tunnel, ends.
fn sign_out(departure: Departure, mut ticket: Ticket) -> Departure {
    let Departure { response, tunnel, close } = departure;
    ticket.answered(response.status());
    match tunnel {
        Some(tunnel) => {
            let tunnel = crate::message::Tunnel { far: tunnel.far, rider: Box::new(ticket.into_tunnel()) };
            Departure { response, tunnel: Some(tunnel), close }
        }
        None => Departure { response: response.map(|body| record::ride(body, ticket)), tunnel: None, close },
    }
}
