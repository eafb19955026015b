//! The health gate against a real relay. It starts the `tasuki-relay` that lies beside the tests:
//! `cargo test --workspace` builds it, `cargo build -p relay` does so alone.

use std::path::PathBuf;
use std::time::Duration;

use relay_testkit::{Relay, Site};
use tasuki_board::gate::look;

fn site() -> Site {
    let folder = std::env::var_os("TASUKI_BIN_DIR").map_or_else(
        || {
            let test = std::env::current_exe().expect("a test knows its path");
            test.ancestors().nth(2).expect("lies in deps").to_owned()
        },
        PathBuf::from,
    );
    let program = folder.join("tasuki-relay");
    assert!(
        program.is_file(),
        "cargo build -p relay makes {}",
        program.display()
    );
    Site::new(program, "")
}

fn seen(site: &Site) -> Result<(), String> {
    let [socket, node] = ["run/control.sock", "node.toml"].map(|name| site.path(name));
    look(&socket, &node).map_err(|error| format!("{error:#}"))
}

#[test]
fn a_relay_that_serves_with_its_own_certificate_is_healthy() {
    let site = site();
    let before = seen(&site).expect_err("nothing runs");
    assert!(before.contains("no relay listens"), "{before}");

    let mut relay = site.start();

    assert_eq!(seen(&site), Ok(()));
    relay.kill();
    relay.exit_code();
    assert!(seen(&site).is_err(), "it is gone");
}

#[test]
fn a_relay_with_the_certificate_of_another_board_is_not() {
    let site = site();
    let _relay: Relay = site.start();
    // The port would belong to somebody who is not this board.
    let other = site.deployment.node(Duration::from_secs(86_400));
    std::fs::write(site.path("node.toml"), other.to_text()).expect("writes");

    let reason = seen(&site).expect_err("is another's certificate");

    assert!(
        reason.contains("no handshake through the relay's own port"),
        "{reason}"
    );
}
