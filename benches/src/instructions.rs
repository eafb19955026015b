//! User instructions of our relay for each message: a figure that no other program on the machine
//! can change, and so one that a check may insist on.
//!
//! The relay runs under valgrind twice, with different numbers of messages between the same
//! sessions; what the second run needed more is what the messages cost. Messages are sent when those
//! before them have arrived: one at a time, so that each has a wake-up of its own, which is the
//! dearest way to carry it; or one for each session at once, as on a board with much to do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::callgrind;
use crate::exec::Interrupt;
use crate::load::{Crowd, PATIENCE, Way};
use crate::number::float;
use crate::peer;
use crate::progress::Progress;
use crate::subject::{RelayOptions, Subject};

/// Sessions among which the messages take turns.
pub const SESSIONS: u32 = 16;

/// As in telework: a screen update down, a key or the mouse up. One message in five goes up.
const DOWN: [u8; 700] = [1; 700];
const UP: [u8; 20] = [2; 20];
const UP_EVERY: u32 = 5;

/// How long it may take until all of them have begun.
const SETUP_LIMIT: Duration = Duration::from_secs(300);

/// Between two tries.
const SETUP_PAUSE: Duration = Duration::from_secs(1);

/// A function that only the thread is in that carries messages.
const CARRIER: &str = "data::reactor::Worker";

/// Messages of the two runs. Both are beyond what warming up takes.
const RUNS: [u32; 2] = [2_000, 12_000];

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub messages: u32,
    /// Of the thread that carries them.
    pub carrier: u64,
    /// Of all threads: those for handshakes differ from run to run.
    pub all: u64,
}

/// Counts both runs.
///
/// # Errors
/// valgrind is not there, or the relay did not carry a message.
pub(crate) fn run(
    options: &RelayOptions,
    at_once: u32,
    stop: &Interrupt,
) -> anyhow::Result<Vec<Count>> {
    ensure!(
        peer::find(callgrind::PROGRAM).is_some(),
        "valgrind is not there; Debian has it as the package of that name"
    );
    let mut progress = Progress::new("instructions");
    let count = |messages| {
        progress.show(|| format!("{messages} messages"));
        count(options, messages, at_once, stop)
    };
    RUNS.into_iter().map(count).collect()
}

/// Instructions for each message in the thread that carries them, and in all threads together.
pub fn per_message(counts: &[Count]) -> Option<(f64, f64)> {
    let [few, many] = counts else { return None };
    let messages = f64::from(many.messages.checked_sub(few.messages)?);
    let more = |few, many| (float(many) - float(few)) / messages;
    Some((more(few.carrier, many.carrier), more(few.all, many.all)))
}

fn count(
    options: &RelayOptions,
    messages: u32,
    at_once: u32,
    stop: &Interrupt,
) -> anyhow::Result<Count> {
    let subject = Subject::relay(options, stop)?;
    let state = subject.state().context("the relay has no folder")?;
    let Subject {
        way: Way::Tasuki { entry, .. },
        program: Some(program),
        folder,
        ..
    } = subject
    else {
        anyhow::bail!("this relay is not ours");
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let crowd = runtime.block_on(async {
        let mut crowd = Crowd::new(*entry, 1)?;
        // One by one, and again: under valgrind and on a busy machine agents run out of patience.
        let until = Instant::now() + SETUP_LIMIT;
        for sessions in 1..=SESSIONS {
            while let Err(error) = crowd.join(sessions).await {
                stop.go_on()?;
                ensure!(Instant::now() < until, "{error:#}");
                tokio::time::sleep(SETUP_PAUSE).await;
            }
        }
        anyhow::Ok(crowd)
    })?;
    for socket in crowd
        .sessions()
        .iter()
        .flat_map(|(client, host)| [client, host])
    {
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(PATIENCE))?;
    }
    let rounds = messages / at_once;
    let messages = rounds * at_once;
    let at_once = usize::try_from(at_once)?;
    let mut sessions = crowd.sessions().iter().cycle();
    for number in 0..rounds {
        stop.go_on()?;
        let turn: Vec<_> = sessions.by_ref().take(at_once).collect();
        let is_up = number % UP_EVERY == 0;
        for (client, host) in &turn {
            let (mut from, message) = if is_up {
                (client, &UP[..])
            } else {
                (host, &DOWN[..])
            };
            from.write_all(message)?;
        }
        for (client, host) in &turn {
            let (to, message) = if is_up {
                (host, &UP[..])
            } else {
                (client, &DOWN[..])
            };
            expect(to, message)?;
        }
    }
    runtime.block_on(async { drop(crowd) });
    drop(runtime);
    program.finish(stop)?;
    let counts = callgrind::counts(&state, CARRIER)?;
    drop(folder);
    Ok(Count {
        messages,
        carrier: counts.thread,
        all: counts.all,
    })
}

/// Waits for a message's last byte.
fn expect(mut to: &TcpStream, message: &[u8]) -> anyhow::Result<()> {
    let mut arrived = [0; DOWN.len()];
    let arrived = &mut arrived[..message.len()];
    to.read_exact(arrived).context("a message did not arrive")?;
    ensure!(arrived == message, "a message has changed on its way");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_second_run_needed_more_is_the_messages() {
        let count = |messages, carrier, all| Count {
            messages,
            carrier,
            all,
        };
        let (few, many) = (
            count(1_000, 800_000, 5_800_000),
            count(3_000, 1_400_000, 6_420_000),
        );

        assert_eq!(per_message(&[few, many]), Some((300.0, 310.0)));
        assert_eq!(per_message(&[few]), None);
        assert_eq!(per_message(&[many, few]), None);
    }
}
