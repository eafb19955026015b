//! Releases: built a second time elsewhere, and the client's window in every state.

use anyhow::Result;

use super::{Night, Part};
use crate::demo::shots;
use crate::dist;

/// The unit that is no system's.
const SHOTS: &str = "shots";

pub(super) struct Release;

impl Part for Release {
    fn name(&self) -> &'static str {
        "dist"
    }

    fn what(&self) -> &'static str {
        "each system's release has the same bytes twice, and the client's window every state"
    }

    fn inputs(&self) -> &'static [&'static str] {
        &[
            "agent",
            "protocol",
            "Cargo.toml",
            "Cargo.lock",
            "xtask/src/demo",
            "xtask/src/dist",
            "xtask/src/nightly",
        ]
    }

    fn prepare(&self, _: &Night<'_>) -> Result<Vec<String>> {
        let names = dist::systems().chain([SHOTS]);
        Ok(names.map(str::to_owned).collect())
    }

    fn run(&self, night: &Night<'_>, unit: &str) -> Result<String> {
        if unit == SHOTS {
            shots::check(night.shell, night.root)?;
            return Ok("passed; look at target/shots/sheet.png".to_owned());
        }
        dist::twice(night.shell, night.root, unit)?;
        Ok("the same bytes twice".to_owned())
    }
}
