//! Strategies for tunnel frames, which are checked where they are made: they borrow their data.

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::tunnel::{
    Ack, Alive, Challenge, DATA_MAX, Data, Fin, Frame, Hello, LeaveFullScreen, Open, Probe,
    Progress, Proof, Received, Reset, Resume, Resumed, Welcome,
};

use super::{bytes, computer_id, list, refusal, refusal_code, return_tag, secret, text, versions};

/// Any tunnel frame but `Data`.
pub(crate) fn frame() -> impl Strategy<Value = Frame<'static>> {
    prop_oneof![
        (versions(), text(), computer_id(), text(), bytes()).prop_map(
            |(versions, software, computer_id, user, ke1)| {
                Hello {
                    versions,
                    software,
                    computer_id,
                    user,
                    ke1,
                }
                .into()
            }
        ),
        (versions(), text(), bytes()).prop_map(|(versions, software, ke2)| Challenge {
            versions,
            software,
            ke2
        }
        .into()),
        (bytes(), secret()).prop_map(|(ke3, mac)| Proof { ke3, mac }.into()),
        (any::<u16>(), secret(), return_tag(), text()).prop_map(|(version, mac, tag, message)| {
            Welcome {
                version,
                mac,
                tag,
                message,
            }
            .into()
        }),
        refusal().prop_map(Frame::from),
        resume().prop_map(Frame::from),
        (secret(), list(received())).prop_map(|(mac, received)| Resumed { mac, received }.into()),
        (any::<u8>(), any::<u32>()).prop_map(|(stream, window)| Open { stream, window }.into()),
        (any::<u8>(), progress()).prop_map(|(stream, progress)| Ack { stream, progress }.into()),
        (any::<u8>(), any::<u64>()).prop_map(|(stream, offset)| Fin { stream, offset }.into()),
        (any::<u8>(), refusal_code()).prop_map(|(stream, code)| Reset { stream, code }.into()),
        any::<u32>().prop_map(|number| Probe { number }.into()),
        any::<u32>().prop_map(|number| Alive { number }.into()),
        Just(LeaveFullScreen.into()),
    ]
}

/// `Data` around the bytes that the second value holds.
pub(crate) fn data() -> impl Strategy<Value = (Data<'static>, Vec<u8>)> {
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..64),
        vec(any::<u8>(), DATA_MAX - 8..=DATA_MAX)
    ];
    (any::<u8>(), any::<u64>(), progress(), bytes).prop_map(|(stream, offset, progress, bytes)| {
        (
            Data {
                stream,
                offset,
                progress,
                bytes: &[],
            },
            bytes,
        )
    })
}

fn resume() -> impl Strategy<Value = Resume> {
    (
        versions(),
        any::<[u8; 16]>(),
        any::<u32>(),
        secret(),
        list(received()),
    )
        .prop_map(|(versions, tunnel, generation, mac, received)| Resume {
            versions,
            tunnel,
            generation,
            mac,
            received,
        })
}

fn received() -> impl Strategy<Value = Received> {
    (any::<u8>(), any::<u64>()).prop_map(|(stream, offset)| Received { stream, offset })
}

fn progress() -> impl Strategy<Value = Progress> {
    (any::<u64>(), any::<u32>()).prop_map(|(received, window)| Progress { received, window })
}
