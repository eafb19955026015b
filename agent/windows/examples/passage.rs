//! `passage LISTEN /v:TARGET`: passes connections on, for tests under Wine.
//!
//! A viewer that is no Windows program cannot be known to the client as its viewer. This one can:
//! the client starts it in the viewer's place, and the real one connects to it.

#![expect(clippy::print_stdout, reason = "its output is what it tells")]

use std::error::Error;
use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().ok_or("no address to listen on")?;
    let target = arguments.next().ok_or("no target")?;
    let target = target
        .strip_prefix("/v:")
        .ok_or("no /v: before the target")?;
    let listener = TcpListener::bind(&listen)?;
    println!("listening for {target}");
    for near in listener.incoming() {
        let near = near?;
        let far = TcpStream::connect(target)?;
        pass(near.try_clone()?, far.try_clone()?);
        pass(far, near);
    }
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        // However one side ends, the other is told that no more comes.
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
