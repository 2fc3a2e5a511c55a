//! `doorward replay access.log --against new.vcl`: which requests of a log would end otherwise.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::arguments::{Given, shown};
use super::{AGAINST, End, JSON, OVER, Paper, SHOW, SITE, STRICT, WITH, rules, usage};
use crate::plays::{self, About, Gateway, Scheme};

const MORE: &str = "doorward help replay";

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let Some(log) = given.file() else { return End::Usage };
    let Some(against) = given.path(&AGAINST) else {
        return usage(paper, "say by which rules: `--against new.vcl`", MORE);
    };
    let scheme = match given.text(&OVER) {
        Ok(None | Some("https")) => Scheme::Https,
        Ok(Some("http")) => Scheme::Http,
        Ok(Some(other)) => {
            return usage(
                paper,
                &format!("nobody comes over `{}`: write http or https", other.escape_debug()),
                MORE,
            );
        }
        Err(message) => return usage(paper, &message, MORE),
    };
    let most = match given.text(&SHOW).map(|text| text.map_or(Ok(20), str::parse::<usize>)) {
        Ok(Ok(most)) => most,
        Ok(Err(_)) => return usage(paper, "`--show` takes a number", MORE),
        Err(message) => return usage(paper, &message, MORE),
    };
    let read = |path: &Path, paper: &mut Paper<'_>| rules::read(path, paper).map(Gateway::new);
    let new = match read(&against, paper) {
        Ok(new) => new,
        Err(end) => return end,
    };
    let old = match given.path(&WITH).map(|path| read(&path, paper)).transpose() {
        Ok(old) => old,
        Err(end) => return end,
    };
    let site = match given.text(&SITE) {
        Ok(Some(site)) => Some(site.to_owned()),
        Ok(None) => site_of(log, &new),
        Err(message) => return usage(paper, &message, MORE),
    };
    if let Some(site) = &site
        && !new.settings.sites.iter().any(|known| known.any_host || *known.name == **site)
    {
        let names = new.settings.sites.iter().map(|site| &*site.name);
        let near = super::arguments::did_you_mean(site, "", names);
        return usage(paper, &format!("the rules have no site called `{}`{near}", site.escape_debug()), MORE);
    }
    let file = match File::open(log) {
        Ok(file) => file,
        Err(error) => {
            paper.fault(&format!("doorward: {} can't be opened: {error}\n", shown(log.as_os_str())));
            return End::Faults;
        }
    };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    match plays::replay(&mut reader, &About { site, scheme }, &new, old.as_ref()) {
        Ok(found) => {
            if given.has(&JSON) {
                paper.say(&found.json(most));
            } else {
                paper.say(&found.draw(most));
            }
            if given.has(&STRICT) && !found.is_clean() { End::Faults } else { End::Good }
        }
        Err(why) => {
            paper.fault(&format!("doorward: {why}\n"));
            End::Faults
        }
    }
}

/// Our logs lie in a folder of their site's name; and where there is one site, it is that one's.
fn site_of(log: &Path, gateway: &Gateway) -> Option<String> {
    let folder = log.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let known = |name: &&str| gateway.settings.sites.iter().any(|site| *site.name == **name);
    folder.filter(known).or_else(|| gateway.only_site()).map(str::to_owned)
}
