//! The host in user mode: a desktop of Wine's, shared through a relay.

use anyhow::Result;

use super::{Night, Part};
use crate::demo::{self, Kind};

/// The whole of it: it shows one thing after the other on one desktop.
const UNIT: &str = "shared";

pub(super) struct Desktop;

impl Part for Desktop {
    fn name(&self) -> &'static str {
        "desktop"
    }

    fn what(&self) -> &'static str {
        "a desktop under Wine, shared by a host in user mode: keys, letters, clipboard, floods"
    }

    fn inputs(&self) -> &'static [&'static str] {
        &[
            "agent",
            "protocol/src",
            "relay/src",
            "image-builder/src",
            "Cargo.toml",
            "Cargo.lock",
            "xtask/src/demo",
            "xtask/src/dist",
            "xtask/src/nightly",
            "xtask/src/wine.rs",
        ]
    }

    fn prepare(&self, _: &Night<'_>) -> Result<Vec<String>> {
        Ok(vec![UNIT.to_owned()])
    }

    fn run(&self, night: &Night<'_>, _: &str) -> Result<String> {
        demo::check(night.shell, night.root, Kind::WindowsDesktop)?;
        Ok("passed; look at target/demo/shared.png".to_owned())
    }
}
