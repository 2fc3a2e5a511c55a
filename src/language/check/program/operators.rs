//! Which types an operator joins, and what comes out.

use crate::language::ast::{Assign, Comparison, Factor, Sign};
use crate::language::program::{Arithmetic, Order};
use crate::language::vocabulary::Type;

/// `a + b`, `a - b`: the type of the sum.
pub(super) const fn sum(sign: Sign, left: Type, right: Type) -> Option<Type> {
    use Type::{Bytes, Duration, Int, Real, Time};
    Some(match (sign, left, right) {
        (_, Bytes, Bytes) => Bytes,
        (_, Duration, Duration) | (Sign::Minus, Time, Time) => Duration,
        (_, Int, Int) => Int,
        (_, Int | Real, Real) | (_, Real, Int) => Real,
        (_, Time, Duration) => Time,
        _ => return None,
    })
}

/// `a * b`, `a / b`, `a % b`: what the right side is asked to be.
pub(super) const fn factor_wanted(left: Type) -> Option<Type> {
    match left {
        Type::Int => Some(Type::Int),
        Type::Real | Type::Duration | Type::Bytes => Some(Type::Real),
        _ => None,
    }
}

/// The type of a product. Ours takes `2 * 1.5` and `2 * 10s` too.
pub(super) const fn product(factor: Factor, left: Type, right: Type, lenient: bool) -> Option<Type> {
    use Type::{Bytes, Duration, Int, Real};
    Some(match (factor, left, right) {
        (_, Int, Int) => Int,
        (Factor::Modulo, ..) => return None,
        (_, Real, Int | Real) => Real,
        (_, Duration, Int | Real) => Duration,
        (_, Bytes, Int | Real) => Bytes,
        (Factor::Times, Int | Real, Duration) if lenient => Duration,
        (_, Int, Real) | (Factor::Over, Duration, Duration) if lenient => Real,
        _ => return None,
    })
}

pub(super) const fn order(how: Comparison) -> Option<Order> {
    Some(match how {
        Comparison::Equal => Order::Equal,
        Comparison::NotEqual => Order::NotEqual,
        Comparison::Less => Order::Less,
        Comparison::LessOrEqual => Order::LessOrEqual,
        Comparison::Greater => Order::Greater,
        Comparison::GreaterOrEqual => Order::GreaterOrEqual,
        Comparison::Matches | Comparison::MatchesNot => return None,
    })
}

/// Whether a type knows this order among its values.
pub(super) const fn is_ordered(of: Type, how: Order) -> bool {
    match of {
        Type::Int | Type::Duration | Type::Bytes | Type::Real | Type::Time | Type::String => true,
        Type::Bool | Type::Ip | Type::Backend | Type::Acl | Type::Probe | Type::Stevedore | Type::Sub => {
            matches!(how, Order::Equal | Order::NotEqual)
        }
        _ => false,
    }
}

pub(super) const fn sign_of(how: Comparison) -> &'static str {
    match how {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
        Comparison::Matches => "~",
        Comparison::MatchesNot => "!~",
    }
}

/// What `set x += …` does.
pub(super) enum Change {
    /// The new value stands alone.
    Replace,
    /// Text behind text.
    Append,
    Calculate(Arithmetic),
    And,
    Or,
}

/// What `set` with an operator does to a type, and which type it takes. `beyond` are the dialects that take more
/// than Varnish.
pub(super) const fn change(of: Type, how: Assign, beyond: bool) -> Option<(Change, Type)> {
    use Arithmetic::{
        Add, BitAnd, BitOr, BitXor, Divide, Multiply, Remainder, RotateLeft, RotateRight, ShiftLeft,
        ShiftRight, Subtract,
    };
    let wants = match (of, how) {
        (Type::Body | Type::Header, _) => Type::String,
        (Type::Time, Assign::Add | Assign::Subtract) => Type::Duration,
        (Type::Time | Type::Duration, Assign::Multiply | Assign::Divide) => Type::Real,
        (of, _) => of,
    };
    let amount = matches!(of, Type::Int | Type::Time | Type::Duration);
    let amount = amount || beyond && matches!(of, Type::Real | Type::Bytes);
    let whole = beyond && matches!(of, Type::Int);
    let change = match how {
        Assign::Is => Change::Replace,
        Assign::Add if matches!(of, Type::String | Type::Header | Type::Body) => Change::Append,
        Assign::Add if amount => Change::Calculate(Add),
        Assign::Subtract if amount => Change::Calculate(Subtract),
        Assign::Multiply if amount => Change::Calculate(Multiply),
        Assign::Divide if amount => Change::Calculate(Divide),
        Assign::Remainder if whole => Change::Calculate(Remainder),
        Assign::BitOr if whole => Change::Calculate(BitOr),
        Assign::BitAnd if whole => Change::Calculate(BitAnd),
        Assign::BitXor if whole => Change::Calculate(BitXor),
        Assign::ShiftLeft if whole => Change::Calculate(ShiftLeft),
        Assign::ShiftRight if whole => Change::Calculate(ShiftRight),
        Assign::RotateLeft if whole => Change::Calculate(RotateLeft),
        Assign::RotateRight if whole => Change::Calculate(RotateRight),
        Assign::And if beyond && matches!(of, Type::Bool) => Change::And,
        Assign::Or if beyond && matches!(of, Type::Bool) => Change::Or,
        _ => return None,
    };
    Some((change, wants))
}

pub(super) const fn word(how: Assign) -> &'static str {
    match how {
        Assign::Is => "=",
        Assign::Add => "+=",
        Assign::Subtract => "-=",
        Assign::Multiply => "*=",
        Assign::Divide => "/=",
        Assign::Remainder => "%=",
        Assign::BitOr => "|=",
        Assign::BitAnd => "&=",
        Assign::BitXor => "^=",
        Assign::ShiftLeft => "<<=",
        Assign::ShiftRight => ">>=",
        Assign::RotateLeft => "rol=",
        Assign::RotateRight => "ror=",
        Assign::And => "&&=",
        Assign::Or => "||=",
    }
}

pub(super) const fn arithmetic(factor: Factor) -> Arithmetic {
    match factor {
        Factor::Times => Arithmetic::Multiply,
        Factor::Over => Arithmetic::Divide,
        Factor::Modulo => Arithmetic::Remainder,
    }
}

pub(super) const fn addition(sign: Sign) -> Arithmetic {
    match sign {
        Sign::Plus => Arithmetic::Add,
        Sign::Minus => Arithmetic::Subtract,
    }
}

pub(super) const fn factor_sign(factor: Factor) -> &'static str {
    match factor {
        Factor::Times => "*",
        Factor::Over => "/",
        Factor::Modulo => "%",
    }
}

/// What a local variable can hold.
pub(super) const fn is_storable(of: Type) -> bool {
    is_printable(of) && !matches!(of, Type::Blob | Type::Header | Type::Stevedore)
}

/// What has a form as text. An acl, a probe and a sub stand for their names; those are settled where they are named.
pub(super) const fn is_printable(of: Type) -> bool {
    matches!(
        of,
        Type::String
            | Type::Bool
            | Type::Int
            | Type::Real
            | Type::Duration
            | Type::Time
            | Type::Bytes
            | Type::Ip
            | Type::Backend
            | Type::Blob
            | Type::Header
            | Type::Stevedore
    )
}
