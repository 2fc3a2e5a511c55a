//! From a file of rules to a generation: what the corridor needs, and what outlives it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Environment;
use super::orders::Orders;
use crate::admin::control::Answer;
use crate::answer::Voice;
use crate::base::address::PseudonymKey;
use crate::base::{clock, random};
use crate::files::Root;
use crate::language;
use crate::plan::{Answers, Site, SiteId};
use crate::record::{BackendFigures, DirectorFigures, Level, LogConfig, Office};
use crate::rules::{Rules, Table};
use crate::settings::{self, Disk, Doors, Gateway, Settings};
use crate::store::{self, Desk, Space};
use crate::tls::{Acceptor, Authority, Certificates, Problem, Severity, Tickets, Wanted};
use crate::upstream::{self, Backend, Director, StickyKey, Target};
use crate::visit::{Buffers, Closures, Outside, Rulebook, Terms, World, explain};

/// What the house keeps for itself in the store.
pub(super) const HOUSE: Space = Space::new("house");

/// Days away after which pseudonyms begin anew.
const PSEUDONYM_DAYS_MAX: u64 = 3_660;

/// What the store may hold in all.
const STORE_BYTES_MAX: u64 = 256 << 20;

/// What outlives a generation.
pub struct Keep {
    pub office: Arc<Office>,
    pub authority: Authority,
    /// What operators said at run time.
    pub orders: Orders,
    desk: Desk,
    pseudonyms: Arc<ArcSwap<PseudonymKey>>,
    buffers: Arc<Buffers>,
    /// Under which members of directors are named in visitors' cookies.
    sticky: StickyKey,
    /// The port that visitors of plain http are sent to, as it was really bound.
    https_port: Option<u16>,
}

impl Keep {
    pub async fn open(gateway: &Gateway, https_port: Option<u16>, foreground: bool) -> Result<Self, String> {
        let embedded =
            store::Embedded::open(&gateway.state, STORE_BYTES_MAX).map_err(|fault| fault.to_string())?;
        let desk =
            Desk::open(Box::new(embedded)).map_err(|error| format!("cannot open the store: {error}"))?;
        let pseudonyms = Arc::new(ArcSwap::from_pointee(kept_pseudonyms(&desk).await?));
        let orders = Orders::kept(&desk).await?;
        let sticky = kept_sticky(&desk).await?;
        let authority = Authority::open(&gateway.state, clock::wall()).map_err(|fault| fault.to_string())?;
        let office = Office::open(crate::record::Options {
            state: gateway.state.clone(),
            unknown: LogConfig::standard(),
            stderr: foreground,
        })
        .map_err(|error| format!("cannot open the log: {error}"))?;
        let buffers = Arc::new(Buffers::new(gateway.bounds.buffers_max));
        Ok(Self { office, authority, orders, desk, pseudonyms, buffers, sticky, https_port })
    }

    /// A new day has a new key, and the old one is forgotten. Kept first: a key that was used must not be lost.
    pub async fn turn_the_day(&self) -> Result<(), String> {
        let today = clock::wall().day_number();
        let current = self.pseudonyms.load_full();
        if current.day() < today {
            let next = current.on(today);
            keep_pseudonyms(&self.desk, &next).await?;
            self.pseudonyms.store(Arc::new(next));
        }
        Ok(())
    }

    /// Carries out what an operator says; true where it may have changed something.
    pub async fn obey(&self, order: &str, world: &World) -> (Answer, bool) {
        self.orders.obey(order, &self.desk, world).await
    }

    /// Today's key for a process that has handed the store over: the same one that its heir comes to, because
    /// each day's key follows from the one before.
    pub fn turn_the_day_alone(&self) {
        let today = clock::wall().day_number();
        let current = self.pseudonyms.load_full();
        if current.day() < today {
            self.pseudonyms.store(Arc::new(current.on(today)));
        }
    }

    /// Closes the store for another process to open.
    pub async fn lend_store(&self) {
        self.desk.lend().await;
    }

    /// Takes the store back from one who did not take over.
    pub async fn take_store_back(&self, state: &Path) -> Result<(), String> {
        let embedded = store::Embedded::open(state, STORE_BYTES_MAX).map_err(|fault| fault.to_string())?;
        self.desk.resume(Box::new(embedded)).await;
        Ok(())
    }

    pub async fn close(&self) {
        self.desk.close().await;
        self.office.close();
    }
}

/// The key behind visitors' pseudonyms, as it is kept, so that a restart does not make new visitors of all:
/// its day, then the key.
async fn kept_pseudonyms(desk: &Desk) -> Result<PseudonymKey, String> {
    let today = clock::wall().day_number();
    let kept = desk.ask(store::get(pseudonyms()?)).await.map_err(|fault| unusable(&fault))?;
    let kept = kept.and_then(|bytes| {
        let (day, key) = bytes.split_first_chunk::<8>()?;
        Some(PseudonymKey::new(u64::from_be_bytes(*day), key.try_into().ok()?))
    });
    let key = match kept {
        Some(kept) if kept.day() == today => return Ok(kept),
        // Each day that has passed is one step; after years away nobody is recognised.
        Some(kept) if kept.day() < today && today - kept.day() < PSEUDONYM_DAYS_MAX => kept.on(today),
        _ => PseudonymKey::new(today, random::bytes()),
    };
    keep_pseudonyms(desk, &key).await?;
    Ok(key)
}

async fn keep_pseudonyms(desk: &Desk, key: &PseudonymKey) -> Result<(), String> {
    let mut value = key.day().to_be_bytes().to_vec();
    value.extend_from_slice(key.expose());
    desk.ask(store::put(pseudonyms()?, value, None)).await.map_err(|fault| unusable(&fault))
}

/// The key behind sticky cookies, as it is kept: with another one every visitor would be sent anew to some member.
async fn kept_sticky(desk: &Desk) -> Result<StickyKey, String> {
    let place = || HOUSE.key("sticky").map_err(|fault| unusable(&fault));
    let kept = desk.ask(store::get(place()?)).await.map_err(|fault| unusable(&fault))?;
    if let Some(key) = kept.and_then(|bytes| <[u8; 32]>::try_from(&*bytes).ok()) {
        return Ok(StickyKey::new(key));
    }
    let key: [u8; 32] = random::bytes();
    desk.ask(store::put(place()?, key.to_vec(), None)).await.map_err(|fault| unusable(&fault))?;
    Ok(StickyKey::new(key))
}

fn pseudonyms() -> Result<store::Key, String> {
    HOUSE.key("pseudonyms").map_err(|fault| unusable(&fault))
}

pub(super) fn unusable(fault: &store::StoreFault) -> String {
    format!("cannot use the store: {fault}")
}

/// Makes the state folder where it is missing, and keeps others out of it.
pub fn state_folder(state: &Path) -> Result<(), String> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(state);
    made.map_err(|error| {
        format!(
            "cannot make the state folder {} ({error}): make it for the user the program runs as, or name another \
             with `.state` in `gateway` (for rules that have none: with `--state`)",
            state.display()
        )
    })?;
    let mode = fs::metadata(state).map(|meta| meta.permissions().mode() & 0o777);
    match mode {
        Ok(mode) if mode & 0o022 != 0 => Err(format!(
            "others may write to the state folder {} (mode {mode:o}), and it holds keys: `chmod 700` it",
            state.display()
        )),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("cannot look at the state folder {}: {error}", state.display())),
    }
}

/// Reads and checks the rules. The fault is drawn, ready to be shown.
pub fn read(rules: &Path, doors: &Doors, environment: &Environment) -> Result<Settings, String> {
    let look = |name: &str| environment(name);
    let tree = language::read(&Disk, rules, &look);
    if *doors != Doors::default() && tree.gateway.is_some() {
        return Err(format!(
            "{} has a `gateway`, which says where to listen and where state lies: change it there, or leave out \
             the flags",
            rules.display()
        ));
    }
    settings::compile_behind(doors, &tree).map_err(|faults| faults.draw())
}

/// The first generation. `tickets`: those of the process before, if there was one.
pub fn first(settings: &Settings, keep: &Keep, tickets: Option<Tickets>) -> Result<World, String> {
    let (certificates, problems) =
        Certificates::load(wishes(settings), &keep.authority, None, clock::wall())?;
    tell(keep, &certificates, &problems);
    let tickets =
        tickets.or_else(|| Tickets::new(clock::wall())).ok_or("cannot make keys for TLS tickets")?;
    let acceptor = Acceptor::new(Arc::new(certificates), tickets)
        .map_err(|error| format!("cannot set up TLS: {error}"))?;
    world(settings, keep, acceptor, &Kept::default())
}

/// The generation after `previous`: backends that did not change are kept, with their counts and connections.
/// Certificates are swapped last, when nothing can fail any more.
pub fn next(settings: &Settings, keep: &Keep, previous: &World) -> Result<World, String> {
    let acceptor = previous.acceptor.clone();
    let shown = acceptor.certificates();
    let (certificates, problems) =
        Certificates::load(wishes(settings), &keep.authority, Some(&shown), clock::wall())?;
    let kept = Kept {
        backends: previous.servers().map(|backend| (backend.name().into(), Arc::clone(backend))).collect(),
        directors: previous
            .directors()
            .map(|director| (director.name().into(), Arc::clone(director)))
            .collect(),
    };
    let world = world(settings, keep, acceptor, &kept)?;
    tell(keep, &certificates, &problems);
    world.acceptor.swap(Arc::new(certificates));
    Ok(world)
}

/// What the generation before had, by name.
#[derive(Default)]
struct Kept {
    backends: HashMap<Box<str>, Arc<Backend>>,
    directors: HashMap<Box<str>, Arc<Director>>,
}

fn world(settings: &Settings, keep: &Keep, acceptor: Acceptor, kept: &Kept) -> Result<World, String> {
    let backend = |config: &upstream::Config| match kept.backends.get(&config.name) {
        Some(backend) if backend.is(config) => Ok(Arc::clone(backend)),
        _ => Backend::new(config.clone()).map(Arc::new),
    };
    let servers: Vec<_> = settings.backends.iter().map(backend).collect::<Result<_, String>>()?;
    let director = |config: &upstream::DirectorConfig| {
        let before = kept.directors.get(&config.name).map(|director| &**director);
        Director::new(config.clone(), &servers, &keep.sticky, before)
    };
    let directors: Vec<_> = settings.directors.iter().map(director).collect::<Result<_, String>>()?;
    let targets = servers.into_iter().map(Target::Server);
    let targets =
        targets.chain(directors.into_iter().map(|director| Target::Director(Arc::new(director)))).collect();
    let mut route_sheets = BTreeMap::new();
    for (at, site) in settings.sites.iter().enumerate() {
        for recorded in site.routes.iter().filter_map(|route| route.log.as_deref()) {
            if let Some(log) = settings.logs.get(recorded.log.0) {
                let place = (SiteId(at), recorded.log);
                route_sheets.entry(place).or_insert_with(|| keep.office.sheet(&site.name, log));
            }
        }
    }
    let sheet = |site: &Site| {
        let named = site.log.as_ref().and_then(|name| settings.logs.iter().find(|log| log.name == *name));
        keep.office.sheet(&site.name, named.unwrap_or(&settings.default_log))
    };
    let gateway = &settings.gateway;
    if keep.https_port.is_none() && settings.sites.iter().any(|site| site.force_https) {
        keep.office.note(
            Level::Warning,
            "no https door is open: visitors of plain http are not sent to one",
            &[],
        );
    }
    let voices = voices(settings, keep)?;
    let mut roots = BTreeMap::new();
    for route in settings.sites.iter().flat_map(|site| &site.routes) {
        let Answers::Files(files) = &route.answers else { continue };
        let root = Arc::new(Root::new(&files.root));
        if let Err(error) = root.try_open() {
            let (folder, error) = (root.path().display().to_string(), error.to_string());
            let what = [("folder", &folder as &dyn std::fmt::Display), ("error", &error)];
            keep.office.note(Level::Warning, "a folder of files can't be opened", &what);
        }
        roots.insert(files.id, root);
    }
    let rulebook = rulebook(settings, keep)?;
    // Nothing can fail from here on.
    keep.buffers.allow(gateway.bounds.buffers_max);
    let world = World {
        voices,
        roots,
        sheets: settings.sites.iter().map(sheet).collect(),
        route_sheets,
        rules: Table::new(settings.sites.clone()),
        rulebook,
        buffers: Arc::clone(&keep.buffers),
        targets,
        closures: Closures::default(),
        acceptor,
        https_port: keep.https_port,
        pseudonyms: Arc::clone(&keep.pseudonyms),
        terms: Arc::new(Terms {
            bounds: Arc::new(gateway.bounds.clone()),
            trusted: Arc::clone(&gateway.trusted),
            proxy_protocol: gateway.proxy_protocol,
        }),
    };
    keep.orders.apply(settings, &world);
    Ok(world)
}

/// How each site speaks. Pages that can't be taken stop the start, or the reload: whoever wrote them would learn of
/// it on the worst of days.
fn voices(settings: &Settings, keep: &Keep) -> Result<Vec<Voice>, String> {
    let mut faults = Vec::new();
    let voices = settings.sites.iter().map(|site| {
        let (voice, problems) = Voice::open(site);
        for problem in problems {
            let text = format!("site {}: {}", site.name, problem.text);
            if problem.is_error {
                faults.push(text);
            } else {
                keep.office.note(Level::Warning, "a page needs attention", &[("what", &text)]);
            }
        }
        voice
    });
    let voices = voices.collect();
    if faults.is_empty() { Ok(voices) } else { Err(faults.join("\n")) }
}

/// The subs of the tree, started: one that refuses to is not loaded.
fn rulebook(settings: &Settings, keep: &Keep) -> Result<Option<Rulebook>, String> {
    let Some(program) = settings.program.as_ref().filter(|program| !program.is_empty()) else {
        return Ok(None);
    };
    let sources = &settings.places.sources;
    let backends = settings.backend_names().map(Into::into).collect();
    let mut around = Outside(&keep.office);
    let rules = Rules::start(Arc::clone(program), settings.networks.clone(), backends, &mut around)
        .map_err(|fault| format!("the rules do not start: {}", explain(&program.marks, sources, &fault)))?;
    if rules.speak_of_a_cache() {
        keep.office.note(
            Level::Warning,
            "the rules use words of a cache, and nothing is kept: every look-up is a miss",
            &[],
        );
    }
    Ok(Some(Rulebook::new(rules, Arc::clone(sources), Arc::clone(&keep.office))))
}

/// Turns the keys of tickets, renews what is due and reads certificate files that changed. Sites whose certificate can't be had keep the
/// one they show.
pub fn renew(keep: &Keep, acceptor: &Acceptor) -> Result<(), String> {
    let shown = acceptor.certificates();
    let now = clock::wall();
    acceptor.tickets().turn(now);
    if shown.renew_due(now) {
        let (renewed, problems) = shown.renewed(&keep.authority, now)?;
        tell(keep, &renewed, &problems);
        acceptor.swap(Arc::new(renewed));
    }
    Ok(())
}

pub fn figures(world: &World) -> Vec<BackendFigures> {
    world
        .servers()
        .map(|backend| {
            let figures = backend.figures();
            BackendFigures {
                name: backend.name().into(),
                requests: figures.requests,
                in_flight: figures.in_flight,
                open: figures.connections_open,
                waiting: figures.waiting,
                waited: figures.waited,
                faults: figures.faults,
                healthy: backend.standing().healthy(),
            }
        })
        .collect()
}

pub fn director_figures(world: &World) -> Vec<DirectorFigures> {
    let now = clock::now();
    let figures = |director: &Arc<Director>| DirectorFigures {
        name: director.name().into(),
        shares: director.members(now).into_iter().map(|member| (member.name, member.gets)).collect(),
        retries: director.retries(),
    };
    world.directors().map(figures).collect()
}

fn wishes(settings: &Settings) -> Vec<Wanted> {
    let wish = |site: &Site| Wanted {
        names: if site.any_host {
            // Whoever asks for another host is shown a certificate that is nobody's.
            ["localhost", "127.0.0.1", "::1"].map(Into::into).into()
        } else {
            std::iter::once(&site.name).chain(&site.aliases).cloned().collect()
        },
        certificate: site.certificate.clone(),
    };
    settings.sites.iter().map(wish).collect()
}

/// What an operator should know of the certificates that are shown from now on.
fn tell(keep: &Keep, certificates: &Certificates, problems: &[Problem]) {
    keep.office.certificates(&certificates.ends());
    for problem in problems {
        let level = match problem.severity {
            Severity::Warning => Level::Warning,
            Severity::Failure => Level::Error,
        };
        keep.office.note(level, "a certificate needs attention", &[("what", problem)]);
    }
}
