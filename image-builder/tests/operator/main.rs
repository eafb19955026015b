//! The program `tasuki` as an operator runs it, in folders of its own.

mod announce;
mod interruption;
mod life;
mod lone_board;
mod pins;
mod release;
mod secrets;
mod shell;
mod update;
