//! `doorward backend`, `doorward director` and `doorward maintenance`: what an operator says at run time. What it means is the running
//! gateway's to judge; here it is only put into words.

use std::ffi::OsStr;
use std::time::Duration;

use serde_json::{Map, Value};

use super::arguments::{Flag, Given, did_you_mean, shown};
use super::{ALLOW, End, NOTE, Paper, UNTIL, talk, usage};
use crate::admin::control::Command;

pub(super) fn backend(given: &Given, paper: &mut Paper<'_>) -> End {
    match backend_order(given) {
        Ok(order) => send(given, paper, order),
        Err(message) => usage(paper, &message, "doorward help backend"),
    }
}

pub(super) fn director(given: &Given, paper: &mut Paper<'_>) -> End {
    match director_order(given) {
        Ok(order) => send(given, paper, order),
        Err(message) => usage(paper, &message, "doorward help director"),
    }
}

pub(super) fn maintenance(given: &Given, paper: &mut Paper<'_>) -> End {
    match maintenance_order(given) {
        Ok(order) => send(given, paper, order),
        Err(message) => usage(paper, &message, "doorward help maintenance"),
    }
}

fn send(given: &Given, paper: &mut Paper<'_>, order: Map<String, Value>) -> End {
    let order = Value::Object(order).to_string();
    talk::ask(given, paper, Command::Tell(order.into()), Duration::from_secs(20))
}

fn backend_order(given: &Given) -> Result<Map<String, Value>, String> {
    let operands = words(given)?;
    let &[name, what] = operands.as_slice() else {
        return Err("`backend` wants NAME and drain|resume".to_owned());
    };
    if !["drain", "resume"].contains(&what) {
        let near = did_you_mean(what, "", ["drain", "resume"].into_iter());
        return Err(format!(
            "a backend is told to `drain` or to `resume`, not to `{}`{near}",
            what.escape_debug()
        ));
    }
    Ok(order(what, [("backend", Some(name))]))
}

fn director_order(given: &Given) -> Result<Map<String, Value>, String> {
    match words(given)?.as_slice() {
        [name, "weight", member, weight] => Ok(order(
            "weigh",
            [("director", Some(*name)), ("member", Some(*member)), ("weight", Some(*weight))],
        )),
        _ => Err("`director` wants `NAME weight MEMBER N`, such as `home weight wiki1 5`".to_owned()),
    }
}

fn maintenance_order(given: &Given) -> Result<Map<String, Value>, String> {
    const FLAGS: [&Flag; 3] = [&UNTIL, &NOTE, &ALLOW];
    let operands = words(given)?;
    let [until, note, allow] = [given.text(&UNTIL)?, given.text(&NOTE)?, given.text(&ALLOW)?];
    let said = FLAGS.into_iter().find(|flag| given.has(flag));
    match (operands.as_slice(), said) {
        (["on", site], _) => {
            Ok(order("close", [("site", Some(*site)), ("until", until), ("note", note), ("allow", allow)]))
        }
        (["off", site], None) => Ok(order("open", [("site", Some(*site))])),
        ([], None) => Ok(order("closed", [])),
        (["off", _] | [], Some(flag)) => Err(format!("`--{}` goes with `maintenance on`", flag.name)),
        (["on" | "off"], _) => Err("which site? Its name is missing".to_owned()),
        (["on" | "off", _, more, ..], _) => Err(format!("`{}` is one too many", more.escape_debug())),
        ([other, ..], _) => {
            Err(format!("`maintenance` is `on SITE` or `off SITE`, not `{}`", other.escape_debug()))
        }
    }
}

fn words(given: &Given) -> Result<Vec<&str>, String> {
    let text = |operand: &OsStr| {
        operand.to_str().map(str::len).ok_or_else(|| format!("`{}` is no text", shown(operand)))
    };
    given.operands().try_for_each(|operand| text(operand).map(drop))?;
    Ok(given.operands().filter_map(OsStr::to_str).collect())
}

fn order<const N: usize>(what: &str, fields: [(&str, Option<&str>); N]) -> Map<String, Value> {
    let mut order = Map::new();
    order.insert("do".to_owned(), what.into());
    for (name, value) in fields {
        if let Some(value) = value {
            order.insert(name.to_owned(), value.into());
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::{COMMANDS, arguments};
    use super::*;

    fn typed(line: &[&str]) -> Result<String, String> {
        let spec = COMMANDS.iter().find(|spec| spec.name == line[0]).unwrap();
        let given = arguments::parse(spec, line[1..].iter().map(OsString::from))?;
        let order = match line[0] {
            "backend" => backend_order(&given),
            "director" => director_order(&given),
            _ => maintenance_order(&given),
        };
        order.map(|order| Value::Object(order).to_string())
    }

    #[test]
    fn what_is_typed_becomes_an_order() {
        for (line, order) in [
            (&["backend", "wiki", "drain"][..], r#"{"backend":"wiki","do":"drain"}"#),
            (&["backend", "wiki", "resume"], r#"{"backend":"wiki","do":"resume"}"#),
            (
                &["director", "home", "weight", "wiki1", "5"],
                r#"{"director":"home","do":"weigh","member":"wiki1","weight":"5"}"#,
            ),
            (&["maintenance"], r#"{"do":"closed"}"#),
            (&["maintenance", "off", "a.example"], r#"{"do":"open","site":"a.example"}"#),
            (
                &["maintenance", "on", "a.example", "--until", "2h", "--note", "a \"b\"", "--allow=office"],
                r#"{"allow":"office","do":"close","note":"a \"b\"","site":"a.example","until":"2h"}"#,
            ),
        ] {
            assert_eq!(typed(line).as_deref(), Ok(order), "{line:?}");
        }
        for (line, says) in [
            (&["backend", "wiki"][..], "drain|resume is missing"),
            (&["backend", "wiki", "drian"], "did you mean `drain`?"),
            (&["director", "home", "wiki1", "5"], "NAME weight MEMBER N"),
            (&["maintenance", "on"], "its name is missing"),
            (&["maintenance", "of", "a.example"], "is `on SITE` or `off SITE`, not `of`"),
            (&["maintenance", "a.example"], "is `on SITE` or `off SITE`"),
            (&["maintenance", "on", "a.example", "b.example"], "one too many"),
            (&["maintenance", "off", "a.example", "--until", "2h"], "`--until` goes with `maintenance on`"),
            (&["maintenance", "--note", "x"], "`--note` goes with `maintenance on`"),
        ] {
            let said = typed(line).unwrap_err();
            assert!(said.to_lowercase().contains(&says.to_lowercase()), "{line:?}: {said}");
        }
    }
}
