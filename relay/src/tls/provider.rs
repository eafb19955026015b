//! Which algorithms the outer hop uses, in which order.

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};

/// aws-lc-rs, with the hybrid key exchange first: what is recorded today stays closed to a
/// quantum computer later.
pub(super) fn provider() -> CryptoProvider {
    let (chacha, aes_128, aes_256) = (
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
    );
    CryptoProvider {
        cipher_suites: if prefers_chacha() {
            vec![chacha, aes_128, aes_256]
        } else {
            vec![aes_256, aes_128, chacha]
        },
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519],
        ..aws_lc_rs::default_provider()
    }
}

/// Whether this CPU has no AES instructions, as the Cortex-A72 of a Raspberry Pi 4.
///
/// AES in software is several times slower than ChaCha20 there, so the peer's wish does not count.
pub(super) fn prefers_chacha() -> bool {
    !has_aes()
}

#[cfg(target_arch = "x86_64")]
fn has_aes() -> bool {
    std::arch::is_x86_feature_detected!("aes")
}

#[cfg(target_arch = "aarch64")]
fn has_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn has_aes() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hybrid_key_exchange_comes_first() {
        let names: Vec<_> = provider()
            .kx_groups
            .iter()
            .map(|group| group.name())
            .collect();

        let expected = [
            rustls::NamedGroup::X25519MLKEM768,
            rustls::NamedGroup::X25519,
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn chacha_is_first_exactly_when_the_cpu_has_no_aes() {
        let first = provider().cipher_suites[0];

        let is_chacha = first == cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;
        assert_eq!(is_chacha, !has_aes());
    }
}
