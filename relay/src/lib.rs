//! The relay: joins an office PC and a home PC without being able to read what they say.
//!
//! Two planes in one process: [`control`] (tokio: who may meet whom) and [`data`] (mio: moves
//! bytes). Control hands two sockets and a session record to data, and never anything else.
//! Start reading at [`startup`]; `docs/ARCHITECTURE.md` is the map.

pub mod admin;
pub mod board;
pub mod cli;
pub mod config;
pub mod confinement;
pub mod control;
pub mod data;
pub mod limits;
pub mod logging;
pub mod metrics;
pub mod registrar;
pub mod reload;
#[cfg(test)]
mod seeds;
pub mod shutdown;
pub mod startup;
pub mod sys;
pub mod systemd;
pub mod tls;
pub mod watch;
