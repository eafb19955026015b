//! `boards/packages.toml`: the packages that roots, tools and virtual machines are asked to have.

use protocol::file::reader::{Problems, read};

/// What apt is asked for, before it adds what that depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageList {
    pub root: Vec<String>,
    pub tools: Vec<String>,
    /// What boots an image on a workstation; building one needs none of it.
    pub machines: Vec<String>,
    /// Dependencies that the root works without, with the reason.
    pub left_out: Vec<LeftOut>,
}

/// A package that stays out of the root although another one depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub names: Vec<String>,
    pub reason: String,
}

impl PackageList {
    /// Reads the file.
    pub fn parse(source: &str) -> Result<Self, Problems> {
        read(source, |top| {
            let root = top.required("root");
            let tools = top.required("tools");
            let machines = top.required("machines");
            let left_out = top.tables("left_out", |left_out| {
                let names = left_out.required("names");
                let reason = left_out.required("reason");
                Some(LeftOut {
                    names: names?,
                    reason: reason?,
                })
            });
            Some(Self {
                root: root?,
                tools: tools?,
                machines: machines?,
                left_out,
            })
        })
    }

    /// Whether `name` stays out of the root.
    pub fn leaves_out(&self, name: &str) -> bool {
        let mut all = self.left_out.iter().flat_map(|left_out| &left_out.names);
        all.any(|left_out| left_out == name)
    }
}
