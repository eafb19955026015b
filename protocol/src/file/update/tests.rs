use super::*;
use crate::secret::Secret;
use crate::sign::SigningKey;

fn part(length: u64, pieces: usize) -> Part {
    let piece = Piece {
        stored: 7,
        sha256: Sha256([9; 32]),
    };
    Part {
        length,
        sha256: Sha256([8; 32]),
        pieces: vec![piece; pieces],
    }
}

fn manifest() -> Manifest {
    Manifest {
        board: "rpi4".into(),
        version: Version::new(0, 2, 0),
        root_hash: Sha256([7; 32]),
        order: Order {
            generation: 3,
            expires: 1_800_000_000,
            downgrade: false,
        },
        root: part(3 * 1_048_576, 3),
        verity: part(4_096, 1),
        boot: part(1_048_576 + 512, 2),
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([seed; 32])).expect("is a seed")
}

fn head(bytes: &[u8]) -> Head<'_> {
    Head::find(bytes).expect("is one").expect("is whole")
}

#[test]
fn what_was_signed_opens_with_its_key_only_and_is_found_before_binary_pieces() {
    let mut bytes = manifest().to_signed_text(&key(1)).into_bytes();
    let length = bytes.len();
    bytes.extend([0xff, b'\n', 0, 1, 2]);

    let head = head(&bytes);

    assert_eq!(head.length, length);
    assert_eq!(head.open(&key(1).public_key()), Ok(manifest()));
    assert_eq!(
        head.open(&key(2).public_key()),
        Err(OpenError::Signature),
        "another deployment's"
    );
}

#[test]
fn a_changed_byte_anywhere_is_not_opened() {
    let good = manifest().to_signed_text(&key(1)).into_bytes();
    for place in 0..good.len() {
        let mut bytes = good.clone();
        bytes[place] ^= 1;

        let opened = Head::find(&bytes).map(|head| {
            head.map(|head| head.open(&key(1).public_key()))
                .transpose()
                .ok()
                .flatten()
        });

        assert!(!matches!(opened, Ok(Some(_))), "byte {place}");
    }
}

#[test]
fn every_beginning_of_a_head_asks_for_more_and_anything_else_is_refused() {
    let good = manifest().to_signed_text(&key(1)).into_bytes();
    for length in 0..good.len() {
        assert_eq!(Head::find(&good[..length]), Ok(None), "{length} bytes");
    }
    for wrong in [
        &b"# Tasuki entry file"[..],
        b"\x7fELF",
        b"# Tasuki update.\nsignature = \"AAAA\"\n",
        b"# Tasuki update.\nsignature = \"\" \n",
    ] {
        assert_eq!(Head::find(wrong), Err(HeadError));
    }
    let mut endless = LABEL.as_bytes().to_vec();
    endless.resize(MANIFEST_MAX - 1, b'\n');
    assert_eq!(Head::find(&endless), Ok(None), "it may still end");
    endless.push(b'\n');
    assert_eq!(Head::find(&endless), Err(HeadError));
}

#[test]
fn a_bundle_that_nobody_signed_says_so() {
    let text = manifest().to_unsigned_text();

    let head = head(text.as_bytes());

    assert_eq!(head.open(&key(1).public_key()), Err(OpenError::NotSigned));
    assert_eq!(head.parse_unverified(), Ok(manifest()));
}

#[test]
fn parts_whose_pieces_do_not_add_up_are_refused() {
    for wrong in [
        part(0, 0),
        part(511, 1),
        part(1_048_576, 2),
        part(1_048_576 + 512, 1),
    ] {
        let mut manifest = manifest();
        manifest.root = wrong;
        let text = manifest.to_signed_text(&key(1));
        let refused = head(text.as_bytes()).open(&key(1).public_key());
        assert!(matches!(refused, Err(OpenError::Text(_))), "{refused:?}");
    }
    let most = format!("{STORED_MAX} {}", Sha256([0; 32]));
    assert!(most.parse::<Piece>().is_ok());
    for stored in [0, STORED_MAX + 1] {
        let text = format!("{stored} {}", Sha256([0; 32]));
        assert!(text.parse::<Piece>().is_err(), "{stored} bytes");
    }
}

#[test]
fn a_piece_has_a_mebibyte_and_the_last_one_the_rest() {
    let part = part(1_048_576 + 512, 2);
    assert_eq!(
        [0, 1, 2].map(|number| part.unpacked(number)),
        [PIECE, 512, 0]
    );
}

#[test]
fn a_board_has_a_short_name_that_is_no_path() {
    for (name, good) in [
        ("vm-x86-64", true),
        (&"x".repeat(BOARD_MAX), true),
        (&"x".repeat(BOARD_MAX + 1), false),
        ("../rpi4", false),
        ("rpi4\u{1b}[2J", false),
    ] {
        let mut manifest = manifest();
        manifest.board = name.into();
        let text = manifest.to_signed_text(&key(1));
        let opened = head(text.as_bytes()).open(&key(1).public_key());
        assert_eq!(opened.is_ok(), good, "{name:?}");
    }
}
