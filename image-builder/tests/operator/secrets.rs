//! Who can read the keys: nobody but the owner, and not even that without the passphrase.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::shell::{Shell, text};

const KEYS: [&str; 3] = ["ca-1.key.pem", "registrar.key.pem", "deployment.key.pem"];

fn mode(shell: &Shell, name: &str) -> u32 {
    let metadata = fs::metadata(shell.path(name)).expect(name);
    metadata.permissions().mode() & 0o777
}

#[test]
fn permissions_keep_others_out() {
    let shell = Shell::with_deployment();
    shell.done("node add tokyo-1 --address a:443 --lone");
    shell.done("entry");

    assert_eq!(mode(&shell, "deployment"), 0o700);
    for key in KEYS {
        assert_eq!(mode(&shell, &format!("deployment/{key}")), 0o600, "{key}");
    }
    assert_eq!(mode(&shell, "deployment/deployment.toml"), 0o600);
    assert_eq!(mode(&shell, "tokyo-1.node.toml"), 0o600);
    assert_eq!(mode(&shell, "tasuki-entry.toml"), 0o644);
}

#[test]
fn an_unencrypted_key_that_others_may_read_is_refused() {
    let shell = Shell::with_deployment();
    let key = shell.path("deployment/ca-1.key.pem");
    fs::set_permissions(&key, Permissions::from_mode(0o640)).expect("changes");

    let said = shell.refused("node add tokyo-1 --address a:443");

    assert!(said.contains("chmod 600"), "{said}");
}

#[test]
fn encrypted_keys_open_in_openssl_with_the_passphrase_only() {
    let shell = Shell::with_passphrase("correct-horse");
    for key in KEYS {
        let open = |passphrase: &str| {
            shell.openssl(&format!(
                "pkey -in deployment/{key} -passin pass:{passphrase} -pubout"
            ))
        };

        assert!(open("correct-horse").status.success(), "{key}");
        assert!(!open("wrong-horse").status.success(), "{key}");
        let structure = shell.openssl(&format!("asn1parse -in deployment/{key}"));
        let structure = text(&structure.stdout);
        assert!(structure.contains("scrypt"), "{structure}");
        assert!(structure.contains("aes-256-cbc"), "{structure}");
    }
}

#[test]
fn a_wrong_passphrase_changes_nothing() {
    let shell = Shell::with_passphrase("correct-horse");
    let before = shell.read("deployment/deployment.toml");

    for command in [
        "node add tokyo-1 --address a:443 --lone",
        "entry --address a:443",
        "ca roll",
    ] {
        let said = shell.refused_with(command, Some("wrong-horse"));
        assert!(
            said.contains("does not open with this passphrase"),
            "{said}"
        );
    }

    assert_eq!(shell.read("deployment/deployment.toml"), before);
    assert!(!shell.path("tokyo-1.node.toml").exists());
    assert!(!shell.path("deployment/ca-2.key.pem").exists());
    shell.done("node add tokyo-1 --address a:443 --lone");
}

#[test]
fn an_empty_or_endless_passphrase_is_refused() {
    let shell = Shell::new();
    let init = "deployment init --name Lab";

    assert!(
        shell
            .refused_with(init, Some(""))
            .contains("--no-passphrase")
    );
    let long = "x".repeat(1025);
    assert!(
        shell
            .refused_with(init, Some(&long))
            .contains("longer than 1024")
    );
    assert!(!shell.path("deployment").exists());
    let output = shell.tasuki(init, Some(&long[..1024]));
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn listing_needs_no_passphrase() {
    let shell = Shell::with_passphrase("correct-horse");
    shell.done("node add tokyo-1 --address a:443");

    let output = shell.tasuki("node list", None);

    assert!(text(&output.stdout).contains("tokyo-1"));
}

#[test]
fn no_command_prints_a_secret() {
    let shell = Shell::with_deployment();
    let mut said = shell.done("node add tokyo-1 --address a:443 --lone");
    said += &shell.done("entry");
    said += &shell.done("node renew tokyo-1");
    said += &shell.done("node revoke tokyo-1");
    let node = shell.node_file("tokyo-1.node.toml");
    let seed = node.lone.as_ref().expect("lone").registrar_key.expose();

    assert!(!said.contains(&data_encoding::BASE64.encode(seed)));
    assert!(!said.contains("PRIVATE KEY"));
    assert_eq!(format!("{node:?}"), "NodeFile(tokyo-1, generation 2)");
}
