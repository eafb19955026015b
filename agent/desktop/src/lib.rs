//! What the host in user mode decides, on any system: which part of the screen is sent, what
//! becomes of keys and mouse, and of what is copied. `main.rs` is the program around it, which Windows alone has.
//!
//! [`film`] turns looks at a [`Screen`] into updates, [`hands`] turns what a viewer does into what
//! [`Input`] can do (`chord` knows the keys that are not for this PC), [`pace`] says when to look, [`shape`] makes a mouse pointer out of two pictures of it,
//! [`clipboard`] says which text passes from one [`Clipboard`] to the other.
//! Must never name an operating system or an RDP server: both stand behind the three traits.

mod chord;
pub mod clipboard;
pub mod film;
pub mod hands;
pub mod pace;
pub mod shape;

pub use clipboard::{Clipboard, Exchange};
pub use film::{Film, Screen};
pub use hands::{Hands, Input};
