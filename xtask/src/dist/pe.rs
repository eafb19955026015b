//! What a program for Windows may need, and must have.

use anyhow::{Context, Result, ensure};
use object::LittleEndian as LE;
use object::pe;
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile64};

/// Libraries that every Windows 10 has, in all its editions. One that is missing keeps a program
/// from starting, without a word; any other has to be loaded by name, when it is needed.
const IMPORTS: [&str; 22] = [
    "advapi32.dll",
    "api-ms-win-core-synch-l1-2-0.dll",
    "bcrypt.dll",
    "bcryptprimitives.dll",
    "combase.dll",
    "comctl32.dll",
    "crypt32.dll",
    "dnsapi.dll",
    "gdi32.dll",
    "iphlpapi.dll",
    "kernel32.dll",
    "msvcrt.dll",
    "ncrypt.dll",
    "ntdll.dll",
    "ole32.dll",
    "oleaut32.dll",
    "powrprof.dll",
    "secur32.dll",
    "shell32.dll",
    "user32.dll",
    "winhttp.dll",
    "ws2_32.dll",
];

/// What the loader shall do for us: other addresses at each start, all 64 bits of them, and no
/// data that runs. Control flow guard is what this linker cannot make.
const HARDENING: [(u16, &str); 3] = [
    (pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE, "DYNAMIC_BASE"),
    (
        pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA,
        "HIGH_ENTROPY_VA",
    ),
    (pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT, "NX_COMPAT"),
];

const RESOURCES: [(u16, &str); 4] = [
    (pe::RT_GROUP_ICON, "icon"),
    (pe::RT_VERSION, "version"),
    (pe::RT_MANIFEST, "manifest"),
    (pe::RT_MESSAGETABLE, "event messages"),
];

/// # Errors
///
/// The first thing that is wrong with it.
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    let file = PeFile64::parse(bytes).context("it is no program for 64-bit Windows")?;
    let header = file.nt_headers();
    ensure!(
        header.file_header().time_date_stamp.get(LE) == 0,
        "it says when it was linked, and so differs each time"
    );
    let said = header.optional_header().dll_characteristics();
    for (flag, name) in HARDENING {
        ensure!(said & flag != 0, "the flag {name} is missing");
    }
    ensure!(
        file.data_directory(pe::IMAGE_DIRECTORY_ENTRY_BASERELOC)
            .is_some_and(|directory| directory.size.get(LE) > 0),
        "without relocations it lies at the same address each time"
    );
    imports(&file)?;
    resources(&file)
}

fn imports(file: &PeFile64<'_>) -> Result<()> {
    let table = file.import_table()?.context("it imports nothing")?;
    let mut libraries = table.descriptors()?;
    while let Some(library) = libraries.next()? {
        let name = table.name(library.name.get(LE))?;
        let name = String::from_utf8_lossy(name).to_lowercase();
        ensure!(
            IMPORTS.contains(&name.as_str()),
            "it needs {name}, which is not on the list of what every Windows has; load it by name"
        );
    }
    Ok(())
}

fn resources(file: &PeFile64<'_>) -> Result<()> {
    let directory = file
        .data_directories()
        .resource_directory(file.data(), &file.section_table())?
        .context("it has no resources")?;
    let root = directory.root()?;
    for (kind, name) in RESOURCES {
        let there = root
            .entries
            .iter()
            .any(|entry| entry.name_or_id().id() == Some(kind));
        ensure!(there, "the {name} is missing among its resources");
    }
    Ok(())
}
