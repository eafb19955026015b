//! Keeps this PC awake while the host runs and the settings want it (A14): a PC that sleeps
//! cannot be called.

use std::io;

/// Who can keep a PC awake.
pub(super) trait Power {
    /// As long as it lives, the PC does not fall asleep by itself.
    type Hold;

    fn keep_awake(&self) -> io::Result<Self::Hold>;
}

/// Awake, or not; ends with this.
#[derive(Debug)]
pub(super) struct Vigil<P: Power> {
    power: P,
    hold: Option<P::Hold>,
}

impl<P: Power> Vigil<P> {
    pub(super) fn new(power: P) -> Self {
        Self { power, hold: None }
    }

    /// From now on the PC is kept awake, or may sleep.
    pub(super) fn set(&mut self, is_wanted: bool) {
        if !is_wanted {
            self.hold = None;
        } else if self.hold.is_none() {
            match self.power.keep_awake() {
                Ok(hold) => self.hold = Some(hold),
                // The next reload tries again; the host serves as long as the PC is awake.
                Err(error) => tracing::warn!(%error, "This PC cannot be kept awake"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    /// Counts who asks and who holds it, and can refuse.
    #[derive(Default)]
    struct Fake {
        asks: Rc<Cell<usize>>,
        holds: Rc<Cell<usize>>,
        refuses: Rc<Cell<bool>>,
    }

    struct Held(Rc<Cell<usize>>);

    impl Drop for Held {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }

    impl Power for Fake {
        type Hold = Held;

        fn keep_awake(&self) -> io::Result<Held> {
            self.asks.set(self.asks.get() + 1);
            if self.refuses.get() {
                return Err(io::Error::other("no"));
            }
            self.holds.set(self.holds.get() + 1);
            Ok(Held(Rc::clone(&self.holds)))
        }
    }

    #[test]
    fn holds_once_while_it_is_wanted_and_lets_go_at_the_end() {
        let fake = Fake::default();
        let (holds, refuses) = (Rc::clone(&fake.holds), Rc::clone(&fake.refuses));
        let asks = Rc::clone(&fake.asks);
        let mut vigil = Vigil::new(fake);
        let mut held = Vec::new();

        for (is_wanted, is_refused) in [
            (true, true),
            (true, false),
            (true, false),
            (false, false),
            (true, false),
        ] {
            refuses.set(is_refused);
            vigil.set(is_wanted);
            held.push(holds.get());
        }
        drop(vigil);
        held.push(holds.get());

        assert_eq!(held, [0, 1, 1, 0, 1, 0]);
        assert_eq!(asks.get(), 3, "whoever holds it does not ask again");
    }
}
