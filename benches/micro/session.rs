//! What the data plane's decisions cost by themselves: a session whose kernel answers at once.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tasuki_relay::data::flow::{Action, Stored};
use tasuki_relay::data::session::{LegEvent, Perform, Session};
use tasuki_relay::data::{DataPath, Direction, Leg};
use tasuki_relay::sys::Outcome;

const COPY_MAX: usize = 64 * 1024;
const PIPE: usize = 256 * 1024;

/// A source with so many bytes and a sink that takes everything.
struct Kernel {
    waiting: usize,
}

impl Kernel {
    fn take(&mut self, bytes_max: usize) -> Outcome {
        let bytes = self.waiting.min(bytes_max);
        self.waiting -= bytes;
        if bytes == 0 {
            Outcome::Blocked
        } else {
            Outcome::Progress(bytes)
        }
    }
}

impl Perform for Kernel {
    fn perform(&mut self, _direction: Direction, action: Action) -> Outcome {
        match action {
            Action::Recv(bytes_max) => self.take(bytes_max),
            Action::SpliceIn => self.take(PIPE),
            Action::Peek if self.waiting == 0 => Outcome::Blocked,
            Action::Peek => Outcome::Progress(1),
            Action::Send(bytes) | Action::SpliceOut(bytes) => Outcome::Progress(bytes),
            Action::ShutSink => Outcome::Progress(0),
        }
    }

    fn settle(&mut self, _direction: Direction, stored: Stored) {
        black_box(stored);
    }
}

fn visits(criterion: &mut Criterion) {
    let readable = LegEvent {
        readable: true,
        ..LegEvent::default()
    };
    for (name, path, bytes) in [
        ("message_100", DataPath::Auto, 100),
        ("message_1400", DataPath::Auto, 1_400),
        ("bulk_256k_spliced", DataPath::Splice, 256 * 1024),
        ("bulk_256k_copied", DataPath::Copy, 256 * 1024),
    ] {
        let mut session = Session::new(path);
        criterion.bench_function(&format!("session/visit/{name}"), |bencher| {
            bencher.iter(|| {
                session.handle_event(Leg::Host, black_box(readable));
                session.visit(COPY_MAX, &mut Kernel { waiting: bytes })
            });
        });
    }
}

criterion_group!(benches, visits);
criterion_main!(benches);
