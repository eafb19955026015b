//! The data plane with real sockets on loopback, through its public interface only.

mod bounds;
mod ending;
mod rig;
mod transfer;
mod urgent;
