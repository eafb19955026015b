//! What becomes of a configuration that changes while the relay runs.
//!
//! Pure: compares what runs with what was read, key by key. A key is taken over, or the relay has
//! to be restarted for it; none may be forgotten, as a test proves.

use std::time::SystemTime;

use protocol::board_list::CertificateSerial;
use protocol::file::node::{Lone, NodeFile};
use protocol::secret::Secret;

use super::{Config, ConfigError};

/// What a running relay makes of a configuration that was read anew.
#[derive(Debug)]
pub struct Change {
    /// What runs from now on: the new values where they can be taken over, else the old ones.
    pub config: Config,
    /// Keys whose new values are taken over.
    pub taken: Vec<&'static str>,
    /// Keys whose new values need a restart.
    pub waiting: Vec<&'static str>,
}

impl Config {
    /// Reads `relay.toml` and the node file again and compares them with what runs.
    ///
    /// # Errors
    /// Every mistake in either file, or a node file that makes this relay another board.
    pub fn reread(&self, now: SystemTime) -> Result<Change, ConfigError> {
        let new = Self::load(&self.file, now)?;
        if new.node.name != self.node.name || new.node.deployment != self.node.deployment {
            return Err(ConfigError(vec![format!(
                "{}: is for board {} of {}; a running relay stays board {} of {}",
                new.node_file.display(),
                new.node.name,
                new.node.deployment,
                self.node.name,
                self.node.deployment,
            )]));
        }
        Ok(self.change_to(new))
    }

    pub(super) fn change_to(&self, mut new: Self) -> Change {
        let mut taken = Vec::new();
        let mut waiting = Vec::new();
        macro_rules! take {
            ($($key:literal: $($field:ident).+;)*) => {$(
                if new.$($field).+ != self.$($field).+ {
                    taken.push($key);
                }
            )*};
        }
        macro_rules! keep {
            ($($key:literal: $($field:ident).+;)*) => {$(
                if new.$($field).+ != self.$($field).+ {
                    waiting.push($key);
                    new.$($field).+.clone_from(&self.$($field).+);
                }
            )*};
        }
        take! {
            "node_file": node_file;
            "the node file's certificate": node.certificate;
            "the node file's addresses": node.addresses;
            "bar": bars;
            "drain_deadline": drain_deadline;
            "ping_interval": ping_interval;
            "limits.hosts": limits.hosts;
            "limits.parked_legs": limits.parked_legs;
            "limits.unproven_per_address": limits.unproven_per_address;
            "limits.claims_per_range": limits.claims_per_range;
        }
        keep! {
            "listen": listen;
            "user": user;
            "sandbox": sandbox;
            "state_dir": state_dir;
            "control_socket": control_socket;
            "metrics_listen": metrics_listen;
            "workers": workers;
            "data_path": data_path;
            "batching": batching;
            // Both are dealt out to the sessions when the data plane starts.
            "limits.sessions": limits.sessions;
            "limits.memory_budget": limits.memory_budget;
            "the node file's registrar keys": node.registrar;
        }
        if revoked(&new.node) != revoked(&self.node) {
            taken.push("the node file's revoked boards");
        }
        if let (Some(new), Some(key)) = (&mut new.node.lone, registrar_key(&self.node))
            && new.registrar_key != *key
        {
            waiting.push("the node file's registrar key");
            new.registrar_key = key.clone();
        }
        Change {
            config: new,
            taken,
            waiting,
        }
    }
}

fn revoked(node: &NodeFile) -> &[CertificateSerial] {
    node.lone
        .as_ref()
        .map_or(&[], |Lone { revoked, .. }| revoked)
}

fn registrar_key(node: &NodeFile) -> Option<&Secret<32>> {
    node.lone.as_ref().map(|lone| &lone.registrar_key)
}
