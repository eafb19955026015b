//! What goes through a codec comes out the same, and nothing else gets in.
//!
//! proptest prints the seed and the smallest input of a failure; put that input into a test.

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::codec::{DecodeError, Reader, Wire};
use protocol::id::{BoardName, ComputerId};
use protocol::tunnel::Data;
use protocol::version::Outdated;
use protocol::{outer, tunnel};

use crate::samples::encoded;
use crate::{arbitrary, samples};

/// Both codecs in one shape.
struct Codec {
    /// Decodes, and encodes again what it understood.
    reencode: fn(&[u8]) -> Result<Vec<u8>, DecodeError>,
    codes: std::ops::RangeInclusive<u8>,
}

const OUTER: Codec = Codec {
    reencode: reencode_outer,
    codes: 0x00..=0x0e,
};
const TUNNEL: Codec = Codec {
    reencode: reencode_tunnel,
    codes: 0x00..=0x18,
};

fn reencode_outer(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let frame = outer::Frame::decode(bytes)?;
    Ok(frame.encode().expect("what was decoded fits").to_vec())
}

fn reencode_tunnel(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    tunnel::Frame::decode(bytes).map(|frame| encode_tunnel(&frame))
}

fn encode_tunnel(frame: &tunnel::Frame<'_>) -> Vec<u8> {
    let mut buffer = vec![0; tunnel::FRAME_MAX];
    let length = frame.encode(&mut buffer).expect("fits");
    buffer.truncate(length);
    buffer
}

/// No proper prefix and no continuation of a frame is a frame.
fn check_edges(codec: &Codec, bytes: &[u8]) {
    for end in 0..bytes.len() {
        assert_eq!(
            (codec.reencode)(&bytes[..end]),
            Err(DecodeError::Truncated),
            "{end}"
        );
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert_eq!((codec.reencode)(&longer), Err(DecodeError::Trailing(1)));
}

/// The same with a header that tells the truth about the wrong length.
fn check_inner_edges(codec: &Codec, bytes: &[u8]) {
    let mut longer = bytes.to_vec();
    longer.push(0);
    set_length(&mut longer);
    assert!((codec.reencode)(&longer).is_err());
    for end in outer::HEADER..bytes.len() {
        let mut shorter = bytes[..end].to_vec();
        set_length(&mut shorter);
        assert_eq!(
            (codec.reencode)(&shorter),
            Err(DecodeError::Truncated),
            "{end}"
        );
    }
}

fn set_length(frame: &mut [u8]) {
    let length = u16::try_from(frame.len() - outer::HEADER).expect("fits");
    frame[1..3].copy_from_slice(&length.to_be_bytes());
}

/// Decoding never panics, and what is understood has no other encoding.
fn check_hostile(codec: &Codec, bytes: &[u8]) {
    if let Ok(again) = (codec.reencode)(bytes) {
        assert_eq!(again, bytes);
    }
}

proptest! {
    #[test]
    fn outer_frames_come_back_and_have_edges(frame in arbitrary::outer::frame()) {
        let bytes = frame.encode().expect("fits");

        prop_assert_eq!(outer::Frame::decode(&bytes), Ok(frame));
        let header = [bytes[0], bytes[1], bytes[2]];
        prop_assert_eq!(outer::frame_length(header), Ok(bytes.len()));
        check_edges(&OUTER, &bytes);
        check_inner_edges(&OUTER, &bytes);
    }

    #[test]
    fn tunnel_frames_come_back_and_have_edges(frame in arbitrary::tunnel::frame()) {
        let bytes = encode_tunnel(&frame);

        prop_assert_eq!(tunnel::Frame::decode(&bytes), Ok(frame));
        check_edges(&TUNNEL, &bytes);
        check_inner_edges(&TUNNEL, &bytes);
    }

    #[test]
    fn data_frames_come_back((data, payload) in arbitrary::tunnel::data()) {
        let frame = tunnel::Frame::Data(Data { bytes: &payload, ..data });
        let bytes = encode_tunnel(&frame);

        prop_assert_eq!(tunnel::Frame::decode(&bytes), Ok(frame));
        let last = bytes.len() - 1;
        prop_assert_eq!(tunnel::Frame::decode(&bytes[..last]), Err(DecodeError::Truncated));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..1100)) {
        check_hostile(&OUTER, &bytes);
        check_hostile(&TUNNEL, &bytes);
    }

    #[test]
    fn arbitrary_bodies_never_panic(
        outer_code in OUTER.codes,
        tunnel_code in TUNNEL.codes,
        body in vec(any::<u8>(), 0..600),
    ) {
        let mut frame = vec![0; outer::HEADER];
        frame.extend(body);
        set_length(&mut frame);
        frame[0] = outer_code;
        check_hostile(&OUTER, &frame);
        frame[0] = tunnel_code;
        check_hostile(&TUNNEL, &frame);
    }

    #[test]
    fn damaged_frames_never_panic(
        sample in prop::sample::select(samples::all().into_iter().map(|sample| sample.bytes).collect::<Vec<_>>()),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = sample;
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        check_hostile(&OUTER, &bytes);
        check_hostile(&TUNNEL, &bytes);
    }

    #[test]
    fn claims_come_back(claim in arbitrary::signed_claim()) {
        let bytes = encoded(&claim);
        let mut reader = Reader::new(&bytes);

        prop_assert_eq!(Wire::decode(&mut reader), Ok(claim));
        prop_assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn names_fold_to_lower_case(computer in arbitrary::computer_id_text(), board in arbitrary::board_name_text()) {
        let lower: ComputerId = computer.to_lowercase().parse().expect("a name");
        prop_assert_eq!(computer.parse(), Ok(lower.clone()));
        prop_assert_eq!(lower.as_str(), computer.to_lowercase());
        let lower: BoardName = board.to_lowercase().parse().expect("a name");
        prop_assert_eq!(board.parse(), Ok(lower.clone()));
        prop_assert_eq!(BoardName::from_dns_name(&lower.dns_name()), Some(lower));
    }

    #[test]
    fn names_in_upper_case_are_refused_on_the_wire(text in arbitrary::computer_id_text()) {
        let length = u8::try_from(text.len()).expect("fits");
        let mut bytes = vec![length];
        bytes.extend(text.bytes());

        let decoded = ComputerId::decode(&mut Reader::new(&bytes));

        prop_assert_eq!(decoded.is_ok(), text == text.to_lowercase());
    }

    #[test]
    fn versions_agree_exactly_when_they_overlap(ours in arbitrary::versions(), theirs in arbitrary::versions()) {
        let both = |version: &u16| {
            (ours.min..=ours.max).contains(version) && (theirs.min..=theirs.max).contains(version)
        };
        match ours.agree(theirs) {
            Ok(version) => {
                prop_assert!(both(&version));
                prop_assert!(version.checked_add(1).is_none_or(|higher| !both(&higher)));
            }
            Err(Outdated::Us) => prop_assert!(ours.max < theirs.min),
            Err(Outdated::Peer) => {
                let broken = ours.min > ours.max || theirs.min > theirs.max;
                prop_assert!(theirs.max < ours.min || broken);
            }
        }
    }
}

#[test]
fn any_one_byte_of_a_frame_can_be_any_other() {
    for sample in samples::all() {
        let mut bytes = sample.bytes;
        // Long fields of one value behave alike in all their bytes.
        for place in 0..bytes.len().min(200) {
            let kept = bytes[place];
            for value in 0..=u8::MAX {
                bytes[place] = value;
                check_hostile(&OUTER, &bytes);
                check_hostile(&TUNNEL, &bytes);
            }
            bytes[place] = kept;
        }
    }
}

#[test]
fn an_ipv4_address_in_ipv6_clothes_reads_as_ipv4() {
    let mapped: std::net::SocketAddr = "[::ffff:192.0.2.7]:443".parse().expect("an address");
    let plain: std::net::SocketAddr = "192.0.2.7:443".parse().expect("an address");

    assert_eq!(encoded(&mapped), encoded(&plain));
    assert_eq!(
        std::net::SocketAddr::decode(&mut Reader::new(&encoded(&mapped))),
        Ok(plain)
    );
}

#[test]
fn every_frame_at_its_largest_fits() {
    let board = "b".repeat(31).parse::<BoardName>().expect("a name");
    let boards: heapless::Vec<BoardName, 4> = (0..4).map(|_| board.clone()).collect();
    let bytes = protocol::codec::Bytes::new(&[0; outer::BOARD_LIST_PART_MAX]).expect("fits");
    let part = outer::BoardListPart {
        serial: u64::MAX,
        offset: 0,
        total: u32::MAX,
        bytes,
    };
    let full = vec![0; tunnel::DATA_MAX];
    let progress = tunnel::Progress {
        received: 0,
        window: 0,
    };
    let data = |bytes| {
        tunnel::Frame::Data(Data {
            stream: 0,
            offset: 0,
            progress,
            bytes,
        })
    };

    assert!(outer::Frame::from(part).encode().is_ok());
    assert!(
        outer::Frame::from(outer::Move {
            boards,
            deadline_s: u32::MAX
        })
        .encode()
        .is_ok()
    );
    assert_eq!(encode_tunnel(&data(&full)).len(), tunnel::FRAME_MAX);
    let beyond = vec![0; tunnel::DATA_MAX + 1];
    assert!(
        data(&beyond)
            .encode(&mut vec![0; 2 * tunnel::FRAME_MAX])
            .is_err()
    );
}

#[test]
fn a_header_beyond_the_limit_is_refused_before_its_body_comes() {
    let at = |length: usize| {
        let [high, low] = u16::try_from(length - outer::HEADER)
            .expect("fits")
            .to_be_bytes();
        [0x01, high, low]
    };
    let too_large = |length: usize| Err(DecodeError::TooLarge(length));

    assert_eq!(
        outer::frame_length(at(outer::FRAME_MAX)),
        Ok(outer::FRAME_MAX)
    );
    let beyond = outer::FRAME_MAX + 1;
    assert_eq!(outer::frame_length(at(beyond)), too_large(beyond));
    assert_eq!(
        tunnel::frame_length(at(tunnel::FRAME_MAX)),
        Ok(tunnel::FRAME_MAX)
    );
    let beyond = tunnel::FRAME_MAX + 1;
    assert_eq!(tunnel::frame_length(at(beyond)), too_large(beyond));
}
