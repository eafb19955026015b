//! The sessions of one worker, found by token.
//!
//! A token names a place, a leg and the generation of what lies there, so that a late event for a
//! reaped session never reaches the session that took its place.

use mio::Token;
use slab::Slab;

use super::leg::Leg;

/// Not given to any session: the mailbox's waker.
pub(super) const WAKER: Token = Token(usize::MAX);

/// Bits of a token that hold the place; one more holds the leg.
const PLACE_BITS: u32 = 20;
const PLACE_MASK: usize = (1 << PLACE_BITS) - 1;
const LEG_BIT: usize = 1 << PLACE_BITS;
const GENERATION_SHIFT: u32 = PLACE_BITS + 1;
const GENERATION_MASK: usize = usize::MAX >> GENERATION_SHIFT;

/// Where an entry lies, and which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    place: usize,
    generation: usize,
}

/// Entries with generations.
#[derive(Debug)]
pub(super) struct Table<T> {
    entries: Slab<(usize, T)>,
    generation: usize,
}

impl<T> Table<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: Slab::new(),
            generation: 0,
        }
    }

    /// Puts an entry in, made from the key it will have.
    ///
    /// # Errors
    /// Whatever `make` fails with; then the table is as before.
    pub(super) fn try_insert<E>(
        &mut self,
        make: impl FnOnce(Key) -> Result<T, E>,
    ) -> Result<Key, E> {
        let vacant = self.entries.vacant_entry();
        // The last generation stays unused: with all other bits set it would be the waker's token.
        self.generation = (self.generation + 1) % GENERATION_MASK;
        let key = Key {
            place: vacant.key(),
            generation: self.generation,
        };
        debug_assert!(key.place <= PLACE_MASK, "sessions_max is far below");
        vacant.insert((key.generation, make(key)?));
        Ok(key)
    }

    /// The entry, unless it is gone.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.entries.get_mut(key.place) {
            Some((generation, entry)) if *generation == key.generation => Some(entry),
            Some(_) | None => None,
        }
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        self.get_mut(key)?;
        self.entries.try_remove(key.place).map(|(_, entry)| entry)
    }

    /// Whatever lies at a place, for sweeps; `None` for a free one.
    pub(super) fn at_mut(&mut self, place: usize) -> Option<&mut T> {
        self.entries.get_mut(place).map(|(_, entry)| entry)
    }

    /// One past the last place that was ever used.
    pub(super) fn places(&self) -> usize {
        self.entries.capacity()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.entries.iter().map(|(place, (generation, _))| Key {
            place,
            generation: *generation,
        })
    }
}

impl Key {
    pub(super) fn token(self, leg: Leg) -> Token {
        let leg = match leg {
            Leg::Client => 0,
            Leg::Host => LEG_BIT,
        };
        Token(self.generation << GENERATION_SHIFT | leg | self.place)
    }

    pub(super) fn of(token: Token) -> (Self, Leg) {
        let leg = if token.0 & LEG_BIT == 0 {
            Leg::Client
        } else {
            Leg::Host
        };
        let key = Self {
            place: token.0 & PLACE_MASK,
            generation: token.0 >> GENERATION_SHIFT,
        };
        (key, leg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(table: &mut Table<&'static str>, entry: &'static str) -> Key {
        table
            .try_insert(|_| Ok::<_, ()>(entry))
            .expect("cannot fail")
    }

    #[test]
    fn a_token_gives_back_its_key_and_leg() {
        for generation in [0, 1, GENERATION_MASK - 1] {
            for place in [0, 1, PLACE_MASK] {
                let key = Key { place, generation };
                for leg in [Leg::Client, Leg::Host] {
                    assert_eq!(Key::of(key.token(leg)), (key, leg));
                    assert_ne!(key.token(leg), WAKER);
                }
            }
        }
    }

    #[test]
    fn a_key_does_not_reach_the_next_entry_at_its_place() {
        let mut table = Table::new();
        let old = insert(&mut table, "old");
        table.remove(old);
        let new = insert(&mut table, "new");

        assert_eq!(old.place, new.place);
        assert_eq!(table.get_mut(old), None);
        assert_eq!(table.remove(old), None);
        assert_eq!(table.get_mut(new), Some(&mut "new"));
    }

    #[test]
    fn a_failed_insert_leaves_no_entry() {
        let mut table: Table<()> = Table::new();
        let result = table.try_insert(|_| Err("no"));

        assert_eq!(result, Err("no"));
        assert_eq!(table.keys().count(), 0);
    }

    #[test]
    fn generations_wrap_before_the_waker() {
        let mut table = Table::new();
        table.generation = GENERATION_MASK - 2;
        let last = insert(&mut table, "last");
        let first = insert(&mut table, "first");

        assert_eq!(
            (last.generation, first.generation),
            (GENERATION_MASK - 1, 0)
        );
    }
}
