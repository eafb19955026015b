//! Archives that the kernel unpacks as its first root: cpio, "newc"
//! (Documentation/driver-api/early-userspace/buffer-format.rst of Linux).

const MAGIC: &str = "070701";
const TRAILER: &str = "TRAILER!!!";

const FOLDER: u32 = 0o040_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
const FILE: u32 = 0o100_000;

/// An archive being written; everything in it belongs to root and has one time.
#[derive(Debug)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    seconds: u32,
}

/// The format has 32 bits for it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: larger than an initramfs can hold")]
pub struct TooLarge {
    path: String,
}

struct Header<'a> {
    path: &'a str,
    mode: u32,
    links: u32,
    device: (u32, u32),
    content: &'a [u8],
}

impl Archive {
    /// `seconds` since 1970 is the time of all entries.
    pub fn new(seconds: u32) -> Self {
        Self {
            bytes: Vec::new(),
            entries: 0,
            seconds,
        }
    }

    /// Adds a folder, whose parent must be there already.
    pub fn folder(&mut self, path: &str) {
        self.entry(&Header {
            path,
            mode: FOLDER | 0o755,
            links: 2,
            device: (0, 0),
            content: &[],
        });
    }

    /// Adds a character device.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.entry(&Header {
            path,
            mode: CHARACTER_DEVICE | 0o600,
            links: 1,
            device: (major, minor),
            content: &[],
        });
    }

    /// Adds a file with the permissions `mode`.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<(), TooLarge> {
        if u32::try_from(content.len()).is_err() {
            return Err(TooLarge {
                path: path.to_owned(),
            });
        }
        self.entry(&Header {
            path,
            mode: FILE | mode,
            links: 1,
            device: (0, 0),
            content,
        });
        Ok(())
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.header(
            0,
            0,
            &Header {
                path: TRAILER,
                mode: 0,
                links: 1,
                device: (0, 0),
                content: &[],
            },
        );
        self.bytes
    }

    fn entry(&mut self, header: &Header<'_>) {
        self.entries += 1;
        self.header(self.entries, self.seconds, header);
        self.bytes.extend(header.content);
        self.pad();
    }

    fn header(&mut self, inode: u32, seconds: u32, header: &Header<'_>) {
        let (major, minor) = header.device;
        let fields = [
            u64::from(inode),
            u64::from(header.mode),
            0, // user
            0, // group
            u64::from(header.links),
            u64::from(seconds),
            count(header.content.len()),
            0, // the device that it lies on
            0,
            u64::from(major),
            u64::from(minor),
            count(header.path.len() + 1),
            0, // checksum, which newc has none of
        ];
        self.bytes.extend(MAGIC.as_bytes());
        for field in fields {
            self.bytes.extend(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend(header.path.as_bytes());
        self.bytes.push(0);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

fn count(length: usize) -> u64 {
    // INVARIANT: contents are at most 4 GiB (`file`), and paths are ours.
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that GNU cpio 2.13 writes for the same with `--reproducible -R 0:0 -H newc`, but
    /// for the inode numbers, which it takes from the disk, and its padding to whole blocks.
    #[test]
    fn an_archive_is_what_the_format_says() {
        let mut archive = Archive::new(0x1234);
        archive.folder("dev");
        archive.device("dev/console", 5, 1);
        archive.file("init", 0o755, b"hello").unwrap();

        let bytes = archive.finish();

        let expected = concat!(
            "070701",
            "00000001",
            "000041ed",
            "00000000",
            "00000000",
            "00000002",
            "00001234",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000004",
            "00000000",
            "dev\0\0\0",
            "070701",
            "00000002",
            "00002180",
            "00000000",
            "00000000",
            "00000001",
            "00001234",
            "00000000",
            "00000000",
            "00000000",
            "00000005",
            "00000001",
            "0000000c",
            "00000000",
            "dev/console\0\0\0",
            "070701",
            "00000003",
            "000081ed",
            "00000000",
            "00000000",
            "00000001",
            "00001234",
            "00000005",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000005",
            "00000000",
            "init\0\0hello\0\0\0",
            "070701",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000001",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "0000000b",
            "00000000",
            "TRAILER!!!\0\0\0\0",
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
