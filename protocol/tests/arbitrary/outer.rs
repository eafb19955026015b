//! Strategies for outer frames.

use proptest::prelude::*;
use protocol::outer::{
    BoardListPart, Connect, Decline, Frame, Invite, Join, Joined, Move, Ping, Pong, Redirect,
    Register, Registered,
};

use super::{
    address, board_name, bytes, computer_id, list, optional, refusal, return_tag, secret,
    signed_claim, text, versions,
};

/// Any outer frame, each kind as likely as the others.
pub(crate) fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        register().prop_map(Frame::from),
        registered().prop_map(Frame::from),
        connect().prop_map(Frame::from),
        (versions(), secret()).prop_map(|(versions, ticket)| Join { versions, ticket }.into()),
        (any::<u16>(), any::<u64>())
            .prop_map(|(version, session)| Joined { version, session }.into()),
        (secret(), address(), optional(return_tag())).prop_map(|(ticket, client, tag)| Invite {
            ticket,
            client,
            tag
        }
        .into()),
        (secret(), refusal()).prop_map(|(ticket, refusal)| Decline { ticket, refusal }.into()),
        any::<u32>().prop_map(|number| Ping { number }.into()),
        any::<u32>().prop_map(|number| Pong { number }.into()),
        list(board_name()).prop_map(|boards| Redirect { boards }.into()),
        refusal().prop_map(Frame::from),
        (list(board_name()), any::<u32>()).prop_map(|(boards, deadline_s)| Move {
            boards,
            deadline_s
        }
        .into()),
        (any::<u64>(), any::<u32>(), any::<u32>(), bytes()).prop_map(
            |(serial, offset, total, bytes)| BoardListPart {
                serial,
                offset,
                total,
                bytes
            }
            .into()
        ),
    ]
}

fn register() -> impl Strategy<Value = Register> {
    let program = (versions(), text(), any::<u32>());
    let epoch = (any::<[u8; 16]>(), any::<u64>(), any::<[u8; 64]>());
    let identity = (
        secret(),
        any::<u64>(),
        optional(signed_claim()),
        optional(computer_id()),
    );
    (program, epoch, identity).prop_map(|(program, epoch, identity)| {
        let (versions, software, capabilities) = program;
        let (nonce, epoch, epoch_signature) = epoch;
        let (slot_key, board_list_serial, claim, wish) = identity;
        Register {
            versions,
            software,
            capabilities,
            nonce,
            epoch,
            epoch_signature,
            slot_key,
            board_list_serial,
            claim,
            wish,
        }
    })
}

fn registered() -> impl Strategy<Value = Registered> {
    (any::<u16>(), signed_claim(), any::<u16>()).prop_map(|(version, claim, ping_interval_s)| {
        Registered {
            version,
            claim,
            ping_interval_s,
        }
    })
}

fn connect() -> impl Strategy<Value = Connect> {
    let program = (versions(), text(), any::<u32>(), any::<u64>());
    (program, computer_id(), optional(return_tag())).prop_map(|(program, computer_id, tag)| {
        let (versions, software, capabilities, board_list_serial) = program;
        Connect {
            versions,
            software,
            capabilities,
            board_list_serial,
            computer_id,
            tag,
        }
    })
}
