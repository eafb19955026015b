//! What xtask prints: the only place that does.
//!
//! One short line a step, colours only on a terminal, nothing else.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is what xtask prints with"
)]

use std::io::{IsTerminal, Write, stdin, stdout};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Says a plain sentence.
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Shows a program's exact arguments; only with `--verbose`.
pub(crate) fn started(command: &Command) {
    eprintln!("+ {command:?}");
}

pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("{}: {error:#}", paint("error", Colour::Red));
}

/// Asks a question that only a person can answer; `false` when nobody is there.
pub(crate) fn ask(question: &str) -> Result<bool> {
    if !stdin().is_terminal() {
        return Ok(false);
    }
    print!("{question} [y/N] ");
    stdout().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The steps of a longer command, with the time that each took.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(&'static str, Duration, bool)>,
}

impl Steps {
    /// Runs a quiet step and prints one line about it.
    pub(crate) fn quiet<T>(
        &mut self,
        name: &'static str,
        what: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if stdout().is_terminal() {
            print!("  {name:<11} {what}");
            stdout().flush()?;
        }
        let result = self.measure(name, work);
        if let Some((_, taken, _)) = self.done.last() {
            let rewind = if stdout().is_terminal() { "\r" } else { "" };
            let mark = if result.is_ok() { "" } else { "  FAILED" };
            println!(
                "{rewind}  {name:<11} {what:<52} {:>7.1} s{mark}",
                taken.as_secs_f64()
            );
        }
        result
    }

    /// Runs a step that prints for itself, under a heading.
    pub(crate) fn loud<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        println!("{}", paint(&format!("== {name}"), Colour::Bold));
        self.measure(name, work)
    }

    /// Prints what each step took, those in `skipped` as not run.
    pub(crate) fn table(&self, skipped: &[&'static str]) {
        println!("\n{:<10} {:>9}", "step", "time");
        for (name, taken, good) in &self.done {
            let verdict = if *good {
                paint("ok", Colour::Green)
            } else {
                paint("FAILED", Colour::Red)
            };
            println!("{name:<10} {:>7.1} s  {verdict}", taken.as_secs_f64());
        }
        for name in skipped {
            println!("{name:<10} {:>9}  not run", "-");
        }
        println!("{:<10} {:>7.1} s", "total", self.total().as_secs_f64());
    }

    pub(crate) fn total(&self) -> Duration {
        self.done.iter().map(|(_, taken, _)| *taken).sum()
    }

    fn measure<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let from = Instant::now();
        let result = work();
        self.done.push((name, from.elapsed(), result.is_ok()));
        result
    }
}

enum Colour {
    Bold,
    Green,
    Red,
}

fn paint(text: &str, colour: Colour) -> String {
    if !stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Bold => "1",
        Colour::Green => "32",
        Colour::Red => "31",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
