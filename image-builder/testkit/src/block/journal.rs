//! Everything that a machine did to its card, in order.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result};

use super::SECTOR;

/// An update writes some 200 MiB; beyond this, and beyond as many events, writes are refused, so
/// that neither disk nor memory of the workstation fills up.
const BYTES_MAX: u64 = 2 << 30;
const EVENTS_MAX: usize = 1 << 20;

/// What reached the card.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    Write(Write),
    /// Every write before it is on the card.
    Flush,
}

impl Event {
    pub(super) fn write(&self) -> Option<&Write> {
        match self {
            Self::Write(write) => Some(write),
            Self::Flush => None,
        }
    }
}

/// A write. Offset and length are bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Write {
    pub(super) offset: u64,
    pub(super) length: u64,
    /// On the card before it was answered ("forced unit access").
    pub(super) forced: bool,
    /// Where its bytes lie in the journal.
    pub(super) place: u64,
}

/// Bytes of a write that go to the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) offset: u64,
    pub(super) length: u64,
    place: u64,
}

impl Write {
    pub(super) fn whole(&self) -> Piece {
        self.part(self.offset..self.offset + self.length)
    }

    /// What of it lies in this range of the card.
    pub(super) fn part(&self, range: Range<u64>) -> Piece {
        let offset = range.start.max(self.offset);
        let end = range.end.min(self.offset + self.length);
        Piece {
            offset,
            length: end.saturating_sub(offset),
            place: self.place + (offset - self.offset),
        }
    }

    /// The sectors that it touches.
    pub(super) fn sectors(&self) -> Range<u64> {
        self.offset / SECTOR..(self.offset + self.length).div_ceil(SECTOR)
    }
}

/// How much a machine did. Bytes count what was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub reads: u64,
    pub writes: u64,
    pub bytes_written: u64,
    pub flushes: u64,
}

/// What happened to a card since it was put in; the bytes lie in a file.
#[derive(Debug, Default)]
pub struct Journal {
    events: Vec<Event>,
    /// None: nothing was ever served.
    bytes: Option<File>,
    counts: Counts,
    end: Option<usize>,
}

impl Journal {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            bytes: Some(tempfile::tempfile().context("no room for a journal")?),
            ..Self::default()
        })
    }

    /// How many writes and flushes there were.
    #[must_use]
    pub fn events_count(&self) -> usize {
        self.events.len()
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The places that were written to, in order; bytes of the card.
    pub fn written(&self) -> impl Iterator<Item = Range<u64>> {
        let writes = self.events.iter().filter_map(Event::write);
        writes.map(|write| write.offset..write.offset + write.length)
    }

    /// The place that an event wrote to; none for a flush.
    #[must_use]
    pub fn write(&self, event: usize) -> Option<Range<u64>> {
        let write = self.events.get(event)?.write()?;
        Some(write.offset..write.offset + write.length)
    }

    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    pub(super) fn count_read(&mut self) {
        self.counts.reads += 1;
    }

    /// Takes down a write; false: the power goes before it is answered.
    ///
    /// # Errors
    /// The journal is full.
    pub(super) fn add_write(
        &mut self,
        offset: u64,
        bytes: &[u8],
        forced: bool,
    ) -> io::Result<bool> {
        let length = u64::try_from(bytes.len()).map_err(io::Error::other)?;
        let place = self.counts.bytes_written;
        if place + length > BYTES_MAX || self.events.len() >= EVENTS_MAX {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = self.bytes.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        file.write_all_at(bytes, place)?;
        self.counts.writes += 1;
        self.counts.bytes_written += length;
        Ok(self.add(Event::Write(Write {
            offset,
            length,
            forced,
            place,
        })))
    }

    /// Takes down a flush; false: the power goes before it is done.
    pub(super) fn add_flush(&mut self) -> io::Result<bool> {
        if self.events.len() >= EVENTS_MAX {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.counts.flushes += 1;
        Ok(self.add(Event::Flush))
    }

    fn add(&mut self, event: Event) -> bool {
        self.events.push(event);
        !self.has_ended()
    }

    pub(super) fn end_at(&mut self, event: usize) {
        self.end = Some(event);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some_and(|end| self.events.len() > end)
    }

    pub(super) fn read(&self, piece: &Piece) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(piece.length).map_err(io::Error::other)?];
        let file = self.bytes.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        file.read_exact_at(&mut bytes, piece.place)?;
        Ok(bytes)
    }
}
