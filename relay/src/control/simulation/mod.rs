//! A board's control plane among virtual hosts and clients, on a virtual clock.
//!
//! The tasks of `arrival`, `link`, `leg` and `register` run as they are; [`wire`] stands in for the
//! sockets, [`board`] for listener and data plane, [`agents`] are the world. Everything follows from
//! the seed: one thread, a paused clock, and no choice that is not drawn from it.

mod agents;
mod board;
mod wire;
mod world;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::sleep;

use super::Settings;
use crate::config::Bar;
use crate::seeds::Random;
pub(super) use wire::Virtual;
use world::{Event, World, seconds};

/// One run, and what happened in it.
fn run(seed: u64) -> Vec<Event> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(play(Random::new(seed)))
}

async fn play(mut random: Random) -> Vec<Event> {
    let settings = Settings {
        sessions_max: 1 + usize::try_from(random.below(8)).expect("small"),
        links_max: 1 + usize::try_from(random.below(8)).expect("small"),
        parked_max: 1 + usize::try_from(random.below(16)).expect("small"),
        ..Settings::default()
    };
    let world = World::new(settings, Random::new(random.number()));
    for (number, host) in world.hosts().iter().enumerate() {
        let host = host.clone();
        if random.one_in(3) {
            let clone = host.cloned();
            let life = Random::new(random.number());
            world.spawn(agents::process(Arc::clone(&world), clone, number, life));
        }
        let life = Random::new(random.number());
        world.spawn(agents::process(Arc::clone(&world), host, number, life));
    }
    for number in 0..3 + usize::try_from(random.below(20)).expect("small") {
        let life = Random::new(random.number());
        world.spawn(agents::client(Arc::clone(&world), number, life));
    }
    world.spawn(operate(Arc::clone(&world), Random::new(random.number())));
    world.finish().await;
    world.trace()
}

/// What an operator may do to a busy board.
async fn operate(world: Arc<World>, mut random: Random) {
    sleep(Duration::from_millis(random.below(60_000))).await;
    match random.below(6) {
        0 => {
            let range = "192.0.2.1/32".parse().expect("a range");
            let bars = vec![Bar {
                range,
                contact: Default::default(),
            }];
            world.bar(bars).await;
            sleep(seconds(random.below(30))).await;
            world.bar(Vec::new()).await;
        }
        1 => world.drain(seconds(random.below(40))).await,
        2 => world.stop(),
        _ => {}
    }
}

mod tests {
    use std::net::SocketAddr;

    use protocol::outer::Frame;

    use super::board::{Board, fixture};
    use super::*;
    use crate::control::arrival;
    use crate::control::connection::Connection;
    use crate::control::shared::Entry;
    use crate::control::stream::Stream;
    use crate::limits;
    use crate::seeds;
    use crate::tls::Purpose;

    #[test]
    fn every_seed_keeps_every_promise() {
        seeds::each("control::simulation", 200, |seed| {
            run(seed);
        });
    }

    #[test]
    fn a_seed_does_the_same_again() {
        for seed in 0..10 {
            assert_eq!(run(seed), run(seed), "seed {seed}");
        }
    }

    /// A task that is ended while it runs goes on to its next wait: far enough to tell a host that
    /// it is registered, and then to leave it there.
    #[tokio::test(start_paused = true)]
    async fn whoever_is_evicted_while_it_proves_itself_is_not_registered() {
        let settings = Settings {
            unproven_per_address: 1,
            ..Settings::default()
        };
        let board = Board::start(settings, Random::new(1));
        let shared = &board.control.shared;
        let from = SocketAddr::from(([192, 0, 2, 1], 7));
        let Entry::Enter(unproven) = shared.enter(from.ip()) else {
            panic!("no place");
        };
        // Nobody is told of its task, so it goes on as if it had been running when it was evicted.
        let (stream, mut peer) = wire::connection(Random::new(2));
        let connection = Connection::new(Stream::Virtual(stream), from, Some(fixture().keys[0]));
        let service = arrival::attend(Purpose::Link, connection, unproven, Arc::clone(shared));
        tokio::spawn(service);
        sleep(limits::UNPROVEN_GRACE).await;
        let Entry::Enter(_newer) = shared.enter(from.ip()) else {
            panic!("no eviction");
        };

        assert!(peer.send(&fixture().hosts[0].register(1).into()).await);
        let answer = peer.receive().await;

        assert!(matches!(answer, Some(Frame::Refused(_))), "{answer:?}");
        assert_eq!(board.control.status().links, 0);
    }
}
