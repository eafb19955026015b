//! Which kernel modules an initramfs needs, and in which order to load them.
//!
//! Reads what depmod wrote; knows nothing of an archive. A module's own dependencies come first,
//! and so do its soft ones: erofs without `crc32c` does not load, and only `modules.softdep` says so.

use std::collections::BTreeMap;

use crate::root::{Tree, TreeError};

/// What depmod says about the modules of one kernel. Names have `_` for `-`.
#[derive(Debug, Default)]
pub struct Modules {
    /// Path below the modules' folder, and the paths that it needs, nearest first.
    paths: BTreeMap<String, (String, Vec<String>)>,
    builtin: Vec<String>,
    soft: BTreeMap<String, Vec<String>>,
    aliases: BTreeMap<String, Vec<String>>,
}

/// No such module is known.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the kernel has no module '{name}', neither as a file nor built in; mend the board file's list"
)]
pub struct Unknown {
    name: String,
}

impl Modules {
    /// Reads depmod's files in `folder`, as `usr/lib/modules/6.12.0-arm64`.
    pub fn read(tree: &Tree, folder: &str) -> Result<Self, TreeError> {
        let text = |name: &str| tree.read_text(&format!("{folder}/{name}"));
        Ok(Self::parse(
            text("modules.dep")?,
            text("modules.builtin")?,
            text("modules.softdep")?,
            text("modules.alias")?,
        ))
    }

    fn parse(dep: &str, builtin: &str, softdep: &str, alias: &str) -> Self {
        let mut modules = Self::default();
        for (path, needs) in dep.lines().filter_map(|line| line.split_once(':')) {
            let needs = needs.split_whitespace().map(str::to_owned).collect();
            modules
                .paths
                .insert(name_of(path), (path.to_owned(), needs));
        }
        modules.builtin = builtin.lines().map(name_of).collect();
        for line in softdep.lines() {
            let mut words = line.split_whitespace();
            if words.next() == Some("softdep")
                && let Some(name) = words.next()
            {
                let before = words
                    .skip_while(|word| *word != "pre:")
                    .skip(1)
                    .take_while(|word| *word != "post:");
                let soft = modules.soft.entry(normal(name)).or_default();
                soft.extend(before.map(str::to_owned));
            }
        }
        for line in alias.lines() {
            if let ["alias", alias, name] = line.split_whitespace().collect::<Vec<_>>()[..] {
                let named = modules.aliases.entry(normal(alias)).or_default();
                named.push(normal(name));
            }
        }
        modules
    }

    /// Paths of the named modules and of all that they need, in the order in which to load them.
    pub fn order(&self, names: &[String]) -> Result<Vec<String>, Unknown> {
        let mut order = Vec::new();
        let mut begun = Vec::new();
        for name in names {
            if !self.take(&normal(name), &mut begun, &mut order) {
                return Err(Unknown { name: name.clone() });
            }
        }
        Ok(order)
    }

    /// Paths of the modules without which the one at `path` cannot be loaded.
    pub fn needs(&self, path: &str) -> &[String] {
        let found = self.paths.get(&name_of(path));
        found.map_or(&[], |(_, needs)| needs)
    }

    /// Puts a module behind what it needs; whether there is one of that name.
    fn take(&self, name: &str, begun: &mut Vec<String>, order: &mut Vec<String>) -> bool {
        // Soft dependencies may go in circles; kernel symbols cannot.
        if begun.iter().any(|other| other == name) || self.builtin.iter().any(|b| b == name) {
            return true;
        }
        let Some((path, needs)) = self.paths.get(name) else {
            return self.take_all_called(name, begun, order);
        };
        begun.push(name.to_owned());
        for soft in self.soft.get(name).into_iter().flatten() {
            // A soft dependency is wished for; one that nobody built is not missed.
            self.take(&normal(soft), begun, order);
        }
        for need in needs.iter().rev() {
            self.take(&name_of(need), begun, order);
        }
        order.push(path.clone());
        true
    }

    /// The same for an alias such as `crypto-crc32c`, which several modules may share.
    fn take_all_called(
        &self,
        alias: &str,
        begun: &mut Vec<String>,
        order: &mut Vec<String>,
    ) -> bool {
        let Some(names) = self.aliases.get(alias) else {
            return false;
        };
        let mut found = false;
        for name in names {
            found |= self.take(name, begun, order);
        }
        found
    }
}

/// The name of the module in a file, as `kernel/fs/erofs/erofs.ko.xz`.
fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    normal(file.split('.').next().unwrap_or(file))
}

fn normal(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "\
kernel/fs/erofs/erofs.ko.xz: kernel/lib/libcrc32c.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/lib/libcrc32c.ko.xz:
kernel/fs/netfs/netfs.ko.xz:
kernel/crypto/crc32c_generic.ko.xz:
kernel/arch/x86/crypto/crc32c-intel.ko.xz:
kernel/drivers/md/dm-verity.ko.xz: kernel/drivers/md/dm-bufio.ko.xz kernel/drivers/md/dm-mod.ko.xz
kernel/drivers/md/dm-bufio.ko.xz: kernel/drivers/md/dm-mod.ko.xz
kernel/drivers/md/dm-mod.ko.xz:
";
    const SOFTDEP: &str = "# Soft dependencies\nsoftdep libcrc32c pre: crc32c post: late\n";
    const ALIAS: &str = "alias crc32c crc32c_generic\nalias crypto-crc32c crc32c_generic\nalias crc32c crc32c_intel\n";

    fn order(names: &[&str]) -> Result<Vec<String>, Unknown> {
        let modules = Modules::parse(DEP, "kernel/drivers/block/loop.ko\n", SOFTDEP, ALIAS);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let order = modules.order(&names)?;
        Ok(order.iter().map(|path| name_of(path)).collect())
    }

    #[test]
    fn soft_dependencies_come_before_the_module_that_needs_them() {
        assert_eq!(
            order(&["erofs"]).unwrap(),
            [
                "netfs",
                "crc32c_generic",
                "crc32c_intel",
                "libcrc32c",
                "erofs"
            ]
        );
    }

    #[test]
    fn dependencies_come_first_and_once_and_what_is_built_in_not_at_all() {
        assert_eq!(
            order(&["loop", "dm-verity", "dm_mod"]).unwrap(),
            ["dm_mod", "dm_bufio", "dm_verity"]
        );
    }

    #[test]
    fn a_module_that_nobody_knows_is_named() {
        assert_eq!(
            order(&["dm_verify"]).unwrap_err().to_string(),
            "the kernel has no module 'dm_verify', neither as a file nor built in; mend the board \
             file's list"
        );
    }
}
