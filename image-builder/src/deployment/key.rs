//! Private keys: Ed25519, at rest as PKCS #8 that any tool can read.
//!
//! With a passphrase they are encrypted by PBES2 (RFC 8018) with scrypt and AES-256-CBC.
//! A key is never printed, and wiped from memory when it is dropped.

use aws_lc_rs::rand;
use pkcs8::der::Decode;
use pkcs8::der::pem::PemLabel;
use pkcs8::pkcs5::pbes2;
use pkcs8::pkcs5::scrypt;
use pkcs8::{
    AlgorithmIdentifierRef, EncryptedPrivateKeyInfo, LineEnding, ObjectIdentifier, PrivateKeyInfo,
    SecretDocument,
};
use protocol::id::PublicKey;
use protocol::secret::Secret;
use protocol::sign::SigningKey;
use zeroize::Zeroizing;

/// RFC 8410, section 3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// An OCTET STRING of 32 bytes: what RFC 8410, section 7, wraps around the seed.
const SEED_HEADER: [u8; 2] = [0x04, 0x20];
/// 16 MiB: openssl refuses to read a key that needs more than 32 MiB.
const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
/// What memory does not cost, time does.
const SCRYPT_P: u32 = 5;
const SCRYPT_KEY_LENGTH: usize = 32;

/// What stands between a thief of the folder and its keys.
pub enum Protection {
    /// The keys are encrypted.
    Passphrase(Zeroizing<String>),
    /// File permissions only.
    Permissions,
}

/// Why a private key cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("is not an Ed25519 private key in PKCS #8 PEM")]
    Format,
    #[error("does not open with this passphrase")]
    Passphrase,
    #[error("is encrypted, and no passphrase was given")]
    PassphraseMissing,
    #[error("the system gave no random numbers")]
    Random,
    #[error("cannot be encoded")]
    Encode,
}

/// An Ed25519 private key.
pub struct PrivateKey {
    seed: Secret<32>,
    signing: SigningKey,
    public: PublicKey,
}

impl PrivateKey {
    /// Makes a new key.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        rand::fill(&mut *seed).map_err(|_| KeyError::Random)?;
        Self::from_seed(Secret::new(*seed))
    }

    fn from_seed(seed: Secret<32>) -> Result<Self, KeyError> {
        let signing = SigningKey::from_seed(&seed).map_err(|_| KeyError::Format)?;
        let public = signing.public_key();
        Ok(Self {
            seed,
            signing,
            public,
        })
    }

    /// Reads what [`Self::to_pem`] wrote.
    pub fn from_pem(pem: &str, protection: &Protection) -> Result<Self, KeyError> {
        let (label, document) = SecretDocument::from_pem(pem).map_err(|_| KeyError::Format)?;
        if label != EncryptedPrivateKeyInfo::PEM_LABEL {
            return Self::from_der(document.as_bytes());
        }
        let Protection::Passphrase(passphrase) = protection else {
            return Err(KeyError::PassphraseMissing);
        };
        let encrypted =
            EncryptedPrivateKeyInfo::from_der(document.as_bytes()).map_err(|_| KeyError::Format)?;
        let opened = encrypted
            .decrypt(passphrase.as_bytes())
            .map_err(|_| KeyError::Passphrase)?;
        // A wrong passphrase can by chance leave valid padding around garbage.
        Self::from_der(opened.as_bytes()).map_err(|_| KeyError::Passphrase)
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfo::from_der(der).map_err(|_| KeyError::Format)?;
        let seed = info
            .private_key
            .strip_prefix(&SEED_HEADER)
            .and_then(|seed| <[u8; 32]>::try_from(seed).ok())
            .filter(|_| info.algorithm.oid == ED25519)
            .map(Zeroizing::new)
            .ok_or(KeyError::Format)?;
        Self::from_seed(Secret::new(*seed))
    }

    /// Writes the key: encrypted if there is a passphrase.
    pub fn to_pem(&self, protection: &Protection) -> Result<Zeroizing<String>, KeyError> {
        let mut wrapped = Zeroizing::new([0; 34]);
        wrapped[..2].copy_from_slice(&SEED_HEADER);
        wrapped[2..].copy_from_slice(self.seed.expose());
        let algorithm = AlgorithmIdentifierRef {
            oid: ED25519,
            parameters: None,
        };
        let info = PrivateKeyInfo::new(algorithm, &*wrapped);
        let (label, document) = match protection {
            Protection::Permissions => (
                PrivateKeyInfo::PEM_LABEL,
                SecretDocument::try_from(&info).map_err(|_| KeyError::Encode)?,
            ),
            Protection::Passphrase(passphrase) => (
                EncryptedPrivateKeyInfo::PEM_LABEL,
                encrypt(&info, passphrase)?,
            ),
        };
        document
            .to_pem(label, LineEnding::LF)
            .map_err(|_| KeyError::Encode)
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// The seed, for a lone board's node file.
    pub fn seed(&self) -> &Secret<32> {
        &self.seed
    }

    /// The key as the protocol signs with it.
    pub fn signing_key(&self) -> &SigningKey {
        &self.signing
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "PrivateKey({})", self.public)
    }
}

impl rcgen::PublicKeyData for PrivateKey {
    fn der_bytes(&self) -> &[u8] {
        &self.public.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.signing.sign(message).to_vec())
    }
}

fn encrypt(info: &PrivateKeyInfo<'_>, passphrase: &str) -> Result<SecretDocument, KeyError> {
    let mut salt = [0; 16];
    let mut iv = [0; 16];
    rand::fill(&mut salt).map_err(|_| KeyError::Random)?;
    rand::fill(&mut iv).map_err(|_| KeyError::Random)?;
    let cost = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P, SCRYPT_KEY_LENGTH)
        .map_err(|_| KeyError::Encode)?;
    let scheme =
        pbes2::Parameters::scrypt_aes256cbc(cost, &salt, &iv).map_err(|_| KeyError::Encode)?;
    info.encrypt_with_params(scheme, passphrase.as_bytes())
        .map_err(|_| KeyError::Encode)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Protection {
        Protection::Passphrase(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn a_key_reads_back_in_both_protections() {
        let key = PrivateKey::generate().expect("random numbers");

        for protection in [Protection::Permissions, passphrase("correct horse")] {
            let pem = key.to_pem(&protection).expect("encodes");
            let back = PrivateKey::from_pem(&pem, &protection).expect("decodes");

            assert_eq!(back.public_key(), key.public_key());
        }
    }

    #[test]
    fn a_wrong_or_missing_passphrase_is_told_apart_from_a_broken_file() {
        let key = PrivateKey::generate().expect("random numbers");
        let pem = key.to_pem(&passphrase("right")).expect("encodes");

        let read = |pem: &str, protection: &Protection| {
            PrivateKey::from_pem(pem, protection).expect_err("must not open")
        };
        assert_eq!(read(&pem, &passphrase("wrong")), KeyError::Passphrase);
        assert_eq!(
            read(&pem, &Protection::Permissions),
            KeyError::PassphraseMissing
        );
        assert_eq!(read("garbage", &passphrase("right")), KeyError::Format);
    }

    #[test]
    fn debug_shows_the_public_half_only() {
        let key = PrivateKey::generate().expect("random numbers");

        assert_eq!(
            format!("{key:?}"),
            format!("PrivateKey({})", key.public_key())
        );
    }
}
