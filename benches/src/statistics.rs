//! Slopes and ratios with their uncertainty; pure.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::number;

/// Resamples of a bootstrap: the ends of an interval are then good to two digits.
const RESAMPLES: usize = 10_000;

/// An estimate with the 95% interval around it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
}

/// The slope of `y` over `x`: the median of the slopes between all pairs (Theil-Sen). A few
/// outliers do not bend it. `None` with fewer than two different `x`.
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let mut slopes = Vec::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let later = points.iter().skip(index + 1);
        slopes.extend(
            later
                .filter(|(other, _)| other > x)
                .map(|(x2, y2)| (y2 - y) / (x2 - x)),
        );
    }
    median(slopes)
}

/// The middle value; of two, their mean.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values
        .get(middle - 1)
        .map(|lower| f64::midpoint(*lower, upper))
}

/// How large `pairs`' first values are beside their second ones: geometric mean of the ratios,
/// with a paired bootstrap over the pairs. Each pair comes from one round, so what slowed the
/// machine down for a round weighs on both. `None` without pairs of positive values.
pub fn ratio(pairs: &[(f64, f64)], seed: u64) -> Option<Interval> {
    if pairs.is_empty()
        || pairs
            .iter()
            .any(|(first, second)| !(*first > 0.0 && *second > 0.0))
    {
        return None;
    }
    let logs: Vec<f64> = pairs
        .iter()
        .map(|(first, second)| (first / second).ln())
        .collect();
    let mut random = StdRng::seed_from_u64(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..logs.len()).map(|_| logs[random.gen_range(0..logs.len())]);
            drawn.sum::<f64>() / number::len(logs.len())
        })
        .collect();
    means.sort_by(f64::total_cmp);
    Some(Interval {
        estimate: (logs.iter().sum::<f64>() / number::len(logs.len())).exp(),
        low: means[RESAMPLES / 40].exp(),
        high: means[RESAMPLES - 1 - RESAMPLES / 40].exp(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn a_slope_ignores_outliers() {
        let mut points: Vec<_> = (0..20)
            .map(|x| (f64::from(x), 3.0 * f64::from(x)))
            .collect();
        points[7].1 = 1e6;

        assert!(close(slope(&points).unwrap(), 3.0));
    }

    #[test]
    fn no_slope_without_two_places() {
        assert_eq!(slope(&[]), None);
        assert_eq!(slope(&[(1.0, 5.0)]), None);
        assert_eq!(slope(&[(1.0, 5.0), (1.0, 9.0)]), None);
    }

    #[test]
    fn a_constant_ratio_has_no_width() {
        let pairs: Vec<_> = (1..6).map(|n| (0.8 * f64::from(n), f64::from(n))).collect();
        let ratio = ratio(&pairs, 1).unwrap();

        assert!(close(ratio.estimate, 0.8) && close(ratio.low, 0.8) && close(ratio.high, 0.8));
    }

    #[test]
    fn a_noisy_ratio_is_found_within_its_interval() {
        let mut random = StdRng::seed_from_u64(2);
        // A slow round is slow for both; what is left of the noise is 5%.
        let pairs: Vec<_> = (0..50)
            .map(|_| {
                let (round, noise) = (random.gen_range(1.0..3.0), random.gen_range(0.95..1.05));
                (0.7 * round * noise, round)
            })
            .collect();
        let ratio = ratio(&pairs, 3).unwrap();

        assert!(ratio.low < 0.7 && 0.7 < ratio.high, "{ratio:?}");
        assert!(ratio.high - ratio.low < 0.02, "{ratio:?}");
        assert!(ratio.low < ratio.estimate && ratio.estimate < ratio.high);
    }

    #[test]
    fn the_seed_decides_the_interval() {
        let pairs = [(1.0, 1.1), (1.3, 1.0), (0.9, 1.0), (1.0, 1.0), (1.2, 1.1)];

        assert_eq!(ratio(&pairs, 4), ratio(&pairs, 4));
        assert_eq!(ratio(&[], 4), None);
        assert_eq!(ratio(&[(0.0, 1.0)], 4), None);
    }
}
