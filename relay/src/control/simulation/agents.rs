//! Hosts and clients that do what they should, and everything else.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use protocol::outer::{Connect, Decline, Frame, Invite, Join, Ping, Pong};
use protocol::refusal::RefusalCode;
use protocol::secret::Ticket;
use relay_testkit::{Host, connect, join};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::board::HOSTS;
use super::wire::Peer;
use super::world::{Side, World, seconds};
use crate::limits;
use crate::seeds::Random;
use crate::tls::Purpose;

/// A process on a host: some links, one after the other or side by side.
pub(super) async fn process(world: Arc<World>, host: Host, number: usize, mut random: Random) {
    let mut epoch = 0;
    for _ in 0..1 + random.below(4) {
        sleep(seconds(random.below(12))).await;
        // Now and then a link that is older than another, or just as old.
        epoch = match random.below(8) {
            0 => epoch,
            1 => random.below(epoch + 1),
            _ => epoch + 1,
        };
        let link = Link {
            world: Arc::clone(&world),
            host: host.clone(),
            number,
            epoch,
            deaf: false,
        };
        let life = Box::pin(link.live(Random::new(random.number())));
        if random.one_in(2) {
            world.spawn(life);
        } else {
            life.await;
        }
    }
}

struct Link {
    world: Arc<World>,
    host: Host,
    number: usize,
    epoch: u64,
    /// It answers nothing and says nothing any more.
    deaf: bool,
}

impl Link {
    async fn live(mut self, random: Random) {
        let from = host_address(self.number);
        let world = Arc::clone(&self.world);
        let key = world.key(self.number);
        let Some(mut peer) = world.accept(Purpose::Link, from, Some(key), random) else {
            return;
        };
        self.world
            .seen()
            .registers
            .push((self.number, self.host.nonce, self.epoch));
        if peer.random().one_in(24) {
            // Half a frame, and an end.
            peer.send_bytes(&[23, 3, 3, 1, 0, 1]).await;
            return;
        }
        let mut register = self.host.register(self.epoch);
        register.board_list_serial = if peer.random().one_in(2) { 0 } else { u64::MAX };
        if !peer.send(&register.into()).await {
            return;
        }
        loop {
            let pause = Duration::from_millis(peer.random().below(20_000));
            tokio::select! {
                biased;
                frame = peer.receive() => match frame {
                    Some(frame) => if !self.handle(&mut peer, frame).await { return },
                    None => return,
                },
                () = sleep(pause) => match peer.random().below(24) {
                    0 => return,
                    1 => return peer.reset(),
                    2 => return peer.vanish(),
                    3 => self.deaf = true,
                    4 => {
                        peer.send_bytes(&[23, 3, 3, 0, 2, 250, 0]).await;
                    }
                    5 => {
                        peer.send_bytes(&[23, 3, 3, 255, 255]).await;
                    }
                    6 => for number in 0..300 {
                        if !peer.send(&Ping { number }.into()).await {
                            return;
                        }
                    },
                    _ if self.deaf => {}
                    _ => {
                        if !peer.send(&Ping { number: 1 }.into()).await {
                            return;
                        }
                    }
                },
            }
        }
    }

    /// Whether the link goes on.
    async fn handle(&mut self, peer: &mut Peer, frame: Frame) -> bool {
        self.world.note(self.number, frame.name());
        match frame {
            Frame::Invite(invite) => self.answer(peer, invite).await,
            Frame::Ping(Ping { number }) if !self.deaf => peer.send(&Pong { number }.into()).await,
            Frame::Move(_) => !peer.random().one_in(2),
            Frame::Refused(refusal) => {
                if refusal.code == RefusalCode::LinkReplaced {
                    self.check_replaced();
                }
                assert_eq!(peer.receive().await, None, "a frame behind a refusal");
                false
            }
            Frame::Registered(_) | Frame::Ping(_) | Frame::Pong(_) | Frame::BoardListPart(_) => {
                true
            }
            Frame::Register(_)
            | Frame::Connect(_)
            | Frame::Join(_)
            | Frame::Joined(_)
            | Frame::Decline(_)
            | Frame::Redirect(_) => panic!("a link gets {}", frame.name()),
        }
    }

    /// Only something newer takes the place of a link.
    fn check_replaced(&self) {
        let seen = self.world.seen();
        let mine = (self.number, self.host.nonce, self.epoch);
        let same = seen
            .registers
            .iter()
            .filter(|other| **other == mine)
            .count();
        let newer = seen.registers.iter().any(|(number, nonce, epoch)| {
            *number == self.number && (*nonce != self.host.nonce || *epoch > self.epoch)
        });
        assert!(newer || same > 1, "nothing was newer than {mine:?}");
    }

    async fn answer(&mut self, peer: &mut Peer, invite: Invite) -> bool {
        if self.deaf {
            return true;
        }
        let ticket = &invite.ticket;
        match peer.random().below(16) {
            0 => {}
            1..=2 => {
                let codes = [RefusalCode::HostBusy, RefusalCode::Barred];
                let code = codes[usize::from(peer.random().one_in(2))];
                let decline = Decline {
                    ticket: ticket.clone(),
                    refusal: code.into(),
                };
                return peer.send(&decline.into()).await;
            }
            3 => self.come(peer, &invite, 4_000..13_000, self.number),
            4 => {
                let other = (self.number + 1) % HOSTS;
                self.come(peer, &invite, 0..2_000, other);
                self.come(peer, &invite, 0..2_000, self.number);
            }
            5..=6 => {
                self.come(peer, &invite, 0..2_000, self.number);
                self.come(peer, &invite, 0..2_000, self.number);
            }
            _ => self.come(peer, &invite, 0..300, self.number),
        }
        true
    }

    /// Opens a leg for an invite after some milliseconds, with the key of that host.
    fn come(&self, peer: &mut Peer, invite: &Invite, within: Range<u64>, number: usize) {
        let world = Arc::clone(&self.world);
        let mut random = Random::new(peer.random().number());
        let after = within.start + random.below(within.end - within.start);
        let invite = invite.clone();
        self.world.spawn(Box::pin(async move {
            sleep(Duration::from_millis(after)).await;
            host_leg(world, number, invite, random).await;
        }));
    }
}

async fn host_leg(world: Arc<World>, number: usize, invite: Invite, random: Random) {
    let key = world.key(number);
    let from = host_address(number);
    let Some(mut peer) = world.accept(Purpose::Leg, from, Some(key), random) else {
        return;
    };
    let mut request: Join = join(&invite.ticket);
    if peer.random().one_in(16) {
        request.ticket = Ticket::new([9; 16]);
    }
    let guessed = request.ticket != invite.ticket;
    if !peer.send(&request.into()).await {
        return;
    }
    match peer.random().below(16) {
        0 => return,
        1 => return peer.vanish(),
        _ => {}
    }
    match peer.receive().await {
        Some(Frame::Joined(joined)) => {
            assert!(!guessed, "a guess came through");
            world.note(number, "host joined");
            world.joined(joined.session, Side::Host(number, invite), peer);
        }
        Some(Frame::Refused(refusal)) => {
            world.note(number, refusal.code.label());
            if refusal.code == RefusalCode::TicketUnknown {
                assert!(guessed, "a ticket of ours is not remembered");
            }
            assert_eq!(peer.receive().await, None, "a frame behind a refusal");
        }
        None => {}
        Some(frame) => panic!("a host's leg gets {}", frame.name()),
    }
}

/// A client: one call, to a host that is there or not.
pub(super) async fn client(world: Arc<World>, number: usize, mut random: Random) {
    sleep(Duration::from_millis(random.below(60_000))).await;
    world.calls();
    if call(&world, number, random).await == Left::Openly {
        world.has_left().await;
    }
}

/// How a client went away.
#[derive(PartialEq, Eq)]
enum Left {
    Openly,
    /// Without a word, so that the board cannot know.
    Silently,
}

async fn call(world: &World, number: usize, mut random: Random) -> Left {
    let from = client_address(number);
    let host = usize::try_from(random.below(16)).expect("small");
    let id = match host {
        15 => "nobody".to_owned(),
        _ => format!("pc-{}", host % HOSTS),
    };
    let mut request: Connect = connect(&id);
    if random.one_in(3) {
        let name = u8::try_from(number % 4).expect("small");
        request.tag = Some(world.hosts()[host % HOSTS].tag(name));
    }
    if random.one_in(2) {
        request.board_list_serial = 0;
    }
    let began = Instant::now();
    let Some(mut peer) = world.accept(Purpose::Leg, from, None, random) else {
        return Left::Openly;
    };
    if !peer.send(&request.into()).await {
        return Left::Openly;
    }
    // The tunnel's first flight, which nobody may read.
    let ahead = vec![0x55; usize::try_from(peer.random().below(900)).expect("small")];
    peer.push(&ahead);
    let punctual = began.elapsed() < limits::FIRST_FRAME_DEADLINE;
    let patience = match peer.random().below(3) {
        0 => Duration::from_millis(peer.random().below(12_000)),
        _ => PATIENCE,
    };
    let deadline = Instant::now() + patience;
    loop {
        let frame = tokio::select! {
            biased;
            frame = peer.receive() => frame,
            () = sleep_until(deadline) => {
                assert!(patience < PATIENCE, "a leg waits past its deadline");
                world.note(number, "client leaves");
                match peer.random().below(3) {
                    0 => {
                        peer.vanish();
                        return Left::Silently;
                    }
                    1 => peer.reset(),
                    _ => {}
                }
                return Left::Openly;
            }
        };
        match frame {
            Some(Frame::BoardListPart(_)) => {}
            Some(Frame::Joined(joined)) => {
                world.note(number, "client joined");
                world.joined(joined.session, Side::Client(from, id), peer);
                return Left::Openly;
            }
            Some(Frame::Refused(refusal)) => {
                world.note(number, refusal.code.label());
                let behind = timeout(PATIENCE, peer.receive()).await;
                assert_eq!(behind, Ok(None), "a frame behind a refusal");
                return Left::Openly;
            }
            None => {
                assert!(!punctual || world.is_stopped(), "a call without an answer");
                return Left::Openly;
            }
            Some(frame) => panic!("a client gets {}", frame.name()),
        }
    }
}

/// The longest that a leg may be parked, and then a host that is slow to hear `Joined`.
const PATIENCE: Duration = limits::PARK_TAGGED
    .saturating_add(limits::JOINED_DEADLINE)
    .saturating_add(Duration::from_secs(1));

fn host_address(number: usize) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, u8::try_from(number).expect("few")], 7))
}

fn client_address(number: usize) -> SocketAddr {
    let port = u16::try_from(number).expect("few");
    SocketAddr::from((
        [192, 0, 2, 1 + u8::try_from(number % 3).expect("few")],
        1_000 + port,
    ))
}
