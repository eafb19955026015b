//! How long to wait from one look at the screen to the next (pure).

use std::time::Duration;

/// Between two looks while something happens: thirty pictures a second.
pub const LEAST: Duration = Duration::from_millis(33);
/// Between two looks at a screen that rests: what nobody at home has caused may come later.
const MOST: Duration = Duration::from_millis(250);

/// Fast while something happens, slower and slower while nothing does.
#[derive(Debug)]
pub struct Pace(Duration);

impl Default for Pace {
    fn default() -> Self {
        Self(LEAST)
    }
}

impl Pace {
    /// How long to wait for somebody to do something before the next look.
    pub fn next(&mut self, something_happened: bool) -> Duration {
        self.0 = if something_happened {
            LEAST
        } else {
            (self.0 * 5 / 4).min(MOST)
        };
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_slows_down_to_its_limit_and_is_fast_again_at_once() {
        let mut pace = Pace::default();
        let waits: Vec<Duration> = (0..20).map(|_| pace.next(false)).collect();

        assert!(waits.is_sorted());
        assert_eq!(waits.last(), Some(&MOST));
        assert_eq!(pace.next(true), LEAST);
    }
}
