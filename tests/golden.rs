//! Rule files and what becomes of them: `tests/golden/*.vcl` above, the settings or the drawn faults below,
//! in a `.txt` of the same name. `UPDATE=1 cargo test --test golden` writes the `.txt` files anew; what
//! changed is then read in the diff.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use doorward::base::bound::Bounds;
use doorward::language;
use doorward::settings::{self, Disk, Gateway, Settings};

fn shown(settings: &Settings) -> String {
    let mut out = String::new();
    if !settings.warnings.is_empty() {
        out.push_str(&settings.warnings.draw());
        out.push('\n');
    }
    let Gateway { http, https, admin, state, workers, trusted, proxy_protocol, bounds } = &settings.gateway;
    let _ = write!(
        out,
        "http {http:?}\nhttps {https:?}\nadmin {admin:?}\nstate {}\nworkers {workers:?}\n\
         proxy_protocol {proxy_protocol}\ntrusted {trusted:?}\n",
        state.display()
    );
    // Limits as they are by default would change every file with every new limit.
    for row in Bounds::ROWS.iter().filter(|row| bounds.show(row.name) != Bounds::default().show(row.name)) {
        let _ = writeln!(out, "{} {}", row.name, bounds.show(row.name).unwrap_or_default());
    }
    for site in &settings.sites {
        let _ = writeln!(out, "{site:#?}");
    }
    for backend in &settings.backends {
        let _ = writeln!(out, "{backend:#?}");
    }
    for log in settings.logs.iter().chain([&settings.default_log]) {
        let _ = writeln!(out, "{log:#?}");
    }
    out
}

fn result(main: &Path) -> String {
    // One variable is set, so that the environment of whoever runs the test plays no part.
    let environment = |name: &str| (name == "GOLDEN_DOMAIN").then(|| "staging.example".to_owned());
    match settings::compile(&language::read(&Disk, main, &environment)) {
        Ok(settings) => shown(&settings),
        Err(faults) => faults.draw(),
    }
}

#[test]
fn rule_files_become_what_they_became_before() {
    // The tests' working directory is the package's, so the names in messages are the same everywhere.
    let folder = Path::new("tests/golden");
    let mut mains: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the golden folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "vcl"))
        .collect();
    mains.sort();
    assert!(mains.len() >= 6, "the golden files are not there");
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for main in &mains {
        let expected = main.with_extension("txt");
        let found = result(main);
        if update {
            fs::write(&expected, &found).expect("the result can be written");
            continue;
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        if wanted != found {
            let line = wanted.lines().zip(found.lines()).take_while(|(a, b)| a == b).count() + 1;
            wrong.push(format!(
                "{} differs from line {line}:\n--- wanted\n{wanted}\n--- found\n{found}",
                expected.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}\nIf this is meant: UPDATE=1 cargo test --test golden", wrong.join("\n"));
}
