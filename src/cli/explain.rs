//! `doorward explain`: what a fault such as E014 means, from the language's own table; or what would become
//! of one request, every decision with its place in the rules.

use std::fmt::Write as _;

use super::arguments::{Given, did_you_mean, shown};
use super::{AS, BACKEND_ANSWERS, End, FROM, HEADER, JSON, MAIN, METHOD, Paper, rules, usage};
use crate::base::clock;
use crate::language::{self, Code};
use crate::plays::{self, Asked, Gateway, Scripted, Stage, Target};

const MORE: &str = "doorward help explain";

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let Some(typed) = &given.operand else {
        let mut list = String::new();
        for code in Code::ALL {
            let _ = writeln!(list, "{}  {}", code.code(), code.title());
        }
        paper.say(&list);
        return End::Good;
    };
    let word = typed.to_str().unwrap_or_default();
    if word.contains(['/', '.', '*']) {
        return request(given, word, paper);
    }
    if let Some(text) = language::explain(word) {
        paper.say(&text);
        return End::Good;
    }
    let near = did_you_mean(word, "", Code::ALL.iter().map(|code| code.code()));
    usage(paper, &format!("there is no fault with the code `{}`{near}", shown(typed)), MORE)
}

fn request(given: &Given, url: &str, paper: &mut Paper<'_>) -> End {
    if given.has(&AS) {
        return usage(
            paper,
            "`--as` asks as somebody who is signed in, and nobody signs in to this doorward yet: leave it out",
            MORE,
        );
    }
    let (asked, scripted) = match imagined(given, url) {
        Ok(imagined) => imagined,
        Err(message) => return usage(paper, &message, MORE),
    };
    let Some(main) = rules::find(given.path(&MAIN).as_deref()) else { return rules::none_found(paper) };
    let gateway = match rules::read(&main, paper) {
        Ok(settings) => Gateway::new(settings),
        Err(end) => return end,
    };
    let wall = clock::wall();
    let mut world = plays::Given { time: Some(seconds(wall)), ..plays::Given::default() };
    if let Some(scripted) = scripted {
        let answers = plays::Played::Answers(scripted);
        let names = gateway.settings.backend_names().map(str::to_owned);
        world.backends = names.map(|name| (name, 0, answers.clone())).collect();
    }
    let mut stage = match Stage::new(&gateway, &world) {
        Ok(stage) => stage,
        Err(why) => {
            paper.fault(&format!("doorward: {why}\n"));
            return End::Faults;
        }
    };
    let decision = stage.decide(&asked, &world);
    let title = asked.title(gateway.only_site().unwrap_or("(no host)"));
    if given.has(&JSON) {
        paper.say(&plays::json(&decision, &title));
    } else {
        paper.say(&format!(
            "{title} from {}, by {}\n\n{}",
            asked.from(),
            main.display(),
            plays::story(&decision)
        ));
    }
    End::Good
}

/// The request as it was typed; the error is a sentence.
fn imagined(given: &Given, url: &str) -> Result<(Asked, Option<Scripted>), String> {
    let target =
        Target::parse(url).map_err(|help| format!("`{}` is no address: {help}", url.escape_debug()))?;
    let mut asked = Asked { target, ..Asked::default() };
    if let Some(method) = given.text(&METHOD)? {
        asked.method = method.parse().map_err(|_| format!("`{}` is no method", method.escape_debug()))?;
    }
    if let Some(from) = given.text(&FROM)? {
        let address = from.parse().map_err(|_| {
            format!("`{}` is no address of a visitor: write it like `198.51.100.7`", from.escape_debug())
        })?;
        asked.from = Some(address);
    }
    for header in given.values(&HEADER) {
        let (name, value) = header.to_str().and_then(plays::header).ok_or_else(|| {
            format!("`{}` is no header: write it like `-H 'Accept: text/html'`", shown(header))
        })?;
        asked.headers.append(name, value);
    }
    let scripted = match given.text(&BACKEND_ANSWERS)? {
        None => None,
        Some(status) => {
            let status = plays::status(status)
                .ok_or_else(|| format!("`{}` is no status of an answer", status.escape_debug()))?;
            Some(Scripted { status, ..Scripted::default() })
        }
    };
    Ok((asked, scripted))
}

#[allow(clippy::cast_precision_loss)] // milliseconds of this century are exact
fn seconds(wall: clock::Wall) -> f64 {
    wall.seconds as f64 + f64::from(wall.nanos) / 1e9
}
