//! `cargo xtask nightly PART`: what takes too long for every commit.
//!
//! A part is a list of units of work, in a file of its own. It takes an hour at most, goes on where
//! it was stopped as long as what it tests is the same, and prints its verdict last.
//! To add a part of long tests, describe them as a `Suite`, like `hostile`, and list it in `PARTS`.

mod booted;
mod coverage;
mod desktop;
mod fuzz;
mod hostile;
mod image;
mod progress;
mod proxies;
mod relay;
mod release;
mod simulation;
mod suite;
mod tls;

use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::cache;
use crate::exec::{Call, Shell, Stopped};
use crate::report;
use progress::Progress;

const PARTS: [&dyn Part; 15] = [
    &fuzz::Fuzz,
    &coverage::Coverage,
    &simulation::Simulation,
    &hostile::HOSTILE,
    &hostile::LEAKS,
    &tls::Tls,
    &image::IMAGE,
    &image::U_BOOT,
    &booted::BOARD,
    &booted::SLOTS,
    &booted::POWER,
    &booted::VIRT,
    &release::Release,
    &proxies::Proxies,
    &desktop::Desktop,
];

/// No part may take longer, building included.
const PART_LIMIT: Duration = Duration::from_secs(3600);

#[derive(Args)]
pub(crate) struct Options {
    /// The part to run; --list names them.
    #[arg(required_unless_present = "list")]
    part: Option<String>,
    /// List the parts and run none.
    #[arg(long)]
    list: bool,
    /// Begin anew instead of going on where this part was stopped.
    #[arg(long)]
    restart: bool,
    /// Run this unit of the part only.
    #[arg(long, value_name = "UNIT")]
    only: Option<String>,
    /// How long the part may take; fuzzing takes all of it.
    #[arg(long, value_name = "N", default_value_t = PART_LIMIT.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=PART_LIMIT.as_secs()))]
    seconds: u64,
}

/// One part of what runs at night.
trait Part: Sync {
    /// What is typed to run it.
    fn name(&self) -> &'static str;

    /// What it proves, in a line.
    fn what(&self) -> &'static str;

    /// The files and folders that decide how it ends: when one of them changes, it begins anew.
    fn inputs(&self) -> &'static [&'static str];

    /// Whether it takes all the time that it is given, so that less time is another run.
    fn fills_time(&self) -> bool {
        false
    }

    /// How many units run side by side.
    fn lanes(&self) -> usize {
        1
    }

    /// Builds what is needed, and names the units of work, which is what can be resumed.
    fn prepare(&self, night: &Night<'_>) -> Result<Vec<String>>;

    /// Runs one unit and says in a line what came of it. An error is a finding.
    fn run(&self, night: &Night<'_>, unit: &str) -> Result<String>;
}

/// What every part works with.
struct Night<'a> {
    shell: &'a Shell,
    root: &'a Path,
    /// Changes with the part's inputs.
    key: u64,
    began: Instant,
    length: Duration,
}

impl<'a> Night<'a> {
    fn call(&self, program: &str) -> Call<'a> {
        self.shell.call(program).dir(self.root)
    }

    /// What is left of the part's time.
    fn rest(&self) -> Duration {
        self.length.saturating_sub(self.began.elapsed())
    }
}

pub(crate) fn run(shell: &Shell, root: &Path, options: &Options) -> Result<()> {
    if options.list {
        for part in PARTS {
            report::say(&format!("{:<12} {}", part.name(), part.what()));
        }
        return Ok(());
    }
    let part = PARTS
        .into_iter()
        .find(|part| Some(part.name()) == options.part.as_deref())
        .context("there is no such part; see cargo xtask nightly --list")?;
    let length = Duration::from_secs(options.seconds);
    let night = Night {
        shell,
        root,
        key: cache::key(
            shell,
            root,
            part.inputs(),
            part.fills_time().then_some(length),
        )?,
        began: Instant::now(),
        length,
    };
    let progress = Progress::open(part.name(), night.key, options.restart)?;
    let mut units = part.prepare(&night)?;
    units.retain(|unit| options.only.as_ref().is_none_or(|only| only == unit));
    if units.is_empty() {
        bail!("{}: there is nothing of that name to run", part.name());
    }
    let count = work(part, &night, &units, &progress)?;
    verdict(part.name(), &night, &count)?;
    if options.only.is_none() {
        progress.forget()?;
    }
    Ok(())
}

/// How the units of a part ended.
#[derive(Default)]
struct Count {
    passed: usize,
    failed: Vec<String>,
    /// Not run, or stopped in the middle.
    left: usize,
}

/// Runs what is not done yet, in the part's number of lanes.
fn work(
    part: &dyn Part,
    night: &Night<'_>,
    units: &[String],
    progress: &Progress,
) -> Result<Count> {
    let queue = Mutex::new(units.iter().enumerate());
    let next = || queue.lock().ok()?.next();
    let count = Mutex::new(Count::default());
    let lane = || -> Result<()> {
        while let Some((index, unit)) = next() {
            let say = |text: &str| {
                report::say(&format!("[{}/{}] {unit}: {text}", index + 1, units.len()));
            };
            let end = match progress.result(unit) {
                Some(result) => {
                    say(&format!("{result} (done before)"));
                    End::Passed
                }
                None => match one(part, night, unit)? {
                    Ok(result) => {
                        progress.record(unit, &result)?;
                        say(&result);
                        End::Passed
                    }
                    Err(end) => {
                        if let End::Failed(why) = &end {
                            say(&format!("FAILED\n{why}"));
                        }
                        end
                    }
                },
            };
            if let Ok(mut count) = count.lock() {
                match end {
                    End::Passed => count.passed += 1,
                    End::Failed(_) => count.failed.push(unit.clone()),
                    End::OutOfTime => count.left += 1,
                }
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..part.lanes()).map(|_| scope.spawn(lane)).collect();
        lanes
            .into_iter()
            .try_for_each(|lane| lane.join().expect("a lane does not panic"))
    })?;
    count.into_inner().ok().context("a lane panicked")
}

enum End {
    Passed,
    Failed(String),
    OutOfTime,
}

/// Runs one unit. The outer error is Ctrl-C; the inner one is how the unit did not pass.
fn one(part: &dyn Part, night: &Night<'_>, unit: &str) -> Result<Result<String, End>> {
    if night.rest().is_zero() {
        return Ok(Err(End::OutOfTime));
    }
    match part.run(night, unit) {
        Ok(result) => Ok(Ok(result)),
        Err(error) if error.is::<Stopped>() => Err(error),
        Err(_) if night.rest().is_zero() => Ok(Err(End::OutOfTime)),
        Err(error) => Ok(Err(End::Failed(format!("{error:#}")))),
    }
}

fn verdict(name: &str, night: &Night<'_>, count: &Count) -> Result<()> {
    let minutes = night.began.elapsed().as_secs_f64() / 60.0;
    let Count {
        passed,
        failed,
        left,
    } = count;
    if !failed.is_empty() {
        bail!(
            "{name}: FAILED in {minutes:.1} min: {} failed ({}), {passed} passed, {left} not run",
            failed.len(),
            failed.join(", ")
        );
    }
    if *left > 0 {
        bail!(
            "{name}: UNFINISHED after {minutes:.1} min: {passed} passed, {left} to go; \
             the same command goes on from here"
        );
    }
    report::say(&format!(
        "{name}: PASSED, all {passed} units, {minutes:.1} min"
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    struct Fake;

    impl Part for Fake {
        fn name(&self) -> &'static str {
            "fake"
        }

        fn what(&self) -> &'static str {
            ""
        }

        fn inputs(&self) -> &'static [&'static str] {
            &[]
        }

        fn lanes(&self) -> usize {
            2
        }

        fn prepare(&self, _: &Night<'_>) -> Result<Vec<String>> {
            Ok(["good", "bad", "better"].map(str::to_owned).to_vec())
        }

        fn run(&self, _: &Night<'_>, unit: &str) -> Result<String> {
            if unit == "bad" {
                bail!("broken");
            }
            Ok("fine".to_owned())
        }
    }

    fn night(shell: &Shell, length: Duration) -> Night<'_> {
        Night {
            shell,
            root: Path::new("."),
            key: 7,
            began: Instant::now(),
            length,
        }
    }

    #[test]
    fn what_passed_is_not_run_again_and_what_failed_is() {
        let dir = tempfile::tempdir().unwrap();
        let shell = Shell::new(false).unwrap();
        let night = night(&shell, PART_LIMIT);
        let units = Fake.prepare(&night).unwrap();
        let progress = Progress::open_in(dir.path(), "fake", 7, false).unwrap();

        let count = work(&Fake, &night, &units, &progress).unwrap();

        assert_eq!(
            (count.passed, count.failed, count.left),
            (2, vec!["bad".to_owned()], 0)
        );
        let again = Progress::open_in(dir.path(), "fake", 7, false).unwrap();
        assert_eq!(again.result("good"), Some("fine"));
        assert_eq!(again.result("bad"), None);
    }

    #[test]
    fn a_part_whose_time_is_over_says_what_is_left_and_fails() {
        let dir = tempfile::tempdir().unwrap();
        let shell = Shell::new(false).unwrap();
        let night = night(&shell, Duration::ZERO);
        let units = Fake.prepare(&night).unwrap();
        let progress = Progress::open_in(dir.path(), "fake", 7, false).unwrap();

        let count = work(&Fake, &night, &units, &progress).unwrap();

        assert_eq!((count.passed, count.left), (0, 3));
        let verdict = verdict("fake", &night, &count).unwrap_err();
        assert!(verdict.to_string().contains("3 to go"), "{verdict}");
    }

    #[test]
    fn each_part_has_a_name_of_its_own() {
        let names: BTreeSet<_> = PARTS.iter().map(|part| part.name()).collect();

        assert_eq!(names.len(), PARTS.len());
    }
}
