//! The queries of addresses, as text: nothing is decoded.

/// What stands between the names that `querystring.filter` takes: a byte that no address holds.
pub(super) const SEPARATOR: u8 = 0xff;

fn parts(url: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b'?', url)?;
    Some((url.get(..at)?, url.get(at + 1..)?))
}

pub(super) fn path(url: &[u8]) -> &[u8] {
    parts(url).map_or(url, |(path, _)| path)
}

fn arguments(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    query.split(|byte| *byte == b'&')
}

fn name(argument: &[u8]) -> &[u8] {
    argument.split(|byte| *byte == b'=').next().unwrap_or_default()
}

fn joined<'a>(path: &[u8], arguments: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = path.to_vec();
    for (at, argument) in arguments.into_iter().enumerate() {
        out.push(if at == 0 { b'?' } else { b'&' });
        out.extend_from_slice(argument);
    }
    out
}

/// The arguments in order, without the empty ones. Varnish compares two only as far as both go, and merges halves
/// from left to right: what it calls equal keeps its order, and that is kept here, so that both make one address
/// of the same query.
pub(super) fn sort(url: &[u8]) -> Vec<u8> {
    let Some((path, query)) = parts(url) else { return url.to_vec() };
    let mut found: Vec<&[u8]> = arguments(query).filter(|argument| !argument.is_empty()).collect();
    merge_sort(&mut found);
    let mut out = path.to_vec();
    out.push(b'?');
    out.extend_from_slice(&found.join(b"&".as_slice()));
    out
}

fn stands_before(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).find(|(one, other)| one != other);
    differing.is_none_or(|(one, other)| one < other)
}

/// The comparison is no order, so the sort of the standard library may not be asked.
fn merge_sort<'a>(items: &mut Vec<&'a [u8]>) {
    if items.len() < 2 {
        return;
    }
    let mut right = items.split_off(items.len() / 2);
    merge_sort(items);
    merge_sort(&mut right);
    let mut left = std::mem::take(items).into_iter().peekable();
    let mut right = right.into_iter().peekable();
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        let next = if stands_before(one, other) { left.next() } else { right.next() };
        items.extend(next);
    }
    items.extend(left);
    items.extend(right);
}

/// The value of the first argument of a name: empty where it has none.
pub(super) fn get<'u>(url: &'u [u8], wanted: &[u8]) -> Option<&'u [u8]> {
    let (_, query) = parts(url)?;
    let found = arguments(query).find(|argument| !argument.is_empty() && name(argument) == wanted)?;
    Some(found.get(wanted.len() + 1..).unwrap_or_default())
}

fn argument(name: &[u8], value: &[u8]) -> Vec<u8> {
    [name, b"=", value].concat()
}

pub(super) fn add(url: &[u8], name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = url.to_vec();
    match parts(url) {
        None => out.push(b'?'),
        Some((_, query)) if !query.is_empty() && !query.ends_with(b"&") => out.push(b'&'),
        Some(_) => {}
    }
    out.extend_from_slice(&argument(name, value));
    out
}

pub(super) fn set(url: &[u8], wanted: &[u8], value: &[u8]) -> Vec<u8> {
    let Some((path, query)) = parts(url) else { return add(url, wanted, value) };
    let new = argument(wanted, value);
    let (mut kept, mut placed) = (Vec::new(), false);
    for argument in arguments(query) {
        if argument.is_empty() || name(argument) != wanted {
            kept.push(argument);
        } else if !placed {
            kept.push(&new);
            placed = true;
        }
    }
    if placed { joined(path, kept) } else { add(url, wanted, value) }
}

/// The address with the arguments that are wanted.
pub(super) fn keep(url: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    match parts(url) {
        None => url.to_vec(),
        Some((path, query)) => joined(path, arguments(query).filter(|argument| wanted(argument))),
    }
}

/// By name, where there is one.
pub(super) fn keep_named(url: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    keep(url, |argument| wanted(name(argument)))
}

pub(super) fn is_listed(name: &[u8], list: &[u8]) -> bool {
    list.split(|byte| *byte == SEPARATOR).any(|one| one == name)
}
