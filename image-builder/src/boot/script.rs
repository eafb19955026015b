//! U-Boot's container for scripts, as `mkimage -T script` writes it ("legacy image format").

const MAGIC: u32 = 0x2705_1956;
const NAME: usize = 32;
const LINUX: u8 = 5;
const ARM64: u8 = 22;
const SCRIPT: u8 = 6;
const UNCOMPRESSED: u8 = 0;

/// Wraps the text of a script; without a time, which U-Boot only prints.
pub(super) fn wrap(name: &str, text: &str) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    // A list of the lengths of all scripts in it, ended by zero.
    let mut data = [length(text.len()), [0; 4]].concat();
    data.extend(text.as_bytes());
    let header = |checksum: u32| {
        let mut header = Vec::new();
        header.extend(MAGIC.to_be_bytes());
        header.extend(checksum.to_be_bytes());
        header.extend([0; 4]); // time
        header.extend(length(data.len()));
        header.extend([0; 8]); // addresses to load and enter
        header.extend(crc32fast::hash(&data).to_be_bytes());
        header.extend([LINUX, ARM64, SCRIPT, UNCOMPRESSED]);
        let mut name = name.as_bytes().to_vec();
        name.resize(NAME, 0);
        header.extend(name);
        header
    };
    // The header's checksum is made with zeros in its own place.
    let mut image = header(crc32fast::hash(&header(0)));
    image.extend(data);
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Hash;

    /// `mkimage -A arm64 -T script -C none -n tasuki -d TEXT OUT` of U-Boot 2025.01, with
    /// `SOURCE_DATE_EPOCH=0`.
    #[test]
    fn the_container_is_that_of_mkimage() {
        let image = wrap("tasuki", "echo one\necho two\n");

        assert_eq!(image.len(), 64 + 8 + 18);
        assert_eq!(
            Hash::of(&image).to_string(),
            "45632095c2061b5fc406be06079607bbf630fdd2e39e94246fcbb9c0e434f0d0"
        );
    }
}
