//! Reads from an ELF file which libraries it needs: `elf(5)`, 64 bits, little endian.

const MAGIC: &[u8] = b"\x7fELF\x02\x01";
const SECTIONS_AT: usize = 0x28;
const SECTION_SIZE_AT: usize = 0x3a;
const SECTION_COUNT_AT: usize = 0x3c;
const SHT_DYNAMIC: u64 = 6;
const DT_NEEDED: u64 = 1;
const DYNAMIC_ENTRY: usize = 16;

/// Names of the libraries that an ELF file asks the dynamic loader for.
///
/// Empty for a file that asks for none, or is no ELF file, or a broken one.
pub(super) fn needed(file: &[u8]) -> Vec<String> {
    if file.starts_with(MAGIC) {
        libraries(file).unwrap_or_default()
    } else {
        Vec::new()
    }
}

fn libraries(file: &[u8]) -> Option<Vec<String>> {
    let sections = number(file, SECTIONS_AT, 8)?;
    let size = number(file, SECTION_SIZE_AT, 2)?;
    let count = number(file, SECTION_COUNT_AT, 2)?;
    let header = |index: usize| sections.checked_add(index.checked_mul(size)?);
    let dynamic = (0..count).filter_map(header).find(|at| {
        number(file, at + 4, 4).and_then(|kind| u64::try_from(kind).ok()) == Some(SHT_DYNAMIC)
    })?;
    let content = |header: usize| {
        let start = number(file, header + 0x18, 8)?;
        file.get(start..start.checked_add(number(file, header + 0x20, 8)?)?)
    };
    // The section's link names its table of strings.
    let strings = content(header(number(file, dynamic + 0x28, 4)?)?)?;
    let entries = content(dynamic)?.chunks_exact(DYNAMIC_ENTRY);
    let names = entries
        .filter(|entry| {
            number(entry, 0, 8).and_then(|tag| u64::try_from(tag).ok()) == Some(DT_NEEDED)
        })
        .filter_map(|entry| {
            let rest = strings.get(number(entry, 8, 8)?..)?;
            let name = rest.split(|byte| *byte == 0).next()?;
            String::from_utf8(name.to_vec()).ok()
        });
    Some(names.collect())
}

/// The little-endian number of `width` bytes at `at`.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(width)?)?;
    let mut wide = [0; 8];
    wide.get_mut(..width)?.copy_from_slice(field);
    usize::try_from(u64::from_le_bytes(wide)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_needs_libc_and_survives_its_own_ruin() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();

        assert!(needed(&whole).contains(&"libc.so.6".to_owned()));
        assert!(needed(b"#!/bin/sh\n").is_empty());
        // The header alone says where everything is.
        let mut broken = whole;
        for at in 0..64 {
            let was = broken[at];
            broken[at] = 0xff;
            needed(&broken);
            broken[at] = was;
            needed(&broken[..at]);
        }
    }
}
