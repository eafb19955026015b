//! Typed refusals: every "no" has a code, so that an agent can say it in its user's language.

use std::time::Duration;

use crate::codec::{DecodeError, EncodeError, Reader, Wire, Writer, wire_struct};
use crate::text::Text;

macro_rules! refusal_codes {
    ($($(#[$meta:meta])* $name:ident = $code:literal, $label:literal;)*) => {
        /// Why somebody said no. Below 100 the relay speaks, from 100 on the host.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum RefusalCode {
            $($(#[$meta])* $name,)*
            /// A code that this build does not know; the refusal's text is all there is.
            Other(u16),
        }

        impl RefusalCode {
            /// Every code that this build knows.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            pub fn to_u16(self) -> u16 {
                match self {
                    $(Self::$name => $code,)*
                    Self::Other(code) => code,
                }
            }

            /// A short name for logs and metric labels.
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                    Self::Other(_) => "other",
                }
            }
        }

        impl From<u16> for RefusalCode {
            fn from(code: u16) -> Self {
                match code {
                    $($code => Self::$name,)*
                    other => Self::Other(other),
                }
            }
        }
    };
}

refusal_codes! {
    /// The agent speaks only versions that the answerer no longer does: update the agent.
    AgentTooOld = 1, "agent_too_old";
    /// The agent speaks only versions that the board does not yet: the operator updates the board.
    BoardTooOld = 2, "board_too_old";
    /// The frame was not what the protocol allows here.
    BadFrame = 3, "bad_frame";
    /// The operator bars this address range; the contact says whom to ask.
    Barred = 4, "barred";
    /// Too many attempts from this address or for this computer; wait and retry.
    TooManyAttempts = 5, "too_many_attempts";
    /// The board has no room left.
    BoardFull = 6, "board_full";
    /// The board is being emptied for maintenance.
    Draining = 7, "draining";
    /// No computer has ever had this ID.
    UnknownId = 10, "unknown_id";
    /// The computer is known but has no link to the board now.
    Offline = 11, "offline";
    /// The computer is already dealing with as many callers as it may.
    HostBusy = 12, "host_busy";
    /// The computer was invited but its leg did not come in time.
    HostDidNotCome = 13, "host_did_not_come";
    /// Nobody was ever given this ticket.
    TicketUnknown = 20, "ticket_unknown";
    /// The ticket has been used before.
    TicketUsed = 21, "ticket_used";
    /// The ticket came after its time.
    TicketLate = 22, "ticket_late";
    /// The ticket was given to another host.
    TicketForeign = 23, "ticket_foreign";
    /// Another computer holds this ID.
    IdTaken = 30, "id_taken";
    /// The claim's signature is not the registrar's, or it names another key.
    ClaimInvalid = 31, "claim_invalid";
    /// An older claim for the same ID has come back; it wins.
    ClaimSuperseded = 32, "claim_superseded";
    /// Too many new IDs from this address range today.
    ClaimsExhausted = 33, "claims_exhausted";
    /// Two machines show the same host key: a cloned disk.
    Clone = 34, "clone";
    /// No claim and no wish: the host must say which ID it wants.
    WishMissing = 35, "wish_missing";
    /// The registrar cannot write now (disk full, say); known hosts are not affected.
    RegistrarUnavailable = 36, "registrar_unavailable";
    /// A newer link of the same host has taken over.
    LinkReplaced = 37, "link_replaced";
    /// The peer did not show the host key that this needs.
    HostKeyMissing = 38, "host_key_missing";

    /// The host's address rules deny this client.
    AddressDenied = 100, "address_denied";
    /// Too many wrong passwords; wait.
    LockedOut = 101, "locked_out";
    /// Nobody has set a password at the host, so it refuses everybody.
    NoPassword = 102, "no_password";
    /// The password or the user name is wrong.
    WrongPassword = 103, "wrong_password";
    /// The password is right, but the two ends do not see the same tunnel: somebody sits between.
    ManInTheMiddle = 104, "man_in_the_middle";
    /// The host speaks no version that the client does: update the host.
    HostTooOld = 105, "host_too_old";
    /// The client is older than the host accepts: update the client.
    ClientTooOld = 106, "client_too_old";
    /// The host serves as many sessions as it may.
    TooManySessions = 107, "too_many_sessions";
    /// The host's desktop service does not answer.
    TargetUnreachable = 108, "target_unreachable";
    /// The host is stopping.
    HostStopping = 109, "host_stopping";
    /// The call came over a link that a newer one has replaced.
    StaleLink = 110, "stale_link";
    /// The computer ID that the client asked for is not this host's.
    WrongComputer = 111, "wrong_computer";
}

impl<'a> Wire<'a> for RefusalCode {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.to_u16().encode(writer)
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        u16::decode(reader).map(Self::from)
    }
}

wire_struct! {
    /// Whom to ask about a bar (R9). Empty fields are unknown.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct Contact {
        pub organisation: Text<80>,
        pub department: Text<80>,
        /// Mail address or telephone number.
        pub contact: Text<120>,
    }
}

wire_struct! {
    /// Somebody said no.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Refusal {
        pub code: RefusalCode,
        /// Seconds until a retry makes sense; 0: whenever you like, `u32::MAX`: never without a change.
        pub retry_after_s: u32,
        /// Words beside the code, for codes that the reader does not know; may be empty.
        pub text: Text<240>,
        pub contact: Contact,
    }
}

impl Refusal {
    /// A refusal with a code and nothing more.
    pub fn new(code: RefusalCode) -> Self {
        Self {
            code,
            retry_after_s: 0,
            text: Text::default(),
            contact: Contact::default(),
        }
    }

    /// The same with a time to wait, rounded up to seconds.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        let seconds = delay
            .as_secs()
            .saturating_add(u64::from(delay.subsec_nanos() > 0));
        self.retry_after_s = u32::try_from(seconds).unwrap_or(u32::MAX);
        self
    }

    /// The same with words.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.text = Text::lossy(text);
        self
    }
}

impl From<RefusalCode> for Refusal {
    fn from(code: RefusalCode) -> Self {
        Self::new(code)
    }
}
