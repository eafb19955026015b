//! TLS tickets of links: with one, a host that comes back saves both ends their signatures.
//!
//! A board that has just restarted is when thousands come back, so the keys do not live in memory
//! alone: they follow from the board's private key and the time, and the same board finds them
//! again. Whoever has stolen that key could open tickets; what was said stays closed to him all the
//! same, since a resumed handshake exchanges new keys (RFC 8446, 2.2: `psk_dhe_ke`), and a host
//! also signs what it registers.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use aws_lc_rs::rand;
use rustls::server::ProducesTickets;

use crate::limits;

/// What the keys are for; another use of the board's key takes another text.
const PURPOSE: &[u8] = b"tasuki link tickets 1";

/// Bytes before what is sealed: the number of the key's period, then the nonce.
const PERIOD_LEN: usize = size_of::<u64>();
const HEAD_LEN: usize = PERIOD_LEN + NONCE_LEN;

/// Seals and opens tickets.
pub(super) struct Tickets {
    secret: Prk,
}

impl Tickets {
    /// `private_key` is the board's, in DER.
    pub(super) fn new(private_key: &[u8]) -> Self {
        Self {
            secret: Salt::new(HKDF_SHA256, PURPOSE).extract(private_key),
        }
    }

    fn key(&self, period: u64) -> Option<LessSafeKey> {
        let number = period.to_be_bytes();
        let info = [number.as_slice()];
        let key = self.secret.expand(&info, &CHACHA20_POLY1305).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(key)))
    }

    fn seal(&self, plain: &[u8], period: u64) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        self.key(period)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut sealed,
            )
            .ok()?;
        Some([&period.to_be_bytes(), nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed in this period or in the one before it.
    fn open(&self, ticket: &[u8], now: u64) -> Option<Vec<u8>> {
        let (head, sealed) = ticket.split_at_checked(HEAD_LEN)?;
        let (period, nonce) = head.split_at_checked(PERIOD_LEN)?;
        let period = u64::from_be_bytes(period.try_into().ok()?);
        if now.checked_sub(period)? > 1 {
            return None;
        }
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let key = self.key(period)?;
        let plain = key.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(limits::TICKET_PERIOD.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain, period())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.open(cipher, period())
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tickets")
    }
}

/// A board whose clock jumps makes tickets useless, and nothing else: the handshake is a whole one.
fn period() -> u64 {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since_1970.as_secs() / limits::TICKET_PERIOD.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000;

    #[test]
    fn a_board_that_was_restarted_opens_its_tickets() {
        let ticket = Tickets::new(b"a key").seal(b"a host", NOW).unwrap();

        let again = Tickets::new(b"a key");

        assert_eq!(again.open(&ticket, NOW).unwrap(), b"a host");
        assert_eq!(again.open(&ticket, NOW + 1).unwrap(), b"a host");
    }

    #[test]
    fn another_board_an_old_ticket_and_one_from_the_future_open_nothing() {
        let tickets = Tickets::new(b"a key");
        let ticket = tickets.seal(b"a host", NOW).unwrap();

        assert_eq!(Tickets::new(b"another").open(&ticket, NOW), None);
        assert_eq!(tickets.open(&ticket, NOW + 2), None);
        assert_eq!(tickets.open(&ticket, NOW - 1), None);
    }

    #[test]
    fn whatever_is_changed_or_missing_opens_nothing() {
        let tickets = Tickets::new(b"a key");
        let ticket = tickets.seal(b"a host", NOW).unwrap();

        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(tickets.open(&changed, NOW), None, "byte {at}");
            assert_eq!(tickets.open(&ticket[..at], NOW), None, "{at} bytes");
        }
    }

    #[test]
    fn the_same_words_are_never_sealed_alike() {
        let tickets = Tickets::new(b"a key");

        let twice = [(); 2].map(|()| tickets.seal(b"a host", NOW).unwrap());

        assert_ne!(twice[0], twice[1]);
    }
}
