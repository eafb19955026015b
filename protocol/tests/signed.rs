//! Signatures, tags and files: what is altered anywhere is refused.

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::board_list::{
    BOARD_LIST_MAX, BOARDS_MAX, Board, BoardList, CertificateSerial, REVOKED_MAX, SignedBoardList,
};
use protocol::file::entry::Entry;
use protocol::file::node::{Lone, NodeFile, PrivateKeyPem, Setup};
use protocol::id::PublicKey;
use protocol::secret::Secret;
use protocol::sign::{SigningKey, verify_epoch};
use protocol::tag::ReturnTag;

use crate::{arbitrary, samples};

fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([byte; 32])).expect("a key")
}

fn empty_list() -> BoardList {
    BoardList {
        serial: 1,
        issued: 2,
        expires: 3,
        boards: Vec::new(),
        revoked: Vec::new(),
    }
}

proptest! {
    #[test]
    fn a_claim_verifies_by_the_registrars_keys_only(claim in arbitrary::claim(), serial in any::<u64>()) {
        let (registrar, other) = (key(1), key(2));
        let mut signed = registrar.sign_claim(claim.clone()).expect("fits");

        prop_assert_eq!(signed.verify(&[other.public_key(), registrar.public_key()]), Ok(&claim));
        prop_assert!(signed.verify(&[other.public_key()]).is_err());
        prop_assert!(signed.verify(&[]).is_err());
        signed.claim.serial = serial;
        prop_assert_eq!(signed.verify(&[registrar.public_key()]).is_ok(), serial == claim.serial);
    }

    #[test]
    fn board_lists_come_back_and_verify(list in arbitrary::board_list(), flip in any::<prop::sample::Index>()) {
        let registrar = key(1);
        let signed = registrar.sign_board_list(list.clone()).expect("fits");
        let mut bytes = signed.to_bytes().expect("fits");

        let back = SignedBoardList::from_bytes(&bytes).expect("decodes");
        prop_assert_eq!(back.verify(&[registrar.public_key()]), Ok(&list));
        for end in 0..bytes.len() {
            prop_assert!(SignedBoardList::from_bytes(&bytes[..end]).is_err());
        }
        let place = flip.index(bytes.len());
        bytes[place] ^= 1;
        if let Ok(altered) = SignedBoardList::from_bytes(&bytes) {
            prop_assert!(altered.verify(&[registrar.public_key()]).is_err());
        }
    }

    #[test]
    fn arbitrary_board_lists_never_panic(bytes in vec(any::<u8>(), 0..2000)) {
        let mut bytes = bytes;
        if let Ok(list) = SignedBoardList::from_bytes(&bytes) {
            prop_assert_eq!(list.to_bytes(), Ok(bytes.clone()));
        }
        // Small counts, so that some get past them.
        if let Some(counts) = bytes.get_mut(24..26) {
            counts.copy_from_slice(&[0, 1]);
            let _ = SignedBoardList::from_bytes(&bytes);
        }
    }

    #[test]
    fn an_epoch_is_signed_for_one_process_and_link(nonce in any::<[u8; 16]>(), epoch in any::<u64>(), other in any::<u64>()) {
        let host = key(3);
        let signature = host.sign_epoch(nonce, epoch);

        prop_assert!(verify_epoch(&host.public_key(), nonce, epoch, &signature).is_ok());
        prop_assert_eq!(verify_epoch(&host.public_key(), nonce, other, &signature).is_ok(), other == epoch);
    }

    #[test]
    fn a_tag_is_believed_under_its_keys_only(id in any::<[u8; 8]>(), slot in arbitrary::secret(), tag_key in arbitrary::secret()) {
        let tag = ReturnTag::new(id, &slot, &tag_key);
        let other = Secret::new([0; 32]);

        prop_assert!(tag.has_slot(&slot) && tag.is_from(&tag_key));
        prop_assert_eq!(tag.has_slot(&other), slot == other);
        prop_assert_eq!(tag.is_from(&other), tag_key == other);
    }

    #[test]
    fn entry_files_come_back(entry in entry()) {
        let deployment = key(4);
        let entry = Entry { deployment_key: deployment.public_key(), ..entry };
        let text = entry.to_signed_text(&deployment);

        prop_assert_eq!(Entry::parse(&text), Ok(entry.clone()));
        prop_assert!(Entry::parse(&entry.to_signed_text(&key(5))).is_err());
    }

    #[test]
    fn node_files_come_back(node in node()) {
        let text = node.to_text();
        prop_assert!(NodeFile::parse(&text).is_ok_and(|back| back == node));
    }

    #[test]
    fn arbitrary_files_never_panic(text in ".{0,300}") {
        prop_assert!(Entry::parse(&text).is_err());
        prop_assert!(NodeFile::parse(&text).is_err());
    }
}

prop_compose! {
    fn entry()(
        name in any::<String>(),
        generation in any::<u64>(),
        addresses in vec(any::<String>(), 1..4),
        update in proptest::option::of(any::<String>()),
        ca in vec(any::<String>(), 1..=2),
        registrar in vec(arbitrary::public_key(), 1..=2),
        deployment_key in arbitrary::public_key(),
    ) -> Entry {
        Entry { name, generation, addresses, update, ca, registrar, deployment_key }
    }
}

prop_compose! {
    fn node()(
        deployment in any::<String>(),
        generation in any::<u64>(),
        name in arbitrary::board_name(),
        addresses in vec(any::<String>(), 1..=4),
        texts in any::<(String, String)>(),
        registrar in vec(arbitrary::public_key(), 1..=2),
        lone in proptest::option::of((arbitrary::secret(), vec(arbitrary::bytes::<20>(), 0..4))),
    ) -> NodeFile {
        let lone = lone.map(|(registrar_key, revoked)| Lone { registrar_key, revoked });
        let (certificate, key) = texts;
        let key = PrivateKeyPem(key);
        let setup = Setup::default();
        NodeFile { deployment, generation, name, addresses, certificate, key, registrar, lone, setup }
    }
}

fn signed_entry() -> String {
    let deployment = key(4);
    let entry = Entry {
        name: "Lab".into(),
        generation: 1,
        addresses: vec!["relay.example.jp:443".into()],
        update: None,
        ca: vec!["PEM".into()],
        registrar: vec![key(1).public_key()],
        deployment_key: deployment.public_key(),
    };
    entry.to_signed_text(&deployment)
}

#[test]
fn a_file_that_nests_without_end_is_refused() {
    for (open, close) in [("[", ""), ("{a=", ""), ("[", "]")] {
        let text = format!("name = {}{}", open.repeat(20_000), close.repeat(20_000));
        assert!(Entry::parse(&text).is_err());
        assert!(NodeFile::parse(&text).is_err());
    }
}

#[test]
fn nothing_in_an_entry_file_can_be_altered() {
    let text = signed_entry();

    for (place, _) in text.char_indices() {
        let mut altered = text.clone().into_bytes();
        altered[place] ^= 1;
        let altered = String::from_utf8(altered).expect("ASCII");
        assert!(Entry::parse(&altered).is_err(), "byte {place}");
    }
}

#[test]
fn nothing_can_be_added_behind_the_signature_of_an_entry_file() {
    let text = signed_entry();

    for tail in [
        "update = \"https://crook.example\"\n",
        "# a note\n",
        "\n",
        " ",
    ] {
        assert!(Entry::parse(&format!("{text}{tail}")).is_err(), "{tail:?}");
    }
    assert!(Entry::parse(&format!("\n{text}")).is_err());
}

/// `label` and what is signed, written by hand.
fn message(label: &str, content: &[u8]) -> Vec<u8> {
    [label.as_bytes(), content].concat()
}

#[test]
fn signatures_cover_a_label_of_their_kind_and_the_encoding() {
    let registrar = key(1);
    let verifies = |label, content: &[u8], signature| {
        let message = message(label, content);
        registrar.public_key().verify(&message, signature).is_ok()
    };
    let claim = registrar.sign_claim(samples::claim().claim).expect("fits");
    let list = registrar.sign_board_list(empty_list()).expect("fits");
    let content = list.to_bytes().expect("fits");
    let (content, _) = content.split_at(content.len() - 64);
    let epoch = [[7; 16].as_slice(), &[0, 0, 0, 0, 0, 0, 0, 9]].concat();

    assert!(verifies(
        "tasuki claim 1",
        &samples::encoded(&claim.claim),
        &claim.signature
    ));
    assert!(verifies("tasuki board list 1", content, &list.signature));
    assert!(verifies(
        "tasuki epoch 1",
        &epoch,
        &registrar.sign_epoch([7; 16], 9)
    ));
}

#[test]
fn tag_macs_cover_a_label_of_their_reader_and_the_name() {
    let mac = |key: u8, label| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[key; 32]);
        hmac::sign(&key, &message(label, &[3; 8])).as_ref().to_vec()
    };

    let tag = ReturnTag::new([3; 8], &Secret::new([1; 32]), &Secret::new([2; 32]));

    assert_eq!(tag.slot_mac.expose()[..], mac(1, "tasuki slot 1")[..8]);
    assert_eq!(tag.host_mac.expose()[..], mac(2, "tasuki tag 1")[..16]);
}

#[test]
fn a_board_list_holds_its_limits_and_not_one_more() {
    let board = Board {
        name: "b".parse().expect("a name"),
        addresses: heapless::Vec::new(),
        weight: 1,
        restricted: false,
        draining: false,
    };
    let serial = CertificateSerial::new(&[1; 16]).expect("fits");
    let list = |boards, revoked| BoardList {
        boards: vec![board.clone(); boards],
        revoked: vec![serial.clone(); revoked],
        ..empty_list()
    };
    let sign = |list| key(1).sign_board_list(list);

    let full = sign(list(BOARDS_MAX, REVOKED_MAX)).expect("fits");
    let bytes = full.to_bytes().expect("fits");
    assert!(bytes.len() <= BOARD_LIST_MAX);
    assert_eq!(SignedBoardList::from_bytes(&bytes), Ok(full));
    assert!(sign(list(BOARDS_MAX + 1, 0)).is_err());
    assert!(sign(list(0, REVOKED_MAX + 1)).is_err());
}

#[test]
fn a_count_that_promises_too_much_is_refused_at_once() {
    let signed = key(1).sign_board_list(empty_list()).expect("fits");
    let mut bytes = signed.to_bytes().expect("fits");
    let beyond = u16::try_from(BOARDS_MAX + 1).expect("fits");
    bytes[24..26].copy_from_slice(&beyond.to_be_bytes());

    let refused = SignedBoardList::from_bytes(&bytes);

    assert_eq!(
        refused,
        Err(protocol::codec::DecodeError::TooLong(BOARDS_MAX))
    );
}

#[test]
fn the_key_of_rfc_8410_is_found_in_its_public_key_info_and_no_other_kind_is() {
    // Section 10.1.
    let text = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    let info = BASE64.decode(text.as_bytes()).expect("is base64");
    let key = PublicKey::from_public_key_info(&info).expect("is a key");
    assert_eq!(
        key.to_string(),
        "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
    );

    // X25519 has the number before it (RFC 8410, section 3).
    let mut other = info.clone();
    other[8] = 0x6e;
    for wrong in [
        &other[..],
        &info[..43],
        &[info.as_slice(), &[0]].concat(),
        &[],
    ] {
        assert_eq!(PublicKey::from_public_key_info(wrong), None);
    }
}
