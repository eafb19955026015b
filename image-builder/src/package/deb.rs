//! Reads a Debian package: `deb(5)`, an `ar` archive of two compressed `tar` archives.
//!
//! Hostile bytes end in an error: the hash in the lock says which package it is, not that it is well.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use liblzma::read::XzDecoder;
use liblzma::stream::Stream;
use tar::EntryType;

use crate::root::{Entry, Kind};

const AR_MAGIC: &[u8] = b"!<arch>\n";
const AR_HEADER: usize = 60;
/// Largest unpacked archive, in bytes: four times the kernel's, which is the largest package.
const DATA_MAX: u64 = 1 << 30;
/// The same for a control archive: scripts, and a list of files with their hashes.
const CONTROL_MAX: u64 = 16 << 20;
/// What unpacking may take for itself; `xz -9` asks for 65 MiB.
const XZ_MEMORY_MAX: u64 = 256 << 20;

/// Why a package cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    #[error("is no Debian package: {0}")]
    Format(&'static str),
    #[error("{name}: cannot be unpacked")]
    Unpack { name: String, source: io::Error },
    #[error("{path}: {what} in a package")]
    Entry { path: String, what: &'static str },
}

/// A package's content.
pub struct Deb {
    /// Files of the control archive by name: `control`, `preinst`, `postinst` and others.
    pub control: BTreeMap<String, Arc<[u8]>>,
    /// What is to be installed, in the package's order, with paths from the top.
    pub data: Vec<(String, Entry)>,
}

impl Deb {
    /// Reads the bytes of a `.deb`.
    ///
    /// `wanted` tells which paths are of interest; others are left out.
    pub fn read(bytes: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Self, DebError> {
        let members = members(bytes)?;
        let control = member(&members, "control.tar", CONTROL_MAX)?
            .into_iter()
            .filter_map(|(path, entry)| match entry.kind {
                Kind::File(content) => Some((path, content)),
                Kind::Folder | Kind::Link(_) => None,
            })
            .collect();
        let mut data = member(&members, "data.tar", DATA_MAX)?;
        data.retain(|(path, _)| wanted(path));
        Ok(Self { control, data })
    }

    /// Only the control archive, which is far cheaper to unpack.
    pub fn control(bytes: &[u8]) -> Result<BTreeMap<String, Arc<[u8]>>, DebError> {
        let entries = member(&members(bytes)?, "control.tar", CONTROL_MAX)?;
        let files = entries
            .into_iter()
            .filter_map(|(path, entry)| match entry.kind {
                Kind::File(content) => Some((path, content)),
                Kind::Folder | Kind::Link(_) => None,
            });
        Ok(files.collect())
    }
}

/// The files of an `ar` archive.
fn members(bytes: &[u8]) -> Result<Vec<(&str, &[u8])>, DebError> {
    let cut = DebError::Format("it is cut off");
    let mut rest = bytes
        .strip_prefix(AR_MAGIC)
        .ok_or(DebError::Format("it does not begin like one"))?;
    let mut members = Vec::new();
    while !rest.is_empty() {
        let Some((header, body)) = rest.split_at_checked(AR_HEADER) else {
            return Err(cut);
        };
        let text = std::str::from_utf8(header)
            .map_err(|_| DebError::Format("a member's header is not text"))?;
        let name = text.get(..16).unwrap_or_default();
        let size = text.get(48..58).unwrap_or_default().trim_end().parse();
        let size: usize = size.map_err(|_| DebError::Format("a member's size is no number"))?;
        let Some((content, after)) = body.split_at_checked(size) else {
            return Err(cut);
        };
        members.push((name.trim_end().trim_end_matches('/'), content));
        // Members begin at even places.
        rest = after.get(size % 2..).unwrap_or_default();
    }
    Ok(members)
}

/// Unpacks the member called `name` with any ending that tells its compression, to `most` bytes.
fn member(
    members: &[(&str, &[u8])],
    name: &str,
    most: u64,
) -> Result<Vec<(String, Entry)>, DebError> {
    let found = members
        .iter()
        .find_map(|(file, content)| Some((file, file.strip_prefix(name)?, *content)));
    let Some((file, ending, content)) = found else {
        return Err(DebError::Format("control.tar or data.tar is missing"));
    };
    let unpack = |source| DebError::Unpack {
        name: (*file).to_owned(),
        source,
    };
    let plain: Box<dyn Read + '_> = match ending {
        "" => Box::new(content),
        ".gz" => Box::new(flate2::read::GzDecoder::new(content)),
        ".xz" => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY_MAX, 0);
            let stream = stream.map_err(|error| unpack(error.into()))?;
            Box::new(XzDecoder::new_stream(content, stream))
        }
        ".zst" => Box::new(zstd::Decoder::new(content).map_err(unpack)?),
        _ => return Err(DebError::Format("its compression is none that is known")),
    };
    let bounded = Bounded { plain, left: most };
    entries(bounded, unpack)
}

/// Fails where [`Read::take`] would end, so that a bomb is no package that ends early.
struct Bounded<R> {
    plain: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.plain.read(buffer)?;
        let read = u64::try_from(count).map_err(io::Error::other)?;
        self.left = self.left.checked_sub(read).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "unpacks to more than any package",
            )
        })?;
        Ok(count)
    }
}

fn entries(
    archive: impl Read,
    unpack: impl Fn(io::Error) -> DebError,
) -> Result<Vec<(String, Entry)>, DebError> {
    let mut found: Vec<(String, Entry)> = Vec::new();
    let mut files: BTreeMap<String, usize> = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().map_err(&unpack)? {
        let mut entry = entry.map_err(&unpack)?;
        let path = entry.path_bytes().into_owned();
        let path = relative(&path)?;
        if path.is_empty() {
            continue;
        }
        let refused = |what| DebError::Entry {
            path: path.clone(),
            what,
        };
        let header = entry.header();
        let mode = header.mode().map_err(&unpack)? & 0o7777;
        let id = |id: io::Result<u64>| -> Result<u32, DebError> {
            u32::try_from(id.map_err(&unpack)?).map_err(|_| refused("an owner out of range"))
        };
        let (uid, gid) = (id(header.uid())?, id(header.gid())?);
        let target = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
        let target = || String::from_utf8(target.clone().unwrap_or_default());
        let tar_type = entry.header().entry_type();
        let kind = if tar_type == EntryType::Directory {
            Kind::Folder
        } else if tar_type == EntryType::Regular {
            let size = entry.size();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(&unpack)?;
            if u64::try_from(content.len()).is_ok_and(|length| length != size) {
                return Err(refused("a file that is cut off"));
            }
            Kind::File(content.into())
        } else if tar_type == EntryType::Symlink {
            Kind::Link(target().map_err(|_| refused("a target that is no text"))?)
        } else if tar_type == EntryType::Link {
            // A second name of a file that came before it, with its owner and mode.
            let target = target().map_err(|_| refused("a target that is no text"))?;
            let first = files.get(&relative(target.as_bytes())?);
            let first = first.and_then(|index| found.get(*index));
            let Some((_, first)) = first.cloned() else {
                return Err(refused("a second name of an unknown file"));
            };
            found.push((path, first));
            continue;
        } else {
            return Err(refused("neither file, folder nor link"));
        };
        if matches!(kind, Kind::File(_)) {
            files.insert(path.clone(), found.len());
        }
        let entry = Entry {
            mode,
            uid,
            gid,
            kind,
        };
        found.push((path, entry));
    }
    Ok(found)
}

/// A path as it stands in a package (`./usr/bin/`) becomes one from the top (`usr/bin`); the tree
/// that it is put into follows its own links only.
fn relative(path: &[u8]) -> Result<String, DebError> {
    let text = std::str::from_utf8(path).map_err(|_| DebError::Entry {
        path: String::from_utf8_lossy(path).into_owned(),
        what: "a path that is no text",
    })?;
    let rest = match text {
        "." => "",
        text => text.strip_prefix("./").unwrap_or(text),
    };
    let rest = rest.trim_matches('/');
    if rest.split('/').any(|part| part == "..") {
        let path = text.to_owned();
        let what = "a path that leads out of it";
        return Err(DebError::Entry { path, what });
    }
    Ok(rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::testkit::{Part, deb};
    use super::*;

    #[test]
    fn files_folders_and_both_kinds_of_links_are_read() {
        let bytes = deb(
            &[("postinst", b"#!/bin/sh\n")],
            &[
                Part::Folder("./usr/bin/", 0o755),
                Part::File("./usr/bin/a", 0o4755, b"program"),
                Part::HardLink("./usr/bin/b", "./usr/bin/a"),
                Part::Link("./usr/bin/c", "a"),
            ],
        );

        let deb = Deb::read(&bytes, |_| true).unwrap();

        assert_eq!(&*deb.control["postinst"], b"#!/bin/sh\n");
        let listing: Vec<(&str, u32)> = deb
            .data
            .iter()
            .map(|(path, entry)| (path.as_str(), entry.mode))
            .collect();
        assert_eq!(
            listing,
            [
                ("usr/bin", 0o755),
                ("usr/bin/a", 0o4755),
                ("usr/bin/b", 0o4755),
                ("usr/bin/c", 0o777)
            ]
        );
        assert_eq!(deb.data[1].1.kind, deb.data[2].1.kind);
        assert_eq!(deb.data[3].1.kind, Kind::Link("a".into()));
    }

    #[test]
    fn what_is_not_wanted_is_left_out() {
        let bytes = deb(
            &[],
            &[Part::File("./a", 0o644, b""), Part::File("./b", 0o644, b"")],
        );

        let deb = Deb::read(&bytes, |path| path == "b").unwrap();

        assert_eq!(deb.data.len(), 1);
    }

    #[test]
    fn devices_are_refused() {
        let bytes = deb(&[], &[Part::Device("./dev/sda")]);

        let error = Deb::read(&bytes, |_| true).err().unwrap();

        assert!(matches!(error, DebError::Entry { .. }), "{error}");
    }

    #[test]
    fn paths_that_lead_out_are_refused_and_hidden_files_keep_their_names() {
        for path in ["./../etc/passwd", "../x", "./usr/../../x"] {
            let bytes = deb(&[], &[Part::Raw(path, 1, b"x")]);
            let error = Deb::read(&bytes, |_| true).err().unwrap();
            assert!(error.to_string().contains("leads out"), "{path}: {error}");
        }
        let bytes = deb(&[], &[Part::HardLink("./a", "../../etc/passwd")]);
        assert!(Deb::read(&bytes, |_| true).is_err());

        let hidden = [Part::Raw("./.a", 1, b"x"), Part::Raw(".b", 1, b"x")];
        let deb = Deb::read(&deb(&[], &hidden), |_| true).unwrap();
        let paths: Vec<&str> = deb.data.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, [".a", ".b"]);
    }

    #[test]
    fn a_bomb_and_a_size_that_is_not_there_are_errors() {
        let zeros = vec![0; 1 << 20];
        let bytes = deb(&[], &[Part::File("./a", 0o644, &zeros)]);
        let members = members(&bytes).unwrap();
        // The file, its header, and two blocks of zeros at the end.
        let whole = (1 << 20) + 3 * 512;

        assert!(member(&members, "data.tar", whole).is_ok());
        let bomb = member(&members, "data.tar", (1 << 20) - 1).unwrap_err();

        let DebError::Unpack { source, .. } = bomb else {
            panic!("{bomb}");
        };
        assert!(source.to_string().contains("more than any"), "{source}");
        let lie = deb(&[], &[Part::Raw("./a", 1 << 60, b"x")]);
        assert!(Deb::read(&lie, |_| true).is_err());
    }

    #[test]
    fn a_package_cut_anywhere_is_an_error_and_no_panic() {
        let whole = deb(
            &[("control", b"x")],
            &[Part::File("./a", 0o644, b"content")],
        );

        for length in 0..whole.len() {
            let cut = &whole[..length];
            assert!(
                Deb::read(cut, |_| true).is_err(),
                "{length} of {}",
                whole.len()
            );
        }
    }
}
