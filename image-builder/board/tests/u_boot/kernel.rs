//! A kernel of 23 instructions: says its name, shows the device tree that it was given, and
//! resets the board. What U-Boot hands over, and how often, is then on the serial line.

use std::io::Write;

/// Where QEMU's `virt` has its UART is in the first instruction; the reset is PSCI's `SYSTEM_RESET`.
const CODE: [u32; 23] = [
    0xd2a1_2001, // mov x1, #0x9000000
    0x1000_02c2, // adr x2, name
    0x3840_1443, // ldrb w3, [x2], #1      <- next letter
    0x3400_0063, // cbz w3, tree
    0x3900_0023, // strb w3, [x1]
    0x17ff_fffd, // b next letter
    0xb940_0404, // ldr w4, [x0, #4]      <- tree: its size, big endian
    0x5ac0_0884, // rev w4, w4
    0x3840_1403, // ldrb w3, [x0], #1      <- next byte
    0x5304_7c65, // lsr w5, w3, #4
    0x1101_84a5, // add w5, w5, #0x61
    0x3900_0025, // strb w5, [x1]
    0x1200_0c65, // and w5, w3, #0xf
    0x1101_84a5, // add w5, w5, #0x61
    0x3900_0025, // strb w5, [x1]
    0x7100_0484, // subs w4, w4, #0x1
    0x54ff_ff01, // b.ne next byte
    0x5280_0145, // mov w5, #0xa
    0x3900_0025, // strb w5, [x1]
    0x5280_0120, // mov w0, #0x9
    0x72b0_8000, // movk w0, #0x8400, lsl #16
    0xd400_0002, // hvc #0x0
    0x1400_0000, // b here
];
/// Linux' header (Documentation/arch/arm64/booting.rst): a branch over it comes first.
const HEADER: usize = 64;
const BRANCH: u32 = 0x1400_0010;
const MAGIC: &[u8; 4] = b"ARM\x64";
/// Little endian, pages of 4 KiB, anywhere in memory.
const FLAGS: u64 = 0b1010;

/// Before a kernel's name.
pub(crate) const MARK: &str = "\nthis is kernel ";

/// A file `Image` of the kernel called `name`.
pub(crate) fn image(name: &str) -> Vec<u8> {
    let mut body: Vec<u8> = CODE.into_iter().flat_map(u32::to_le_bytes).collect();
    write!(body, "{MARK}{name}\n\0").expect("writes to memory");
    let size = u64::try_from(HEADER + body.len()).expect("is small");
    let mut image = BRANCH.to_le_bytes().to_vec();
    image.resize(16, 0);
    image.extend(size.to_le_bytes());
    image.extend(FLAGS.to_le_bytes());
    image.resize(56, 0);
    image.extend(MAGIC);
    image.resize(HEADER, 0);
    image.extend(body);
    image
}

/// What a kernel was started with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) kernel: String,
    pub(crate) command_line: String,
    /// Whether the device tree says where an initramfs lies.
    pub(crate) initramfs: bool,
}

/// Every start that the serial line tells of to its end.
pub(crate) fn starts(said: &str) -> Vec<Start> {
    let starts = said.split(MARK).skip(1);
    starts.filter_map(parse).collect()
}

/// A kernel's name, the device tree in letters, and whatever follows.
fn parse(said: &str) -> Option<Start> {
    let (kernel, rest) = said.split_once('\n')?;
    let (tree, _) = rest.split_once('\n')?;
    let tree = bytes(tree);
    let at = position(&tree, b"tasuki.root=").expect("a command line of ours");
    Some(Start {
        kernel: kernel.to_owned(),
        command_line: text(&tree[at..]),
        initramfs: position(&tree, b"linux,initrd-start\0").is_some(),
    })
}

/// The kernel writes a byte as two letters, `a` for 0 to `p` for 15.
fn bytes(letters: &str) -> Vec<u8> {
    let (pairs, _) = letters.as_bytes().as_chunks::<2>();
    let value = |letter: u8| letter.wrapping_sub(b'a');
    let pairs = pairs.iter();
    pairs
        .map(|[high, low]| value(*high) << 4 | value(*low))
        .collect()
}

/// Up to the zero byte.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|piece| piece == wanted)
}
