//! The relay: joins an office PC and a home PC without being able to read what they say.
//!
//! Two planes in one process: control (tokio: who may meet whom) and [`data`] (mio: moves
//! bytes). Control hands two sockets and a session record to data, and never anything else.
//! `docs/ARCHITECTURE.md` is the map.

pub mod config;
pub mod data;
pub mod limits;
pub mod registrar;
pub mod sys;
