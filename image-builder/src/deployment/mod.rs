//! A deployment: the folder with its keys and the record of what they have signed.
//!
//! [`store`] is the folder, [`record`] its one file that changes, [`key`] and
//! [`certificate`] what is made from it. Every change is complete with the rename of
//! the record: a program killed before it has changed nothing that counts.

pub mod certificate;
pub mod file;
pub mod key;
pub mod node;
pub mod record;
pub mod store;

pub use store::{Deployment, Error};
