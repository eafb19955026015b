//! Makes small packages for tests.

use std::io::Write;

use tar::{Builder, EntryType, Header};

/// What a test puts into a package.
pub(crate) enum Part<'t> {
    /// Path, mode.
    Folder(&'t str, u32),
    /// Path, mode, content.
    File(&'t str, u32, &'t [u8]),
    Link(&'t str, &'t str),
    HardLink(&'t str, &'t str),
    Device(&'t str),
    /// A file with a path that no honest archiver writes, and the size that its header tells.
    Raw(&'t str, u64, &'t [u8]),
}

/// A `.deb` with these control files and this content.
pub(crate) fn deb(control: &[(&str, &[u8])], data: &[Part<'_>]) -> Vec<u8> {
    let control: Vec<Part<'_>> = control
        .iter()
        .map(|(name, content)| Part::File(name, 0o755, content))
        .collect();
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", gzip(&archive(&control))),
        ("data.tar.xz", xz(&archive(data))),
    ] {
        let size = content.len();
        writeln!(
            bytes,
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`",
            0, 0, 0, 100644
        )
        .unwrap();
        bytes.extend(&content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

fn archive(parts: &[Part<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for part in parts {
        let mut header = Header::new_gnu();
        if let Part::Raw(path, size, content) = part {
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(*size);
            header.set_cksum();
            builder.append(&header, *content).unwrap();
            continue;
        }
        let (path, kind, mode, target, content): (_, _, _, _, &[u8]) = match part {
            Part::Folder(path, mode) => (path, EntryType::Directory, *mode, "", b""),
            Part::File(path, mode, content) => (path, EntryType::Regular, *mode, "", content),
            Part::Link(path, target) => (path, EntryType::Symlink, 0o777, *target, b""),
            Part::HardLink(path, target) => (path, EntryType::Link, 0o644, *target, b""),
            Part::Device(path) => (path, EntryType::Block, 0o600, "", b""),
            Part::Raw(..) => unreachable!("written above"),
        };
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(u64::try_from(content.len()).unwrap());
        if target.is_empty() {
            header.set_cksum();
            builder.append_data(&mut header, path, content).unwrap();
        } else {
            builder.append_link(&mut header, path, target).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
