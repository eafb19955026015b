//! A state file: a U-Boot environment of 512 bytes, that is one sector.
//!
//! CRC-32 of the rest (little endian), then `name=value` ended by a zero byte each, one more
//! zero, zeros to the end: what `env import -c` and `env export -c` of U-Boot read and write.

use super::{Slot, State};

/// One sector, so that it is written in one go.
pub const SIZE: usize = 512;

/// What the boot script reads.
pub fn encode(state: State) -> [u8; SIZE] {
    let State { good, tries_left } = state;
    let next = match tries_left {
        Some(_) => good.other().to_string(),
        None => "-".to_owned(),
    };
    let left = tries_left.unwrap_or(0);
    let text = format!("slot={good}\0next={next}\0left={left}\0");
    let mut file = [0; SIZE];
    let (checksum, content) = file.split_at_mut(4);
    for (place, byte) in content.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    checksum.copy_from_slice(&crc32(content).to_le_bytes());
    file
}

/// The state, if the file is whole.
pub fn decode(file: &[u8]) -> Option<State> {
    let file: &[u8; SIZE] = file.try_into().ok()?;
    let (checksum, content) = file.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*checksum) != crc32(content) {
        return None;
    }
    let value = |name: &str| {
        content
            .split(|byte| *byte == 0)
            .filter_map(|line| std::str::from_utf8(line).ok()?.split_once('='))
            .find_map(|(found, value)| (found == name).then_some(value))
    };
    let good: Slot = value("slot")?.parse().ok()?;
    let next: Option<Slot> = value("next")?.parse().ok();
    let left = value("left")?.parse().ok()?;
    Some(State {
        good,
        tries_left: (next == Some(good.other())).then_some(left),
    })
}

/// CRC-32 of IEEE 802.3, bit by bit: some 500 bytes, a few times a boot.
fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_u_boot() {
        // The check value of CRC-32/ISO-HDLC, which is zlib's and U-Boot's.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_was_written_reads_back_and_what_was_torn_does_not() {
        for good in [Slot::A, Slot::B] {
            for tries_left in [None, Some(0), Some(3)] {
                let state = State { good, tries_left };
                let file = encode(state);
                assert_eq!(decode(&file), Some(state));
                for place in [0, 4, 9, 100, SIZE - 1] {
                    let mut torn = file;
                    torn[place] ^= 1;
                    assert_eq!(decode(&torn), None, "byte {place}");
                }
            }
        }
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&[0; SIZE]), None);
    }
}
