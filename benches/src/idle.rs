//! What a relay keeps for whoever says nothing: hosts that wait for a call, and sessions at rest.
//!
//! A crowd grows in steps, and after each the relay's memory is read. User memory is the
//! proportional set size of its process (PSS); what the kernel keeps for its sockets is in the
//! figure of its control group, where there is one.

use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::exec::Interrupt;
use crate::load::{Crowd, Way};
use crate::number::float;
use crate::progress::Progress;
use crate::report::Origin;
use crate::sample::{Group, Watch};
use crate::subject::Subject;
use crate::sys;
use crate::verdict::{Outcome, Verdict};

/// User memory of an idle host link, TLS included, in bytes.
const LINK_GOAL: f64 = 8_192.0;

/// User memory of a joined session at rest, in bytes.
const SESSION_GOAL: f64 = 768.0;

/// Everything of the relay's, the kernel's part included, with the whole crowd, in bytes.
const TOTAL_GOAL: f64 = 300.0 * 1_048_576.0;

/// The crowd that the last goal is for.
const TOTAL_CROWD: (u32, u32) = (5_000, 2_000);

/// After the last of a step has come: what its beginning took is given back.
const SETTLE: Duration = Duration::from_secs(2);

/// Descriptors of the load side: three for a session and its host's link, one for a link.
const DESCRIPTORS_SPARE: u64 = 200;

/// How many hosts and sessions to gather.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub links: u32,
    pub sessions: u32,
}

/// The relay's memory with a crowd of one size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Look {
    pub crowd: Size,
    /// Proportional set size of the relay, in bytes.
    pub user_bytes: u64,
    /// Its control group, sockets and page tables included, in bytes; `None` without one.
    pub group_bytes: Option<u64>,
    pub descriptors: u64,
}

/// What was seen, and what follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdleReport {
    pub origin: Origin,
    pub settings: String,
    pub looks: Vec<Look>,
    /// User memory of one link in bytes: all of them against none.
    pub link_bytes: Option<f64>,
    /// User memory of one session in bytes: all of them against half.
    pub session_bytes: Option<f64>,
    pub verdict: Verdict,
}

/// Gathers the crowd on this relay, and looks at each step.
///
/// # Errors
/// The relay ended, or somebody could not be let in.
pub(crate) fn run(
    subject: Subject,
    size: Size,
    seed: u64,
    stop: &Interrupt,
) -> anyhow::Result<(String, Vec<Look>)> {
    let needed = DESCRIPTORS_SPARE + u64::from(size.links) + 2 * u64::from(size.sessions);
    let allowed = sys::raise_descriptors().context("cannot ask for more descriptors")?;
    anyhow::ensure!(
        needed <= allowed,
        "this crowd needs {needed} descriptors, this process may have {allowed}: raise its limit \
         (ulimit -Hn) or take a smaller one"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let Subject {
        name,
        settings,
        way,
        program,
        folder,
        ..
    } = subject;
    let Way::Tasuki { entry, .. } = way else {
        anyhow::bail!("{name} has no links");
    };
    let program = program.context("this relay is out of reach")?;
    let group = Group::around(program.id());
    let mut watch = Watch::new(program.id())?;
    let mut progress = Progress::new("idle");
    let looks = runtime.block_on(async {
        let mut crowd = Crowd::new(*entry, seed)?;
        let mut looks = Vec::new();
        for step in steps(size) {
            stop.go_on()?;
            progress.show(|| format!("{} links, {} sessions", step.links, step.sessions));
            crowd.link(step.links).await?;
            crowd.join(step.sessions).await?;
            tokio::time::sleep(SETTLE).await;
            let sample = watch.look(0.0)?;
            looks.push(Look {
                crowd: step,
                user_bytes: sample.memory_bytes,
                group_bytes: group.as_ref().and_then(Group::bytes),
                descriptors: sample.descriptors,
            });
        }
        anyhow::Ok(looks)
    })?;
    drop((program, group, folder));
    Ok((settings, looks))
}

/// None, half and all of the links; then half and all of the sessions.
fn steps(size: Size) -> Vec<Size> {
    let Size { links, sessions } = size;
    let all = [
        (0, 0),
        (links / 2, 0),
        (links, 0),
        (links, sessions / 2),
        (links, sessions),
    ];
    let mut steps = all
        .map(|(links, sessions)| Size { links, sessions })
        .to_vec();
    steps.dedup();
    steps
}

/// User memory of one link in bytes: all of them against none.
pub fn link_bytes(looks: &[Look]) -> Option<f64> {
    let without: Vec<&Look> = looks.iter().filter(|it| it.crowd.sessions == 0).collect();
    each(without.first()?, without.last()?, |size| size.links)
}

/// User memory of one session in bytes: all of them against half.
pub fn session_bytes(looks: &[Look]) -> Option<f64> {
    let mut with = looks.iter().filter(|it| it.crowd.sessions > 0);
    each(with.next()?, with.next()?, |size| size.sessions)
}

fn each(few: &Look, many: &Look, count: impl Fn(Size) -> u32) -> Option<f64> {
    let more = count(many.crowd).checked_sub(count(few.crowd))?;
    let grown = float(many.user_bytes) - float(few.user_bytes);
    (more > 0).then(|| grown / f64::from(more))
}

/// Holds what was seen against the goals.
pub fn judge(looks: &[Look], optimised: bool) -> Verdict {
    let mut reasons = Vec::new();
    let mut broken = false;
    let mut hold = |what: &str, found: Option<f64>, goal: f64| {
        if let Some(found) = found {
            let kept = found <= goal;
            broken |= !kept;
            let word = if kept { "within" } else { "beyond" };
            reasons.push(format!(
                "{what}: {found:.0} bytes, {word} the goal of {goal:.0}"
            ));
        }
    };
    hold("user memory of an idle link", link_bytes(looks), LINK_GOAL);
    hold(
        "user memory of a session at rest",
        session_bytes(looks),
        SESSION_GOAL,
    );
    let last = looks
        .last()
        .filter(|it| (it.crowd.links, it.crowd.sessions) == TOTAL_CROWD);
    let group = last.and_then(|look| look.group_bytes).map(float);
    hold(
        "the relay's control group with all of them",
        group,
        TOTAL_GOAL,
    );
    if !optimised {
        reasons
            .push("this is a debug build, whose structures are larger: use --release".to_owned());
    }
    let outcome = match (broken, optimised) {
        (_, false) => Outcome::Void,
        (true, true) => Outcome::Fail,
        (false, true) => Outcome::Pass,
    };
    Verdict { outcome, reasons }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(links: u32, sessions: u32, user_bytes: u64) -> Look {
        Look {
            crowd: Size { links, sessions },
            user_bytes,
            group_bytes: Some(2 * user_bytes),
            descriptors: 0,
        }
    }

    fn looks(link: u64, session: u64) -> Vec<Look> {
        let base = 10_000_000;
        let crowd = steps(Size {
            links: 5_000,
            sessions: 2_000,
        });
        let bytes =
            |it: &Size| base + link * u64::from(it.links) + session * u64::from(it.sessions);
        crowd
            .iter()
            .map(|it| look(it.links, it.sessions, bytes(it)))
            .collect()
    }

    #[test]
    fn what_a_link_and_a_session_take_is_found_again() {
        let looks = looks(8_000, 700);

        assert_eq!(looks.len(), 5);
        assert_eq!(link_bytes(&looks), Some(8_000.0));
        assert_eq!(session_bytes(&looks), Some(700.0));
        assert_eq!(judge(&looks, true).outcome, Outcome::Pass);
    }

    #[test]
    fn each_goal_can_be_missed() {
        assert_eq!(judge(&looks(8_193, 700), true).outcome, Outcome::Fail);
        assert_eq!(judge(&looks(8_000, 769), true).outcome, Outcome::Fail);
        let mut heavy = looks(8_000, 700);
        heavy[4].group_bytes = Some(301 << 20);
        assert_eq!(judge(&heavy, true).outcome, Outcome::Fail);
        assert_eq!(judge(&looks(8_000, 700), false).outcome, Outcome::Void);
    }

    #[test]
    fn a_crowd_without_links_or_sessions_tells_nothing_of_them() {
        let steps = steps(Size {
            links: 10,
            sessions: 0,
        });
        assert_eq!(steps.len(), 3);
        let looks: Vec<_> = steps.iter().map(|it| look(it.links, 0, 1_000)).collect();

        assert_eq!(link_bytes(&looks), Some(0.0));
        assert_eq!(session_bytes(&looks), None);
    }
}
