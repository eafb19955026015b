//! The client in a ZIP file, for PCs on which nothing may be installed (C3).

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Contents, VERSION};

const PROGRAMS: [&str; 2] = ["tasuki-client.exe", "tasuki-client-window.exe"];

pub(super) fn folder(contents: &Contents<'_>) -> Result<PathBuf> {
    let name = format!("tasuki-client-{VERSION}");
    let path = contents.out.join(format!("{name}-windows.zip"));
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut zip = ZipWriter::new(file);
    // Without a date all files have the same one.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9));
    let readme = fs::read_to_string(contents.texts.join("windows/README.txt"))?;
    // What old versions of Notepad need: a mark that it is UTF-8, and their ends of lines.
    let readme = format!("\u{feff}{readme}").replace('\n', "\r\n");
    let mut files = vec![("README.txt", readme.into_bytes())];
    for program in PROGRAMS {
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
        for program in PROGRAMS {
            fs::write(place.path().join(program), [7; 100_000]).unwrap();
        }
        let make = |out: &str| {
            let out = place.path().join(out);
            fs::create_dir(&out).unwrap();
            let contents = Contents {
                texts: Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/packages"),
                programs: place.path(),
                out: &out,
            };
            folder(&contents).unwrap()
        };

        let [one, two] = ["one", "two"].map(make);

        let mut zip = ZipArchive::new(File::open(&one).unwrap()).unwrap();
        let mut read = |name: &str| {
            let name = format!("tasuki-client-{VERSION}/{name}");
            let mut bytes = Vec::new();
            zip.by_name(&name).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        };
        for program in PROGRAMS {
            assert_eq!(read(program), [7; 100_000]);
        }
        let readme = String::from_utf8(read("README.txt")).unwrap();
        assert!(readme.starts_with('\u{feff}') && readme.contains("使う"));
        assert!(readme.lines().count() > 10 && !readme.replace("\r\n", "").contains('\n'));
        assert!(fs::metadata(&one).unwrap().len() < 50_000, "it is packed");
        assert_eq!(fs::read(one).unwrap(), fs::read(two).unwrap());
    }
}
