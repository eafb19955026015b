//! OpenSSH: a tunnel that the host's side opens, and every session a channel of it.

use super::{Place, Recipe, path, words};

pub(super) fn recipe(place: &Place<'_>) -> Recipe {
    let at = |name| path(place.folder, name);
    let config = format!(
        "ListenAddress {middle}\n\
         HostKey {host_key}\n\
         AuthorizedKeysFile {client_key}.pub\n\
         PidFile none\n\
         StrictModes no\n\
         UsePAM no\n\
         PermitRootLogin yes\n\
         PasswordAuthentication no\n\
         AllowTcpForwarding yes\n\
         LogLevel ERROR\n",
        middle = place.middle,
        host_key = at("host-key"),
        client_key = at("client-key"),
    );
    let key = |name| {
        words([
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-f",
            &at(name),
        ])
    };
    let tunnel = format!("{}:{}", place.front, place.back);
    let helper = words([
        "ssh",
        "-F",
        "none",
        "-N",
        "-i",
        &at("client-key"),
        "-p",
        &place.middle.port().to_string(),
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "ExitOnForwardFailure=yes",
        "-R",
        &tunnel,
        &place.middle.ip().to_string(),
    ]);
    Recipe {
        files: vec![("sshd_config", config)],
        makers: vec![
            // sshd insists on it, and its service makes it at boot.
            words(["mkdir", "-p", "/run/sshd"]),
            key("host-key"),
            key("client-key"),
        ],
        relay: words(["sshd", "-D", "-e", "-f", &at("sshd_config")]),
        helper: Some(helper),
    }
}
