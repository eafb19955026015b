//! A text that is looked for, in every form in which a program may have kept it.

use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use rand::Rng;
use rand::distributions::Alphanumeric;
use rand::rngs::StdRng;

/// Long enough that chance does not make it.
const LENGTH: usize = 24;

/// A random text and its forms.
pub(super) struct Needle {
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) forms: Vec<Form>,
}

/// One way of writing a text.
pub(super) struct Form {
    pub(super) name: &'static str,
    /// What is searched for: the part that is the same whatever stands around the text.
    pub(super) core: Vec<u8>,
    /// The text as it would stand in a file, with something around it where that matters.
    pub(super) whole: Vec<u8>,
}

impl Needle {
    pub(super) fn random(name: &'static str, rng: &mut StdRng) -> Self {
        let letters = rng.sample_iter(Alphanumeric).take(LENGTH);
        let text: String = letters.map(char::from).collect();
        let bytes = text.as_bytes();
        let wide = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect();
        let same = |name, core: Vec<u8>| Form {
            name,
            whole: core.clone(),
            core,
        };
        let forms = vec![
            same("raw", bytes.to_vec()),
            same("UTF-16 LE", wide(u16::to_le_bytes)),
            same("UTF-16 BE", wide(u16::to_be_bytes)),
            same("hex", HEXLOWER.encode(bytes).into_bytes()),
            same("HEX", HEXUPPER.encode(bytes).into_bytes()),
            base64("base64 from 0", 0, bytes),
            base64("base64 from 1", 1, bytes),
            base64("base64 from 2", 2, bytes),
        ];
        Self { name, text, forms }
    }

    /// Every form, one after the other.
    pub(super) fn planted(&self) -> Vec<u8> {
        let parts: Vec<&[u8]> = self
            .forms
            .iter()
            .map(|form| form.whole.as_slice())
            .collect();
        parts.join(&b"\n"[..])
    }
}

/// Base64 of a text with `before` bytes in front of it: three bytes make four letters, so where
/// the text begins in them changes all of its letters.
fn base64(name: &'static str, before: usize, text: &[u8]) -> Form {
    let whole = [&b"<<"[..before], text, b">>"].concat();
    let whole = BASE64.encode(&whole).into_bytes();
    // Only letters of which every bit comes from the text.
    let first = (before * 8).div_ceil(6);
    let last = (before + text.len()) * 8 / 6;
    Form {
        name,
        core: whole[first..last].to_vec(),
        whole,
    }
}
