//! What a sample says about the whole, and how sure that is.
//!
//! The intervals are exact, from the hypergeometric distribution (Clopper and Pearson's, for samples
//! without replacement): no approximation that fails for small groups, and the smaller the part not
//! seen, the narrower. At least 95 of 100 hold the truth.

/// Between two numbers of entries, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Interval {
    /// At least so many.
    pub low: u64,
    /// At most so many.
    pub high: u64,
}

/// A sample taken out of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draw {
    /// Entries looked at.
    pub(crate) seen: u64,
    /// Entries there are; never fewer than were seen.
    pub(crate) of: u64,
}

/// One in twenty intervals may miss the truth.
const MISSES: f64 = 0.05;

impl Draw {
    /// About how many there are of something that `hits` of those seen were.
    pub(crate) fn scale(self, hits: u64) -> u64 {
        if self.seen == 0 {
            return 0;
        }
        let scaled = u128::from(hits) * u128::from(self.of) + u128::from(self.seen) / 2;
        u64::try_from(scaled / u128::from(self.seen)).unwrap_or(u64::MAX)
    }

    /// Between how many there are of them, if `looks` intervals are to hold all at once.
    ///
    /// Whoever shows the largest of many groups shows those that chance favoured, so one interval
    /// by itself would promise too much. Each gets a part of the misses (Bonferroni).
    pub(crate) fn interval(self, hits: u64, looks: u64) -> Interval {
        let misses = MISSES / looks.max(1) as f64 / 2.0;
        let (least, most) = (hits, self.of - (self.seen - hits));
        // The least number under which so many hits are not too unlikely, and the most.
        let low = first(least, most, |there| self.chance_of_more(hits, there) > misses);
        let high = first(low, most, |there| self.chance_of_fewer(hits, there) <= misses);
        let too_many = self.chance_of_fewer(hits, high) <= misses && high > low;
        Interval { low, high: if too_many { high - 1 } else { high } }
    }

    /// The chance of `hits` or more if there are `there`.
    fn chance_of_more(self, hits: u64, there: u64) -> f64 {
        if self.mean(there) >= hits as f64 {
            return 1.0; // half at least, which is all that is asked
        }
        self.sum(hits, there, |hits| (hits < there.min(self.seen)).then(|| hits + 1))
    }

    /// The chance of `hits` or fewer if there are `there`.
    fn chance_of_fewer(self, hits: u64, there: u64) -> f64 {
        if self.mean(there) <= hits as f64 {
            return 1.0;
        }
        self.sum(hits, there, |hits| hits.checked_sub(1))
    }

    fn mean(self, there: u64) -> f64 {
        self.seen as f64 * (there as f64 / self.of as f64)
    }

    /// Adds the chances from `hits` on, away from the mean, until they do not matter any more.
    fn sum(self, hits: u64, there: u64, next: impl Fn(u64) -> Option<u64>) -> f64 {
        let (mut hits, mut sum) = (hits, 0.0);
        loop {
            let chance = self.chance(hits, there);
            sum += chance;
            match next(hits) {
                Some(next) if chance > sum * 1e-9 => hits = next,
                _ => return sum,
            }
        }
    }

    /// The chance of exactly `hits` if there are `there`: hypergeometric.
    fn chance(self, hits: u64, there: u64) -> f64 {
        let Self { seen, of } = self;
        let (misses, others) = (seen - hits, of - there);
        if hits > there || misses > others {
            return 0.0;
        }
        (ln_choose(there, hits) + ln_choose(others, misses) - ln_choose(of, seen)).exp()
    }
}

/// The first number from `low` on that `is` true of, which is true of all behind it; `high` if it
/// is of none.
fn first(mut low: u64, mut high: u64, is: impl Fn(u64) -> bool) -> u64 {
    while low < high {
        let middle = low + (high - low) / 2;
        if is(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

fn ln_choose(of: u64, some: u64) -> f64 {
    ln_factorial(of) - ln_factorial(some) - ln_factorial(of - some)
}

/// By Stirling's series, which is exact to the last digits from 16 on.
fn ln_factorial(number: u64) -> f64 {
    if number < 16 {
        return (2..=number).map(|factor| (factor as f64).ln()).sum();
    }
    let x = number as f64 + 1.0;
    let correction = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + correction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_add_up_to_one() {
        for (seen, of, there) in [(10, 100, 30), (50, 60, 20), (1, 5, 5), (1000, 250_000, 5000)] {
            let draw = Draw { seen, of };
            let sum: f64 = (0..=seen).map(|hits| draw.chance(hits, there)).sum();
            assert!((sum - 1.0).abs() < 1e-6, "{seen} {of} {there}: {sum}");
        }
        // Three aces among five cards of 52.
        let aces = Draw { seen: 5, of: 52 }.chance(3, 4);
        assert!((aces - 4512.0 / 2_598_960.0).abs() < 1e-9);
    }

    #[test]
    fn an_interval_holds_what_is_not_too_unlikely() {
        for (seen, of) in [(40, 200), (10, 11), (199, 200), (500, 100_000)] {
            let draw = Draw { seen, of };
            for hits in [0, 1, seen / 3, seen - 1, seen] {
                let Interval { low, high } = draw.interval(hits, 1);
                assert!(low <= draw.scale(hits) && draw.scale(hits) <= high, "{seen}/{of} {hits}");
                let unlikely = |there| {
                    draw.chance_of_more(hits, there) <= MISSES / 2.0
                        || draw.chance_of_fewer(hits, there) <= MISSES / 2.0
                };
                assert!(!unlikely(low) && !unlikely(high));
                assert!(low == hits || unlikely(low - 1));
                assert!(high == of - (seen - hits) || unlikely(high + 1));
                // More looks, wider intervals.
                let wide = draw.interval(hits, 5000);
                assert!(wide.low <= low && wide.high >= high);
            }
        }
    }

    #[test]
    fn all_of_it_is_exact() {
        let draw = Draw { seen: 1000, of: 1000 };
        for hits in [0, 1, 500, 1000] {
            assert_eq!(draw.interval(hits, 1), Interval { low: hits, high: hits });
            assert_eq!(draw.scale(hits), hits);
        }
        let nothing = Draw { seen: 0, of: 50 };
        assert_eq!(nothing.interval(0, 1), Interval { low: 0, high: 50 });
        assert_eq!(nothing.scale(0), 0);
    }

    /// Over many draws, the promise is kept: by 95 of 100 alone, and for all groups at once.
    #[test]
    fn the_truth_is_inside() {
        // A small generator of its own, so that the test is the same every time.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut roll = |sides: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % sides
        };
        let (of, groups, seen) = (4000_u64, 200, 400_u64);
        let (mut alone, mut at_once, rounds) = (0, 0, 200);
        let mut table: Vec<u64> = (0..of).map(|entry| entry * entry % 997 % groups).collect();
        let mut truth = vec![0_u64; groups as usize];
        table.iter().for_each(|&group| truth[group as usize] += 1);
        for _ in 0..rounds {
            for place in 0..seen {
                let other = place + roll(of - place);
                table.swap(place as usize, other as usize);
            }
            let mut hits = vec![0_u64; groups as usize];
            table.iter().take(seen as usize).for_each(|&group| hits[group as usize] += 1);
            let draw = Draw { seen, of };
            let holds = |group: usize, looks| {
                let Interval { low, high } = draw.interval(hits[group], looks);
                (low..=high).contains(&truth[group])
            };
            alone += u32::from(holds(0, 1)) + u32::from(holds(7, 1));
            at_once += u32::from((0..groups as usize).all(|group| holds(group, groups)));
        }
        assert!(alone >= 2 * rounds * 93 / 100, "{alone} of {}", 2 * rounds);
        assert!(at_once >= rounds * 93 / 100, "{at_once} of {rounds}");
    }
}
