//! Claims as bytes for the store and as JSON lines for an operator's backup.
//!
//! An export ends with a line that counts the others, so that half a file is never taken for a
//! whole one. Every claim carries its signature: a forged line is refused like a forged claim.

use std::io::{self, BufRead, Write};
use std::sync::PoisonError;
use std::time::SystemTime;

use data_encoding::BASE64;
use protocol::claim::{Claim, SignedClaim};
use protocol::codec::{DecodeError, Reader, Wire, Writer};
use protocol::id::{ComputerId, PublicKey};
use serde::{Deserialize, Serialize};

use super::book::Rest;
use super::{Registrar, seconds};
use crate::limits;

/// More than a claim can take, in bytes and as a JSON line.
const CLAIM_BYTES_MAX: usize = 256;
const LINE_MAX: u64 = 1024;

/// What became of an export that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Claims in the file.
    pub claims: usize,
    /// Those of them that were not known, or better than what was known.
    pub news: usize,
}

/// Why an export was not taken; nothing has been changed then.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error("cannot read the export")]
    Io(#[from] io::Error),
    #[error("line {0} is not a line of an export")]
    Line(usize),
    #[error("line {0}: the claim is not signed by this deployment's registrar")]
    Forged(usize),
    #[error("the export is cut off: its last line is missing or counts other lines")]
    CutOff,
    #[error("more lines than a registrar can hold")]
    TooLong,
    #[error("the store cannot be written: {0}")]
    Store(String),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Claim {
        computer_id: String,
        host_key: String,
        serial: u64,
        date: u64,
        signature: String,
    },
    Rest {
        computer_id: String,
        host_key: String,
        until: u64,
    },
    End {
        claims: usize,
        rests: usize,
    },
}

/// Content of an export.
#[derive(Default)]
struct Content {
    claims: Vec<SignedClaim>,
    rests: Vec<(ComputerId, Rest)>,
}

impl Registrar {
    /// Writes every claim as a line of JSON.
    ///
    /// # Errors
    /// The writer's.
    pub fn export(&self, mut to: impl Write) -> io::Result<()> {
        // Whoever reads may be slow: nothing is locked while writing.
        let book = self.book().clone();
        for claim in book.claims() {
            write_line(&mut to, &Line::of_claim(claim))?;
        }
        for (name, rest) in book.rests() {
            let line = Line::Rest {
                computer_id: name.to_string(),
                host_key: rest.host_key.to_string(),
                until: rest.until,
            };
            write_line(&mut to, &line)?;
        }
        write_line(
            &mut to,
            &Line::End {
                claims: book.len(),
                rests: book.resting(),
            },
        )?;
        to.flush()
    }

    /// Takes in an export. Of two claims for one ID the better one stays, as always.
    ///
    /// # Errors
    /// The export is damaged or foreign, or the store cannot be written.
    pub fn restore(&self, from: impl BufRead, now: SystemTime) -> Result<Restored, TransferError> {
        let content = self.read_export(from)?;
        let claims = content.claims.len();
        let mut writer = self.writer();
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        let news = book.absorb(content.claims, content.rests, seconds(now));
        writer.serial = writer.serial.max(book.newest_serial());
        let snapshot = book.clone();
        drop(book);
        let (serial, board_list_serial) = (writer.serial, self.board_list().serial);
        if writer
            .store
            .rewrite(&snapshot, serial, board_list_serial, now)
        {
            Ok(Restored { claims, news })
        } else {
            Err(TransferError::Store(
                self.status().trouble.unwrap_or_default(),
            ))
        }
    }

    fn read_export(&self, mut from: impl BufRead) -> Result<Content, TransferError> {
        let mut content = Content::default();
        for number in 1..=2 * limits::CLAIMS_MAX {
            let mut text = Vec::new();
            io::Read::take(&mut from, LINE_MAX).read_until(b'\n', &mut text)?;
            if text.is_empty() {
                return Err(TransferError::CutOff);
            }
            match serde_json::from_slice(&text).map_err(|_| TransferError::Line(number))? {
                Line::Claim {
                    computer_id,
                    host_key,
                    serial,
                    date,
                    signature,
                } => {
                    let claim = read_claim(&computer_id, &host_key, serial, date, &signature);
                    let claim = claim.ok_or(TransferError::Line(number))?;
                    claim
                        .verify(&self.trusted)
                        .map_err(|_| TransferError::Forged(number))?;
                    content.claims.push(claim);
                }
                Line::Rest {
                    computer_id,
                    host_key,
                    until,
                } => {
                    let rest = host_key.parse().map(|host_key| Rest { host_key, until });
                    let (Ok(name), Ok(rest)) = (computer_id.parse(), rest) else {
                        return Err(TransferError::Line(number));
                    };
                    content.rests.push((name, rest));
                }
                Line::End { claims, rests } => {
                    let whole = (claims, rests) == (content.claims.len(), content.rests.len());
                    return if whole {
                        Ok(content)
                    } else {
                        Err(TransferError::CutOff)
                    };
                }
            }
        }
        Err(TransferError::TooLong)
    }
}

impl Line {
    fn of_claim(signed: &SignedClaim) -> Self {
        let Claim {
            computer_id,
            host_key,
            serial,
            date,
        } = &signed.claim;
        Self::Claim {
            computer_id: computer_id.to_string(),
            host_key: host_key.to_string(),
            serial: *serial,
            date: *date,
            signature: BASE64.encode(&signed.signature),
        }
    }
}

fn read_claim(
    computer_id: &str,
    host_key: &str,
    serial: u64,
    date: u64,
    signature: &str,
) -> Option<SignedClaim> {
    let computer_id = computer_id.parse().ok()?;
    let host_key: PublicKey = host_key.parse().ok()?;
    let signature = BASE64.decode(signature.as_bytes()).ok()?.try_into().ok()?;
    Some(SignedClaim {
        claim: Claim {
            computer_id,
            host_key,
            serial,
            date,
        },
        signature,
    })
}

fn write_line(to: &mut impl Write, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    to.write_all(&text)
}

/// The claim as it travels.
pub(super) fn claim_to_bytes(claim: &SignedClaim) -> Vec<u8> {
    let mut buffer = vec![0; CLAIM_BYTES_MAX];
    let mut writer = Writer::new(&mut buffer);
    claim
        .encode(&mut writer)
        .expect("a claim has at most 144 bytes");
    let used = writer.used();
    buffer.truncate(used);
    buffer
}

/// The other way round; the signature is not looked at.
pub(super) fn claim_from_bytes(bytes: &[u8]) -> Result<SignedClaim, DecodeError> {
    let mut reader = Reader::new(bytes);
    let claim = SignedClaim::decode(&mut reader)?;
    reader.finish()?;
    Ok(claim)
}
