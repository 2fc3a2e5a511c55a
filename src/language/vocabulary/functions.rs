//! The functions of rules. What each does stands in `rules::functions`, or in the machine where it touches the
//! request that the rules run for.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{Dialect, Dialects, Phase, Phases, Type};

/// How a parameter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A value of its type.
    Value,
    /// Text made of several pieces side by side (`STRING_LIST`): whatever can be text is taken.
    Strands,
    /// A constant regular expression.
    Pattern,
    /// One of these words, without quotes.
    Words(&'static [&'static str]),
}

/// A parameter of a function, a method or a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: &'static str,
    pub of: Type,
    pub shape: Shape,
    /// May be left out.
    pub optional: bool,
    /// What it is when left out, as VCL writes it but text without its quotes; empty where being left out means
    /// something of its own.
    pub default: &'static str,
    /// May be given several times (the last parameter only).
    pub repeated: bool,
}

impl Parameter {
    pub const fn new(name: &'static str, of: Type) -> Self {
        Self { name, of, shape: Shape::Value, optional: false, default: "", repeated: false }
    }

    pub const fn strands(name: &'static str) -> Self {
        Self { shape: Shape::Strands, ..Self::new(name, Type::String) }
    }

    pub const fn pattern(name: &'static str) -> Self {
        Self { shape: Shape::Pattern, ..Self::new(name, Type::Regex) }
    }

    pub const fn words(name: &'static str, words: &'static [&'static str]) -> Self {
        Self { shape: Shape::Words(words), ..Self::new(name, Type::Word) }
    }

    #[must_use]
    pub const fn or(mut self, default: &'static str) -> Self {
        self.optional = true;
        self.default = default;
        self
    }

    /// May be left out, and has no default then.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    #[must_use]
    pub const fn repeated(mut self) -> Self {
        self.repeated = true;
        self
    }
}

macro_rules! functions {
    ($( $variant:ident $name:literal ($( $parameter:expr ),*) -> $returns:ident, $phases:expr, $dialects:expr, $doc:literal, $example:literal => $result:literal; )*) => {
        /// A function of rules.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Function { $( #[doc = $doc] $variant, )* }

        impl Function {
            pub const ALL: &'static [Function] = &[ $( Function::$variant, )* ];

            pub const fn name(self) -> &'static str {
                match self { $( Function::$variant => $name, )* }
            }

            pub const fn parameters(self) -> &'static [Parameter] {
                match self { $( Function::$variant => const { &[ $( $parameter ),* ] }, )* }
            }

            pub const fn returns(self) -> Type {
                match self { $( Function::$variant => Type::$returns, )* }
            }

            /// Where it may be called.
            pub const fn phases(self) -> Phases {
                match self { $( Function::$variant => $phases, )* }
            }

            pub const fn dialects(self) -> Dialects {
                match self { $( Function::$variant => $dialects, )* }
            }

            pub const fn doc(self) -> &'static str {
                match self { $( Function::$variant => $doc, )* }
            }

            /// A call, and what it gives as text: shown in the manual, and run by a test. A statement's result
            /// is what it leaves behind, in words.
            pub const fn example(self) -> (&'static str, &'static str) {
                match self { $( Function::$variant => ($example, $result), )* }
            }
        }
    };
}

const ALWAYS: Phases = Phases::ALL;

const fn of(name: &'static str, of: Type) -> Parameter {
    Parameter::new(name, of)
}

const fn strands(name: &'static str) -> Parameter {
    Parameter::strands(name)
}

const fn pattern(name: &'static str) -> Parameter {
    Parameter::pattern(name)
}

functions! {
    // Built in
    Regsub "regsub" (strands("text"), pattern("regex"), strands("with")) -> String, ALWAYS, Dialects::ALL, "The text with the first match replaced: `\\1` to `\\9` stand for the groups, `\\0` for the whole match.", "regsub(\"/a/b\", \"/\", \"-\")" => "-a/b";
    Regsuball "regsuball" (strands("text"), pattern("regex"), strands("with")) -> String, ALWAYS, Dialects::ALL, "The text with every match replaced, as `regsub` does it.", "regsuball(\"/a/b\", \"/\", \"-\")" => "-a-b";
    Ban "ban" (strands("expression")) -> Void, ALWAYS, Dialects::VCL, "Drops what the cache holds and the expression describes. Nothing is in the cache yet, so it is shown and changes nothing.", "ban(\"req.url ~ ^/news/\");" => "a ban";
    HashData "hash_data" (strands("text")) -> Void, Phases::of(&[Phase::Hash]), Dialects::VCL, "Adds to what tells two pages apart in the cache.", "hash_data(req.url);" => "one more part of the key";
    Synthetic "synthetic" (strands("body")) -> Void, Phases::of(&[Phase::Synth, Phase::BackendError]), Dialects::ALL, "Makes this the body of the answer.", "synthetic(\"Back soon.\");" => "the body of the answer";
    SyntheticBase64 "synthetic.base64" (strands("body")) -> Void, Phases::of(&[Phase::Synth]), Dialects::EXTENDED, "Makes the body of the answer from base64.", "synthetic.base64(\"QmFjayBzb29uLg==\");" => "the body of the answer";
    Lower ".lower" (strands("text")) -> String, ALWAYS, Dialects::VCL, "The text in lower case, asked of the text itself: `req.http.Host.lower()`.", "req.http.Host.lower()" => "www.scipy.example";
    Upper ".upper" (strands("text")) -> String, ALWAYS, Dialects::VCL, "The text in upper case, asked of the text itself: `req.method.upper()`.", "req.method.upper()" => "GET";
    Resolve ".resolve" (of("of", Type::Backend)) -> Backend, ALWAYS, Dialects::VCL, "The backend that a director would choose now, asked of the director itself: `req.backend_hint.resolve()`.", "req.backend_hint.resolve()" => "home";

    // Varnish's std
    StdRandom "std.random" (of("lo", Type::Real), of("hi", Type::Real)) -> Real, ALWAYS, Dialects::VCL, "A random number from the first up to the second.", "std.random(1, 1)" => "1.000";
    StdRound "std.round" (of("r", Type::Real)) -> Real, ALWAYS, Dialects::VCL, "The nearest whole number; a half goes away from zero.", "std.round(-2.5)" => "-3.000";
    StdCollect "std.collect" (of("hdr", Type::Header), of("sep", Type::String).or(", ")) -> Void, ALWAYS, Dialects::ALL, "Joins all headers of one name into one.", "std.collect(req.http.Accept);" => "one header in place of several";
    StdQuerysort "std.querysort" (of("url", Type::String)) -> String, ALWAYS, Dialects::VCL, "The address with the arguments of its query in order.", "std.querysort(\"/?b=2&a=1\")" => "/?a=1&b=2";
    StdToupper "std.toupper" (strands("s")) -> String, ALWAYS, Dialects::ALL, "The text in upper case.", "std.toupper(\"abc\")" => "ABC";
    StdTolower "std.tolower" (strands("s")) -> String, ALWAYS, Dialects::ALL, "The text in lower case.", "std.tolower(\"ABC\")" => "abc";
    StdStrstr "std.strstr" (of("s1", Type::String), of("s2", Type::String)) -> String, ALWAYS, Dialects::ALL, "The text from the first place on where it holds the other; unset where it does not.", "std.strstr(\"abcd\", \"bc\")" => "bcd";
    StdFnmatch "std.fnmatch" (of("pattern", Type::String), of("subject", Type::String), of("pathname", Type::Bool).or("true"), of("noescape", Type::Bool).or("false"), of("period", Type::Bool).or("false")) -> Bool, ALWAYS, Dialects::VCL, "Whether the text is of a pattern as shells know it: `*`, `?`, `[a-z]`. With `pathname`, none of them stands for a slash.", "std.fnmatch(\"/a/*\", \"/a/b\")" => "true";
    StdFileread "std.fileread" (of("path", Type::String)) -> String, ALWAYS, Dialects::VCL, "What a file says. It is read when the rules are loaded, so its name is a constant.", "std.fileread(\"/etc/hostname\")" => "gate";
    StdBlobread "std.blobread" (of("path", Type::String)) -> Blob, ALWAYS, Dialects::VCL, "The bytes of a file. It is read when the rules are loaded, so its name is a constant.", "std.blobread(\"/etc/hostname\")" => "the bytes of the file";
    StdHealthy "std.healthy" (of("be", Type::Backend)) -> Bool, ALWAYS, Dialects::VCL, "Whether a backend is well, or any backend of a director.", "std.healthy(home)" => "true";
    StdPort "std.port" (of("ip", Type::Ip)) -> Int, ALWAYS, Dialects::VCL, "The port that belongs to `client.ip`, `server.ip` and their like; 80 for any other address.", "std.port(client.ip)" => "51234";
    StdDuration "std.duration" (of("s", Type::String).optional(), of("fallback", Type::Duration).optional(), of("real", Type::Real).optional(), of("integer", Type::Int).optional()) -> Duration, ALWAYS, Dialects::VCL, "A duration from text with a unit, or from a number of seconds. What can't be read is the fallback; without one the visit fails.", "std.duration(\"90m\")" => "5400.000";
    StdBytes "std.bytes" (of("s", Type::String).optional(), of("fallback", Type::Bytes).optional(), of("real", Type::Real).optional(), of("integer", Type::Int).optional()) -> Bytes, ALWAYS, Dialects::VCL, "A size from text such as `10K`, or from a number. What can't be read is the fallback; without one the visit fails.", "std.bytes(\"2K\")" => "2048";
    StdInteger "std.integer" (of("s", Type::String).optional(), of("fallback", Type::Int).optional(), of("bool", Type::Bool).optional(), of("bytes", Type::Bytes).optional(), of("duration", Type::Duration).optional(), of("real", Type::Real).optional(), of("time", Type::Time).optional()) -> Int, ALWAYS, Dialects::VCL, "A whole number from text or from another kind of value, without its fraction. What can't be read is the fallback; without one the visit fails.", "std.integer(\"7x\", 5)" => "5";
    StdIp "std.ip" (of("s", Type::String), of("fallback", Type::Ip).optional(), of("resolve", Type::Bool).or("true"), of("p", Type::String).optional()) -> Ip, ALWAYS, Dialects::ALL, "An address from text, with or without a port. Names are not looked up, since that could take long: what is no address is the fallback; without one the visit fails.", "std.ip(\"nowhere\", \"192.0.2.1\")" => "192.0.2.1";
    StdReal "std.real" (of("s", Type::String).optional(), of("fallback", Type::Real).optional(), of("integer", Type::Int).optional(), of("bool", Type::Bool).optional(), of("bytes", Type::Bytes).optional(), of("duration", Type::Duration).optional(), of("time", Type::Time).optional()) -> Real, ALWAYS, Dialects::VCL, "A number with a fraction from text or from another kind of value. What can't be read is the fallback; without one the visit fails.", "std.real(\"1.25\")" => "1.250";
    StdTime "std.time" (of("s", Type::String).optional(), of("fallback", Type::Time).optional(), of("real", Type::Real).optional(), of("integer", Type::Int).optional()) -> Time, ALWAYS, Dialects::ALL, "A point in time from text as HTTP writes it, from an ISO date or from seconds since 1970. What can't be read is the fallback; without one the visit fails.", "std.time(\"1994-11-06T08:49:37\")" => "Sun, 06 Nov 1994 08:49:37 GMT";
    StdStrftime "std.strftime" (of("time", Type::Time), of("format", Type::String)) -> String, ALWAYS, Dialects::VCL, "A point in time, UTC, as the format says: `%Y`, `%m`, `%d`, `%H`, `%M`, `%S` and their like.", "std.strftime(std.time(integer = 0), \"%Y-%m-%d\")" => "1970-01-01";
    StdLog "std.log" (strands("s")) -> Void, ALWAYS, Dialects::ALL, "A line for the log of this visit.", "std.log(\"seen\");" => "a line in the log";
    StdSyslog "std.syslog" (of("priority", Type::Int), strands("s")) -> Void, ALWAYS, Dialects::VCL, "A line for the log of this visit, with its priority before it.", "std.syslog(9, \"seen\");" => "a line in the log";
    StdTimestamp "std.timestamp" (of("s", Type::String)) -> Void, ALWAYS, Dialects::VCL, "The time since the request had arrived, as a line for the log of this visit.", "std.timestamp(\"checked\");" => "a line in the log";
    StdSyntax "std.syntax" (of("version", Type::Real)) -> Bool, ALWAYS, Dialects::VCL, "Whether the file begins with this version of VCL or a later one. It is settled when the rules are loaded.", "std.syntax(4.0)" => "true";
    StdGetenv "std.getenv" (of("name", Type::String)) -> String, ALWAYS, Dialects::VCL, "A variable of the environment; unset where there is none. It is read when the rules are loaded, so its name is a constant.", "std.getenv(\"LEVEL\")" => "production";
    StdCacheReqBody "std.cache_req_body" (of("size", Type::Bytes)) -> Bool, ALWAYS, Dialects::VCL, "Asks to keep the body of the request, so that it could be sent again. Bodies go on as they arrive here, so the answer is false.", "std.cache_req_body(1KB)" => "false";
    StdLate100Continue "std.late_100_continue" (of("late", Type::Bool)) -> Void, ALWAYS, Dialects::VCL, "Asks to say `100 Continue` only when the body is wanted. The gateway never says it earlier, so this changes nothing.", "std.late_100_continue(true);" => "nothing";
    StdRollback "std.rollback" (of("h", Type::Http)) -> Void, ALWAYS, Dialects::VCL, "Takes back what rules did to a message.", "std.rollback(req);" => "the request as it came";
    StdBan "std.ban" (of("expression", Type::String)) -> Bool, ALWAYS, Dialects::VCL, "Drops what the cache holds and the expression describes; false where the expression can't be read. Nothing is in the cache yet, so it is shown and changes nothing.", "std.ban(\"obj.age > 1h\")" => "true";
    StdBanError "std.ban_error" () -> String, ALWAYS, Dialects::VCL, "Why the last `std.ban` gave false; empty where it did not.", "std.ban_error()" => "";
    StdReal2integer "std.real2integer" (of("r", Type::Real), of("fallback", Type::Int)) -> Int, ALWAYS, Dialects::VCL, "The nearest whole number. Write `std.integer(real = std.round(…))` instead.", "std.real2integer(1.5, 0)" => "2";
    StdReal2time "std.real2time" (of("r", Type::Real), of("fallback", Type::Time)) -> Time, ALWAYS, Dialects::VCL, "The point in time of so many seconds since 1970. Write `std.time(real = …)` instead.", "std.real2time(0.0, now)" => "Thu, 01 Jan 1970 00:00:00 GMT";
    StdTime2integer "std.time2integer" (of("t", Type::Time), of("fallback", Type::Int)) -> Int, ALWAYS, Dialects::VCL, "The nearest whole number of seconds since 1970. Write `std.integer(time = …)` instead.", "std.time2integer(std.time(integer = 7), 0)" => "7";
    StdTime2real "std.time2real" (of("t", Type::Time), of("fallback", Type::Real)) -> Real, ALWAYS, Dialects::VCL, "The seconds since 1970. Write `std.real(time = …)` instead.", "std.time2real(std.time(integer = 7), 0.0)" => "7.000";
    DirectorsLookup "directors.lookup" (of("name", Type::String)) -> Backend, ALWAYS, Dialects::VCL, "The backend or director of this name, in `vcl_init` and `vcl_fini`.", "directors.lookup(\"home\")" => "home";

    // Tables
    TableLookup "table.lookup" (of("table", Type::Table), of("key", Type::String), of("default", Type::String).optional()) -> String, ALWAYS, Dialects::EXTENDED, "The text that a table holds under a key, or the default; unset without one.", "table.lookup(levels, \"staging\", \"no\")" => "no";
    TableContains "table.contains" (of("table", Type::Table), of("key", Type::String)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether a table has a key.", "table.contains(levels, \"staging\")" => "false";
    TableLookupBool "table.lookup_bool" (of("table", Type::Table), of("key", Type::String), of("default", Type::Bool)) -> Bool, ALWAYS, Dialects::EXTENDED, "The truth that a table holds under a key, or the default.", "table.lookup_bool(levels, \"staging\", false)" => "false";
    TableLookupInteger "table.lookup_integer" (of("table", Type::Table), of("key", Type::String), of("default", Type::Int)) -> Int, ALWAYS, Dialects::EXTENDED, "The whole number that a table holds under a key, or the default.", "table.lookup_integer(levels, \"staging\", 5)" => "5";
    TableLookupFloat "table.lookup_float" (of("table", Type::Table), of("key", Type::String), of("default", Type::Real)) -> Real, ALWAYS, Dialects::EXTENDED, "The number that a table holds under a key, or the default.", "table.lookup_float(levels, \"staging\", 0.5)" => "0.500";
    TableLookupRtime "table.lookup_rtime" (of("table", Type::Table), of("key", Type::String), of("default", Type::Duration)) -> Duration, ALWAYS, Dialects::EXTENDED, "The duration that a table holds under a key, or the default.", "table.lookup_rtime(levels, \"staging\", 5s)" => "5.000";
    TableLookupIp "table.lookup_ip" (of("table", Type::Table), of("key", Type::String), of("default", Type::Ip)) -> Ip, ALWAYS, Dialects::EXTENDED, "The address that a table holds under a key, or the default.", "table.lookup_ip(levels, \"staging\", \"192.0.2.1\")" => "192.0.2.1";
    TableLookupBackend "table.lookup_backend" (of("table", Type::Table), of("key", Type::String), of("default", Type::Backend)) -> Backend, ALWAYS, Dialects::EXTENDED, "The backend that a table holds under a key, or the default.", "table.lookup_backend(levels, \"staging\", home)" => "home";

    // Numbers
    StdAtoi "std.atoi" (of("s", Type::String)) -> Int, ALWAYS, Dialects::EXTENDED, "The whole number that the text begins with; 0 where there is none.", "std.atoi(\"21px\")" => "21";
    StdAtof "std.atof" (of("s", Type::String)) -> Real, ALWAYS, Dialects::EXTENDED, "The number that the text begins with; 0 where there is none.", "std.atof(\"2.5em\")" => "2.500";
    StdStrtol "std.strtol" (of("s", Type::String), of("base", Type::Int)) -> Int, ALWAYS, Dialects::EXTENDED, "The whole number that the text begins with, in a base from 2 to 36; 0 reads `0x` and `0` before the digits.", "std.strtol(\"ff\", 16)" => "255";
    StdItoa "std.itoa" (of("n", Type::Int), of("base", Type::Int).or("10")) -> String, ALWAYS, Dialects::EXTENDED, "A whole number as text, in a base from 2 to 36.", "std.itoa(255, 16)" => "ff";
    RandomBool "randombool" (of("numerator", Type::Int), of("denominator", Type::Int)) -> Bool, ALWAYS, Dialects::EXTENDED, "True as often as the first number has its share in the second.", "randombool(1, 1)" => "true";
    RandomBoolSeeded "randombool_seeded" (of("numerator", Type::Int), of("denominator", Type::Int), of("seed", Type::Int)) -> Bool, ALWAYS, Dialects::EXTENDED, "True for the share of seeds that the first number has in the second; one seed always gets the same.", "randombool_seeded(1, 1, 7)" => "true";
    RandomInt "randomint" (of("from", Type::Int), of("to", Type::Int)) -> Int, ALWAYS, Dialects::EXTENDED, "A random whole number between two, both included.", "randomint(7, 7)" => "7";
    RandomIntSeeded "randomint_seeded" (of("from", Type::Int), of("to", Type::Int), of("seed", Type::Int)) -> Int, ALWAYS, Dialects::EXTENDED, "A whole number between two, both included; one seed always gets the same.", "randomint_seeded(7, 7, 1)" => "7";
    RandomStr "randomstr" (of("length", Type::Int), of("from", Type::String).or("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")) -> String, ALWAYS, Dialects::EXTENDED, "Random text of a length, out of these letters. It is not secret enough for keys.", "randomstr(3, \"a\")" => "aaa";
    MathFloor "math.floor" (of("x", Type::Real)) -> Real, ALWAYS, Dialects::EXTENDED, "The number without its fraction, downwards.", "math.floor(1.5)" => "1.000";
    MathCeil "math.ceil" (of("x", Type::Real)) -> Real, ALWAYS, Dialects::EXTENDED, "The next whole number upwards.", "math.ceil(1.5)" => "2.000";
    MathRound "math.round" (of("x", Type::Real)) -> Real, ALWAYS, Dialects::EXTENDED, "The nearest whole number; a half goes away from zero.", "math.round(2.5)" => "3.000";
    MathRoundeven "math.roundeven" (of("x", Type::Real)) -> Real, ALWAYS, Dialects::EXTENDED, "The nearest whole number; a half goes to the even one.", "math.roundeven(2.5)" => "2.000";
    MathRoundhalfup "math.roundhalfup" (of("x", Type::Real)) -> Real, ALWAYS, Dialects::EXTENDED, "The nearest whole number; a half goes upwards.", "math.roundhalfup(-2.5)" => "-2.000";
    MathRoundhalfdown "math.roundhalfdown" (of("x", Type::Real)) -> Real, ALWAYS, Dialects::EXTENDED, "The nearest whole number; a half goes downwards.", "math.roundhalfdown(2.5)" => "2.000";
    MathTrunc "math.trunc" (of("x", Type::Real)) -> Real, ALWAYS, Dialects::EXTENDED, "The number without its fraction, towards zero.", "math.trunc(-1.5)" => "-1.000";
    MathSqrt "math.sqrt" (of("x", Type::Real)) -> Real, ALWAYS, Dialects::EXTENDED, "The square root.", "math.sqrt(9.0)" => "3.000";
    MathExp "math.exp" (of("x", Type::Real)) -> Real, ALWAYS, Dialects::EXTENDED, "The power of e.", "math.exp(0.0)" => "1.000";
    MathExp2 "math.exp2" (of("x", Type::Real)) -> Real, ALWAYS, Dialects::EXTENDED, "The power of two.", "math.exp2(3.0)" => "8.000";
    MathLog "math.log" (of("x", Type::Real)) -> Real, ALWAYS, Dialects::EXTENDED, "The natural logarithm.", "math.log(1.0)" => "0.000";
    MathLog2 "math.log2" (of("x", Type::Real)) -> Real, ALWAYS, Dialects::EXTENDED, "The logarithm to the base of two.", "math.log2(8.0)" => "3.000";
    MathLog10 "math.log10" (of("x", Type::Real)) -> Real, ALWAYS, Dialects::EXTENDED, "The logarithm to the base of ten.", "math.log10(100.0)" => "2.000";
    MathIsFinite "math.is_finite" (of("x", Type::Real)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether it is a number that is not endless.", "math.is_finite(1.0)" => "true";
    MathIsInfinite "math.is_infinite" (of("x", Type::Real)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether it is endless.", "math.is_infinite(1.0)" => "false";
    MathIsNan "math.is_nan" (of("x", Type::Real)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether it is no number at all.", "math.is_nan(1.0)" => "false";

    // Text
    StdStrlen "std.strlen" (strands("s")) -> Int, ALWAYS, Dialects::EXTENDED, "How many bytes the text has.", "std.strlen(\"abc\")" => "3";
    StdStrrep "std.strrep" (of("s", Type::String), of("times", Type::Int)) -> String, ALWAYS, Dialects::EXTENDED, "The text several times over.", "std.strrep(\"ab\", 3)" => "ababab";
    StdStrrev "std.strrev" (of("s", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The text from its end to its beginning.", "std.strrev(\"abc\")" => "cba";
    StdStrpad "std.strpad" (of("s", Type::String), of("width", Type::Int), of("pad", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The text filled up to a width: on the left, or on the right where the width is negative.", "std.strpad(\"7\", 3, \"0\")" => "007";
    StdStrcasecmp "std.strcasecmp" (of("a", Type::String), of("b", Type::String)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether two texts are the same but for the case of their letters.", "std.strcasecmp(\"Host\", \"host\")" => "true";
    StdReplace "std.replace" (of("s", Type::String), of("what", Type::String), of("with", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The text with the first place replaced that holds another text.", "std.replace(\"a.b.c\", \".\", \"-\")" => "a-b.c";
    StdReplaceall "std.replaceall" (of("s", Type::String), of("what", Type::String), of("with", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The text with every place replaced that holds another text.", "std.replaceall(\"a.b.c\", \".\", \"-\")" => "a-b-c";
    StdReplacePrefix "std.replace_prefix" (of("s", Type::String), of("what", Type::String), of("with", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The text with its beginning replaced, where it begins so.", "std.replace_prefix(\"/old/a\", \"/old\", \"/new\")" => "/new/a";
    StdReplaceSuffix "std.replace_suffix" (of("s", Type::String), of("what", Type::String), of("with", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The text with its end replaced, where it ends so.", "std.replace_suffix(\"a.htm\", \".htm\", \".html\")" => "a.html";
    StdPrefixof "std.prefixof" (of("s", Type::String), of("prefix", Type::String)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether the text begins with another.", "std.prefixof(\"/svn/trunk\", \"/svn/\")" => "true";
    StdSuffixof "std.suffixof" (of("s", Type::String), of("suffix", Type::String)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether the text ends with another.", "std.suffixof(\"a.css\", \".css\")" => "true";
    StdBasename "std.basename" (of("path", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The last piece of a path.", "std.basename(\"/a/b.c\")" => "b.c";
    StdDirname "std.dirname" (of("path", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "A path without its last piece.", "std.dirname(\"/a/b.c\")" => "/a";
    Substr "substr" (of("s", Type::String), of("offset", Type::Int), of("length", Type::Int).optional()) -> String, ALWAYS, Dialects::EXTENDED, "A piece of the text by bytes; a negative offset counts from its end, a negative length leaves so much out there. Unset where it would begin outside.", "substr(\"abcdef\", 1, 3)" => "bcd";
    Utf8Substr "utf8.substr" (of("s", Type::String), of("offset", Type::Int), of("length", Type::Int).optional()) -> String, ALWAYS, Dialects::EXTENDED, "A piece of the text by characters, counted as `substr` counts bytes. Unset where the text is not UTF-8.", "utf8.substr(\"Grüße\", 2, 1)" => "ü";
    Utf8CodepointCount "utf8.codepoint_count" (of("s", Type::String)) -> Int, ALWAYS, Dialects::EXTENDED, "How many characters the text has; 0 where it is not UTF-8.", "utf8.codepoint_count(\"Grüße\")" => "5";
    Utf8IsValid "utf8.is_valid" (of("s", Type::String)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether the text is UTF-8.", "utf8.is_valid(\"Grüße\")" => "true";
    Urlencode "urlencode" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The text with everything escaped that is not a letter, a digit or one of `-._~`.", "urlencode(\"a b/c\")" => "a%20b%2Fc";
    Urldecode "urldecode" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The text with its `%` escapes read, up to the first that stands for a zero byte.", "urldecode(\"a%20b\")" => "a b";
    CstrEscape "cstr_escape" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The text with quotes, backslashes and what can't be printed escaped, as C writes it.", "cstr_escape({\"say \"hi\"\"})" => "say \\\"hi\\\"";
    JsonEscape "json.escape" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The text as it stands between the quotes of JSON.", "json.escape({\"say \"hi\"\"})" => "say \\\"hi\\\"";
    XmlEscape "xml_escape" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The text with the five characters escaped that mean something in XML.", "xml_escape(\"a < b\")" => "a &lt; b";
    Subfield "subfield" (of("header", Type::String), of("name", Type::String), of("separator", Type::String).or(",")) -> String, ALWAYS, Dialects::EXTENDED, "One part of a header: the value of `name=value`; empty where the name stands alone, unset where it does not stand there.", "subfield(\"max-age=60, private\", \"max-age\")" => "60";
    HttpStatusMatches "http_status_matches" (of("status", Type::Int), of("list", Type::String)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether a status is in a list such as `404,410`, or in none of it where the list begins with `!`.", "http_status_matches(404, \"404,410\")" => "true";

    // Queries
    QuerystringGet "querystring.get" (of("url", Type::String), of("name", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The value of the first argument of this name; empty where it has none, unset where there is no such argument.", "querystring.get(\"/?a=1&b=2\", \"b\")" => "2";
    QuerystringSet "querystring.set" (of("url", Type::String), of("name", Type::String), of("value", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The address with one argument of this name and value, in the place of the first that was there.", "querystring.set(\"/?a=1&b=2\", \"a\", \"3\")" => "/?a=3&b=2";
    QuerystringAdd "querystring.add" (of("url", Type::String), of("name", Type::String), of("value", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The address with one more argument at its end.", "querystring.add(\"/?a=1\", \"b\", \"2\")" => "/?a=1&b=2";
    QuerystringRemove "querystring.remove" (of("url", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The address without its query.", "querystring.remove(\"/a?b=2\")" => "/a";
    QuerystringClean "querystring.clean" (of("url", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The address without the empty arguments of its query.", "querystring.clean(\"/?a=1&&b=2&\")" => "/?a=1&b=2";
    QuerystringSort "querystring.sort" (of("url", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The address with the arguments of its query in order.", "querystring.sort(\"/?b=2&a=1\")" => "/?a=1&b=2";
    QuerystringFilter "querystring.filter" (of("url", Type::String), of("names", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The address without these arguments; `querystring.filtersep()` stands between their names.", "querystring.filter(\"/?a=1&b=2\", \"a\")" => "/?b=2";
    QuerystringFilterExcept "querystring.filter_except" (of("url", Type::String), of("names", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The address with these arguments only; `querystring.filtersep()` stands between their names.", "querystring.filter_except(\"/?a=1&b=2\", \"a\")" => "/?a=1";
    QuerystringFiltersep "querystring.filtersep" () -> String, ALWAYS, Dialects::EXTENDED, "What stands between the names that `querystring.filter` takes.", "querystring.filter(\"/?a=1&b=2&c=3\", \"a\" + querystring.filtersep() + \"b\")" => "/?c=3";
    QuerystringGlobfilter "querystring.globfilter" (of("url", Type::String), of("pattern", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The address without the arguments whose names are of a pattern with `*` and `?`.", "querystring.globfilter(\"/?utm_a=1&b=2\", \"utm_*\")" => "/?b=2";
    QuerystringGlobfilterExcept "querystring.globfilter_except" (of("url", Type::String), of("pattern", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The address with only those arguments whose names are of a pattern with `*` and `?`.", "querystring.globfilter_except(\"/?utm_a=1&b=2\", \"utm_*\")" => "/?utm_a=1";
    QuerystringRegfilter "querystring.regfilter" (of("url", Type::String), pattern("regex")) -> String, ALWAYS, Dialects::EXTENDED, "The address without the arguments whose names match.", "querystring.regfilter(\"/?utm_a=1&b=2\", \"^utm_\")" => "/?b=2";
    QuerystringRegfilterExcept "querystring.regfilter_except" (of("url", Type::String), pattern("regex")) -> String, ALWAYS, Dialects::EXTENDED, "The address with only those arguments whose names match.", "querystring.regfilter_except(\"/?utm_a=1&b=2\", \"^utm_\")" => "/?utm_a=1";
    BoltsortSort "boltsort.sort" (of("url", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The address with the arguments of its query in order.", "boltsort.sort(\"/?b=2&a=1\")" => "/?a=1&b=2";

    // Time
    Strftime "strftime" (of("format", Type::String), of("time", Type::Time)) -> String, ALWAYS, Dialects::EXTENDED, "A point in time, UTC, as the format says.", "strftime(\"%Y\", std.time(\"784111777\"))" => "1994";
    TimeAdd "time.add" (of("time", Type::Time), of("offset", Type::Duration)) -> Time, ALWAYS, Dialects::EXTENDED, "A later point in time.", "time.add(std.time(\"0\"), 1m)" => "Thu, 01 Jan 1970 00:01:00 GMT";
    TimeSub "time.sub" (of("time", Type::Time), of("offset", Type::Duration)) -> Time, ALWAYS, Dialects::EXTENDED, "An earlier point in time.", "time.sub(std.time(\"60\"), 1m)" => "Thu, 01 Jan 1970 00:00:00 GMT";
    TimeIsAfter "time.is_after" (of("a", Type::Time), of("b", Type::Time)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether the first is later than the second.", "time.is_after(std.time(\"2\"), std.time(\"1\"))" => "true";
    TimeHexToTime "time.hex_to_time" (of("divisor", Type::Int), of("hex", Type::String)) -> Time, ALWAYS, Dialects::EXTENDED, "The point in time that a hexadecimal number of seconds means, divided first.", "time.hex_to_time(1, \"2EBC98A1\")" => "Sun, 06 Nov 1994 08:49:37 GMT";
    TimeUnits "time.units" (of("unit", Type::String), of("time", Type::Time)) -> String, ALWAYS, Dialects::EXTENDED, "A point in time since 1970 as a number: in `s`, `ms`, `us` or `ns`.", "time.units(\"ms\", std.time(\"1.5\"))" => "1500";
    TimeRunits "time.runits" (of("unit", Type::String), of("duration", Type::Duration)) -> String, ALWAYS, Dialects::EXTENDED, "A duration as a number: in `s`, `ms`, `us` or `ns`.", "time.runits(\"ms\", 1.5s)" => "1500";
    TimeIntervalElapsedRatio "time.interval_elapsed_ratio" (of("now", Type::Time), of("start", Type::Time), of("end", Type::Time)) -> Real, ALWAYS, Dialects::EXTENDED, "How much of the time between two points has gone by: from 0 to 1.", "time.interval_elapsed_ratio(std.time(\"5\"), std.time(\"0\"), std.time(\"10\"))" => "0.500";
    StdInteger2time "std.integer2time" (of("seconds", Type::Int)) -> Time, ALWAYS, Dialects::EXTENDED, "The point in time of so many seconds since 1970.", "std.integer2time(0)" => "Thu, 01 Jan 1970 00:00:00 GMT";
    ParseTimeDelta "parse_time_delta" (of("s", Type::String)) -> Int, ALWAYS, Dialects::EXTENDED, "The seconds of a text such as `1d`, `2h`, `3m` or `4s`; -1 where it is none.", "parse_time_delta(\"2h\")" => "7200";

    // Digests
    DigestHashSha1 "digest.hash_sha1" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The SHA-1 of the text, in hexadecimal. It proves nothing any more; it is here for names that others chose.", "digest.hash_sha1(\"abc\")" => "a9993e364706816aba3e25717850c26c9cd0d89d";
    DigestHashSha224 "digest.hash_sha224" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The SHA-224 of the text, in hexadecimal.", "digest.hash_sha224(\"abc\")" => "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7";
    DigestHashSha256 "digest.hash_sha256" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The SHA-256 of the text, in hexadecimal.", "digest.hash_sha256(\"abc\")" => "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    DigestHashSha384 "digest.hash_sha384" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The SHA-384 of the text, in hexadecimal.", "digest.hash_sha384(\"abc\")" => "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7";
    DigestHashSha512 "digest.hash_sha512" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The SHA-512 of the text, in hexadecimal.", "digest.hash_sha512(\"abc\")" => "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
    DigestHmacSha1 "digest.hmac_sha1" (of("key", Type::String), strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The HMAC of the text with SHA-1, in hexadecimal after `0x`.", "digest.hmac_sha1(\"key\", \"abc\")" => "0x4fd0b215276ef12f2b3e4c8ecac2811498b656fc";
    DigestHmacSha1Base64 "digest.hmac_sha1_base64" (of("key", Type::String), strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The HMAC of the text with SHA-1, in base64.", "digest.hmac_sha1_base64(\"key\", \"abc\")" => "T9CyFSdu8S8rPkyOysKBFJi2Vvw=";
    DigestHmacSha256 "digest.hmac_sha256" (of("key", Type::String), strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The HMAC of the text with SHA-256, in hexadecimal after `0x`.", "digest.hmac_sha256(\"key\", \"abc\")" => "0x9c196e32dc0175f86f4b1cb89289d6619de6bee699e4c378e68309ed97a1a6ab";
    DigestHmacSha256Base64 "digest.hmac_sha256_base64" (of("key", Type::String), strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The HMAC of the text with SHA-256, in base64.", "digest.hmac_sha256_base64(\"key\", \"abc\")" => "nBluMtwBdfhvSxy4konWYZ3mvuaZ5MN45oMJ7Zehpqs=";
    DigestHmacSha512 "digest.hmac_sha512" (of("key", Type::String), strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The HMAC of the text with SHA-512, in hexadecimal after `0x`.", "digest.hmac_sha512(\"key\", \"abc\")" => "0x3926a207c8c42b0c41792cbd3e1a1aaaf5f7a25704f62dfc939c4987dd7ce060009c5bb1c2447355b3216f10b537e9afa7b64a4e5391b0d631172d07939e087a";
    DigestHmacSha512Base64 "digest.hmac_sha512_base64" (of("key", Type::String), strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The HMAC of the text with SHA-512, in base64.", "digest.hmac_sha512_base64(\"key\", \"abc\")" => "OSaiB8jEKwxBeSy9PhoaqvX3olcE9i38k5xJh9184GAAnFuxwkRzVbMhbxC1N+mvp7ZKTlORsNYxFy0Hk54Ieg==";
    DigestHmacSha256WithBase64Key "digest.hmac_sha256_with_base64_key" (of("key", Type::String), strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The HMAC of the text with SHA-256 under a key that is written in base64, itself in base64.", "digest.hmac_sha256_with_base64_key(\"a2V5\", \"abc\")" => "nBluMtwBdfhvSxy4konWYZ3mvuaZ5MN45oMJ7Zehpqs=";
    DigestAwsv4Hmac "digest.awsv4_hmac" (of("key", Type::String), of("date", Type::String), of("region", Type::String), of("service", Type::String), strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The signature of a text as version 4 of Amazon's signatures makes it, in hexadecimal after `0x`.", "digest.awsv4_hmac(\"key\", \"20150830\", \"us-east-1\", \"s3\", \"abc\")" => "0x6ccd136e2a913533e7bf1f24397917093b35c4a4ae878d19833665765a0121ff";
    DigestSecureIsEqual "digest.secure_is_equal" (of("a", Type::String), of("b", Type::String)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether two texts are the same, in a time that tells nothing about where they differ.", "digest.secure_is_equal(\"abc\", \"abc\")" => "true";
    DigestBase64 "digest.base64" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The text in base64.", "digest.base64(\"ab>\")" => "YWI+";
    DigestBase64Decode "digest.base64_decode" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "What a text in base64 says, up to the first byte that is zero or does not belong there.", "digest.base64_decode(\"YWJj\")" => "abc";
    DigestBase64url "digest.base64url" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The text in base64 with the letters that addresses take.", "digest.base64url(\"ab>?\")" => "YWI-Pw==";
    DigestBase64urlDecode "digest.base64url_decode" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "What a text in base64 with the letters of addresses says.", "digest.base64url_decode(\"YWI-Pw==\")" => "ab>?";
    DigestBase64urlNopad "digest.base64url_nopad" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "The text in base64 with the letters that addresses take and without `=` at its end.", "digest.base64url_nopad(\"ab>?\")" => "YWI-Pw";
    DigestBase64urlNopadDecode "digest.base64url_nopad_decode" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "What a text in base64 with the letters of addresses and without `=` says.", "digest.base64url_nopad_decode(\"YWI-Pw\")" => "ab>?";
    BinBase64ToHex "bin.base64_to_hex" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "Bytes that are written in base64, in hexadecimal; empty where they are not.", "bin.base64_to_hex(\"YWJj\")" => "616263";
    BinHexToBase64 "bin.hex_to_base64" (strands("s")) -> String, ALWAYS, Dialects::EXTENDED, "Bytes that are written in hexadecimal, in base64; empty where they are not.", "bin.hex_to_base64(\"616263\")" => "YWJj";
    UuidVersion4 "uuid.version4" () -> String, ALWAYS, Dialects::EXTENDED, "A random name as UUIDs are written. It is not secret enough for keys.", "uuid.is_version4(uuid.version4())" => "true";
    UuidIsValid "uuid.is_valid" (of("s", Type::String)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether the text is written as a UUID.", "uuid.is_valid(\"c3c3c3c3-1111-4222-8333-0123456789ab\")" => "true";
    UuidIsVersion4 "uuid.is_version4" (of("s", Type::String)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether the text is written as a random UUID.", "uuid.is_version4(\"c3c3c3c3-1111-1222-8333-0123456789ab\")" => "false";

    // Headers and addresses
    HeaderGet "header.get" (of("where", Type::Http), of("name", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The header of this name, which may be made by rules; unset where there is none.", "header.get(req, \"Host\")" => "www.scipy.example";
    HeaderSet "header.set" (of("where", Type::Http), of("name", Type::String), strands("value")) -> Void, ALWAYS, Dialects::EXTENDED, "Sets the header of this name, which may be made by rules.", "header.set(req, \"X-Seen\", \"yes\");" => "the header is set";
    HeaderUnset "header.unset" (of("where", Type::Http), of("name", Type::String)) -> Void, ALWAYS, Dialects::EXTENDED, "Takes the header of this name away.", "header.unset(req, \"X-Seen\");" => "the header is gone";
    SetcookieGet "setcookie.get_value_by_name" (of("where", Type::Http), of("name", Type::String)) -> String, ALWAYS, Dialects::EXTENDED, "The value that the answer's last `Set-Cookie` of this name sets; unset where there is none.", "setcookie.get_value_by_name(beresp, \"session\")" => "abc";
    SetcookieDelete "setcookie.delete_by_name" (of("where", Type::Http), of("name", Type::String)) -> Bool, ALWAYS, Dialects::EXTENDED, "Takes every `Set-Cookie` of this name away, and says whether there was one.", "setcookie.delete_by_name(beresp, \"session\")" => "true";
    StdCount "std.count" (of("hdr", Type::Header)) -> Int, ALWAYS, Dialects::EXTENDED, "How many headers of this name there are.", "std.count(req.http.Accept)" => "1";
    StdStr2ip "std.str2ip" (of("s", Type::String), of("fallback", Type::String)) -> Ip, ALWAYS, Dialects::EXTENDED, "An address from text, or the other text.", "std.str2ip(\"nowhere\", \"192.0.2.1\")" => "192.0.2.1";
    AddrIsIpv4 "addr.is_ipv4" (of("ip", Type::Ip)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether an address is one of IPv4.", "addr.is_ipv4(\"192.0.2.1\")" => "true";
    AddrIsIpv6 "addr.is_ipv6" (of("ip", Type::Ip)) -> Bool, ALWAYS, Dialects::EXTENDED, "Whether an address is one of IPv6.", "addr.is_ipv6(\"192.0.2.1\")" => "false";
}

/// Functions that others know and we do not honour, with the reason. One that ends in `*` stands for all that
/// begin so.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("std.file_exists", "rules touch no file while they run; take the switch into a constant and reload"),
    ("std.set_ip_tos", "the gateway does not mark packets"),
    ("digest.hash_md5", "MD5 is broken and no library here has it; use `digest.hash_sha256`"),
    ("digest.hmac_md5*", "MD5 is broken and no library here has it; use `digest.hmac_sha256`"),
    ("digest.time_hmac_*", "passwords of one time are not checked by rules"),
    ("digest.hash_crc32*", "a checksum is no digest; use `digest.hash_sha256`"),
    ("digest.hash_xxh*", "a checksum is no digest; use `digest.hash_sha256`"),
    ("digest.hash_sha1_from_base64", "decode it first, with `digest.base64_decode`"),
    ("digest.hash_sha256_from_base64", "decode it first, with `digest.base64_decode`"),
    ("digest.hash_sha512_from_base64", "decode it first, with `digest.base64_decode`"),
    ("digest.rsa_verify", "signatures of public keys are not checked by rules"),
    ("digest.ecdsa_verify", "signatures of public keys are not checked by rules"),
    ("crypto.*", "rules hold no keys to encrypt with"),
    ("ratelimit.*", "how much a visitor may ask for is a declaration, `limit`, which is not known yet"),
    ("table.lookup_acl", "an acl is chosen by name"),
    ("table.lookup_regex", "a regular expression is a constant"),
    ("std.ip2str", "an address is text wherever text is expected"),
    ("std.anystr2ip", "an address in hexadecimal or octal could be read in two ways; use `std.ip`"),
    ("std.itoa_charset", "numbers are written with the usual digits; use `std.itoa`"),
    ("std.strtof", "use `std.atof`"),
    ("addr.extract_bits", "no rule takes an address apart"),
    ("fastly.hash", "its values are Fastly's own; use `randomint_seeded` or `digest.hash_sha256`"),
    ("fastly.*", "there is one gateway and no network of them"),
    ("accept.*", "the gateway does not choose among variants; match the header"),
    ("header.filter*", "take headers away by name with `unset`"),
    ("url.normalize", "the gateway canonicalises every path by itself"),
    ("utf8.strpad", "use `std.strpad`"),
    ("uuid.*", "of UUIDs only the random ones are made: `uuid.version4()`"),
    ("math.*", "rules have no trigonometry"),
    ("early_hints", "early hints are passed on from the backend, not made by rules"),
    ("h2.push", "browsers no longer take what they did not ask for"),
    ("h2.disable_header_compression", "headers are always compressed over HTTP/2"),
    ("h3.alt_svc", "the gateway does not speak HTTP/3"),
    ("resp.tarpit", "slow answers cost the gateway as much as the visitor"),
    ("vsthrottle.*", "how much a visitor may ask for is a declaration, `limit`, which is not known yet"),
    ("cookie.*", "without `vcl 4.1;` at the top, `req.cookie.name` is the cookie of that name"),
    ("header.append", "`add` appends a header"),
    ("blob.*", "use the functions of `digest` and `bin`"),
];

static NAMES: LazyLock<HashMap<&'static str, Function>> =
    LazyLock::new(|| Function::ALL.iter().map(|function| (function.name(), *function)).collect());

impl Function {
    /// By name. `std.tolower` is found without an import: whether one is needed is the checker's business.
    pub fn by_name(name: &str, dialect: Dialect) -> Option<Function> {
        NAMES.get(name).copied().filter(|function| function.dialects().has(dialect))
    }

    /// One that is asked of a value itself: `req.http.Host.lower()`, by what stands behind the last dot.
    pub fn of_value(word: &str, of: Type, dialect: Dialect) -> Option<Function> {
        let (function, takes) = match word {
            "lower" => (Function::Lower, Type::String),
            "upper" => (Function::Upper, Type::String),
            "resolve" => (Function::Resolve, Type::Backend),
            _ => return None,
        };
        (of == takes && function.dialects().has(dialect)).then_some(function)
    }

    /// Whether its result is settled when rules are loaded: the arguments are constants, and no rule calls it while
    /// a request waits.
    pub const fn at_load(self) -> bool {
        matches!(
            self,
            Function::StdFileread | Function::StdBlobread | Function::StdGetenv | Function::StdSyntax
        )
    }

    /// Why a name that others know is not known here.
    pub fn unsupported(name: &str) -> Option<&'static str> {
        UNSUPPORTED
            .iter()
            .find(|(known, _)| match known.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == *known,
            })
            .map(|(_, reason)| *reason)
    }

    /// The modules whose functions stand in the table: what `import` may name.
    pub const MODULES: &'static [&'static str] = &["std", "directors"];
}

#[cfg(test)]
mod tests;
