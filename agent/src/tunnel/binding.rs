//! Binds the password check to this very tunnel: MACs under OPAQUE's session key over the
//! speaker's role and the TLS exporter ([RFC 9266]).
//!
//! Whoever terminates TLS in the middle has two tunnels with two exporters, and cannot make
//! the MAC of either without the session key.
//!
//! [RFC 9266]: https://www.rfc-editor.org/rfc/rfc9266

use aws_lc_rs::hmac;
use protocol::secret::Secret;
use rustls::ConnectionCommon;

use super::password::SessionKey;

/// What both ends of one TLS connection share and nobody else has.
pub(super) struct Exporter(Secret<32>);

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    Client,
    Host,
}

impl Exporter {
    /// Takes the exporter of a connection whose handshake is done.
    pub(super) fn of<Data>(connection: &ConnectionCommon<Data>) -> Result<Self, rustls::Error> {
        connection
            .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]))
            .map(|bytes| Self(Secret::new(bytes)))
    }

    /// What `speaker` sends to prove that it knows `key` and sees this tunnel.
    pub(super) fn mac(&self, key: &SessionKey, speaker: Speaker) -> Secret<32> {
        let label: &[u8] = match speaker {
            Speaker::Client => b"tasuki client 1",
            Speaker::Host => b"tasuki host 1",
        };
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.expose()));
        context.update(label);
        context.update(self.0.expose());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        Secret::new(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_differ_by_speaker_tunnel_and_key() {
        let exporter = |byte| Exporter(Secret::new([byte; 32]));
        let key = |byte| SessionKey::new([byte; 64]);
        let mac = exporter(1).mac(&key(1), Speaker::Client);

        assert!(mac == exporter(1).mac(&key(1), Speaker::Client));
        assert!(mac != exporter(1).mac(&key(1), Speaker::Host));
        assert!(mac != exporter(2).mac(&key(1), Speaker::Client));
        assert!(mac != exporter(1).mac(&key(2), Speaker::Client));
    }
}
