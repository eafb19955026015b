//! The host's settings tool, without its window: what it shows, what it understands, what it does.
//!
//! `form` decides (pure: events in, reactions out), `order` is what its fields ask for, `words`
//! are its texts in both languages, `values` is what it shows of `host.toml` and how a change gets
//! in there, `job` carries out what was asked for, `share` starts and ends a host of the user's
//! own, `failure` is what can be in the way, `password` is what the window may ask for before it opens. The platform draws:
//! `platform/windows/settings.rs`. It writes the files that the commands write, and tells a host
//! that runs; it cannot remove anything, and does nothing to a service.

mod event;
mod failure;
mod form;
mod job;
mod order;
mod password;
mod share;
mod values;
mod words;

pub use event::{Effect, Event, Fields, Place, Reaction, View};
pub use failure::Failure;
pub use form::Form;
pub use job::{Job, Outcome, Saved, Snapshot};
pub use order::{Order, Protection};
pub use password::SettingsPassword;
pub use share::Starter;
pub use values::{ProxyKind, ProxyValues, Values, change};
pub use words::Words;
