//! What runs on a board beside the relay. `docs/BOARD.md` is the map.

pub mod slot;
