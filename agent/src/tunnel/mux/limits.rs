//! Every bound of the mux, with its reason.

use protocol::refusal::RefusalCode;
use protocol::tunnel::STREAMS_MAX;

/// Room that a receiver grants a stream: more than one stream of the peer may keep unacknowledged.
pub(super) const WINDOW: u32 = 384 * 1024;
/// Room that the client may count on in a host that it has just sent `Open`.
pub(super) const FIRST_WINDOW: u32 = 64 * 1024;
/// Bytes after which an acknowledgement no longer waits for data to ride on.
pub(super) const ACK_BYTES: u64 = 64 * 1024;
/// Bytes that a tunnel keeps unacknowledged in one direction, all streams together.
pub(super) const REPLAY_MAX: usize = 1024 * 1024;
/// What each stream may keep whatever the others do: more than [`ACK_BYTES`], so that it never
/// stands still while its reader is quick.
pub(super) const RESERVE: usize = 80 * 1024;
/// What streams share beyond their reserves.
pub(super) const POOL: usize = REPLAY_MAX - STREAMS_MAX * RESERVE;
/// Less room than this is no room, so that a full buffer does not let bytes trickle in.
pub(super) const ROOM_MIN: usize = 4 * 1024;
/// Streams kept, those included that ended and whose holder has not let go yet.
pub(in crate::tunnel) const SLOTS: usize = 2 * STREAMS_MAX;
/// Resets whose answer may be missing before no stream is opened any more.
pub(super) const RESETTING_MAX: usize = 4 * STREAMS_MAX;
/// Reason of a reset for which no other reason was given.
pub(super) const ABANDONED: RefusalCode = RefusalCode::Other(0);
