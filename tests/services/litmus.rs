//! litmus, the `WebDAV` test-suite, against Debian's Apache itself and through us over TLS: the same results.

use std::process::Command;

use crate::apache::Apache;
use crate::stage::Folder;

/// What each test came to. litmus takes any certificate, with a warning; what it is shown is tried elsewhere.
fn litmus(url: &str) -> Vec<String> {
    let folder = Folder::new();
    let output = Command::new("litmus")
        .args(["-k", url])
        .current_dir(&folder.0)
        .output()
        .expect("litmus: `tests/needs.sh test` installs what the tests need");
    let said = String::from_utf8_lossy(&output.stdout).replace('\r', "\n");
    let mut suite = String::new();
    let mut results = Vec::new();
    for line in said.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("-> running `") {
            suite = rest.trim_end_matches("':").to_owned();
        }
        // ` 3. put_get............... pass`
        let Some((name, result)) = line.split_once("..") else { continue };
        let (number, name) = name.split_once(". ").unwrap_or(("", name));
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let result = result.trim_start_matches('.').trim();
        if !result.is_empty() {
            results.push(format!("{suite} {name}: {result}"));
        }
    }
    assert!(results.len() > 90, "litmus did not run: {said}{}", String::from_utf8_lossy(&output.stderr));
    results
}

#[test]
fn litmus_finds_the_same_through_us_as_directly() {
    let apache = Apache::new(false);
    let direct = litmus(&format!("http://127.0.0.1:{}/dav/", apache.port));
    let stage = apache.behind();
    let plain = litmus(&format!("http://localhost:{}/dav/", stage.http().port()));
    assert_eq!(plain, direct);
    let secure = litmus(&format!("https://localhost:{}/dav/", stage.https().port()));
    // litmus itself leaves one out where it speaks TLS.
    let left_out = |result: &String| !result.starts_with("http expect100: ");
    let direct_too: Vec<&String> = direct.iter().filter(|result| left_out(result)).collect();
    assert_eq!(secure.iter().filter(|result| left_out(result)).collect::<Vec<_>>(), direct_too);
    let passed = |results: &[String]| results.iter().filter(|result| result.ends_with("pass")).count();
    println!(
        "of {} tests of litmus pass: {} directly, {} through us, {} over TLS",
        direct.len(),
        passed(&direct),
        passed(&plain),
        passed(&secure)
    );
}
