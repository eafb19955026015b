//! Traffic other than RDP: a login with ssh, and a file by the same way.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::harness::{Lab, Open, PATIENCE, Process, free_address, needs, noise, wait_for};

#[test]
fn an_ssh_login_and_a_file_go_through() {
    let lab = Lab::new();
    let folder = lab.path("ssh");
    fs::create_dir(&folder).expect("a folder");
    let address = free_address();
    let _sshd = sshd(&lab, &folder, address.port());
    wait_for("sshd", PATIENCE, || {
        std::net::TcpStream::connect(address).ok()
    });
    let host = lab.host("office", address);
    let open = lab.client("home").open(&host.id);

    let greeting = ssh(&open, &folder, &["echo", "hello from $((40 + 2))"]);
    assert_eq!(greeting, b"hello from 42\n");

    let file = noise(10, 5_000_000);
    fs::write(folder.join("file"), &file).expect("is written");
    let path = folder.join("file").display().to_string();
    let copy = ssh(&open, &folder, &["cat", &path]);
    assert!(copy == file, "{} bytes came, or others", copy.len());
}

/// An OpenSSH server on loopback that takes one key, made for this test.
pub(crate) fn sshd(lab: &Lab, folder: &Path, port: u16) -> Process {
    for name in ["host", "user"] {
        let mut keygen = Command::new("ssh-keygen");
        keygen
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(folder.join(name));
        assert!(keygen.status().expect("ssh-keygen is installed").success());
    }
    fs::copy(folder.join("user.pub"), folder.join("authorized")).expect("is copied");
    // sshd insists on it when root runs it; a machine where ssh never ran lacks it.
    let _ = fs::create_dir_all("/run/sshd");
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized\n\
         PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
         PermitRootLogin prohibit-password\nKbdInteractiveAuthentication no\n",
        folder.display()
    );
    let path = folder.join("sshd_config");
    fs::write(&path, config).expect("is written");
    fs::set_permissions(folder.join("host"), fs::Permissions::from_mode(0o600)).expect("is ours");
    // sshd starts itself again for each connection and wants its whole path for that.
    let mut sshd = Command::new("/usr/sbin/sshd");
    sshd.args(["-D", "-e", "-f"]).arg(&path);
    Process::start("sshd", &lab.logs(), &mut sshd)
}

/// A call of ssh with the key in `folder`, whatever this machine's settings and known hosts say.
pub(crate) fn ssh_to(address: SocketAddr, folder: &Path) -> Command {
    let mut ssh = Command::new(needs("/usr/bin/ssh", "openssh-client"));
    for setting in [
        "BatchMode=yes",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
    ] {
        ssh.args(["-o", setting]);
    }
    ssh.args(["-F", "none", "-p", &address.port().to_string(), "-i"])
        .arg(folder.join("user"))
        .arg(address.ip().to_string());
    ssh
}

fn ssh(open: &Open, folder: &Path, words: &[&str]) -> Vec<u8> {
    let output = ssh_to(open.address, folder)
        .args(words)
        .output()
        .expect("ssh is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ssh: {errors}");
    output.stdout
}
