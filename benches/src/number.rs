//! Counts as floating-point numbers, for ratios and slopes.

/// A count, exact up to 2^53; beyond that it is off by less than anybody measures.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "the one place where a count becomes a measure"
)]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// The same of something that was counted in memory.
pub(crate) fn len(count: usize) -> f64 {
    float(u64::try_from(count).unwrap_or(u64::MAX))
}
