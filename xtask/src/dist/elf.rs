//! What a program for Linux must have.

use anyhow::{Context, Result, ensure};
use object::elf;
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader};

/// # Errors
///
/// The first thing that is wrong with it.
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    let file: ElfFile64<'_> =
        ElfFile64::parse(bytes).context("it is no program for 64-bit Linux")?;
    let endian = file.endian();
    let header = file.elf_header();
    ensure!(
        header.e_type(endian) == elf::ET_DYN,
        "it lies at the same address each time (no PIE)"
    );
    let mut relro = false;
    let mut now = false;
    for segment in file.elf_program_headers() {
        match segment.p_type(endian) {
            elf::PT_GNU_RELRO => relro = true,
            elf::PT_GNU_STACK => ensure!(
                segment.p_flags(endian) & elf::PF_X == 0,
                "its stack can be executed"
            ),
            _ => {}
        }
        for entry in segment.dynamic(endian, bytes)?.unwrap_or_default() {
            let flags = entry.d_val(endian);
            match u32::try_from(entry.d_tag(endian)) {
                Ok(elf::DT_FLAGS_1) => now |= flags & u64::from(elf::DF_1_NOW) != 0,
                Ok(elf::DT_FLAGS) => now |= flags & u64::from(elf::DF_BIND_NOW) != 0,
                Ok(_) | Err(_) => {}
            }
        }
    }
    ensure!(
        relro && now,
        "its table of functions can be written to (no full RELRO)"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_in_order_and_one_at_a_fixed_address_is_not() {
        let mut bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        check(&bytes).unwrap();

        // e_type, behind the 16 bytes that every such file begins with.
        bytes[16..18].copy_from_slice(&elf::ET_EXEC.to_ne_bytes());

        assert!(check(&bytes).is_err());
        assert!(check(b"#!/bin/sh").is_err());
    }
}
