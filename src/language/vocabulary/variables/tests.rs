use std::collections::{BTreeMap, BTreeSet};

use super::*;

const SUBS: [Phase; 14] = [
    Phase::Recv,
    Phase::Hash,
    Phase::Hit,
    Phase::Miss,
    Phase::Pass,
    Phase::Pipe,
    Phase::Purge,
    Phase::Synth,
    Phase::Deliver,
    Phase::BackendFetch,
    Phase::BackendResponse,
    Phase::BackendError,
    Phase::Init,
    Phase::Fini,
];

/// What the tables say of a name in one sub, as the oracle's file writes it.
fn cell(name: &str, phase: Phase, syntax: Syntax) -> String {
    let dialect = Dialect::Varnish;
    let (read, write, unset) = if let Some((family, _)) = Family::of_header(name) {
        let written = family.writable(dialect).has(phase);
        (family.readable(dialect).has(phase), written, written)
    } else if let Some(family) = Family::ALL.iter().find(|family| family.word() == name) {
        (family.whole().has(phase), false, false)
    } else {
        let found = Variable::by_name(name, dialect)
            .or_else(|| Variable::by_pattern(name, dialect).map(|(variable, _)| variable))
            .filter(|variable| variable.exists_in(syntax));
        match found {
            None => (false, false, false),
            Some(variable) => (
                variable.can_read(phase, dialect),
                variable.can_write(phase, dialect, syntax),
                variable.can_unset(phase, dialect),
            ),
        }
    };
    let cell: String = [(read, 'r'), (write, 'w'), (unset, 'u')]
        .into_iter()
        .filter_map(|(yes, letter)| yes.then_some(letter))
        .collect();
    if cell.is_empty() { ".".to_owned() } else { cell }
}

#[test]
fn the_table_says_of_each_variable_what_varnish_says() {
    let mut seen = BTreeSet::new();
    for line in include_str!("varnish.txt").lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let (syntax, name, of, cells) = (words[0], words[1], words[2], &words[3..]);
        let syntaxes: &[Syntax] = match syntax {
            "4.0" => &[Syntax::Vcl40],
            "4.1" => &[Syntax::Vcl41],
            _ => &[Syntax::Vcl40, Syntax::Vcl41],
        };
        for &syntax in syntaxes {
            let ours: Vec<String> = SUBS.iter().map(|phase| cell(name, *phase, syntax)).collect();
            assert_eq!(ours, cells, "{name} in {syntax:?}");
        }
        let variable = Variable::by_name(name, Dialect::Varnish)
            .or_else(|| Variable::by_pattern(name, Dialect::Varnish).map(|(variable, _)| variable));
        if let Some(variable) = variable {
            assert_eq!(variable.of().word(), of, "{name}");
            seen.insert(variable.name());
        }
    }
    let known: BTreeSet<&str> = Variable::ALL
        .iter()
        .filter(|variable| variable.dialects().has(Dialect::Varnish))
        .map(|variable| variable.name())
        .collect();
    assert_eq!(seen, known, "a variable of Varnish's that Varnish does not know");
}

#[test]
fn every_row_has_a_sentence_and_a_use_in_each_of_its_dialects() {
    for variable in Variable::ALL {
        let doc = variable.doc();
        assert!(
            doc.ends_with('.') && doc.starts_with(|letter: char| letter.is_uppercase() || letter == '`'),
            "{doc}"
        );
        for &dialect in Dialect::ALL.iter().filter(|dialect| variable.dialects().has(**dialect)) {
            let used =
                variable.readable_in(dialect).and(variable.writable_in(dialect)).and(variable.unsettable());
            assert!(!used.is_empty(), "{variable:?} can't be used in {dialect:?}");
        }
    }
}

#[test]
fn a_name_means_one_thing_in_a_dialect() {
    for &dialect in Dialect::ALL {
        let mut names = BTreeMap::new();
        for (name, variable) in Variable::names(dialect) {
            assert_eq!(names.insert(name, variable), None, "{name} twice in {dialect:?}");
            assert_eq!(Variable::by_name(name, dialect), Some(variable));
        }
        for later in LATER {
            assert!(!names.contains_key(later), "{later} is known already");
        }
    }
}

#[test]
fn patterns_take_a_word() {
    let of = |name| Variable::by_pattern(name, Dialect::Doorward);
    assert_eq!(of("req.cookie.session"), Some((Variable::ReqCookie, "session")));
    assert_eq!(of("storage.Transient.happy"), Some((Variable::StorageHappy, "Transient")));
    assert_eq!(of("req.cookie."), None);
    assert_eq!(of("storage..happy"), None);
    assert_eq!(Variable::by_pattern("req.cookie.session", Dialect::Varnish), None);
}

#[test]
fn headers_are_known_by_their_message() {
    assert_eq!(Family::of_header("req.http.Cookie:session"), Some((Family::Req, "Cookie:session")));
    assert_eq!(Family::of_header("req_top.http.Host"), Some((Family::ReqTop, "Host")));
    assert_eq!(Family::of_header("req.url"), None);
    assert_eq!(Family::of_header("client.http.Host"), None);
}

#[test]
fn what_is_not_honoured_has_a_reason() {
    assert_eq!(
        Variable::unsupported("client.geo.city"),
        Some("the gateway holds no map of addresses to places")
    );
    assert_eq!(Variable::unsupported("req.urll"), None);
    for (name, reason) in UNSUPPORTED {
        assert!(
            reason.starts_with(|letter: char| letter.is_lowercase() || letter == '`')
                && !reason.ends_with('.')
        );
        for &dialect in Dialect::ALL {
            assert_eq!(Variable::by_name(name, dialect), None, "{name} is honoured after all");
        }
    }
}

#[test]
fn fastly_sees_its_messages_where_fastly_does() {
    let fastly = Dialect::Fastly;
    assert!(Variable::ReqUrl.can_write(Phase::BackendResponse, fastly, Syntax::Vcl41));
    assert!(Variable::ObjStatus.can_write(Phase::Synth, fastly, Syntax::Vcl41));
    assert!(!Variable::ObjStatus.can_write(Phase::Synth, Dialect::Doorward, Syntax::Vcl41));
    assert!(!Variable::BerespTtl.can_read(Phase::Deliver, fastly));
    assert!(Variable::ReqHashText.can_write(Phase::Hash, fastly, Syntax::Vcl41));
    assert_eq!(Variable::by_name("req.hash", fastly), Some(Variable::ReqHashText));
    assert_eq!(Variable::by_name("req.hash", Dialect::Doorward), Some(Variable::ReqHash));
}
