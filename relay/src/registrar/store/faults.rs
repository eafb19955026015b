//! Disks that fail: full ones, broken ones, and files that somebody has written over.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::ops::Bound;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use protocol::claim::Claim;
use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use super::*;

const START: SystemTime = SystemTime::UNIX_EPOCH;

thread_local! {
    /// Operations that the disk of this thread's test still does; each test has its own thread.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// A file on a disk that is full after some more writes.
#[derive(Debug)]
struct FailingDisk(FileBackend);

fn charge() -> io::Result<()> {
    let left = LEFT.get();
    if left == 0 {
        // ENOSPC, as the kernel says it.
        return Err(io::Error::from_raw_os_error(28));
    }
    LEFT.set(left - 1);
    Ok(())
}

impl StorageBackend for FailingDisk {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        charge().and_then(|()| self.0.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        charge().and_then(|()| self.0.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        charge().and_then(|()| self.0.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }
}

fn on_failing_disk(path: &Path) -> Result<Database, DatabaseError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let file = file.map_err(|error| DatabaseError::Storage(StorageError::Io(error)))?;
    builder().create_with_backend(FailingDisk(FileBackend::new(file)?))
}

fn claim(number: u8) -> SignedClaim {
    let computer_id = format!("pc-{number}").parse().expect("a name");
    let claim = Claim {
        computer_id,
        host_key: PublicKey([number; 32]),
        serial: u64::from(number),
        date: 0,
    };
    SignedClaim {
        claim,
        signature: [number; 64],
    }
}

fn write(store: &mut Store, number: u8) -> bool {
    let change = Change {
        claim: claim(number),
        given_up: None,
    };
    store.write(&change, u64::from(number), Urgency::Now, START)
}

fn keys(kept: &Kept) -> Vec<u8> {
    kept.claims.iter().map(|claim| claim.signature[0]).collect()
}

/// The disk fails at each of its operations in turn; what was acknowledged is there each time.
#[test]
fn a_disk_that_fills_up_at_any_moment_costs_no_acknowledged_claim() {
    let mut refused = 0;
    for operations in 0..60 {
        let directory = tempfile::tempdir().expect("a directory");
        LEFT.set(usize::MAX);
        let (mut store, _) =
            Store::open_with(directory.path(), START, on_failing_disk).expect("opens");
        assert!(write(&mut store, 1));

        LEFT.set(operations);
        let mut acknowledged = vec![1];
        for number in 2..8 {
            if write(&mut store, number) {
                acknowledged.push(number);
            } else {
                refused += 1;
            }
        }
        drop(store);

        LEFT.set(usize::MAX);
        let (store, kept) =
            Store::open_with(directory.path(), START, on_failing_disk).expect("opens");
        assert_eq!(
            *store.trouble().read().expect("a lock"),
            None,
            "{operations} operations"
        );
        // A write that failed at its very end may be there all the same.
        let kept = keys(&kept);
        assert!(
            acknowledged.iter().all(|number| kept.contains(number)),
            "{operations}: {kept:?}"
        );
        assert!(
            !directory.path().join(ASIDE_NAME).exists(),
            "{operations}: not corrupt"
        );
    }
    assert!(refused > 0, "the disk did fail");
}

#[test]
fn a_store_whose_disk_is_full_says_so_and_works_again_after_a_while() {
    let directory = tempfile::tempdir().expect("a directory");
    LEFT.set(usize::MAX);
    let (mut store, _) = Store::open_with(directory.path(), START, on_failing_disk).expect("opens");
    assert!(write(&mut store, 1));

    LEFT.set(0);
    assert!(!write(&mut store, 2));
    assert!(store.trouble().read().expect("a lock").is_some());
    LEFT.set(usize::MAX);

    let early = START + limits::STORE_RETRY - Duration::from_millis(1);
    assert!(store.reopen(early).is_none());
    assert!(!write(&mut store, 2));
    let kept = store
        .reopen(START + limits::STORE_RETRY)
        .expect("works again");
    assert_eq!(keys(&kept), [1]);
    assert!(write(&mut store, 2));
    assert_eq!(*store.trouble().read().expect("a lock"), None);
}

#[test]
fn a_directory_that_cannot_be_made_is_trouble_and_no_more() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    std::fs::write(&file, "").expect("writes");

    let (mut store, kept) = Store::open(&file.join("state"), START).expect("no other relay");

    assert!(kept.claims.is_empty());
    assert!(!write(&mut store, 1));
    assert!(store.trouble().read().expect("a lock").is_some());
}

#[test]
fn a_store_in_use_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_store, _) = Store::open(directory.path(), START).expect("opens");

    assert!(Store::open(directory.path(), START).is_err());
}

/// Every page is written over in turn. Whatever it was, the store opens, and either it holds its
/// claims or it has been moved aside.
#[test]
fn a_corrupt_file_is_moved_aside() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join(FILE_NAME);
    let (mut store, _) = Store::open(directory.path(), START).expect("opens");
    for number in 1..8 {
        assert!(write(&mut store, number));
    }
    drop(store);
    let whole = std::fs::read(&file).expect("reads");

    let mut moved = 0;
    let used = whole.len().min(512 * 1024);
    for offset in (0..used).step_by(1_024) {
        std::fs::write(&file, &whole).expect("writes");
        let damaged = OpenOptions::new().write(true).open(&file).expect("opens");
        damaged
            .write_all_at(&[0x5a; 256], u64::try_from(offset).expect("small"))
            .expect("writes");
        drop(damaged);

        let (mut store, kept) = Store::open(directory.path(), START).expect("opens");
        let aside = directory.path().join(ASIDE_NAME);
        if aside.exists() {
            moved += 1;
            std::fs::remove_file(aside).expect("removes");
            assert_eq!(keys(&kept), [0_u8; 0], "at {offset}");
        } else {
            assert_eq!(keys(&kept), [1, 2, 3, 4, 5, 6, 7], "at {offset}");
        }
        assert!(write(&mut store, 9), "at {offset}");
    }
    assert!(moved > 0, "some damage mattered");
}

#[test]
fn files_that_are_no_store_are_moved_aside() {
    for content in [&b"hello"[..], &[0; 4096], &[0xff; 100_000]] {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join(FILE_NAME), content).expect("writes");

        let (mut store, kept) = Store::open(directory.path(), START).expect("opens");

        assert!(kept.claims.is_empty());
        assert!(
            directory.path().join(ASIDE_NAME).exists(),
            "{} bytes",
            content.len()
        );
        assert!(write(&mut store, 1));
    }
}
