//! The heap of a program, with an end.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The system's heap, of which no more than so many bytes may be in use; for `#[global_allocator]`.
#[derive(Debug)]
pub struct Heap {
    used: AtomicUsize,
    limit: AtomicUsize,
    is_full: AtomicBool,
    when_full: extern "C" fn(),
}

impl Heap {
    /// `when_full` is called in the middle of the request that goes too far, once, and ends the
    /// program. What it needs for that is granted. Where it returns, the request is refused.
    ///
    /// It cannot unwind into whoever asked for memory: no panic leaves an `extern "C"` function.
    pub const fn new(limit: usize, when_full: extern "C" fn()) -> Self {
        Self {
            used: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            is_full: AtomicBool::new(false),
            when_full,
        }
    }

    /// Lets at least so much be used from now on. It never becomes less.
    pub fn raise(&self, limit: usize) {
        self.limit.fetch_max(limit, Ordering::Relaxed);
    }

    /// Counts bytes that are about to be used; whether they may be.
    fn take(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before
            .checked_add(bytes)
            .is_some_and(|used| used <= self.limit.load(Ordering::Relaxed));
        if fits || self.is_full.swap(true, Ordering::Relaxed) {
            return true;
        }
        (self.when_full)();
        self.give_back(bytes);
        false
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Gives back what was taken for a request that the system has not met.
    fn settle(&self, pointer: *mut u8, bytes: usize) -> *mut u8 {
        if pointer.is_null() {
            self.give_back(bytes);
        }
        pointer
    }
}

// SAFETY: all memory is the system's, which keeps the contract; this counts only. It does not unwind.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !self.take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is handed on.
        let pointer = unsafe { System.alloc(layout) };
        self.settle(pointer, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !self.take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is handed on.
        let pointer = unsafe { System.alloc_zeroed(layout) };
        self.settle(pointer, layout.size())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on; the system has given the pointer.
        unsafe { System.dealloc(pointer, layout) };
        self.give_back(layout.size());
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let more = size.saturating_sub(layout.size());
        if !self.take(more) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is handed on; the system has given the pointer.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        if !moved.is_null() {
            self.give_back(layout.size().saturating_sub(size));
        }
        self.settle(moved, more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    /// Counts how often a heap was full.
    static FULL: AtomicUsize = AtomicUsize::new(0);

    extern "C" fn count() {
        FULL.fetch_add(1, Ordering::Relaxed);
    }

    fn bytes(size: usize) -> Layout {
        Layout::array::<u8>(size).expect("is small")
    }

    fn get(heap: &Heap, size: usize) -> *mut u8 {
        // SAFETY: it has a size.
        unsafe { heap.alloc(bytes(size)) }
    }

    fn resize(heap: &Heap, pointer: *mut u8, from: usize, to: usize) -> *mut u8 {
        // SAFETY: it was given with that size, and is used no more.
        unsafe { heap.realloc(pointer, bytes(from), to) }
    }

    fn free(heap: &Heap, pointer: *mut u8, size: usize) {
        // SAFETY: it was given with that size, and is used no more.
        unsafe { heap.dealloc(pointer, bytes(size)) }
    }

    #[test]
    fn a_heap_has_as_much_as_its_limit_and_not_a_byte_more() {
        let heap = Heap::new(4 * KIB, count);

        let all = get(&heap, 4 * KIB);
        assert!(!all.is_null());
        free(&heap, all, 4 * KIB);
        let half = get(&heap, 2 * KIB);
        let all = resize(&heap, half, 2 * KIB, 4 * KIB);
        let less = resize(&heap, all, 4 * KIB, KIB);
        let rest = get(&heap, 3 * KIB);
        assert!(!less.is_null() && !rest.is_null());
        heap.raise(4 * KIB + 1);
        heap.raise(1);
        let last = get(&heap, 1);
        assert!(!last.is_null());
        assert_eq!(FULL.load(Ordering::Relaxed), 0);

        assert!(get(&heap, 1).is_null());
        assert_eq!(FULL.load(Ordering::Relaxed), 1);
        // What ends the program needs some.
        let more = get(&heap, 1);
        assert!(!more.is_null());
        assert_eq!(FULL.load(Ordering::Relaxed), 1);

        for (pointer, size) in [(less, KIB), (rest, 3 * KIB), (last, 1), (more, 1)] {
            free(&heap, pointer, size);
        }
        assert_eq!(heap.used.load(Ordering::Relaxed), 0);
    }
}
