//! One of several, by weight. Pure: health, load and chance are handed in.

/// Who can be chosen: each has a weight, and 0 is not chosen.
pub struct Field<'a> {
    pub count: usize,
    pub weight: &'a dyn Fn(usize) -> f64,
}

impl Field<'_> {
    pub fn first(&self) -> Option<usize> {
        (0..self.count).find(|at| (self.weight)(*at) > 0.0)
    }

    /// Each has its share of the line from 0 to 1.
    pub fn by_chance(&self, chance: f64) -> Option<usize> {
        self.but(None, chance)
    }

    fn but(&self, other: Option<usize>, chance: f64) -> Option<usize> {
        let weight = |at: usize| if Some(at) == other { 0.0 } else { (self.weight)(at) };
        let mut left = chance * (0..self.count).map(weight).sum::<f64>();
        let mut last = None;
        for at in 0..self.count {
            let weight = weight(at);
            if weight > 0.0 {
                last = Some(at);
                if left < weight {
                    break;
                }
                left -= weight;
            }
        }
        last
    }

    /// Of two by chance the one that works on less for its weight; the first where both work on as much, so that
    /// idle members still share by weight. Asking all would send every worker to the same one.
    pub fn least(&self, load: impl Fn(usize) -> u64, one: f64, other: f64) -> Option<usize> {
        let first = self.by_chance(one)?;
        let Some(second) = self.but(Some(first), other) else { return Some(first) };
        #[allow(clippy::cast_precision_loss)] // nobody works on 2^53 requests
        let busy = |at: usize| load(at) as f64 / (self.weight)(at).max(f64::MIN_POSITIVE);
        Some(if busy(second) < busy(first) { second } else { first })
    }

    /// Smooth turns: of weights 5, 1, 1 the first does not take five in a row. Everyone gains its weight, who has
    /// most is chosen and pays the sum. `turns` is what each has gained.
    pub fn in_turn(&self, turns: &mut Vec<f64>) -> Option<usize> {
        turns.resize(self.count, 0.0);
        let (mut sum, mut best) = (0.0, None);
        for (at, turn) in turns.iter_mut().enumerate() {
            let weight = (self.weight)(at);
            if weight <= 0.0 {
                // Who could not be asked is owed nothing when it comes back.
                *turn = 0.0;
                continue;
            }
            *turn += weight;
            sum += weight;
            if best.is_none_or(|(_, most)| *turn > most) {
                best = Some((at, *turn));
            }
        }
        let (at, _) = best?;
        if let Some(turn) = turns.get_mut(at) {
            *turn -= sum;
        }
        Some(at)
    }
}

#[cfg(test)]
// `Field::first` is a method of one lifetime, and these are tried with any.
#[allow(clippy::redundant_closure_for_method_calls)]
mod tests {
    use super::*;

    /// How often each of some weights is chosen.
    fn counts(weights: &[f64], times: u32, mut choose: impl FnMut(&Field<'_>) -> Option<usize>) -> Vec<u32> {
        let mut counts = vec![0; weights.len()];
        let weight = |at: usize| weights[at];
        let field = Field { count: weights.len(), weight: &weight };
        for _ in 0..times {
            if let Some(at) = choose(&field) {
                counts[at] += 1;
            }
        }
        counts
    }

    /// The same numbers for the same seed (splitmix64).
    #[allow(clippy::cast_precision_loss)] // 53 bits fit
    fn chance(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    #[test]
    fn turns_are_smooth_and_exact() {
        let mut turns = Vec::new();
        let weight = |at: usize| [5.0, 1.0, 1.0][at];
        let field = Field { count: 3, weight: &weight };
        let course: Vec<usize> = (0..7).map(|_| field.in_turn(&mut turns).unwrap()).collect();
        assert_eq!(course, [0, 0, 1, 0, 2, 0, 0]);
        let mut turns = Vec::new();
        assert_eq!(counts(&[3.0, 0.0, 2.0, 1.0], 600, |f| f.in_turn(&mut turns)), [300, 0, 200, 100]);
    }

    #[test]
    fn who_was_away_is_owed_no_turns() {
        let mut turns = Vec::new();
        counts(&[1.0, 0.0], 1_000, |field| field.in_turn(&mut turns));
        assert_eq!(counts(&[1.0, 1.0], 100, |field| field.in_turn(&mut turns)), [50, 50]);
    }

    #[test]
    fn chance_follows_the_weights_whatever_the_seed() {
        for seed in 0..20 {
            let mut seed = seed;
            let counts = counts(&[1.0, 0.0, 2.0, 7.0], 10_000, |field| field.by_chance(chance(&mut seed)));
            assert_eq!(counts[1], 0);
            for (count, expected) in [(counts[0], 1_000), (counts[2], 2_000), (counts[3], 7_000)] {
                assert!(count.abs_diff(expected) < 200, "{counts:?}");
            }
        }
        // The ends of the line.
        assert_eq!(counts(&[1.0, 1.0, 0.0], 1, |field| field.by_chance(0.0)), [1, 0, 0]);
        assert_eq!(counts(&[1.0, 1.0, 0.0], 1, |field| field.by_chance(1.0)), [0, 1, 0]);
    }

    #[test]
    fn idle_members_share_by_weight_and_busy_ones_get_less() {
        for seed in 0..20 {
            let mut seed = seed;
            let idle = counts(&[1.0, 3.0], 10_000, |f| f.least(|_| 0, chance(&mut seed), chance(&mut seed)));
            assert!(idle[0].abs_diff(2_500) < 250, "{idle:?}");
            // Nobody finishes: what each works on follows the weights.
            let mut loads = [0_u64; 3];
            for _ in 0..6_000 {
                let weight = |at: usize| [1.0, 2.0, 3.0][at];
                let field = Field { count: 3, weight: &weight };
                let at = field.least(|at| loads[at], chance(&mut seed), chance(&mut seed)).unwrap();
                loads[at] += 1;
            }
            for (load, expected) in loads.iter().zip([1_000, 2_000, 3_000]) {
                assert!(load.abs_diff(expected) < 100, "{loads:?}");
            }
        }
        // One that hangs is left alone while there is another.
        let mut seed = 1;
        let two = counts(&[1.0, 1.0], 100, |field| {
            field.least(|at| [50, 0][at], chance(&mut seed), chance(&mut seed))
        });
        assert_eq!(two, [0, 100]);
    }

    #[test]
    fn nobody_is_chosen_where_nobody_can_be() {
        for weights in [&[][..], &[0.0, 0.0]] {
            let nobody = vec![0; weights.len()];
            assert_eq!(counts(weights, 1, |field| field.first()), nobody);
            assert_eq!(counts(weights, 1, |field| field.by_chance(0.5)), nobody);
            assert_eq!(counts(weights, 1, |field| field.least(|_| 0, 0.5, 0.5)), nobody);
            assert_eq!(counts(weights, 1, |field| field.in_turn(&mut Vec::new())), nobody);
        }
        assert_eq!(counts(&[0.0, 1.0], 1, |field| field.least(|_| 9, 0.5, 0.5)), [0, 1]);
        assert_eq!(counts(&[0.0, 1.0, 1.0], 1, |field| field.first()), [0, 1, 0]);
    }
}
