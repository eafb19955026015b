//! Client and host in ZIP files, for PCs on which nothing may be installed (C3, A2).

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Contents, VERSION};

/// What goes into one.
pub(super) struct Portable {
    name: &'static str,
    /// For whoever opens it, in `agent/packages/windows`.
    readme: &'static str,
    programs: &'static [&'static str],
}

pub(super) const CLIENT: Portable = Portable {
    name: "tasuki-client",
    readme: "README.txt",
    programs: &["tasuki-client.exe", "tasuki-client-window.exe"],
};

/// The host in user mode.
pub(super) const HOST: Portable = Portable {
    name: "tasuki-host",
    readme: "README-host.txt",
    programs: &[
        "tasuki-host.exe",
        "tasuki-host-background.exe",
        "tasuki-host-settings.exe",
        "tasuki-desktop.exe",
    ],
};

pub(super) fn folder(contents: &Contents<'_>, portable: &Portable) -> Result<PathBuf> {
    let name = format!("{}-{VERSION}", portable.name);
    let path = contents.out.join(format!("{name}-windows.zip"));
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut zip = ZipWriter::new(file);
    // Without a date all files have the same one.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9));
    let readme = contents.texts.join("windows").join(portable.readme);
    let readme =
        fs::read_to_string(&readme).with_context(|| format!("cannot read {}", readme.display()))?;
    // What old versions of Notepad need: a mark that it is UTF-8, and their ends of lines.
    let readme = format!("\u{feff}{readme}").replace('\n', "\r\n");
    let mut files = vec![("README.txt", readme.into_bytes())];
    for program in portable.programs {
        files.push((program, fs::read(contents.programs.join(program))?));
    }
    for (file, bytes) in files {
        zip.start_file(format!("{name}/{file}"), options)?;
        zip.write_all(&bytes)?;
    }
    zip.finish()?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::path::Path;

    use zip::ZipArchive;

    use super::*;

    #[test]
    fn folder_has_program_and_readme_and_comes_out_the_same_twice() {
        let place = tempfile::tempdir().unwrap();
        for program in [CLIENT, HOST].iter().flat_map(|one| one.programs) {
            fs::write(place.path().join(program), [7; 100_000]).unwrap();
        }
        let make = |out: &str, portable: &Portable| {
            let out = place.path().join(out);
            fs::create_dir_all(&out).unwrap();
            let contents = Contents {
                texts: Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/packages"),
                programs: place.path(),
                out: &out,
            };
            folder(&contents, portable).unwrap()
        };

        for portable in [CLIENT, HOST] {
            let [one, two] = ["one", "two"].map(|out| make(out, &portable));

            let mut zip = ZipArchive::new(File::open(&one).unwrap()).unwrap();
            let mut read = |name: &str| {
                let name = format!("{}-{VERSION}/{name}", portable.name);
                let mut bytes = Vec::new();
                zip.by_name(&name).unwrap().read_to_end(&mut bytes).unwrap();
                bytes
            };
            for program in portable.programs {
                assert_eq!(read(program), [7; 100_000]);
            }
            let readme = String::from_utf8(read("README.txt")).unwrap();
            assert!(readme.starts_with('\u{feff}') && readme.contains("使う"));
            assert!(readme.lines().count() > 10 && !readme.replace("\r\n", "").contains('\n'));
            assert!(fs::metadata(&one).unwrap().len() < 50_000, "it is packed");
            assert_eq!(fs::read(one).unwrap(), fs::read(two).unwrap());
        }
    }
}
