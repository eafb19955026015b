//! How much memory a session may use.
//!
//! IronRDP puts the pieces of a message together without a limit: a viewer that never sends the
//! last one would fill the PC's memory. The limit ends its own session.

use agent_windows::heap::Heap;
use tasuki_desktop::film::Size;

/// What is not pictures: a message of the clipboard's, several times, is the largest of it.
const BASE: usize = 64 << 20;

/// Pictures of the whole screen at once: what the viewer has, an update, IronRDP's copy of the
/// screen; and a part of the update, which may be all of it, while it is encoded: room for twice
/// its size, its tiles, and the result, in one piece and in the pieces that are sent.
const PICTURES: usize = 8;

#[global_allocator]
static HEAP: Heap = Heap::new(BASE, full);

/// Makes room for a screen of that size.
pub(crate) fn allow(size: Size) {
    HEAP.raise(BASE.saturating_add(size.bytes().saturating_mul(PICTURES)));
}

/// A panic lets go of what is pressed, and ends this process.
#[expect(clippy::panic, reason = "there is no way back from an allocation")]
extern "C" fn full() {
    panic!("This session has used up its memory");
}
