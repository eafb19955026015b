//! The two legs of a session and the two directions between them.
//!
//! Names only, no sockets: the pure core and the reactor both use them.

/// One TCP connection of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    Client,
    Host,
}

/// One way through a session, named by where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    ToHost,
    ToClient,
}

impl Leg {
    /// The direction that reads from this leg.
    pub fn outgoing(self) -> Direction {
        match self {
            Self::Client => Direction::ToHost,
            Self::Host => Direction::ToClient,
        }
    }

    /// The direction that writes to this leg.
    pub fn incoming(self) -> Direction {
        self.outgoing().other()
    }
}

impl Direction {
    pub fn source(self) -> Leg {
        match self {
            Self::ToHost => Leg::Client,
            Self::ToClient => Leg::Host,
        }
    }

    pub fn sink(self) -> Leg {
        self.other().source()
    }

    pub fn other(self) -> Self {
        match self {
            Self::ToHost => Self::ToClient,
            Self::ToClient => Self::ToHost,
        }
    }
}

/// One value for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Both<T> {
    pub to_host: T,
    pub to_client: T,
}

impl<T> Both<T> {
    pub fn get(&self, direction: Direction) -> &T {
        match direction {
            Direction::ToHost => &self.to_host,
            Direction::ToClient => &self.to_client,
        }
    }

    pub fn get_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::ToHost => &mut self.to_host,
            Direction::ToClient => &mut self.to_client,
        }
    }
}
