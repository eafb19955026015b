//! Micro-benchmarks of the relay's hot paths: `cargo bench -p tasuki-bench`.
//!
//! `micro/protocol.rs` times decoding and signatures, `micro/session.rs` the data plane's
//! decisions without the kernel. They are for looking at, on a quiet machine; nothing is
//! gated on wall-clock time.
