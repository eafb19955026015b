//! Updates on a folder that looks like a board: from the card, and over HTTPS from a real server.

mod address;
mod card;
mod rig;
mod server;
