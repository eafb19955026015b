//! A peer that sends well-formed frames in any order: errors, never a panic or growth.

use proptest::prelude::*;
use protocol::tunnel::{FRAME_MAX, Progress};

use super::limits::{REPLAY_MAX, WINDOW};
use super::*;

/// Numbers that are near each other, so that some frames are right.
fn near() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0_u64..4, 1 => Just(u64::MAX), 1 => any::<u64>()]
}

fn progress() -> impl Strategy<Value = Progress> {
    let window = prop_oneof![Just(0), Just(u32::MAX), Just(WINDOW)];
    (near(), window).prop_map(|(received, window)| Progress { received, window })
}

fn frame() -> impl Strategy<Value = Frame<'static>> {
    let stream = 0_u8..3;
    let bytes = prop_oneof![Just(&b""[..]), Just(&b"a"[..]), Just(&b"abc"[..])];
    prop_oneof![
        (0_u8..20).prop_map(|stream| Open { stream, window: 2 }.into()),
        (stream.clone(), near(), progress(), bytes).prop_map(
            |(stream, offset, progress, bytes)| Frame::Data(Data {
                stream,
                offset,
                progress,
                bytes
            })
        ),
        (stream.clone(), progress()).prop_map(|(stream, progress)| Ack { stream, progress }.into()),
        (stream.clone(), near()).prop_map(|(stream, offset)| Fin { stream, offset }.into()),
        stream.prop_map(|stream| {
            let code = RefusalCode::HostStopping;
            Reset { stream, code }.into()
        }),
        any::<u32>().prop_map(|number| Probe { number }.into()),
        Just(LeaveFullScreen.into()),
    ]
}

/// What the host's programs do between frames.
#[derive(Debug, Clone)]
enum Deed {
    Take(Box<Frame<'static>>),
    Write(usize),
    Read(usize),
    Shut(usize),
    Release(usize),
    Send,
}

fn deed() -> impl Strategy<Value = Deed> {
    let held = 0_usize..8;
    prop_oneof![
        6 => frame().prop_map(|frame| Deed::Take(Box::new(frame))),
        1 => held.clone().prop_map(Deed::Write),
        1 => held.clone().prop_map(Deed::Read),
        1 => held.clone().prop_map(Deed::Shut),
        1 => held.prop_map(Deed::Release),
        2 => Just(Deed::Send),
    ]
}

proptest! {
    #[test]
    fn any_frames_in_any_order_are_errors_or_fine(
        deeds in proptest::collection::vec(deed(), 0..120),
    ) {
        let mut host = Mux::new(Role::Host);
        let mut held = Vec::new();
        let mut buffer = [0; FRAME_MAX];
        for deed in deeds {
            match deed {
                // A driver would end the tunnel at the first error; going on is harsher.
                Deed::Take(frame) => drop(host.handle(&frame)),
                Deed::Write(index) if index < held.len() => {
                    let _ = host.write(held[index], &[1; 5_000]);
                }
                Deed::Read(index) if index < held.len() => {
                    if let Ok(Arrived::Bytes(bytes)) = host.read(held[index]) {
                        let count = bytes.len();
                        host.pass(held[index], count);
                    }
                }
                Deed::Shut(index) if index < held.len() => host.shut(held[index]).unwrap(),
                Deed::Release(index) if index < held.len() => {
                    host.release(held.swap_remove(index));
                }
                Deed::Send => drop(host.next_frame(&mut buffer)),
                Deed::Write(_) | Deed::Read(_) | Deed::Shut(_) | Deed::Release(_) => {}
            }
            held.extend(host.accept());
            prop_assert!(host.kept() <= REPLAY_MAX);
            prop_assert!(host.open_streams() <= STREAMS_MAX);
            prop_assert!(held.len() <= SLOTS);
        }
    }
}
