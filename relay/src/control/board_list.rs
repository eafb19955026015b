//! The signed board list on its way to agents, in parts that fit a frame.

use std::io;
use std::sync::Arc;

use protocol::codec::Bytes;
use protocol::outer::{BOARD_LIST_PART_MAX, BoardListPart, Frame};
use tokio::time::{sleep, timeout};

use super::connection::Connection;
use super::shared::{Shared, stopped};
use crate::limits;
use crate::registrar::SignedList;

/// Tells every link when the registrar has signed a new list.
pub(super) async fn watch(shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = sleep(limits::BOARD_LIST_POLL) => {}
        }
        let newest = shared.registrar.board_list();
        shared.board_list.send_if_modified(|current| {
            let is_newer = newest.serial > current.serial;
            if is_newer {
                *current = newest;
            }
            is_newer
        });
    }
}

/// Sends the list, unless the agent has this one or a newer one.
pub(super) async fn send(
    connection: &mut Connection,
    list: &SignedList,
    known_serial: u64,
) -> io::Result<()> {
    if known_serial >= list.serial {
        return Ok(());
    }
    let parts = parts(list)?;
    let write = async {
        for part in &parts {
            connection.send(part).await?;
        }
        Ok(())
    };
    timeout(limits::WRITE_DEADLINE, write).await?
}

fn parts(list: &SignedList) -> io::Result<Vec<Frame>> {
    let serial = list.serial;
    let total = u32::try_from(list.bytes.len()).map_err(io::Error::other)?;
    let mut offset = 0;
    list.bytes
        .chunks(BOARD_LIST_PART_MAX)
        .map(|chunk| {
            let bytes = Bytes::new(chunk).map_err(io::Error::other)?;
            let part = BoardListPart {
                serial,
                offset,
                total,
                bytes,
            };
            offset += u32::try_from(chunk.len()).map_err(io::Error::other)?;
            Ok(part.into())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_list_in_order() {
        for length in [1, BOARD_LIST_PART_MAX, BOARD_LIST_PART_MAX + 1, 65_536] {
            let bytes: Vec<u8> = (0..length)
                .map(|at| u8::try_from(at % 251).unwrap())
                .collect();
            let list = SignedList {
                serial: 7,
                bytes: bytes.clone(),
            };

            let mut together = Vec::new();
            for frame in parts(&list).unwrap() {
                let Frame::BoardListPart(part) = frame else {
                    panic!("{}", frame.name())
                };
                assert_eq!(usize::try_from(part.offset).unwrap(), together.len());
                assert_eq!(usize::try_from(part.total).unwrap(), length);
                together.extend_from_slice(part.bytes.as_slice());
            }

            assert_eq!(together, bytes);
        }
    }
}
