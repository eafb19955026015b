//! Gives the Windows programs their version, their manifest, their icon and the text of their events.
//!
//! Also those of the crate in `desktop`. The same source makes the same bytes.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Crate, name, description and manifest.
const PROGRAMS: [(&str, &str, &str, &str); 6] = [
    (
        "agent",
        "tasuki-host",
        "Tasuki host: makes this PC reachable",
        MANIFEST,
    ),
    (
        "agent",
        "tasuki-host-settings",
        "Tasuki host: its settings",
        WINDOW_MANIFEST,
    ),
    (
        "agent",
        "tasuki-host-background",
        "Tasuki host: starts with Windows",
        MANIFEST,
    ),
    (
        "agent",
        "tasuki-client",
        "Tasuki client: shows an office PC",
        WINDOW_MANIFEST,
    ),
    (
        "agent",
        "tasuki-client-window",
        "Tasuki client: opens its window",
        WINDOW_MANIFEST,
    ),
    (
        "tasuki-desktop",
        "tasuki-desktop",
        "Tasuki host: shares this desktop",
        WINDOW_MANIFEST,
    ),
];
const MANIFEST: &str = include_str!("resources/windows.manifest");
/// With sharp letters and true pixels on every screen.
const WINDOW_MANIFEST: &str = include_str!("resources/window.manifest");
const ICON: &[u8] = include_bytes!("resources/tasuki.ico");

fn main() -> Result<(), Box<dyn Error>> {
    // Manifests and icon are a part of this program, and cargo sees when it has to be built anew.
    println!("cargo:rerun-if-env-changed=CARGO_CFG_TARGET_OS");
    if env::var("CARGO_CFG_TARGET_OS")? != "windows" {
        return Ok(());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo names no folder")?);
    fs::write(out.join("messages.bin"), messages())?;
    fs::write(out.join("tasuki.ico"), ICON)?;
    let package = env::var("CARGO_PKG_NAME")?;
    for (_, program, description, manifest) in PROGRAMS.iter().filter(|(of, ..)| *of == package) {
        let file = out.join(format!("{program}.rc"));
        fs::write(&file, resources(program, description, manifest, &out)?)?;
        winresource::WindowsResource::new()
            .set_resource_file(&file.to_string_lossy())
            .compile_for(program)?;
    }
    Ok(())
}

/// The source of a program's resources (VERSIONINFO, RT_MANIFEST is 24, RT_MESSAGETABLE is 11).
fn resources(
    program: &str,
    description: &str,
    manifest: &str,
    out: &Path,
) -> Result<String, Box<dyn Error>> {
    let version = env::var("CARGO_PKG_VERSION")?;
    let part = |name: &str| env::var(format!("CARGO_PKG_VERSION_{name}"));
    let numbers = [part("MAJOR")?, part("MINOR")?, part("PATCH")?].join(",");
    let file = out.join(format!("{program}.manifest"));
    fs::write(&file, manifest)?;
    let messages = out.join("messages.bin");
    let icon = out.join("tasuki.ico");
    Ok(format!(
        r#"#pragma code_page(65001)
1 24 "{manifest}"
1 11 "{messages}"
1 ICON "{icon}"
1 VERSIONINFO
FILEVERSION {numbers},0
PRODUCTVERSION {numbers},0
FILEOS 0x40004
FILETYPE 0x1
{{
  BLOCK "StringFileInfo"
  {{
    BLOCK "000004b0"
    {{
      VALUE "FileDescription", "{description}"
      VALUE "FileVersion", "{version}"
      VALUE "InternalName", "{program}"
      VALUE "OriginalFilename", "{program}.exe"
      VALUE "ProductName", "Tasuki"
      VALUE "ProductVersion", "{version}"
    }}
  }}
  BLOCK "VarFileInfo" {{ VALUE "Translation", 0x0, 0x4b0 }}
}}
"#,
        manifest = file.display(),
        messages = messages.display(),
        icon = icon.display(),
    ))
}

/// A message table with one message, number 1: whatever text an event brings along
/// (MESSAGE_RESOURCE_DATA, with one block of one entry in UTF-16).
fn messages() -> Vec<u8> {
    const UNICODE: u16 = 1;
    let mut text: Vec<u16> = "%1\r\n\0".encode_utf16().collect();
    // Entries end at multiples of four bytes.
    text.resize(text.len().next_multiple_of(2), 0);
    let length = u16::try_from(4 + 2 * text.len()).expect("a few letters");
    let (blocks, first, last, offset) = (1_u32, 1_u32, 1_u32, 16_u32);
    let head = [blocks, first, last, offset].map(u32::to_le_bytes).concat();
    let entry = [length, UNICODE].into_iter().chain(text);
    let entry = entry.flat_map(u16::to_le_bytes);
    head.into_iter().chain(entry).collect()
}
