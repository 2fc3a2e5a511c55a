//! The same bytes in other pieces come to the same.

use std::fmt::Debug;

/// Damages `good` by `parts` 20,000 times and reads each outcome whole, byte by byte, and cut in two. The seed is
/// fixed: a failure comes again.
pub fn never_decide<O: PartialEq + Debug>(
    seed: u64,
    good: &[u8],
    parts: &[&[u8]],
    outcome: impl Fn(&mut dyn Iterator<Item = &[u8]>) -> O,
    is_accepted: impl Fn(&O) -> bool,
) {
    let mut state = seed;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut input = good.to_vec();
        for _ in 0..random(4) {
            let at = random(input.len());
            let part = parts[random(parts.len())];
            match random(3) {
                0 => drop(input.splice(at..at, part.iter().copied())),
                1 => drop(input.splice(at..(at + part.len()).min(input.len()), part.iter().copied())),
                _ => drop(input.drain(at..(at + random(6)).min(input.len()))),
            }
        }
        let whole = outcome(&mut std::iter::once(input.as_slice()));
        assert_eq!(whole, outcome(&mut input.chunks(1)), "{:?}", String::from_utf8_lossy(&input));
        let (front, back) = input.split_at(random(input.len() + 1));
        let two = outcome(&mut [front, back].into_iter());
        assert_eq!(
            whole,
            two,
            "{:?} and {:?}",
            String::from_utf8_lossy(front),
            String::from_utf8_lossy(back)
        );
        if is_accepted(&whole) { accepted += 1 } else { refused += 1 }
    }
    assert!(accepted > 5_000 && refused > 5_000, "{accepted} accepted, {refused} refused: no fair mix");
}
