//! Whether a board takes an update. No I/O here.

use std::fmt;

use first_stage::superblock::{BLOCK, Superblock};
use jiff::Timestamp;
use protocol::file::update::{HeadError, Manifest, OpenError, Sha256};
use semver::Version;

use super::install::Place;

/// What a board knows of itself when it is shown an update.
#[derive(Debug)]
pub struct Facts {
    /// Name of the board file that its image was built from.
    pub board: String,
    /// None: the image has a version of another kind, and everything is newer.
    pub version: Option<Version>,
    pub root_hash: Sha256,
    /// Seconds since 1970. A board's clock may be behind, but never ahead.
    pub now: u64,
    /// Generation of the last order that this board obeyed.
    pub taken: u64,
    /// This system has proven itself.
    pub is_good: bool,
    pub other: Other,
    /// Bytes of the other slot's partitions.
    pub room: [(Place, u64); 3],
}

/// What is known of the other slot.
#[derive(Debug)]
pub struct Other {
    /// As in [`crate::slot::State`].
    pub tries_left: Option<u8>,
    /// Superblock and top block of its hash tree.
    pub tree: Option<(Superblock, [u8; BLOCK])>,
    /// It was put on probation by this boot: nobody has had to start it yet.
    pub starts_next: bool,
    /// Why it was given up, as it said itself.
    pub failure: Option<String>,
}

/// What to do with an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Install,
    /// It is in the other slot already, which the next boot starts.
    Restart,
    /// It runs.
    Nothing,
}

/// Why an update is not taken, in words for whoever stands before the board.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "cannot be checked: the node file names no deployment key; make a new one with \
         `tasuki node renew`"
    )]
    NoKey,
    #[error("{0}")]
    Head(#[from] HeadError),
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("is for boards of the kind {theirs}, and this one is {ours}")]
    Board { theirs: String, ours: String },
    #[error("was to be begun until {}; sign it again with `tasuki deployment sign-update`", Day(*.0))]
    Expired(u64),
    #[error(
        "is order {order}, and this board already obeyed order {taken}; sign it again with \
         `tasuki deployment sign-update`, or take it away"
    )]
    Superseded { order: u64, taken: u64 },
    #[error(
        "has version {theirs}, and this board runs {ours}; to go back, sign it again with \
         `tasuki deployment sign-update --downgrade`"
    )]
    NotNewer { theirs: Version, ours: Version },
    #[error(
        "has failed on this board: {0}; find out why, then build a new version or sign this one \
         again"
    )]
    Failed(String),
    #[error(
        "is in the other slot, and the last start did not start it: its tries cannot be counted, or \
         its kernel cannot be read; replace the card"
    )]
    NotStarted,
    #[error(
        "does not fit: {place} needs {needed} bytes and has {room}; flash the card anew with the \
         image of this version"
    )]
    TooLarge {
        place: Place,
        needed: u64,
        room: u64,
    },
    #[error("has to wait: the system that runs is still on probation")]
    OnProbation,
}

impl Refusal {
    /// Whether somebody has to do something; else it will pass, or is a file left lying.
    pub fn is_fault(&self) -> bool {
        !matches!(self, Self::Superseded { .. } | Self::OnProbation)
    }
}

/// Decides about an update whose signature holds.
///
/// # Errors
/// It is not to be installed, and somebody may wonder why.
pub fn judge(update: &Manifest, facts: &Facts) -> Result<Verdict, Refusal> {
    let order = update.order;
    if update.board != facts.board {
        return Err(Refusal::Board {
            theirs: update.board.clone(),
            ours: facts.board.clone(),
        });
    }
    // Two slots with one root hash: the first stage could not tell them apart (docs/BOOT.md).
    if update.root_hash == facts.root_hash {
        return Ok(Verdict::Nothing);
    }
    if order.generation < facts.taken {
        return Err(Refusal::Superseded {
            order: order.generation,
            taken: facts.taken,
        });
    }
    let is_there = facts.other.holds(&update.root_hash);
    if is_there && matches!(facts.other.tries_left, Some(1..)) {
        // A restart that has been tried in vain is not tried again: the board would do nothing else.
        return if facts.other.starts_next {
            Ok(Verdict::Restart)
        } else {
            Err(Refusal::NotStarted)
        };
    }
    if facts.now > order.expires {
        return Err(Refusal::Expired(order.expires));
    }
    if let Some(ours) = &facts.version
        && !order.downgrade
        && !update.version.cmp_precedence(ours).is_gt()
    {
        return Err(Refusal::NotNewer {
            theirs: update.version.clone(),
            ours: ours.clone(),
        });
    }
    // Without a data partition nothing is known to be taken; then it is not tried for ever.
    let is_new_order = facts.taken > 0 && order.generation > facts.taken;
    if is_there && facts.other.tries_left == Some(0) && !is_new_order {
        let reason = facts.other.failure.clone();
        let reason = reason.unwrap_or_else(|| "it did not come as far as saying why".into());
        return Err(Refusal::Failed(reason));
    }
    for ((place, room), (_, part)) in facts.room.into_iter().zip(update.parts()) {
        if part.length > room {
            return Err(Refusal::TooLarge {
                place,
                needed: part.length,
                room,
            });
        }
    }
    if facts.is_good {
        Ok(Verdict::Install)
    } else {
        Err(Refusal::OnProbation)
    }
}

impl Other {
    fn holds(&self, root_hash: &Sha256) -> bool {
        let tree = self.tree.as_ref();
        tree.is_some_and(|(superblock, top)| superblock.has_root(top, &root_hash.0))
    }
}

/// The day of a time in seconds since 1970.
struct Day(u64);

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = i64::try_from(self.0)
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok());
        match time {
            Some(time) => write!(formatter, "{}", time.strftime("%Y-%m-%d")),
            None => write!(formatter, "second {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::file::update::{Order, Part};
    use sha2::{Digest, Sha256 as Hasher};

    use super::*;

    /// A hash tree's head, and its root hash.
    fn tree(salt: u8) -> ((Superblock, [u8; BLOCK]), Sha256) {
        let superblock = Superblock {
            data_blocks: 2,
            salt: vec![salt; 32],
        };
        let top = [salt; BLOCK];
        let root = Hasher::new()
            .chain_update(&superblock.salt)
            .chain_update(top);
        ((superblock, top), Sha256(root.finalize().into()))
    }

    fn facts() -> Facts {
        Facts {
            board: "virt".into(),
            version: Some(Version::new(0, 1, 0)),
            root_hash: Sha256([1; 32]),
            now: 1_000,
            taken: 4,
            is_good: true,
            other: Other {
                tries_left: None,
                tree: None,
                starts_next: false,
                failure: None,
            },
            room: [
                (Place::Root, 4_096),
                (Place::Verity, 1_024),
                (Place::Boot, 512),
            ],
        }
    }

    fn update() -> Manifest {
        let part = |length| Part {
            length,
            sha256: Sha256([0; 32]),
            pieces: Vec::new(),
        };
        Manifest {
            board: "virt".into(),
            version: Version::new(0, 2, 0),
            root_hash: tree(9).1,
            order: Order {
                generation: 5,
                expires: 1_000,
                downgrade: false,
            },
            root: part(4_096),
            verity: part(1_024),
            boot: part(512),
        }
    }

    #[test]
    fn a_newer_system_that_just_fits_on_its_last_second_is_installed() {
        assert_eq!(judge(&update(), &facts()), Ok(Verdict::Install));
    }

    #[test]
    fn each_reason_against_it_is_found_one_past_its_limit() {
        type Change = fn(&mut Manifest, &mut Facts);
        let cases: [(Change, &str); 8] = [
            (|it, _| it.board = "rpi4".into(), "boards of the kind rpi4"),
            (|_, facts| facts.now += 1, "1970-01-01"),
            (|it, _| it.order.generation = 3, "is order 3"),
            (
                |it, _| it.version = Version::new(0, 1, 0),
                "has version 0.1.0",
            ),
            (|it, _| it.root.length += 512, "root needs 4608 bytes"),
            (|it, _| it.verity.length += 512, "verity needs"),
            (|it, _| it.boot.length += 512, "boot needs 1024"),
            (|_, facts| facts.is_good = false, "on probation"),
        ];
        for (change, words) in cases {
            let (mut update, mut facts) = (update(), facts());
            change(&mut update, &mut facts);
            let refused = judge(&update, &facts).expect_err(words).to_string();
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn the_way_back_has_to_be_asked_for_and_counts_once() {
        let mut old = update();
        old.version = Version::new(0, 0, 9);
        assert!(matches!(
            judge(&old, &facts()),
            Err(Refusal::NotNewer { .. })
        ));

        old.order.downgrade = true;
        assert_eq!(judge(&old, &facts()), Ok(Verdict::Install));
        // A newer order has been obeyed since.
        let later = Facts {
            taken: 6,
            ..facts()
        };
        let refused = judge(&old, &later).expect_err("is old");
        assert!(!refused.is_fault(), "a file left lying: {refused}");
    }

    #[test]
    fn what_runs_is_left_alone_whatever_is_said_about_it() {
        let mut running = update();
        running.root_hash = facts().root_hash;
        running.order = Order::default();
        assert_eq!(judge(&running, &facts()), Ok(Verdict::Nothing));
    }

    #[test]
    fn a_failed_system_is_tried_again_only_by_a_new_order() {
        let failed = |taken| Facts {
            taken,
            other: Other {
                tries_left: Some(0),
                tree: Some(tree(9).0),
                starts_next: false,
                failure: Some("the relay does not serve yet".into()),
            },
            ..facts()
        };
        let refused = judge(&update(), &failed(5))
            .expect_err("has failed")
            .to_string();
        assert!(
            refused.contains("the relay does not serve yet"),
            "{refused}"
        );
        assert_eq!(
            judge(&update(), &failed(4)),
            Ok(Verdict::Install),
            "a new order"
        );
        // The data partition is gone: better never again than for ever.
        assert!(matches!(
            judge(&update(), &failed(0)),
            Err(Refusal::Failed(_))
        ));
        let mut other = update();
        other.root_hash = tree(8).1;
        assert_eq!(
            judge(&other, &failed(5)),
            Ok(Verdict::Install),
            "another system"
        );
    }

    #[test]
    fn what_waits_for_a_restart_is_not_written_again() {
        let waiting = Facts {
            taken: 5,
            other: Other {
                tries_left: Some(3),
                tree: Some(tree(9).0),
                starts_next: true,
                failure: None,
            },
            ..facts()
        };
        assert_eq!(judge(&update(), &waiting), Ok(Verdict::Restart));
    }

    #[test]
    fn a_board_does_not_restart_for_ever_into_what_does_not_start() {
        let mut passed_over = facts();
        passed_over.other.tree = Some(tree(9).0);
        for left in [1, 3] {
            passed_over.other.tries_left = Some(left);
            let refused = judge(&update(), &passed_over).expect_err("was not started");
            assert!(refused.is_fault(), "{refused}");
        }
    }
}
