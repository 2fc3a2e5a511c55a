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
        let amount = |unit: &str| name.strip_suffix(unit).and_then(|number| number.parse::<f64>().ok());
        let value = match name.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "now" => Value::Time(0.0),
            "resp.http.nope" => Value::Unset,
            _ => {
                let size = |unit: &str| name.strip_suffix(unit).and_then(|number| number.parse::<i64>().ok());
                if let Some(bytes) = size("KB").map(|size| size * 1024).or(size("B")) {
                    Value::Bytes(bytes)
                } else if let Ok(number) = name.parse::<i64>() {
                    Value::Int(number)
                } else if let Ok(number) = name.parse::<f64>() {
                    Value::Real(number)
                } else if let Some(time) = amount("s").or(amount("m").map(|minutes| minutes * 60.0)) {
                    Value::Duration(time)
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

/// What Fastly's functions give at their edges, as its manual says; what it leaves open, as we chose.
const EDGES: &[(&str, &str)] = &[
    // A name stands for itself, not for what begins so, and an argument without a value has an empty one.
    ("querystring.get(\"/?ab=1&a=2&a=3\", \"a\")", "2"),
    ("querystring.get(\"/?a\", \"a\")", ""),
    ("querystring.get(\"/a=1\", \"a\")", ""),
    ("querystring.get(\"/?a=b=c\", \"a\")", "b=c"),
    ("querystring.set(\"/\", \"a\", \"1\")", "/?a=1"),
    ("querystring.set(\"/?\", \"a\", \"1\")", "/?a=1"),
    ("querystring.set(\"/?a=1&b=2&a=3\", \"a\", \"x\")", "/?a=x&b=2"),
    ("querystring.set(\"/?b=2\", \"a\", \"x\")", "/?b=2&a=x"),
    ("querystring.add(\"/?a=1&\", \"b\", \"2\")", "/?a=1&b=2"),
    ("querystring.remove(\"/a\")", "/a"),
    ("querystring.clean(\"/?&&\")", "/"),
    ("querystring.clean(\"/a\")", "/a"),
    ("querystring.filter(\"/?a=1&a=2&ab=3\", \"a\")", "/?ab=3"),
    ("querystring.filter(\"/?a=1\", \"a\")", "/"),
    ("querystring.filter_except(\"/?a=1&b=2&c=3\", \"a\" + querystring.filtersep() + \"c\")", "/?a=1&c=3"),
    ("querystring.globfilter(\"/?a/b=1&c=2\", \"a*\")", "/?c=2"),
    ("querystring.regfilter(\"/?a=b&b=a\", \"b\")", "/?a=b"),
    ("std.atoi(\"-12x\")", "-12"),
    ("std.atoi(\"+7\")", "7"),
    ("std.atoi(\"x\")", "0"),
    ("std.atoi(\"\")", "0"),
    ("std.atoi(\"99999999999999999999\")", "9223372036854775807"),
    ("std.atoi(\"-99999999999999999999\")", "-9223372036854775808"),
    ("std.atof(\"-1.5e1x\")", "-15.000"),
    ("std.atof(\".5\")", "0.500"),
    ("std.atof(\"e5\")", "0.000"),
    ("std.atof(\"1e\")", "1.000"),
    ("std.strtol(\"0x1f\", 0)", "31"),
    ("std.strtol(\"0x1f\", 16)", "31"),
    ("std.strtol(\"017\", 0)", "15"),
    ("std.strtol(\"0xg\", 0)", "0"),
    ("std.strtol(\"1\", 1)", "(std.strtol was given a base that is neither 0 nor from 2 to 36)"),
    ("std.itoa(-255, 2)", "-11111111"),
    ("std.itoa(0)", "0"),
    ("std.itoa(1, 37)", "(std.itoa was given a base that is not from 2 to 36)"),
    ("randombool_seeded(0, 5, 3)", "false"),
    ("randombool_seeded(1, 0, 3)", "true"),
    ("math.roundhalfup(0.5)", "1.000"),
    ("math.roundhalfdown(-2.5)", "-3.000"),
    ("math.is_nan(math.sqrt(-1.0))", "true"),
    ("math.is_infinite(math.log(0.0))", "true"),
    ("std.strrep(\"ab\", -1)", ""),
    ("std.strrep(\"ab\", 999999999)", "(a text would have become longer than a megabyte)"),
    ("std.strpad(\"abc\", 2, \"x\")", "abc"),
    ("std.strpad(\"a\", -4, \"xy\")", "axyx"),
    ("std.strpad(\"a\", 4, \"\")", "a"),
    ("std.strpad(\"a\", 999999999, \"x\")", "(a text would have become longer than a megabyte)"),
    ("std.replaceall(\"aaa\", \"\", \"x\")", "aaa"),
    ("std.replaceall(\"aaa\", \"aa\", \"b\")", "ba"),
    ("std.replace_prefix(\"/a\", \"/b\", \"/c\")", "/a"),
    ("std.basename(\"/a/b/\")", "b"),
    ("std.basename(\"/\")", "/"),
    ("std.basename(\"\")", "."),
    ("std.dirname(\"/a\")", "/"),
    ("std.dirname(\"a\")", "."),
    ("std.dirname(\"/a//b/\")", "/a"),
    ("std.dirname(\"//\")", "/"),
    ("substr(\"abcdef\", -2)", "ef"),
    ("substr(\"abcdef\", 1, -1)", "bcde"),
    ("substr(\"abcdef\", 4, 9)", "ef"),
    ("substr(\"abcdef\", 7)", ""),
    ("substr(\"abcdef\", -7)", ""),
    ("substr(\"abcdef\", 4, -4)", ""),
    ("utf8.substr(\"Grüße\", -2)", "ße"),
    ("urldecode(\"%zz%4\")", "%zz%4"),
    ("urldecode(\"a%00b\")", "a"),
    ("urldecode(\"a+b\")", "a+b"),
    ("urlencode(\"ü-._~\")", "%C3%BC-._~"),
    ("cstr_escape(\"a\\ü\")", "a\\\\\\xc3\\xbc"),
    ("json.escape(\"a\\bü\")", "a\\\\bü"),
    ("xml_escape(\"<a href='x'>&\")", "&lt;a href=&apos;x&apos;&gt;&amp;"),
    ("subfield(\"a=1, b = 2 ,c\", \"b\")", "2"),
    ("subfield(\"a=1, b=2\", \"B\")", "2"),
    ("subfield({\"a=\"x, y\", b=2\"}, \"a\")", "x, y"),
    ("subfield(\"a=1; b=2\", \"b\", \";\")", "2"),
    ("subfield(\"ab=1\", \"a\")", ""),
    ("http_status_matches(200, \"!404,410\")", "true"),
    ("http_status_matches(404, \"!404, 410\")", "false"),
    ("http_status_matches(40, \"404\")", "false"),
    ("time.hex_to_time(0, \"ff\")", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("time.units(\"min\", now)", "(a unit of time is one of s, ms, us and ns)"),
    ("time.interval_elapsed_ratio(std.time(\"9\"), std.time(\"1\"), std.time(\"3\"))", "1.000"),
    ("time.interval_elapsed_ratio(std.time(\"1\"), std.time(\"3\"), std.time(\"3\"))", "0.000"),
    ("parse_time_delta(\"5\")", "-1"),
    ("parse_time_delta(\"h\")", "-1"),
    ("parse_time_delta(\"3D\")", "259200"),
    ("parse_time_delta(\"9223372036854775807d\")", "-1"),
    ("digest.base64_decode(\"YWI\")", "ab"),
    ("digest.base64_decode(\"YW Jj\")", "a"),
    ("digest.base64url(\"\")", ""),
    ("bin.base64_to_hex(\"Y!\")", ""),
    ("bin.hex_to_base64(\"616\")", ""),
    ("bin.hex_to_base64(\"zz\")", ""),
    ("digest.secure_is_equal(\"abc\", \"ab\")", "false"),
    ("uuid.is_valid(\"c3c3c3c3-1111-4222-8333-0123456789a\")", "false"),
    ("uuid.is_valid(\"c3c3c3c3x1111-4222-8333-0123456789ab\")", "false"),
    ("std.str2ip(\"x\", \"y\")", "(std.str2ip was given no address, and no fallback that is one)"),
    ("addr.is_ipv6(\"2001:db8::1\")", "true"),
    // Without a fallback a conversion that fails is a fault, and so are none and two things to convert.
    ("std.integer(\"x\")", "(std.integer was given what is no whole number, and no fallback)"),
    ("std.time(\"x\")", "(std.time was given what is no time, and no fallback)"),
    ("std.real()", "(std.real was given nothing to convert)"),
    ("std.duration(real = 1.0, integer = 2)", "(std.duration was given more than one thing to convert)"),
    ("std.ip(\"x\")", "(std.ip was given what is no address, and no fallback)"),
    ("std.fnmatch(\"*\", resp.http.nope)", "(std.fnmatch was given text that is not set)"),
];

#[test]
fn the_edges_are_where_they_are_said_to_be() {
    let wrong: Vec<String> = EDGES
        .iter()
        .filter(|(call, says)| result(call) != *says)
        .map(|(call, says)| format!("{call} gives `{}`, and not `{says}`", result(call)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A pattern of stars and a text that almost matches: the time must not grow with the number of ways to read it.
#[test]
fn a_pattern_of_many_stars_takes_no_time() {
    let flags = fnmatch::Flags { pathname: false, noescape: false, period: false };
    let (pattern, text) = ("a*".repeat(200) + "b", "a".repeat(5_000));
    assert!(!fnmatch::matches(pattern.as_bytes(), text.as_bytes(), flags));
}

#[test]
fn seeds_spread_evenly() {
    let hits = (0..10_000).filter(|seed| number::seeded(*seed) < 0.25).count();
    assert!((2_300..2_700).contains(&hits), "{hits}");
    assert_eq!(number::between(1, 6, 0.999_999), 6);
    assert!(number::between(i64::MIN, i64::MAX, 0.999_999_999) > 0);
}
