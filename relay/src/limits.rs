//! Every bound of the daemon, in one place, with its reason.
//!
//! A number that limits memory, work or time belongs here and nowhere else.
//! Read next: [`crate::data`] for who keeps the first group.

use std::ops::RangeInclusive;
use std::time::Duration;

// ---- Data plane: how much ----

/// Sessions on one board. A 1 GbE port gives each of them 465 kbit/s at that point.
pub const SESSIONS_MAX: usize = 2_000;

/// Memory for socket buffers, pipes, parked reads and connections that wait, together, on a board
/// with 1 GB. The kernel's own TCP limit is about 93 MB there and prunes everybody beyond it; TLS
/// state and the socket structures (8.5 KB a session) come on top.
pub const MEMORY_BUDGET: usize = 128 * 1024 * 1024;

/// A larger machine's budget is this part of its memory, as it is on a board with 1 GB. With narrow
/// buffers senders wait for windows more often, which costs CPU: docs/BENCHMARKS.md has how much.
pub const MEMORY_BUDGET_PART: u64 = 8;

/// The most that one session may pin when both its readers stall, however few sessions there are.
pub const SESSION_BYTES_MAX: usize = 512 * 1024;

/// Receive buffer of a session with room for splices: some 16 Mbit/s over 20 ms. What is left of
/// [`SESSION_BYTES_MAX`] is enough for reads that fill a pipe.
pub const SPLICED_RECEIVE_BUFFER: usize = 39 * 1024;

/// Smallest receive buffer that still carries a few full packets. A budget that cannot give this
/// much to `sessions_max` sessions is refused at the start.
pub const SOCKET_BUFFER_MIN: usize = 3 * 1024;

/// Smallest send buffer that the kernel accepts (`SOCK_MIN_SNDBUF`, half of it).
pub const SEND_BUFFER_MIN: usize = 2_304;

/// The kernel takes a packet whenever its receive buffer is not full before it: the buffer may be
/// exceeded by what the smallest windows let through at once.
pub const RECEIVE_EXCESS: usize = 4 * 1024;

/// The kernel lets a write go on in the last unsent segment without looking at the send buffer:
/// by this much when pages are spliced, which cannot be told to begin a new segment.
pub const SEGMENT_MAX: usize = 64 * 1024;

/// The kernel's own record of such a segment.
pub const SEGMENT_HEADER: usize = 2 * 1024;

/// Longest segment that we let a peer send (`TCP_MAXSEG`): what Ethernet carries anyway. On loopback
/// it would be 32 to 64 KiB, a sender does not split one for a smaller window, and so waits out its
/// persist timer of 200 ms again and again (seen: `timer:(persist)`; 64 MiB each way in 31 s, and in
/// 0.4 s with this).
pub const SEGMENT_BYTES: u32 = 1_460;

/// Legs that may wait for their partner at a time.
pub const PARKED_LEGS_MAX: usize = 512;

/// Kernel memory of one connection before its join, with its receive buffer full.
pub const PARKED_LEG_BYTES: usize = 2 * PARKED_RECEIVE_BUFFER + RECEIVE_EXCESS;

/// Kernel memory of all connections before their join: parked legs, those that have proven
/// nothing, those that wait for a place, and those not yet accepted. Links are not among them:
/// what comes on a link is read at once.
pub const BEFORE_JOIN_BYTES: usize =
    (PARKED_LEGS_MAX + UNPROVEN_MAX + LOBBY_MAX + BACKLOG) * PARKED_LEG_BYTES;

/// The buffer that all sessions of a worker share for small bursts; also the longest single read.
pub const COPY_BUFFER: usize = 64 * 1024;

/// Bytes of one pipe, and the longest read that is spliced: 16 slots, each of which pins a page at
/// least, so packets that do not lie together fill it with fewer bytes.
pub const PIPE_BYTES: usize = 64 * 1024;

/// Pipes of all workers together: 4 MiB of the budget, a sixteenth of what the kernel allows to an
/// unprivileged user. Beyond it, bulk is copied, until stalled flows have given theirs up.
pub const PIPES: usize = 64;

// ---- Data plane: splice or copy ----

/// A read of at least this many bytes says that bulk is under way: splice the next one.
pub const SPLICE_ENTER: usize = 16 * 1024;

/// A splice of fewer bytes than this was not worth its two calls.
pub const SPLICE_WORTH: usize = 8 * 1024;

/// So many of those in a row, and the flow goes back to copying.
pub const SPLICE_LEAVE_AFTER: u8 = 3;

// ---- Data plane: work for one turn of the loop ----

/// Reads of each direction of a session before the next session has its turn.
pub const ROUNDS_PER_VISIT: usize = 8;

/// Calls within a round: one read and the writes that empty it again.
pub const STEPS_PER_ROUND: usize = 4;

/// Events taken from the kernel at a time.
pub const EVENTS_PER_TURN: usize = 1_024;

/// Commands a worker's mailbox holds. When it is full, control is told no and decides.
pub const MAILBOX_LEN: usize = 256;

/// Commands taken from the mailbox at a time: a join costs some 25 system calls.
pub const COMMANDS_PER_TURN: usize = 16;

/// Sessions whose buffer caps are changed at a time.
pub const SWEEP_PER_TURN: usize = 32;

// ---- Data plane: time ----

/// The longest rest between two turns while events come thick.
pub const BATCH_MAX: Duration = Duration::from_micros(300);

/// Events to be expected during a rest; fewer are not worth it.
pub const BATCH_WORTH: u32 = 3;

/// Events of one turn that need no rest: they shared their wake-up already.
pub const BATCH_ENOUGH: u32 = 16;

/// An idle worker wakes this often, so that the watchdog can tell idle from stuck.
pub const BEAT: Duration = Duration::from_secs(1);

/// Time between two looks whether the workers move. One that beats does so at least once in two of
/// its beats, so two looks must be further apart.
pub const WATCH_INTERVAL: Duration = Duration::from_secs(3);

/// When more sessions have made the caps smaller, time for a session to come down to its share.
/// One whose reader stalled before that would hold the old share for as long as it likes.
pub const SHARE_GRACE: Duration = Duration::from_secs(10);

/// Pause between two parts of a sweep over the buffer caps.
pub const SWEEP_PAUSE: Duration = Duration::from_millis(50);

/// Silence on a leg before the kernel asks whether the peer is there.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// Time between two such questions.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Unanswered questions that make a peer dead (`USER_TIMEOUT` overrides it, and agrees).
pub const KEEPALIVE_RETRIES: u32 = 4;

/// Sent bytes that stay unacknowledged, or a window that stays shut, for this long end a session.
pub const USER_TIMEOUT: Duration = Duration::from_secs(90);

/// Bytes that may wait unsent in a socket: more would only add delay before a fresh screen update.
pub const NOTSENT_LOWAT: u32 = 128 * 1024;

// ---- Configuration: defaults and bounds of what an operator may turn ----

/// Data workers. Beyond this a single 1 GbE port has nothing for them to do.
pub const WORKERS_MAX: usize = 16;

/// Addresses that the relay listens on.
pub const LISTENERS_MAX: usize = 16;

/// Ranges of addresses that an operator turns away; they are looked through one by one.
pub const BARS_MAX: usize = 1_024;

/// Hosts linked to one board: 5,000 idle ones beside those in session (R5).
pub const HOSTS_MAX: usize = 7_000;

/// Connections at a time from one address that have not proven a host key.
/// An office with a thousand PCs behind one address comes back within minutes all the same:
/// a proven host leaves the count.
pub const UNPROVEN_PER_ADDRESS: usize = 640;

/// New computer IDs a day from one range of addresses: an office enrols a thousand PCs in a day.
pub const CLAIMS_PER_RANGE: u32 = 1_000;

/// How long a relay that is told to stop waits for its sessions.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(30);

/// What may be asked for instead, by configuration and by `drain --deadline`.
pub const DRAIN_DEADLINES: RangeInclusive<Duration> =
    Duration::ZERO..=Duration::from_secs(24 * 3_600);

/// How often a host pings. Home routers forget an idle connection after a minute or more.
pub const PING_INTERVAL: Duration = Duration::from_secs(25);

/// What may be asked for instead.
pub const PING_INTERVALS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(300);

/// Longest path of a Unix socket (`unix(7)`), without the zero at its end.
pub const SOCKET_PATH_MAX: usize = 107;

// ---- Registrar ----

/// Computer IDs that one board's registrar hands out: ten times what it can serve.
/// All of them are kept in memory, at some 400 bytes each.
pub const CLAIMS_MAX: usize = 65_536;

/// Ranges of addresses whose new IDs are counted at a time; beyond it no range gets a first one.
pub const CLAIM_RANGES_MAX: usize = 4_096;

/// A name that its host gave up is kept for that host this long.
pub const NAME_REST: Duration = Duration::from_secs(365 * 24 * 3_600);

/// A board list is signed anew when this much of its day is gone.
pub const BOARD_LIST_RENEWAL: Duration = Duration::from_secs(12 * 3_600);

/// Pause before a store that failed is opened again.
pub const STORE_RETRY: Duration = Duration::from_secs(10);

/// Cache of the store. Everything is in memory already, so it only has to serve the writes.
pub const STORE_CACHE: usize = 1024 * 1024;

/// Time between two looks at the board list's age and at claims not yet on the disk.
pub const REGISTRAR_TICK: Duration = Duration::from_secs(10);

// ---- Operator: admin socket and metrics ----

/// Connections to the admin socket, and to the metrics listener, at a time.
pub const OPERATOR_CONNECTIONS: usize = 8;

/// Pause before the next look when an operator's connection could not be accepted.
pub const OPERATOR_PAUSE: Duration = Duration::from_millis(20);

/// Longest request line on the admin socket.
pub const ADMIN_REQUEST_MAX: u64 = 4 * 1024;

/// An operator's program that says or reads nothing for this long is given up.
pub const OPERATOR_TIMEOUT: Duration = Duration::from_secs(5);

// ---- Control plane: outer TLS ----

/// Longest record of a handshake: a ClientHello with a hybrid key share and a resumption ticket
/// has some 2.5 KB.
pub const HANDSHAKE_RECORD_MAX: usize = 4 * 1024;

/// Bytes of a peer's whole handshake, a host's certificate included.
pub const HANDSHAKE_BYTES_MAX: usize = 12 * 1024;

/// Longest record after it: one frame, its content type and tag, and a little padding.
pub const FRAME_RECORD_MAX: usize = protocol::outer::FRAME_MAX + 256;

/// A host's self-signed certificate; the agent's has some 300 bytes.
pub const HOST_CERTIFICATE_MAX: usize = 1024;

/// Keys for TLS tickets change this often, and a ticket is good until the next change but one.
pub const TICKET_PERIOD: Duration = Duration::from_secs(6 * 3_600);

// ---- Control plane: connections ----

/// Connections that the kernel may keep for us until we accept them.
pub const BACKLOG: usize = 1_024;

/// `SO_RCVBUF` of a connection before it is joined: a whole ClientHello fits its first window, and
/// more costs memory for whoever comes.
pub const PARKED_RECEIVE_BUFFER: usize = 4 * 1024;

/// `SO_SNDBUF` of a connection before it is joined: a stalled link holds no more than this.
pub const CONTROL_SEND_BUFFER: usize = 32 * 1024;

/// What we sent and nobody acknowledges, or whose reader keeps its window shut, is given up after
/// this. Without it the kernel would keep a refusal that nobody reads for minutes, outside every
/// budget, and count the socket among the orphans of which it allows only some thousands.
pub const CONTROL_USER_TIMEOUT: Duration = Duration::from_secs(20);

/// Descriptors kept for pipes, store, admin socket and metrics; the rest is for connections.
pub const DESCRIPTORS_RESERVED: usize = 256;

/// Accepting stops at the descriptor limit, and goes on when this share (one in so many) is free.
pub const DESCRIPTORS_HYSTERESIS: usize = 16;

/// Pause before the next look when nothing may be accepted, when the kernel could not, or when
/// connections wait for a place.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Memory that new connections leave alone: below it they wait, and what is here goes on. Enough
/// for a burst of handshakes under way (`UNPROVEN_MAX` of some 20 KiB) and what the kernel needs
/// itself; without it the next burst would bring the kernel's killer, who takes all sessions.
pub const MEMORY_RESERVE: u64 = 32 * 1024 * 1024;

/// Time between two looks at it.
pub const MEMORY_LOOK: Duration = Duration::from_millis(250);

/// How long accepting counts as failing after the kernel had nothing for a connection.
pub const SHORTAGE_MEMORY: Duration = Duration::from_secs(1);

/// Time for a connection from its first byte to the end of its TLS handshake.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Time from there to its first frame.
pub const FIRST_FRAME_DEADLINE: Duration = Duration::from_secs(5);

/// Time for a peer to take what we write: one frame, or a whole board list.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// Unread bytes that are thrown away so that a refusal is not lost by a reset, and time for it.
pub const LINGER_BYTES: usize = 64 * 1024;
pub const LINGER_DEADLINE: Duration = Duration::from_secs(2);

// ---- Control plane: admission ----

/// Connections at a time that have proven nothing yet, of all addresses together.
pub const UNPROVEN_MAX: usize = 1_024;

/// A connection this young is never closed to make room; the newer one waits instead. So an
/// address has room for some 1,300 slow attempts a second before anybody there has to wait.
pub const UNPROVEN_GRACE: Duration = Duration::from_millis(500);

/// Connections that wait for a place, of all addresses, and how long each does.
pub const LOBBY_MAX: usize = 1_024;
pub const LOBBY_DEADLINE: Duration = Duration::from_secs(5);

/// Sources of failed attempts that are remembered at a time, in sets of [`SOURCES_PER_SET`].
pub const SOURCE_SETS: usize = 1_024;
pub const SOURCES_PER_SET: usize = 4;

/// Failed handshakes from one address: how many a second, and how many at once. Beyond it some
/// connections from there are closed before they cost a key exchange, three of four at most.
/// Honest people at that address lose some of theirs as well, so this is for floods that would
/// otherwise take every core of a small board.
pub const HANDSHAKE_FAILURES: (u32, u32) = (1_500, 6_000);

/// Look-ups from one address that found nobody. Beyond it the answer no longer tells why.
pub const FAILED_LOOKUPS: (u32, u32) = (20, 600);

/// Wrong tickets from one address; they are 128 random bits, so this is only for the log.
pub const WRONG_TICKETS: (u32, u32) = (10, 100);

/// A /48 of IPv6 may fail so many times as often as a single address or /64.
pub const WIDE_FACTOR: u32 = 4;

// ---- Control plane: links ----

/// Invites and probes that wait until a link has written what came before.
pub const LINK_QUEUE_LEN: usize = 16;

/// Of these, places that strangers leave free: one for each tagged caller. Strangers who call and
/// hang up leave invites behind, as many as fit, while a slow link writes.
pub const LINK_QUEUE_FOR_TAGGED: usize = INVITES_TAGGED;

/// Frames that a host sends unasked: how many a second, and how many at once. Pings are few.
pub const LINK_FRAMES: (u32, u32) = (20, 200);

/// Intervals without a frame after which a link has ended.
pub const SILENT_INTERVALS: u32 = 3;

/// Time for a link to answer when another machine shows the same host key.
pub const PROBE_DEADLINE: Duration = Duration::from_secs(2);

/// Questions to one link that may be open at a time.
pub const PROBES_PER_LINK: usize = 4;

/// Threads that verify claims and write the store; a claim costs a signature check.
pub const REGISTRATIONS_AT_ONCE: usize = 4;

/// New hosts that wait for those threads: a thousand at once, as an office enrols them. They have
/// proven a key and count as unproven no more; beyond this a new host is told to come back.
pub const REGISTRATIONS_WAITING: usize = 1_024;

/// Time between two looks whether the registrar has signed a new board list.
pub const BOARD_LIST_POLL: Duration = Duration::from_secs(1);

// ---- Control plane: legs ----

/// Time that a parked leg waits for the host: strangers less than clients that were here before.
pub const PARK_UNTAGGED: Duration = Duration::from_secs(6);
pub const PARK_TAGGED: Duration = Duration::from_secs(10);

/// A leg that is parked for less is never sent away to make room: a host's leg takes four round
/// trips, so this is a host half a world away.
pub const PARKED_GRACE: Duration = Duration::from_secs(1);

/// Parked legs (one in so many) that only clients with a return tag may use.
pub const PARKED_FOR_TAGGED: usize = 4;

/// Callers of one host that may wait for it at a time, without and with a return tag.
pub const INVITES_UNTAGGED: usize = 4;
pub const INVITES_TAGGED: usize = 8;

/// Tickets that are remembered after their time, to tell a late one from a guess.
pub const TICKETS_REMEMBERED: usize = 1_024;

/// How soon to come back when a board or a host is busy.
pub const RETRY_SOON: Duration = Duration::from_secs(3);

/// Time for both agents to take `Joined`.
pub const JOINED_DEADLINE: Duration = Duration::from_secs(5);

/// Time for connections to say good-bye when the relay stops.
pub const FAREWELL_DEADLINE: Duration = Duration::from_secs(2);

/// Time between two looks whether a drain has come to its end.
pub const DRAIN_POLL: Duration = Duration::from_millis(100);

/// The control plane says good-bye to its links for at most this long.
pub const STOP_DEADLINE: Duration = Duration::from_secs(5);
