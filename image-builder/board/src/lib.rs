//! What runs on a board beside the relay. `docs/BOARD.md` is the map.

pub mod clock;
pub mod file;
pub mod places;
pub mod provision;
pub mod slot;
pub mod sys;
