use std::collections::BTreeSet;

use super::*;

#[test]
fn every_row_has_a_sentence_an_example_and_a_phase() {
    for function in Function::ALL {
        let (doc, (example, _)) = (function.doc(), function.example());
        assert!(doc.ends_with('.') && doc.starts_with(char::is_uppercase), "{}: {doc}", function.name());
        let word = function.name();
        assert!(example.contains(word), "{word}: the example shows something else: {example}");
        assert_eq!(example.ends_with(';'), function.returns() == Type::Void, "{word}: {example}");
        assert!(!function.phases().is_empty(), "{word}");
    }
}

#[test]
fn names_are_unique() {
    let names: BTreeSet<&str> = Function::ALL.iter().map(|function| function.name()).collect();
    assert_eq!(names.len(), Function::ALL.len());
    for function in Function::ALL {
        for &dialect in Dialect::ALL {
            let found = Function::by_name(function.name(), dialect);
            assert_eq!(found, function.dialects().has(dialect).then_some(*function));
        }
    }
}

#[test]
fn parameters_have_names_of_their_own() {
    for function in Function::ALL {
        let mut names = BTreeSet::new();
        for parameter in function.parameters() {
            assert!(names.insert(parameter.name), "{}: {} twice", function.name(), parameter.name);
            assert!(parameter.default.is_empty() || parameter.optional, "{}", function.name());
        }
    }
}

#[test]
fn what_is_not_honoured_has_a_reason() {
    for (name, reason) in UNSUPPORTED {
        assert!(
            reason.starts_with(|letter: char| letter.is_lowercase() || letter == '`' || letter == 'M'),
            "{reason}"
        );
        assert!(!reason.ends_with('.'), "{reason}");
        assert_eq!(NAMES.get(name), None, "{name} is honoured after all");
    }
    assert!(Function::unsupported("ratelimit.check_rate").is_some());
    assert_eq!(Function::unsupported("regsub"), None);
}

#[test]
fn values_know_their_own_functions() {
    assert_eq!(Function::of_value("lower", Type::String, Dialect::Varnish), Some(Function::Lower));
    assert_eq!(Function::of_value("lower", Type::Int, Dialect::Varnish), None);
    assert_eq!(Function::of_value("resolve", Type::Backend, Dialect::Doorward), Some(Function::Resolve));
}
