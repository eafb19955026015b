//! Each bound of the mux at the limit and one past it, each rule broken once.

use protocol::tunnel::{FRAME_MAX, Progress};

use super::limits::WINDOW;
use super::*;

#[test]
fn a_lone_stream_keeps_more_than_its_reserve() {
    let mut mux = Mux::new(Role::Client);
    let slot = mux.open().unwrap();

    let kept = mux.write(slot, &vec![0; 4 << 20]).unwrap();

    assert!(kept > 2 * RESERVE && kept < narrow(WINDOW.into()), "{kept}");
    assert_eq!(mux.write(slot, &[0; 8192]), Ok(0));
}

#[test]
fn the_ninth_stream_is_refused_at_both_ends() {
    let mut client = Mux::new(Role::Client);
    let mut host = Mux::new(Role::Host);
    for stream in 0..8 {
        client.open().unwrap();
        let open = Open { stream, window: 1 };
        assert!(host.handle(&open.into()).unwrap().news);
    }

    let ninth = Open {
        stream: 8,
        window: 1,
    };

    assert_eq!(client.open(), Err(StreamError::TooManyStreams));
    assert!(!host.handle(&ninth.into()).unwrap().news);
    let mut buffer = [0; FRAME_MAX];
    let length = host.next_frame(&mut buffer).unwrap();
    let refusal = Reset {
        stream: 8,
        code: RefusalCode::TooManySessions,
    };
    assert_eq!(Frame::decode(&buffer[..length]), Ok(refusal.into()));
}

#[test]
fn a_window_is_kept_to_the_byte() {
    let frame = |offset, bytes| {
        Frame::Data(Data {
            stream: 0,
            offset,
            progress: Progress {
                received: 0,
                window: 0,
            },
            bytes,
        })
    };
    let mut host = Mux::new(Role::Host);
    let open = Open {
        stream: 0,
        window: 0,
    };
    host.handle(&open.into()).unwrap();
    let block = vec![0; 8 * 1024];
    for block_number in 0..8 {
        host.handle(&frame(block_number * 8 * 1024, &block))
            .unwrap();
    }

    let beyond = host.handle(&frame(FIRST_WINDOW.into(), &[0]));

    assert_eq!(beyond, Err(Violation::BeyondWindow));
}

#[test]
fn a_sender_keeps_to_the_window_of_its_peer() {
    let mut client = Mux::new(Role::Client);
    let mut buffer = [0; FRAME_MAX];
    let slot = client.open().unwrap();
    client.write(slot, &[7; 100_000]).unwrap();
    let mut sent = |client: &mut Mux| {
        let mut total = 0;
        while let Some(length) = client.next_frame(&mut buffer) {
            if let Ok(Frame::Data(data)) = Frame::decode(&buffer[..length]) {
                total += data.bytes.len();
            }
        }
        total
    };
    let grant = |received, window| {
        let progress = Progress { received, window };
        Frame::from(Ack {
            stream: 0,
            progress,
        })
    };

    assert_eq!(wide(sent(&mut client)), u64::from(FIRST_WINDOW));
    client.handle(&grant(0, FIRST_WINDOW + 1)).unwrap();
    assert_eq!(sent(&mut client), 1);
    // A window never shrinks: what was granted stays granted.
    client.handle(&grant(10, 0)).unwrap();
    assert_eq!(sent(&mut client), 0);
    client.handle(&grant(10, FIRST_WINDOW)).unwrap();
    assert_eq!(sent(&mut client), 9);
}

#[test]
fn a_peer_that_breaks_a_rule_is_told_apart() {
    let open = |stream| {
        Frame::Open(Open {
            stream,
            window: 100,
        })
    };
    let ack = |received| {
        Frame::Ack(Ack {
            stream: 0,
            progress: Progress {
                received,
                window: 0,
            },
        })
    };
    let fin = |offset| Frame::Fin(Fin { stream: 0, offset });
    let after = |frames: &[Frame<'_>], last: Frame<'_>| {
        let mut host = Mux::new(Role::Host);
        for frame in frames {
            host.handle(frame).unwrap();
        }
        host.handle(&last).unwrap_err()
    };

    assert_eq!(after(&[], ack(0)), Violation::NotOpen(0));
    assert_eq!(after(&[open(0)], open(0)), Violation::OpenedTwice(0));
    assert_eq!(after(&[open(0)], ack(1)), Violation::AcknowledgedUnsent);
    let gap = Violation::Gap {
        expected: 0,
        found: 1,
    };
    assert_eq!(after(&[open(0)], fin(1)), gap);
    assert_eq!(after(&[open(0), fin(0)], fin(0)), Violation::AfterFin);
    let mut client = Mux::new(Role::Client);
    assert_eq!(client.handle(&open(0)), Err(Violation::OpenedByHost));
    let wish = LeaveFullScreen.into();
    assert_eq!(after(&[], wish), Violation::AskedByClient);
}

#[test]
fn the_wish_to_leave_full_screen_is_one_however_often_it_comes() {
    let mut host = Mux::new(Role::Host);
    let mut client = Mux::new(Role::Client);
    let mut buffer = [0; FRAME_MAX];

    for _ in 0..1_000 {
        host.leave_full_screen();
    }
    assert!(host.has_frame());
    let length = host.next_frame(&mut buffer).unwrap();
    let wish = Frame::decode(&buffer[..length]).unwrap();
    assert_eq!(wish, LeaveFullScreen.into());
    assert!(!host.has_frame() && host.next_frame(&mut [0; FRAME_MAX]).is_none());

    assert!(client.handle(&wish).unwrap().news);
    for _ in 0..1_000 {
        assert_eq!(client.handle(&wish), Ok(Touched::default()));
    }
    assert!(!client.has_frame() && client.next_frame(&mut [0; FRAME_MAX]).is_none());
    assert!(client.shall_leave_full_screen());
    assert!(!client.shall_leave_full_screen());
    assert!(client.handle(&wish).unwrap().news);
}

#[test]
fn a_client_whose_resets_are_never_answered_stops_opening() {
    let mut client = Mux::new(Role::Client);
    let mut buffer = [0; FRAME_MAX];

    let opened = (0..1_000).take_while(|_| {
        let Ok(slot) = client.open() else {
            return false;
        };
        while client.next_frame(&mut buffer).is_some() {}
        client.release(slot);
        true
    });

    assert_eq!(opened.count(), RESETTING_MAX);
}
