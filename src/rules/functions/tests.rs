use super::*;
use crate::language::vocabulary::{Dialect, Parameter, Shape, Type};

/// Reads a call as rules write it, and evaluates it: as much of the language as the examples need.
struct Reader<'t> {
    rest: &'t str,
}

enum Word {
    Value(Value<'static>),
    Text(String),
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, word: &str) -> bool {
        self.space();
        let taken = self.rest.strip_prefix(word);
        self.rest = taken.unwrap_or(self.rest);
        taken.is_some()
    }

    fn until(&mut self, end: &str) -> String {
        let (inner, rest) = self.rest.split_once(end).expect("an end");
        self.rest = rest;
        inner.to_owned()
    }

    fn name(&mut self) -> String {
        self.space();
        let name = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '_' | '-');
        let end = self.rest.find(|letter: char| !name(letter)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name.to_owned()
    }

    fn one(&mut self) -> Result<Word, Failure> {
        if self.take("{\"") {
            return Ok(Word::Text(self.until("\"}")));
        }
        if self.take("\"") {
            return Ok(Word::Text(self.until("\"")));
        }
        let name = self.name();
        if self.rest.starts_with('(') {
            let function = Function::by_name(&name, Dialect::Doorward).unwrap_or_else(|| panic!("{name}"));
            return self.call(function).map(Word::Value);
        }
        let seconds = |unit: &str| name.strip_suffix(unit).and_then(|number| number.parse::<f64>().ok());
        let value = match name.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "now" => Value::Time(0.0),
            "resp.http.nope" => Value::Unset,
            _ => {
                if let Some(size) = name.strip_suffix("KB").and_then(|size| size.parse::<i64>().ok()) {
                    Value::Bytes(size * 1024)
                } else if let Some(size) = name.strip_suffix('B').and_then(|size| size.parse().ok()) {
                    Value::Bytes(size)
                } else if let Ok(number) = name.parse() {
                    Value::Int(number)
                } else if let Ok(number) = name.parse() {
                    Value::Real(number)
                } else if let Some(time) = seconds("s") {
                    Value::Duration(time)
                } else if let Some(time) = seconds("m") {
                    Value::Duration(time * 60.0)
                } else {
                    panic!("{name}");
                }
            }
        };
        Ok(Word::Value(value))
    }

    /// Pieces with `+` between them.
    fn sum(&mut self) -> Result<Word, Failure> {
        let first = self.one()?;
        if !self.rest.trim_start().starts_with('+') {
            return Ok(first);
        }
        let mut text = written(&value_of(first));
        while self.take("+") {
            text.extend(written(&value_of(self.one()?)));
        }
        Ok(Word::Value(text_of(text)))
    }

    fn call(&mut self, function: Function) -> Result<Value<'static>, Failure> {
        let parameters = function.parameters();
        let mut patterns = Vec::new();
        let mut values: Vec<Option<Value<'static>>> = vec![None; parameters.len()];
        assert!(self.take("("));
        let mut place = 0;
        while !self.take(")") {
            self.take(",");
            let before = self.rest;
            let named = self.name();
            let at = if self.take("=") {
                parameters.iter().position(|parameter| parameter.name == named).expect("a parameter")
            } else {
                self.rest = before;
                place
            };
            place = at + 1;
            let word = self.sum()?;
            match (parameters[at].shape, word) {
                (Shape::Pattern, Word::Text(source)) => {
                    patterns.push((
                        at,
                        regex::bytes::RegexBuilder::new(&source).unicode(false).build().expect("regex"),
                    ));
                }
                (_, word) => values[at] = Some(converted(word, parameters[at])),
            }
        }
        let given: Vec<Given<'_>> = (0..parameters.len())
            .map(|at| match (&values[at], patterns.iter().find(|(place, _)| *place == at)) {
                (_, Some((_, pattern))) => Given::Pattern(pattern),
                (Some(value), None) => Given::Value(value.clone()),
                (None, None) if parameters[at].default.is_empty() => Given::Absent,
                (None, None) => Given::Value(default(parameters[at])),
            })
            .collect();
        call(function, &given).unwrap_or_else(|| panic!("{} touches the case", function.name()))
    }
}

fn value_of(word: Word) -> Value<'static> {
    match word {
        Word::Value(value) => value,
        Word::Text(text) => text_of(text),
    }
}

#[allow(clippy::cast_precision_loss)]
fn converted(word: Word, parameter: Parameter) -> Value<'static> {
    match (parameter.of, value_of(word)) {
        (Type::Ip, Value::Text(text)) => {
            Value::Ip(std::str::from_utf8(&text).expect("text").parse().expect("an address"))
        }
        (Type::Real, Value::Int(number)) => Value::Real(number as f64),
        (_, value) => value,
    }
}

fn default(parameter: Parameter) -> Value<'static> {
    match parameter.of {
        Type::Bool => Value::Bool(parameter.default == "true"),
        Type::Int => Value::Int(parameter.default.parse().expect("a number")),
        _ => text_of(parameter.default),
    }
}

/// As rules write a value into a text.
#[allow(clippy::cast_possible_truncation)]
fn written(value: &Value<'_>) -> Vec<u8> {
    match value {
        Value::Unset => Vec::new(),
        Value::Text(text) => text.to_vec(),
        Value::Bool(truth) => truth.to_string().into(),
        Value::Int(number) | Value::Bytes(number) => number.to_string().into(),
        Value::Real(number) | Value::Duration(number) => format!("{number:.3}").into(),
        Value::Time(time) => super::time::strftime(time.trunc(), b"%a, %d %b %Y %H:%M:%S GMT"),
        Value::Ip(ip) => ip.to_string().into(),
        other => panic!("{other:?} as text"),
    }
}

fn result(call: &str) -> String {
    let value = Reader { rest: call }.one().map(value_of);
    match value {
        Ok(value) => String::from_utf8(written(&value)).expect("UTF-8"),
        Err(failure) => format!("({failure})"),
    }
}

/// Those that the machine does: their examples are run by its tests.
fn is_of_the_case(function: Function) -> bool {
    call(function, &[]).is_none()
}

#[test]
fn every_example_gives_what_it_says() {
    let mut wrong = Vec::new();
    for function in Function::ALL.iter().copied().filter(|function| !is_of_the_case(*function)) {
        // These two are asked of a value: a request.
        if matches!(function, Function::Lower | Function::Upper | Function::StdPort) {
            continue;
        }
        let (example, says) = function.example();
        if result(example) != says {
            wrong.push(format!("{example} gives `{}`, and not `{says}`", result(example)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_same_call_gives_what_varnish_gives() {
    let (mut count, mut wrong) = (0, Vec::new());
    for line in include_str!("varnish.txt").lines().filter(|line| !line.starts_with('#')) {
        let (call, says) = line.split_once('\t').map_or((line, ""), |parts| parts);
        // A tab may stand in the call too.
        let (call, says) = if call.matches('"').count() % 2 == 1 {
            line.rsplit_once('\t').expect("a result")
        } else {
            (call, says)
        };
        count += 1;
        if let Some((_, ours, _)) = OTHERWISE.iter().find(|(other, _, _)| *other == call) {
            assert_eq!(result(call), *ours, "{call}");
            assert_ne!(says, *ours, "{call} is no exception any more");
        } else if result(call) != says {
            wrong.push(format!("{call} gives `{}`, and not `{says}`", result(call)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 300, "{count} calls were compared");
}

/// Where we mean to differ: the call, what we give, and why.
const OTHERWISE: &[(&str, &str, &str)] = &[
    ("std.ip(\"192.0.2\", \"1.2.3.4\")", "1.2.3.4", "a shortened address has two readings"),
    ("std.ip(\"192.0.2\", \"1.2.3.4\", resolve=false)", "1.2.3.4", "a shortened address has two readings"),
    ("std.ip(\"0\", \"1.2.3.4\", resolve=false)", "1.2.3.4", "a shortened address has two readings"),
    ("std.ip(\"192.0.2.01\", \"1.2.3.4\")", "1.2.3.4", "01 may be octal"),
    ("std.ip(\"0xc0000201\", \"1.2.3.4\")", "1.2.3.4", "a number is no address"),
    ("std.ip(\"fe80::1%lo\", \"1.2.3.4\")", "1.2.3.4", "a zone belongs to one machine"),
    ("std.ip(\":80\", \"1.2.3.4\")", "1.2.3.4", "nothing is no address"),
    ("regsuball(\"aab\", \"a??\", \"x\")", "xaab", "an engine of linear time does not try again for more"),
];
