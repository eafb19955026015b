//! One fixed value of everything that has an encoding, for the golden files.
//!
//! Every optional part is there and every list has an entry, so that a golden file shows
//! each field. Changing a value here changes a golden file; changing a golden file breaks
//! every agent in the field.

mod outer;
mod tunnel;

use protocol::board_list::{Board, BoardList, CertificateSerial, SignedBoardList};
use protocol::claim::{Claim, SignedClaim};
use protocol::codec::{Wire, Writer};
use protocol::id::{ComputerId, PublicKey};
use protocol::secret::Secret;
use protocol::tag::ReturnTag;
use protocol::text::Text;

pub(crate) use outer::outer;
pub(crate) use tunnel::tunnel;

/// A golden file: its name, and what it holds.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Every sample, in the order of `docs/PROTOCOL.md`.
pub(crate) fn all() -> Vec<Sample> {
    let mut samples = Vec::new();
    for frame in outer() {
        let bytes = frame.encode().expect("fits").to_vec();
        let name = format!("outer-{}", kebab(frame.name()));
        samples.push(Sample { name, bytes });
    }
    for frame in tunnel() {
        let mut buffer = vec![0; protocol::tunnel::FRAME_MAX];
        let length = frame.encode(&mut buffer).expect("fits");
        buffer.truncate(length);
        let name = format!("tunnel-{}", kebab(frame.name()));
        samples.push(Sample {
            name,
            bytes: buffer,
        });
    }
    samples.push(Sample {
        name: "claim".into(),
        bytes: encoded(&claim()),
    });
    let list = board_list().to_bytes().expect("fits");
    samples.push(Sample {
        name: "board-list".into(),
        bytes: list,
    });
    samples
}

/// Encodes a value that is no frame.
pub(crate) fn encoded(value: &impl for<'a> Wire<'a>) -> Vec<u8> {
    let mut buffer = vec![0; 1024];
    let mut writer = Writer::new(&mut buffer);
    value.encode(&mut writer).expect("fits");
    let used = writer.used();
    buffer.truncate(used);
    buffer
}

pub(crate) fn claim() -> SignedClaim {
    let claim = Claim {
        computer_id: computer_id(),
        host_key: PublicKey([0xa1; 32]),
        serial: 1_800_000_000_000_001,
        date: 1_800_000_000,
    };
    SignedClaim {
        claim,
        signature: [0xa2; 64],
    }
}

pub(crate) fn board_list() -> SignedBoardList {
    let list = BoardList {
        serial: 42,
        issued: 1_800_000_000,
        expires: 1_800_086_400,
        boards: vec![Board {
            name: "tokyo-1".parse().expect("a name"),
            addresses: [text("relay.example.jp:443"), text("[2001:db8::1]:443")]
                .into_iter()
                .collect(),
            weight: 100,
            restricted: false,
            draining: true,
        }],
        revoked: vec![CertificateSerial::new(&[0xb1; 16]).expect("fits")],
    };
    SignedBoardList {
        list,
        signature: [0xb2; 64],
    }
}

fn computer_id() -> ComputerId {
    "sales-07".parse().expect("a name")
}

fn return_tag() -> ReturnTag {
    ReturnTag {
        id: [0xc1; 8],
        slot_mac: Secret::new([0xc2; 8]),
        host_mac: Secret::new([0xc3; 16]),
    }
}

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::lossy(text)
}

/// `BoardListPart` becomes `board-list-part`.
pub(crate) fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(character.to_ascii_lowercase());
    }
    kebab
}
