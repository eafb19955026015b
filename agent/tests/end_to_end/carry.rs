//! What goes in at one end comes out at the other, byte for byte, both ways, each by itself.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::harness::{Lab, PATIENCE, Target, noise, round_trip};

#[test]
fn an_echo_comes_back_byte_for_byte() {
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);
    let open = lab.client("home").open(&host.id);

    let sent = noise(1, 3 << 20);
    let heard = echoed(&open.connect(), &sent);

    assert!(
        heard == sent,
        "{} of {} bytes, or others",
        heard.len(),
        sent.len()
    );
}

#[test]
fn eight_connections_share_a_tunnel_and_a_ninth_is_dropped() {
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);
    let open = lab.client("home").open(&host.id);

    let streams: Vec<TcpStream> = (0..8).map(|_| open.connect()).collect();
    for (seed, stream) in (1..).zip(&streams) {
        round_trip(stream, &noise(seed, 5000));
    }
    let mut ninth = open.connect();
    let end = ninth.read(&mut [0; 1]);
    assert!(matches!(end, Ok(0) | Err(_)), "the ninth got {end:?}");

    std::thread::scope(|scope| {
        for (seed, stream) in (11..).zip(&streams) {
            scope.spawn(move || {
                let sent = noise(seed, 500_000);
                assert!(echoed(stream, &sent) == sent, "seed {seed}");
            });
        }
    });
    assert_eq!(lab.relay_status()["sessions"]["joined"], 1);
}

#[test]
fn the_home_end_may_stop_sending_and_still_hear_the_answer() {
    let lab = Lab::new();
    let target = Target::new(|mut stream| {
        let mut question = Vec::new();
        stream
            .read_to_end(&mut question)
            .expect("the question ends");
        let answer = noise(2, question.len() * 1000);
        stream.write_all(&answer).expect("the answer is heard");
    });
    let host = lab.host("office", target.address);
    let stream = lab.client("home").open(&host.id);
    let mut stream = stream.connect();

    stream.write_all(&[7; 1000]).expect("is taken");
    stream.shutdown(Shutdown::Write).expect("is open");

    assert!(read_all(&stream) == noise(2, 1_000_000));
}

#[test]
fn the_office_end_may_stop_sending_and_still_listen() {
    let (told, heard) = std::sync::mpsc::sync_channel(1);
    let target = Target::new(move |mut stream| {
        stream.write_all(b"welcome").expect("is heard");
        stream.shutdown(Shutdown::Write).expect("is open");
        let length = read_all(&stream).len();
        told.send(length).expect("the test waits");
    });
    let lab = Lab::new();
    let host = lab.host("office", target.address);
    let open = lab.client("home").open(&host.id);
    let mut stream = open.connect();

    assert_eq!(read_all(&stream), b"welcome");
    stream
        .write_all(&noise(3, 1_000_000))
        .expect("is still heard");
    stream.shutdown(Shutdown::Write).expect("is open");

    let length = heard.recv_timeout(PATIENCE);
    assert_eq!(length, Ok(1_000_000));
}

fn read_all(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("ends in order");
    bytes
}

/// Sends, ends, and reads whatever comes back.
fn echoed(stream: &TcpStream, sent: &[u8]) -> Vec<u8> {
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_all(stream));
        (&mut &*stream).write_all(sent).expect("is taken");
        stream.shutdown(Shutdown::Write).expect("is open");
        reader.join().expect("reads")
    })
}
