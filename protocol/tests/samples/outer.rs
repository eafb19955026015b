//! One of each outer frame.

use protocol::codec::Bytes;
use protocol::outer::{
    BoardListPart, Connect, Decline, Frame, Invite, Join, Joined, Move, Ping, Pong, Redirect,
    Register, Registered,
};
use protocol::refusal::{Contact, Refusal, RefusalCode};
use protocol::secret::Secret;
use protocol::version::Versions;

use super::{claim, computer_id, return_tag, text};

const VERSIONS: Versions = Versions { min: 1, max: 1 };

/// All frames, in the order of their codes.
pub(crate) fn outer() -> Vec<Frame> {
    vec![
        register().into(),
        Frame::Registered(Registered {
            version: 1,
            claim: claim(),
            ping_interval_s: 25,
        }),
        Frame::Connect(Connect {
            versions: VERSIONS,
            software: text("tasuki-client 0.1.0"),
            capabilities: 0,
            board_list_serial: 42,
            computer_id: computer_id(),
            tag: Some(return_tag()),
        }),
        Frame::Join(Join {
            versions: VERSIONS,
            ticket: Secret::new([0xd1; 16]),
        }),
        Frame::Joined(Joined {
            version: 1,
            session: 0x0102_0304_0506_0708,
        }),
        Frame::Invite(Invite {
            ticket: Secret::new([0xd1; 16]),
            client: "192.0.2.7:50000".parse().expect("an address"),
            tag: Some(return_tag()),
        }),
        Frame::Decline(Decline {
            ticket: Secret::new([0xd1; 16]),
            refusal: RefusalCode::AddressDenied.into(),
        }),
        Frame::Ping(Ping { number: 7 }),
        Frame::Pong(Pong { number: 7 }),
        Frame::Redirect(Redirect {
            boards: ["tokyo-1", "osaka-1"].map(name).into_iter().collect(),
        }),
        Frame::Refused(refusal()),
        Frame::Move(Move {
            boards: [name("osaka-1")].into_iter().collect(),
            deadline_s: 300,
        }),
        Frame::BoardListPart(BoardListPart {
            serial: 42,
            offset: 960,
            total: 963,
            bytes: Bytes::new(b"abc").expect("fits"),
        }),
    ]
}

fn register() -> Register {
    Register {
        versions: VERSIONS,
        software: text("tasuki-host 0.1.0"),
        capabilities: 0,
        nonce: [0xe1; 16],
        epoch: 3,
        epoch_signature: [0xe2; 64],
        slot_key: Secret::new([0xe3; 32]),
        board_list_serial: 41,
        claim: Some(claim()),
        wish: Some(computer_id()),
    }
}

fn refusal() -> Refusal {
    Refusal {
        code: RefusalCode::Barred,
        retry_after_s: u32::MAX,
        text: text("not from here"),
        contact: Contact {
            organisation: text("Example Office"),
            department: text("Network"),
            contact: text("net@example.jp"),
        },
    }
}

fn name(name: &str) -> protocol::id::BoardName {
    name.parse().expect("a name")
}
