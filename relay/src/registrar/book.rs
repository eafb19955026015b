//! The rules of computer IDs: who gets one, who keeps one, who loses one. Pure.
//!
//! Owns the claims in memory. Asks no clock and no disk: [`Book::decide`] says what is to be done,
//! [`Book::plan`] what that changes, and [`Book::apply`] changes it.

use std::collections::BTreeMap;

use protocol::claim::SignedClaim;
use protocol::id::{ComputerId, HostKey};
use protocol::refusal::RefusalCode;

use crate::limits;

/// Every claim that counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    claims: BTreeMap<ComputerId, SignedClaim>,
    /// INVARIANT: the other way round of `claims`, one to one.
    holders: BTreeMap<HostKey, ComputerId>,
    /// INVARIANT: shares no name with `claims`.
    resting: BTreeMap<ComputerId, Rest>,
}

/// A name that its host gave up by a rename: free for that host only, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) host_key: HostKey,
    /// Seconds since 1970.
    pub(super) until: u64,
}

/// What to do about a host that wants in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is who it was.
    Known(SignedClaim),
    /// It shows a claim that is to be recorded; then decide again.
    Honour(SignedClaim),
    /// It shall have this ID, which nobody else has.
    Issue(ComputerId),
    Refuse(RefusalCode),
}

/// What recording a claim changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) claim: SignedClaim,
    /// The name that the same host had before.
    pub(super) given_up: Option<(ComputerId, Rest)>,
}

impl Book {
    /// Decides about a host whose key is proven and whose claim, if it shows one, is genuine and
    /// its own.
    pub(super) fn decide(
        &self,
        host_key: &HostKey,
        shown: Option<&SignedClaim>,
        wish: Option<&ComputerId>,
        now: u64,
    ) -> Decision {
        let held = self.held_by(host_key);
        let current = match shown {
            None => held,
            Some(shown) if self.is_news(shown, held) => {
                match self.claims.get(&shown.claim.computer_id) {
                    Some(other)
                        if other.claim.host_key != *host_key
                            && other.claim.serial <= shown.claim.serial =>
                    {
                        // The claim has lost. A wish for another name is a fresh start.
                        let wishes_another =
                            wish.is_some_and(|wish| *wish != shown.claim.computer_id);
                        if held.is_none() && !wishes_another {
                            return Decision::Refuse(RefusalCode::ClaimSuperseded);
                        }
                        held
                    }
                    Some(_) | None => return Decision::Honour(shown.clone()),
                }
            }
            Some(_) => held,
        };
        match (current, wish) {
            (None, None) => Decision::Refuse(RefusalCode::WishMissing),
            (Some(current), None) => Decision::Known(current.clone()),
            (Some(current), Some(wish)) if current.claim.computer_id == *wish => {
                Decision::Known(current.clone())
            }
            (Some(_) | None, Some(wish)) => self.grant(host_key, wish, now),
        }
    }

    /// Whether a genuine claim says more than what is known of the same host.
    fn is_news(&self, shown: &SignedClaim, held: Option<&SignedClaim>) -> bool {
        held.is_none_or(|held| {
            if held.claim.computer_id == shown.claim.computer_id {
                // Both are genuine; the older one is the stronger.
                shown.claim.serial < held.claim.serial
            } else {
                // A host has one name: the one that it was given last.
                shown.claim.serial > held.claim.serial
            }
        })
    }

    /// Gives `wish` to a host if nobody else has a right to it.
    fn grant(&self, host_key: &HostKey, wish: &ComputerId, now: u64) -> Decision {
        let rests_for_another = self
            .resting
            .get(wish)
            .is_some_and(|rest| rest.host_key != *host_key && rest.until > now);
        if self.claims.contains_key(wish) || rests_for_another {
            Decision::Refuse(RefusalCode::IdTaken)
        } else if self.claims.len() + self.resting.len() >= limits::CLAIMS_MAX {
            Decision::Refuse(RefusalCode::RegistrarUnavailable)
        } else {
            Decision::Issue(wish.clone())
        }
    }

    /// What it takes to record `claim`.
    pub(super) fn plan(&self, claim: SignedClaim, now: u64) -> Change {
        let given_up = self.holders.get(&claim.claim.host_key);
        let given_up = given_up
            .filter(|before| **before != claim.claim.computer_id)
            .map(|before| {
                let until = now.saturating_add(limits::NAME_REST.as_secs());
                (
                    before.clone(),
                    Rest {
                        host_key: claim.claim.host_key,
                        until,
                    },
                )
            });
        Change { claim, given_up }
    }

    /// Records a claim; returns who held the ID before, if that was somebody else.
    pub(super) fn apply(&mut self, change: Change) -> Option<HostKey> {
        let Change { claim, given_up } = change;
        if let Some((name, rest)) = given_up {
            self.claims.remove(&name);
            self.resting.insert(name, rest);
        }
        let id = claim.claim.computer_id.clone();
        let host_key = claim.claim.host_key;
        self.resting.remove(&id);
        self.holders.insert(host_key, id.clone());
        let before = self.claims.insert(id, claim)?;
        let superseded = Some(before.claim.host_key).filter(|before| *before != host_key)?;
        self.holders.remove(&superseded);
        Some(superseded)
    }

    /// Takes in what a store or an export holds; of two claims the better one stays.
    /// Returns how many claims were news.
    pub(super) fn absorb(
        &mut self,
        claims: Vec<SignedClaim>,
        rests: Vec<(ComputerId, Rest)>,
        now: u64,
    ) -> usize {
        let mut news = 0;
        for claim in claims {
            let host_key = claim.claim.host_key;
            if let Decision::Honour(claim) = self.decide(&host_key, Some(&claim), None, now) {
                let change = self.plan(claim, now);
                self.apply(change);
                news += 1;
            }
        }
        for (name, rest) in rests {
            if rest.until > now && !self.claims.contains_key(&name) {
                self.resting.insert(name, rest);
            }
        }
        news
    }

    pub(super) fn holder(&self, id: &ComputerId) -> Option<HostKey> {
        self.claims.get(id).map(|claim| claim.claim.host_key)
    }

    fn held_by(&self, host_key: &HostKey) -> Option<&SignedClaim> {
        self.holders
            .get(host_key)
            .and_then(|id| self.claims.get(id))
    }

    /// Number of hosts that have an ID.
    pub(super) fn len(&self) -> usize {
        self.claims.len()
    }

    /// Number of names that rest.
    pub(super) fn resting(&self) -> usize {
        self.resting.len()
    }

    /// All claims in the order of their IDs.
    pub(super) fn claims(&self) -> impl Iterator<Item = &SignedClaim> {
        self.claims.values()
    }

    /// All names that rest.
    pub(super) fn rests(&self) -> impl Iterator<Item = (&ComputerId, &Rest)> {
        self.resting.iter()
    }

    /// The highest serial of all claims.
    pub(super) fn newest_serial(&self) -> u64 {
        self.claims
            .values()
            .map(|claim| claim.claim.serial)
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::claim::Claim;
    use protocol::id::PublicKey;

    const ANNE: HostKey = PublicKey([1; 32]);
    const BOB: HostKey = PublicKey([2; 32]);

    fn id(name: &str) -> ComputerId {
        name.parse().expect("a name")
    }

    /// The book does not look at signatures.
    fn claim(name: &str, host_key: HostKey, serial: u64) -> SignedClaim {
        let claim = Claim {
            computer_id: id(name),
            host_key,
            serial,
            date: 0,
        };
        SignedClaim {
            claim,
            signature: [0; 64],
        }
    }

    fn book(claims: &[SignedClaim]) -> Book {
        let mut book = Book::default();
        for claim in claims {
            book.apply(book.plan(claim.clone(), 0));
        }
        book
    }

    #[test]
    fn the_first_key_to_take_an_id_keeps_it() {
        let book = book(&[claim("desk", ANNE, 5)]);

        let stranger = book.decide(&BOB, None, Some(&id("desk")), 0);
        assert_eq!(stranger, Decision::Refuse(RefusalCode::IdTaken));
        assert_eq!(
            book.decide(&BOB, None, None, 0),
            Decision::Refuse(RefusalCode::WishMissing)
        );
        assert_eq!(
            book.decide(&BOB, None, Some(&id("other")), 0),
            Decision::Issue(id("other"))
        );
        let owner = Decision::Known(claim("desk", ANNE, 5));
        assert_eq!(
            book.decide(&ANNE, None, None, 0),
            owner,
            "even without its claim"
        );
        assert_eq!(book.decide(&ANNE, None, Some(&id("desk")), 0), owner);
    }

    #[test]
    fn a_claim_is_honoured_by_an_empty_book() {
        let shown = claim("desk", ANNE, 5);

        let decision = Book::default().decide(&ANNE, Some(&shown), None, 0);

        assert_eq!(decision, Decision::Honour(shown));
    }

    #[test]
    fn of_two_claims_for_one_id_the_older_wins() {
        let mut book = book(&[claim("desk", BOB, 9)]);
        let older = claim("desk", ANNE, 5);

        assert_eq!(
            book.decide(&ANNE, Some(&older), None, 0),
            Decision::Honour(older.clone())
        );
        assert_eq!(book.apply(book.plan(older.clone(), 0)), Some(BOB));

        let newer = claim("desk", BOB, 9);
        let loser = book.decide(&BOB, Some(&newer), None, 0);
        assert_eq!(loser, Decision::Refuse(RefusalCode::ClaimSuperseded));
        let again = book.decide(&BOB, Some(&newer), Some(&id("desk")), 0);
        assert_eq!(again, Decision::Refuse(RefusalCode::ClaimSuperseded));
        let afresh = book.decide(&BOB, Some(&newer), Some(&id("laptop")), 0);
        assert_eq!(
            afresh,
            Decision::Issue(id("laptop")),
            "a loser may choose another name"
        );
        assert_eq!(book.holder(&id("desk")), Some(ANNE));
        assert_eq!(book.len(), 1);
    }

    #[test]
    fn of_two_claims_with_one_serial_the_first_stays() {
        let book = book(&[claim("desk", ANNE, 5)]);

        let same = claim("desk", BOB, 5);

        let decision = book.decide(&BOB, Some(&same), None, 0);
        assert_eq!(decision, Decision::Refuse(RefusalCode::ClaimSuperseded));
    }

    #[test]
    fn a_renamed_host_has_its_new_name_only_and_its_old_one_rests_for_it() {
        let mut book = book(&[claim("desk", ANNE, 5)]);
        let before = claim("desk", ANNE, 5);
        let renamed = book.decide(&ANNE, Some(&before), Some(&id("tower")), 100);
        assert_eq!(renamed, Decision::Issue(id("tower")));
        let after = claim("tower", ANNE, 6);
        assert_eq!(book.apply(book.plan(after.clone(), 100)), None);

        let year = 100 + limits::NAME_REST.as_secs();
        let stranger = |now| book.decide(&BOB, None, Some(&id("desk")), now);
        assert_eq!(stranger(year - 1), Decision::Refuse(RefusalCode::IdTaken));
        assert_eq!(stranger(year), Decision::Issue(id("desk")));
        let back = book.decide(&ANNE, Some(&after), Some(&id("desk")), 100);
        assert_eq!(
            back,
            Decision::Issue(id("desk")),
            "its own old name is free for it"
        );
        assert_eq!((book.len(), book.resting()), (1, 1));
    }

    #[test]
    fn a_host_that_shows_its_claim_from_before_the_rename_is_told_its_name() {
        let (old, new) = (claim("desk", ANNE, 5), claim("tower", ANNE, 6));

        let book_knows = book(&[old.clone(), new.clone()]);
        let shown_old = book_knows.decide(&ANNE, Some(&old), None, 0);
        assert_eq!(shown_old, Decision::Known(new.clone()));
        let answer_was_lost = book_knows.decide(&ANNE, Some(&old), Some(&id("tower")), 0);
        assert_eq!(answer_was_lost, Decision::Known(new.clone()));

        let book_is_from_before = book(&[old]);
        let shown_new = book_is_from_before.decide(&ANNE, Some(&new), None, 0);
        assert_eq!(shown_new, Decision::Honour(new));
    }

    #[test]
    fn an_older_claim_for_the_same_host_and_id_is_the_better_one() {
        let (old, new) = (claim("desk", ANNE, 5), claim("desk", ANNE, 9));

        let book = book(std::slice::from_ref(&new));

        assert_eq!(
            book.decide(&ANNE, Some(&old), None, 0),
            Decision::Honour(old)
        );
        assert_eq!(
            book.decide(&ANNE, Some(&new), None, 0),
            Decision::Known(new)
        );
    }

    #[test]
    fn a_claim_that_is_shown_takes_a_resting_name_back() {
        let mut book = book(&[claim("desk", BOB, 9)]);
        book.apply(book.plan(claim("tower", BOB, 10), 0));
        let first = claim("desk", ANNE, 5);

        assert_eq!(
            book.decide(&ANNE, Some(&first), None, 1),
            Decision::Honour(first.clone())
        );
        assert_eq!(book.apply(book.plan(first, 1)), None);
        assert_eq!((book.len(), book.resting()), (2, 0));
    }

    #[test]
    fn the_book_is_full_at_its_limit_for_new_names_only() {
        let mut book = Book::default();
        for number in 0..limits::CLAIMS_MAX - 1 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            book.apply(book.plan(claim(&format!("pc-{number}"), PublicKey(key), 1), 0));
        }
        let newcomer = |book: &Book| book.decide(&ANNE, None, Some(&id("desk")), 0);
        assert_eq!(newcomer(&book), Decision::Issue(id("desk")));

        book.apply(book.plan(claim("last", BOB, 2), 0));

        assert_eq!(
            newcomer(&book),
            Decision::Refuse(RefusalCode::RegistrarUnavailable)
        );
        let shown = claim("desk", ANNE, 1);
        assert_eq!(
            book.decide(&ANNE, Some(&shown), None, 0),
            Decision::Honour(shown)
        );
        assert!(matches!(
            book.decide(&BOB, None, None, 0),
            Decision::Known(_)
        ));
    }
}
