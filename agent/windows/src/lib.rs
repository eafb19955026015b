//! What the agents ask Windows for that has no safe call.
//!
//! The only unsafe code of the agents: each file wraps one thing in safe functions, decides
//! nothing, and knows nothing of Tasuki. What to do with the answers is decided in
//! `agent/src/platform/windows` and `agent/desktop`. Empty on other systems.

#![cfg(windows)]

pub mod browser;
pub mod clipboard;
pub mod clock;
pub mod cursor;
pub mod dialog;
pub mod event_log;
pub mod file;
pub mod folder;
mod handle;
pub mod heap;
pub mod input;
pub mod locale;
pub mod logon;
pub mod network;
pub mod power;
pub mod process;
pub mod proxy;
pub mod screen;
pub mod secret;
mod shell;
pub mod tcp;
mod text;
pub mod window;
