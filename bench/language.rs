//! What rules cost, to compile and to run: `cargo bench --bench language` (`make bench` runs it too). One line for
//! each figure with its target; a figure that misses is marked. Memory is all that a process
//! of its own has held at its peak.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::disallowed_methods
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use doorward::base::address::{ClientIp, Network, NetworkSet};
use doorward::language::{self, Memory};
use doorward::message::SitePath;
use doorward::rules::Table;
use doorward::settings::{self, Settings};

/// The program's own: what allocates costs what it costs there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is measured: its name, its most, and how.
struct Row {
    name: &'static str,
    target: Target,
    measure: fn() -> Vec<(String, f64)>,
}

#[derive(Clone, Copy)]
enum Target {
    Seconds(f64),
    Megabytes(f64),
    Nanoseconds(f64),
}

const ROWS: &[Row] = &[
    Row { name: "compile 100,000 routes", target: Target::Seconds(2.0), measure: routes_compiled },
    Row { name: "compile 100,000 routes, memory", target: Target::Megabytes(300.0), measure: routes_memory },
    Row { name: "look a route up", target: Target::Nanoseconds(200.0), measure: route_looked_up },
    Row { name: "a vcl_recv of forty lines", target: Target::Nanoseconds(1_000.0), measure: recv_run },
    Row { name: "check", target: Target::Seconds(0.1), measure: examples_checked },
    Row {
        name: "an address in 100,000 networks",
        target: Target::Nanoseconds(100.0),
        measure: network_found,
    },
    Row { name: "load a table of 1,000,000 rows", target: Target::Seconds(2.0), measure: table_loaded },
    Row {
        name: "load 1,000,000 rows of backends for a route",
        target: Target::Seconds(2.0),
        measure: backends_loaded,
    },
    Row { name: "load 100,000 rows that name log files", target: Target::Seconds(2.0), measure: logs_loaded },
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    // A measurement of memory asks for one piece of work in a process of its own.
    if arguments.next().as_deref() == Some("--only-routes") {
        let settings = compiled(&routes(100_000));
        println!("{}", peak_bytes());
        black_box(settings);
        return;
    }
    // `cargo bench --bench language -- row` measures what has that word in its name.
    let word = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let mut missed = 0;
    println!("| what | target | measured |\n|---|--:|--:|");
    for row in ROWS.iter().filter(|row| row.name.contains(&word)) {
        for (about, figure) in (row.measure)() {
            let (most, unit) = match row.target {
                Target::Seconds(most) => (most, "s"),
                Target::Megabytes(most) => (most, "MB"),
                Target::Nanoseconds(most) => (most, "ns"),
            };
            let mark = if figure <= most { "" } else { " **missed**" };
            missed += usize::from(figure > most);
            let figure = if unit == "s" { format!("{figure:.3}") } else { format!("{figure:.0}") };
            println!("| {}{about} | {most} {unit} | {figure} {unit}{mark} |", row.name);
        }
    }
    if missed > 0 {
        println!("\n{missed} missed");
    }
}

/// The best of a few rounds: what else the machine does only adds.
fn best(rounds: usize, mut work: impl FnMut()) -> Duration {
    (0..rounds)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .expect("at least one round")
}

fn each(rounds: usize, times: u32, mut work: impl FnMut(u32)) -> f64 {
    let took = best(rounds, || (0..times).for_each(&mut work));
    took.as_nanos() as f64 / f64::from(times)
}

fn compiled(main: &str) -> Settings {
    let files = Memory::default().with("main.vcl", 0o644, main);
    let tree = language::read(&files, Path::new("main.vcl"), &|_| None);
    settings::compile(&tree).unwrap_or_else(|faults| {
        println!("{}", faults.draw());
        std::process::exit(1);
    })
}

/// A gateway with so many routes, every third with a name in it.
fn routes(count: usize) -> String {
    let mut text =
        String::from("backend app { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" {\n");
    for n in 0..count {
        let inner = if n % 3 == 2 { "{part}/" } else { "" };
        writeln!(text, "    route \"/projects/p{n}/svn/{inner}\" {{ .backend = app; }}").expect("a String");
    }
    text.push_str("}\n");
    text
}

fn routes_compiled() -> Vec<(String, f64)> {
    let text = routes(100_000);
    let took = best(3, || {
        black_box(Table::new(compiled(&text).sites));
    });
    vec![(String::new(), took.as_secs_f64())]
}

/// The most memory this process has held.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says what a process holds");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the peak");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") * 1_024
}

fn routes_memory() -> Vec<(String, f64)> {
    let own = std::env::current_exe().expect("this program's own file");
    let done = Command::new(own).arg("--only-routes").output().expect("it runs");
    let peak: u64 =
        String::from_utf8_lossy(&done.stdout).trim().parse().expect("the peak of the other process");
    vec![(String::new(), peak as f64 / 1e6)]
}

fn route_looked_up() -> Vec<(String, f64)> {
    [10, 100_000]
        .into_iter()
        .map(|count| {
            let table = Table::new(compiled(&routes(count)).sites);
            let asked: Vec<SitePath> = (0..64)
                .map(|n| {
                    let n = n * 7_919 % count;
                    SitePath::literal(&format!("/projects/p{n}/svn/trunk/a.c")).expect("a path")
                })
                .collect();
            let took = each(20_000, 64, |n| {
                let site = table.site(black_box("www.example")).expect("the site").site;
                assert!(black_box(site.route(&asked[n as usize])).is_some());
            });
            (format!(", of {count}"), took)
        })
        .collect()
}

fn network_found() -> Vec<(String, f64)> {
    let v4 = |n: u32| IpAddr::V4(Ipv4Addr::from(n));
    let v6 = |n: u32| IpAddr::V6(Ipv6Addr::from(u128::from(n) << 80 | 1));
    let measured = |address: &dyn Fn(u32) -> IpAddr, prefix| {
        let networks = (0_u32..100_000).map(|n| {
            let network = Network::around(address(n.wrapping_mul(2_654_435_761)), prefix, prefix);
            (network, n % 5 != 0)
        });
        let set = NetworkSet::new(networks);
        let asked: Vec<ClientIp> =
            (0_u32..65_536).map(|n| ClientIp::new(address(n.wrapping_mul(40_503_001)))).collect();
        each(20, 65_536, |n| {
            black_box(set.contains(asked[n as usize]));
        })
    };
    vec![(", IPv4".to_owned(), measured(&v4, 24)), (", IPv6".to_owned(), measured(&v6, 48))]
}

fn table_loaded() -> Vec<(String, f64)> {
    let mut rows = String::new();
    for n in 0..1_000_000 {
        writeln!(rows, "project-{n} \"The project of number {n}\"").expect("a String");
    }
    let files = Memory::default()
        .with("rows.txt", 0o644, rows)
        .with(
            "main.vcl",
            0o644,
            "table titles { from file \"rows.txt\"; }\n\
             backend app { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = app; } }\n\
             sub vcl_deliver { set resp.http.X-Title = table.lookup(titles, req.http.X-Project, \"\"); }\n",
        );
    let took = best(2, || {
        let tree = language::read(&files, Path::new("main.vcl"), &|_| None);
        let settings = settings::compile(&tree).unwrap_or_else(|faults| {
            println!("{}", faults.draw());
            std::process::exit(1);
        });
        assert_eq!(settings.program.as_ref().expect("the rules").tables[0].rows.len(), 1_000_000);
    });
    vec![(String::new(), took.as_secs_f64())]
}

/// A route whose backend stands in one of so many rows, and whose log may be named by it too.
fn projects_loaded(count: usize, log: &str) -> f64 {
    let mut rows = String::new();
    for n in 0..count {
        writeln!(rows, "project-{n} app").expect("a String");
    }
    let main = format!(
        "table projects BACKEND {{ from file \"rows.txt\"; }}\n\
         log projects {{ .file = \"{{state}}/log/{{site}}/{{project}}/access-{{day}}.log\"; .errors = \"{{state}}/log/{{site}}/{{project}}/error-{{day}}.log\"; }}\n\
         backend app {{ .url = \"http://127.0.0.1:8000\"; }}\n\
         site \"www.example\" {{ route \"/{{project}}/\" {{ .backend = lookup(projects, \"{{project}}\"); {log} }} }}\n"
    );
    let files = Memory::default().with("rows.txt", 0o644, rows).with("main.vcl", 0o644, main);
    let took = best(2, || {
        let tree = language::read(&files, Path::new("main.vcl"), &|_| None);
        let settings = settings::compile(&tree).unwrap_or_else(|faults| {
            println!("{}", faults.draw());
            std::process::exit(1);
        });
        black_box(settings);
    });
    took.as_secs_f64()
}

fn backends_loaded() -> Vec<(String, f64)> {
    vec![(String::new(), projects_loaded(1_000_000, ""))]
}

fn logs_loaded() -> Vec<(String, f64)> {
    vec![(String::new(), projects_loaded(100_000, ".log = projects;"))]
}

/// The main files of the gateways that come with the program.
fn mains() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("vcl-like-rules");
    let mut mains = vec![root.join("main.vcl")];
    for folder in ["examples", "recipes"] {
        for entry in std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
            mains.push(entry.path().join("main.vcl"));
        }
    }
    mains.retain(|main| main.is_file());
    mains.sort();
    mains
}

fn examples_checked() -> Vec<(String, f64)> {
    let (name, slowest) = mains()
        .into_iter()
        .map(|main| {
            let took = best(5, || {
                black_box(settings::load(&main)).unwrap_or_else(|faults| {
                    println!("{}", faults.draw());
                    std::process::exit(1);
                });
            });
            (main, took)
        })
        .max_by_key(|(_, took)| *took)
        .expect("the demo gateway");
    let folder = name
        .parent()
        .and_then(Path::file_name)
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    vec![(format!(", the slowest of the gateways that come along ({folder})"), slowest.as_secs_f64())]
}

fn recv_run() -> Vec<(String, f64)> {
    vec![(String::new(), recv::run())]
}

/// The rules that most gateways write, in one sub.
mod recv {
    use std::hint::black_box;
    use std::sync::Arc;

    use doorward::base::address::ClientIp;
    use doorward::base::random::RequestId;
    use doorward::language::vocabulary::Phase;
    use doorward::rules::Rules;
    use doorward::rules::case::{Case, Question, Url, Visitor};
    use doorward::rules::machine::{self, Surroundings};

    struct Quiet;

    impl Surroundings for Quiet {
        fn now(&self) -> f64 {
            1_767_225_600.0
        }

        fn random(&mut self) -> f64 {
            0.5
        }
    }

    const RULES: &str = r#"
        backend a { .url = "http://127.0.0.1:8000"; }
        backend b { .url = "http://127.0.0.1:8001"; }
        site "www.example" { route "/" { .backend = a; } }
        acl purgers { "192.0.2.0"/24; }
        sub vcl_recv {
            if (req.http.Host ~ "(?i)^old\.") {
                return (synth(301));
            }
            if (req.url ~ "^/trac/login") {
                set req.http.X-Class = "login";
            }
            if (req.url ~ "^/trac/(browser|changeset|log)/" && !req.http.Cookie) {
                set req.http.X-Class = "dear";
            }
            if (req.http.User-Agent ~ "(?i)badbot|scraper|crawl") {
                return (synth(403));
            }
            if (req.method == "PURGE") {
                if (client.ip !~ purgers) {
                    return (synth(405));
                }
                return (purge);
            }
            if (req.method != "GET" && req.method != "HEAD") {
                return (pass);
            }
            if (req.http.Authorization) {
                return (pass);
            }
            if (req.url ~ "\.(css|js|png|gif|jpe?g|ico|svg|woff2?)(\?.*)?$") {
                unset req.http.Cookie;
                return (hash);
            }
            if (req.url ~ "^/static/") {
                unset req.http.Cookie;
            }
            if (req.url ~ "^/svn/") {
                set req.backend_hint = b;
            }
            if (req.http.X-Forwarded-Proto == "http") {
                set req.http.X-Old = "yes";
            }
            if (req.url ~ "^/wiki/" && req.http.Cookie ~ "session=") {
                return (pass);
            }
            set req.http.X-Served = "doorward";
            return (pass);
        }
    "#;

    pub fn run() -> f64 {
        let settings = super::compiled(RULES);
        let backends = settings.backends.iter().map(|backend| backend.name.clone()).collect();
        let program = Arc::clone(settings.program.as_ref().expect("there are rules"));
        let rules =
            Rules::start(program, settings.networks.clone(), backends, &mut Quiet).expect("they start");
        let mut headers = http::HeaderMap::new();
        for (name, value) in [
            ("host", "www.example"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
            ("accept-language", "en-GB,en;q=0.5"),
            ("cookie", "session=1234; theme=dark"),
        ] {
            headers.insert(name, http::HeaderValue::from_static(value));
        }
        let question = Question {
            method: http::Method::GET,
            url: Url::Canonical(http::uri::PathAndQuery::from_static("/forum/FrontPage?action=show")),
            version: http::Version::HTTP_11,
            headers,
        };
        let visitor = Visitor {
            client: ClientIp::new("203.0.113.9".parse().expect("an address")),
            port: 50_000,
            remote: ClientIp::new("203.0.113.9".parse().expect("an address")),
            server: "192.0.2.1".parse().expect("an address"),
            server_port: 443,
            secure: true,
            tls: Some("TLSv1.3"),
            identity: None,
        };
        let mut case = Case::new(RequestId::next(), question, visitor, 1_767_225_600.0);
        super::each(2_000, 200, |_| {
            (case.made, case.steps) = (0, 0);
            black_box(machine::run(&rules, &mut case, Phase::Recv, &mut Quiet)).expect("no fault");
        })
    }
}
