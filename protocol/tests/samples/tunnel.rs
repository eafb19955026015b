//! One of each tunnel frame.

use protocol::codec::Bytes;
use protocol::refusal::{Refusal, RefusalCode};
use protocol::secret::Secret;
use protocol::tunnel::{
    Ack, Alive, Challenge, Data, Fin, Frame, Hello, LeaveFullScreen, Open, Probe, Progress, Proof,
    Received, Reset, Resume, Resumed, Welcome,
};
use protocol::version::Versions;

use super::{computer_id, return_tag, text};

const VERSIONS: Versions = Versions { min: 1, max: 1 };
const PROGRESS: Progress = Progress {
    received: 4096,
    window: 1_048_576,
};

/// All frames, in the order of their codes.
pub(crate) fn tunnel() -> Vec<Frame<'static>> {
    let received = Received {
        stream: 1,
        offset: 4096,
    };
    vec![
        Frame::Hello(Hello {
            versions: VERSIONS,
            software: text("tasuki-client 0.1.0"),
            computer_id: computer_id(),
            user: text("taro"),
            ke1: Bytes::new(&[0xf1; 96]).expect("fits"),
        }),
        Frame::Challenge(Challenge {
            versions: VERSIONS,
            software: text("tasuki-host 0.1.0"),
            ke2: Bytes::new(&[0xf2; 320]).expect("fits"),
        }),
        Frame::Proof(Proof {
            ke3: Bytes::new(&[0xf3; 64]).expect("fits"),
            mac: Secret::new([0xf4; 32]),
        }),
        Frame::Welcome(Welcome {
            version: 1,
            mac: Secret::new([0xf5; 32]),
            tag: return_tag(),
            message: text("Back-up tonight at 22:00"),
        }),
        Frame::Refused(
            Refusal::new(RefusalCode::LockedOut).retry_after(std::time::Duration::from_secs(30)),
        ),
        Frame::Resume(Resume {
            versions: VERSIONS,
            tunnel: [0xf6; 16],
            generation: 2,
            mac: Secret::new([0xf7; 32]),
            received: [received].into_iter().collect(),
        }),
        Frame::Resumed(Resumed {
            mac: Secret::new([0xf8; 32]),
            received: [received].into_iter().collect(),
        }),
        Frame::Open(Open {
            stream: 1,
            window: 1_048_576,
        }),
        Frame::Data(Data {
            stream: 1,
            offset: 8192,
            progress: PROGRESS,
            bytes: b"pixels",
        }),
        Frame::Ack(Ack {
            stream: 1,
            progress: PROGRESS,
        }),
        Frame::Fin(Fin {
            stream: 1,
            offset: 8198,
        }),
        Frame::Reset(Reset {
            stream: 1,
            code: RefusalCode::TargetUnreachable,
        }),
        Frame::Probe(Probe { number: 9 }),
        Frame::Alive(Alive { number: 9 }),
        Frame::LeaveFullScreen(LeaveFullScreen),
    ]
}
