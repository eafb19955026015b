//! Frames that come in by the thousand, and the signature check of each registration.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use protocol::claim::Claim;
use protocol::id::PublicKey;
use protocol::outer::{Connect, Invite};
use protocol::secret::Secret;
use protocol::sign::SigningKey;
use protocol::tag::ReturnTag;
use protocol::text::Text;
use protocol::tunnel::{DATA_MAX, Data, FRAME_MAX, Progress};
use protocol::version::VERSIONS;
use protocol::{outer, tunnel};

fn tag() -> ReturnTag {
    ReturnTag::new([1; 8], &Secret::new([2; 32]), &Secret::new([3; 32]))
}

fn outer_frames(criterion: &mut Criterion) {
    let connect = outer::Frame::from(Connect {
        versions: VERSIONS,
        software: Text::lossy("tasuki-client 0.1.0"),
        capabilities: 0,
        board_list_serial: 42,
        computer_id: "quiet-maple-4071".parse().expect("a name"),
        tag: Some(tag()),
    });
    let invite = outer::Frame::from(Invite {
        ticket: Secret::new([4; 16]),
        client: "192.0.2.7:50000".parse().expect("an address"),
        tag: Some(tag()),
    });
    for (name, frame) in [("connect", connect), ("invite", invite)] {
        let bytes = frame.encode().expect("fits");
        criterion.bench_function(&format!("outer/decode/{name}"), |bencher| {
            bencher.iter(|| outer::Frame::decode(black_box(&bytes)));
        });
        criterion.bench_function(&format!("outer/encode/{name}"), |bencher| {
            bencher.iter(|| black_box(&frame).encode());
        });
    }
}

fn tunnel_data(criterion: &mut Criterion) {
    let payload = vec![5; DATA_MAX];
    let mut group = criterion.benchmark_group("tunnel/data");
    for length in [100, 1_400, DATA_MAX] {
        let progress = Progress {
            received: 1 << 30,
            window: 1 << 18,
        };
        let bytes = &payload[..length];
        let frame = tunnel::Frame::Data(Data {
            stream: 1,
            offset: 1 << 32,
            progress,
            bytes,
        });
        let mut buffer = vec![0; FRAME_MAX];
        let end = frame.encode(&mut buffer).expect("fits");
        let encoded = buffer[..end].to_vec();
        group.throughput(Throughput::Bytes(u64::try_from(length).expect("fits")));
        group.bench_function(format!("decode/{length}"), |bencher| {
            bencher.iter(|| tunnel::Frame::decode(black_box(&encoded)).is_ok());
        });
        group.bench_function(format!("encode/{length}"), |bencher| {
            bencher.iter(|| black_box(&frame).encode(&mut buffer));
        });
    }
}

fn signatures(criterion: &mut Criterion) {
    let registrar = SigningKey::from_seed(&Secret::new([6; 32])).expect("a key");
    let claim = Claim {
        computer_id: "quiet-maple-4071".parse().expect("a name"),
        host_key: PublicKey([7; 32]),
        serial: 1,
        date: 2,
    };
    let signed = registrar.sign_claim(claim.clone()).expect("fits");
    let keys = [registrar.public_key()];

    criterion.bench_function("claim/verify", |bencher| {
        bencher.iter(|| black_box(&signed).verify(&keys).is_ok());
    });
    criterion.bench_function("claim/sign", |bencher| {
        bencher.iter(|| registrar.sign_claim(black_box(claim.clone())));
    });
    criterion.bench_function("tag/has_slot", |bencher| {
        let (tag, slot_key) = (tag(), Secret::new([2; 32]));
        bencher.iter(|| black_box(&tag).has_slot(&slot_key));
    });
}

criterion_group!(benches, outer_frames, tunnel_data, signatures);
criterion_main!(benches);
