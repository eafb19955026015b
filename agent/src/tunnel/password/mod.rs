//! The password check: OPAQUE ([RFC 9807]) with Argon2id, and the rule for good passwords.
//!
//! Owns the cipher suite, the cost of stretching and the record that a host keeps. The four
//! steps of a login are [`Login::start`], [`Challenged::start`], [`Login::finish`] and
//! [`Challenged::finish`], in this order. Must never see a socket.
//!
//! [RFC 9807]: https://www.rfc-editor.org/rfc/rfc9807

mod login;
mod record;
mod rule;

pub use self::record::{BadRecord, PasswordRecord};
pub use self::rule::{Weak, rule};

pub(super) use self::login::{Challenged, Context, Login, LoginError, SessionKey};

use argon2::{Algorithm, Argon2, Params, Version};
use opaque_ke::{CipherSuite, Ristretto255, TripleDh};
use sha2::Sha512;

/// Longest password in bytes.
const PASSWORD_MAX: usize = 1_000;
/// Memory of one stretching, in KiB.
const MEMORY_KIB: u32 = 64 * 1024;
/// Passes over the memory.
const PASSES: u32 = 3;

/// What version 1 of the tunnel speaks.
struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = Argon2<'static>;
}

/// The second recommendation of [RFC 9106], section 4, in one lane: 64 MiB, 3 passes.
///
/// The client pays it, once a login: 0.2 s of one core of a current Xeon. It matters only
/// against whoever stole the host's file; each of its guesses costs as much. Both ends must
/// use the same figures, so new ones need a new version of the tunnel.
///
/// [RFC 9106]: https://www.rfc-editor.org/rfc/rfc9106
pub(crate) fn stretching() -> Argon2<'static> {
    let params =
        Params::new(MEMORY_KIB, PASSES, 1, None).expect("the figures are within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}
