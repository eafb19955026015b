//! Tells a person how far a long piece of work is.
//!
//! On a terminal one line that is written over, else one line a step.
//! Everything goes to standard error: standard output is for results.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};

const BAR: u64 = 30;

/// Where progress is shown.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    shown: Shown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Bar,
    Lines,
    Nothing,
}

/// A step of the work; over when it is dropped.
pub struct Step {
    shown: Shown,
    name: String,
    total: u64,
    done: Cell<u64>,
}

impl Progress {
    /// On standard error; without a bar where that is no terminal, or `verbose` writes there too.
    pub fn new(verbose: bool) -> Self {
        let shown = if io::stderr().is_terminal() && !verbose {
            Shown::Bar
        } else {
            Shown::Lines
        };
        Self { shown }
    }

    /// Shows nothing.
    pub fn quiet() -> Self {
        Self {
            shown: Shown::Nothing,
        }
    }

    /// Begins a step of `total` parts of any kind; 0 for one that cannot be measured.
    pub fn step(&self, name: impl Into<String>, total: u64) -> Step {
        let step = Step {
            shown: self.shown,
            name: name.into(),
            total,
            done: Cell::new(0),
        };
        match self.shown {
            Shown::Bar => step.draw(),
            Shown::Lines => say(&format!("{}\n", step.name)),
            Shown::Nothing => {}
        }
        step
    }
}

impl Step {
    /// So many parts more are done.
    pub fn advance(&self, parts: u64) {
        let before = self.filled();
        self.done.set(self.done.get() + parts);
        if self.shown == Shown::Bar && self.filled() != before {
            self.draw();
        }
    }

    fn filled(&self) -> u64 {
        let done = self.done.get().min(self.total);
        (done * BAR).checked_div(self.total).unwrap_or(0)
    }

    fn draw(&self) {
        say(&format!("\r\x1b[K{}", self.line()));
    }

    fn line(&self) -> String {
        if self.total == 0 {
            return format!("{} ...", self.name);
        }
        let bar: String = (0..BAR)
            .map(|place| if place < self.filled() { '#' } else { '.' })
            .collect();
        format!("{:<32} [{bar}]", self.name)
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if self.shown == Shown::Bar {
            say("\r\x1b[K");
        }
    }
}

fn say(text: &str) {
    // Nobody is left to tell when standard error is gone.
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_and_never_overflows() {
        let step = Progress::quiet().step("unpacking", 4);
        let filled = || step.line().matches('#').count();

        assert_eq!(filled(), 0);
        step.advance(2);
        assert_eq!(filled(), 15);
        step.advance(9);
        assert_eq!(filled(), 30);
        assert_eq!(Progress::quiet().step("x", 0).line(), "x ...");
    }
}
