//! Strategies for every value of the protocol, each within its own limits.

pub(crate) mod outer;
pub(crate) mod tunnel;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use protocol::board_list::{Board, BoardList, CertificateSerial};
use protocol::claim::{Claim, SignedClaim};
use protocol::codec::Bytes;
use protocol::id::{BoardName, ComputerId, NAME_MAX, PublicKey};
use protocol::refusal::{Contact, Refusal, RefusalCode};
use protocol::secret::Secret;
use protocol::tag::ReturnTag;
use protocol::text::Text;
use protocol::version::Versions;

pub(crate) fn text<const N: usize>() -> impl Strategy<Value = Text<N>> {
    vec(any::<char>(), 0..=N).prop_map(|characters| {
        let characters: String = characters.into_iter().collect();
        Text::lossy(&characters)
    })
}

pub(crate) fn bytes<const N: usize>() -> impl Strategy<Value = Bytes<N>> {
    vec(any::<u8>(), 0..=N).prop_map(|bytes| Bytes::new(&bytes).expect("fits"))
}

pub(crate) fn secret<const N: usize>() -> impl Strategy<Value = Secret<N>> {
    any::<[u8; N]>().prop_map(Secret::new)
}

/// Up to `N` values in a list of that capacity.
pub(crate) fn list<T: std::fmt::Debug, const N: usize>(
    values: impl Strategy<Value = T>,
) -> impl Strategy<Value = heapless::Vec<T, N>> {
    vec(values, 0..=N).prop_map(|values| values.into_iter().collect())
}

/// A text that is a computer ID, in any mix of cases.
pub(crate) fn computer_id_text() -> impl Strategy<Value = String> {
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    characters(letters, 1..=NAME_MAX)
}

/// A text that is a board's name, in any mix of cases.
pub(crate) fn board_name_text() -> impl Strategy<Value = String> {
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let inner = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    let parts = (
        characters(letters, 1..=1),
        characters(inner, 0..=NAME_MAX - 1),
    );
    parts.prop_map(|(first, rest)| format!("{first}{}", rest.trim_end_matches('-')))
}

fn characters(
    from: &'static [u8],
    length: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = String> {
    let character = prop::sample::select(from).prop_map(char::from);
    vec(character, length).prop_map(|characters| characters.into_iter().collect())
}

pub(crate) fn computer_id() -> impl Strategy<Value = ComputerId> {
    computer_id_text().prop_map(|text| text.parse().expect("a name"))
}

pub(crate) fn board_name() -> impl Strategy<Value = BoardName> {
    board_name_text().prop_map(|text| text.parse().expect("a name"))
}

pub(crate) fn public_key() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(PublicKey)
}

pub(crate) fn versions() -> impl Strategy<Value = Versions> {
    (any::<u16>(), any::<u16>()).prop_map(|(min, max)| Versions { min, max })
}

pub(crate) fn address() -> impl Strategy<Value = SocketAddr> {
    let v4 = any::<[u8; 4]>().prop_map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    // A mapped address reads back as the IPv4 address that it is.
    let v6 = any::<[u8; 16]>().prop_map(|octets| IpAddr::V6(Ipv6Addr::from(octets)).to_canonical());
    (prop_oneof![v4, v6], any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

pub(crate) fn refusal_code() -> impl Strategy<Value = RefusalCode> {
    prop_oneof![
        prop::sample::select(RefusalCode::ALL),
        any::<u16>().prop_map(RefusalCode::from)
    ]
}

pub(crate) fn refusal() -> impl Strategy<Value = Refusal> {
    let contact =
        (text(), text(), text()).prop_map(|(organisation, department, contact)| Contact {
            organisation,
            department,
            contact,
        });
    (refusal_code(), any::<u32>(), text(), contact).prop_map(
        |(code, retry_after_s, text, contact)| Refusal {
            code,
            retry_after_s,
            text,
            contact,
        },
    )
}

pub(crate) fn return_tag() -> impl Strategy<Value = ReturnTag> {
    (any::<[u8; 8]>(), secret(), secret()).prop_map(|(id, slot_mac, host_mac)| ReturnTag {
        id,
        slot_mac,
        host_mac,
    })
}

pub(crate) fn claim() -> impl Strategy<Value = Claim> {
    (computer_id(), public_key(), any::<u64>(), any::<u64>()).prop_map(
        |(computer_id, host_key, serial, date)| Claim {
            computer_id,
            host_key,
            serial,
            date,
        },
    )
}

pub(crate) fn signed_claim() -> impl Strategy<Value = SignedClaim> {
    (claim(), any::<[u8; 64]>()).prop_map(|(claim, signature)| SignedClaim { claim, signature })
}

pub(crate) fn board() -> impl Strategy<Value = Board> {
    (
        board_name(),
        list(text()),
        any::<u16>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(name, addresses, weight, restricted, draining)| Board {
            name,
            addresses,
            weight,
            restricted,
            draining,
        })
}

pub(crate) fn board_list() -> impl Strategy<Value = BoardList> {
    let serial = bytes::<20>().prop_map(|bytes| -> CertificateSerial { bytes });
    let dates = (any::<u64>(), any::<u64>(), any::<u64>());
    (dates, vec(board(), 0..6), vec(serial, 0..6)).prop_map(|(dates, boards, revoked)| {
        let (serial, issued, expires) = dates;
        BoardList {
            serial,
            issued,
            expires,
            boards,
            revoked,
        }
    })
}

pub(crate) fn optional<T: std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    option::of(value)
}
