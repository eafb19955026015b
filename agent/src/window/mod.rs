//! The client's window, without the window: what it shows, what it understands, what it does.
//!
//! `form` decides (pure: events in, reactions out), `words` are its texts in both languages,
//! `choices` what can be chosen for the desktop, `job` the one connection that it makes, `news`
//! where it looks for newer versions. The platform draws: `platform/windows/window.rs`.

mod choices;
mod form;
mod job;
mod news;
mod words;

pub use choices::{Choice, Choices};
pub use form::{Effect, Event, Fields, Form, Place, Reaction, View};
pub use job::{Job, Order, Outcome};
pub use news::lookout;
pub use words::Words;
