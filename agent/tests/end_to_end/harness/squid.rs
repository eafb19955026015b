//! squid, the proxy that many offices have, as its package installs it; nothing of the system's
//! own configuration is used.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::lab::finish;
use super::{Lab, PATIENCE, Process, free_address, is_root, wait_for};

/// For all kinds of squid here. Beside them stand lines that say who gets through.
const ALWAYS: &str = "cache deny all\npid_filename none\nshutdown_lifetime 0 seconds\n\
     visible_hostname proxy.example\nnetdb_filename none\npinger_enable off\n\
     auth_param basic realm office\ndns_nameservers 127.0.0.1\n";
/// Whoever is on this machine gets through.
pub(crate) const ANYBODY: &str = "http_access allow localhost\nhttp_access deny all\n";
/// Only whoever has logged in does.
pub(crate) const WHO_IS_KNOWN: &str = "acl known proxy_auth REQUIRED\n\
     http_access allow known\nhttp_access deny all\n";
/// The line of `proxy-user`, password `proxy:pass`: `openssl passwd -6 -salt tasuki proxy:pass`.
const USERS: &str = "proxy-user:$6$tasuki$1v1TUyJ8I5YevYRtaz8h83F0BSF/Ys39WOEKS6/SG7uldV5vF7wb7jG2.\
     DRvOoIhgM4jTgLHEaGbkxLNt1hEH0\n";

/// A running squid.
pub(crate) struct Squid {
    pub(crate) address: SocketAddr,
    process: Process,
    folder: PathBuf,
    logs: PathBuf,
}

impl Squid {
    /// One in which `rules` say who gets through.
    pub(crate) fn start(lab: &Lab, rules: &str) -> Self {
        Self::start_with(lab, rules, "", |_| ())
    }

    /// The same that asks `proxy-user` for his password.
    pub(crate) fn with_basic(lab: &Lab) -> Self {
        Self::start(lab, &(basic(lab) + WHO_IS_KNOWN))
    }

    /// One that opens TLS, as a CA of its own: `certificate` and its key, in PEM.
    pub(crate) fn opening_tls(lab: &Lab, certificate: &str) -> Self {
        let folder = lab.path("squid");
        let certificates = folder.join("certificates");
        let maker = needs("/usr/lib/squid/security_file_certgen", "squid-openssl");
        let (folder, maker) = (folder.display(), maker.display());
        let rules = format!(
            "sslcrtd_program {maker} -s {folder}/certificates -M 4MB\nsslcrtd_children 1\n\
             ssl_bump bump all\n{ANYBODY}"
        );
        let port = format!(" ssl-bump tls-cert={folder}/ca.pem generate-host-certificates=on");
        Self::start_with(lab, &rules, &port, |folder| {
            fs::write(folder.join("ca.pem"), certificate).expect("is written");
            let mut make = Command::new(maker.to_string());
            finish(
                make.arg("-c")
                    .arg("-s")
                    .arg(certificates)
                    .args(["-M", "4MB"]),
            );
        })
    }

    fn start_with(lab: &Lab, rules: &str, port: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = lab.path("squid");
        fs::create_dir_all(&folder).expect("a folder");
        prepare(&folder);
        let address = free_address();
        let place = folder.display();
        let user = if is_root() {
            "cache_effective_user nobody\n"
        } else {
            ""
        };
        let config = format!(
            "http_port {address}{port}\naccess_log stdio:{place}/access.log\n\
             cache_log {place}/cache.log\ncoredump_dir {place}\nhosts_file {place}/hosts\n\
             {user}{ALWAYS}{rules}"
        );
        fs::write(folder.join("squid.conf"), config).expect("is written");
        let hosts = format!("127.0.0.1 {}\n", Lab::HIDDEN);
        fs::write(folder.join("hosts"), hosts).expect("is written");
        lab.give_to_nobody(&["squid"]);
        let process = run(&folder, &lab.logs(), address);
        Self {
            address,
            process,
            folder,
            logs: lab.logs(),
        }
    }

    /// Ends it with all that it carries, and starts it anew.
    pub(crate) fn restart(&mut self) {
        self.process.kill();
        self.process = run(&self.folder, &self.logs, self.address);
    }

    /// A line for each request that is over: how squid has answered it, and to whom it led.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.join("access.log")).unwrap_or_default();
        // Somebody also looked whether it listens.
        let requests = log.lines().filter(|line| line.contains(" CONNECT "));
        requests.map(str::to_owned).collect()
    }
}

/// Lets squid ask `proxy-user` for his password.
pub(crate) fn basic(lab: &Lab) -> String {
    let users = lab.path("squid-users");
    fs::write(&users, USERS).expect("is written");
    let helper = needs("/usr/lib/squid/basic_ncsa_auth", "squid-openssl");
    let (helper, users) = (helper.display(), users.display());
    format!("auth_param basic program {helper} {users}\nauth_param basic children 1\n")
}

/// Lets squid ask by NTLM; samba says whether the answer is made of `proxy:pass`.
pub(crate) fn ntlm(lab: &Lab) -> String {
    let samba = lab.path("samba.conf");
    fs::write(&samba, "[global]\n").expect("is written");
    let helper = needs("/usr/bin/ntlm_auth", "winbind");
    let (helper, samba) = (helper.display(), samba.display());
    format!(
        "auth_param ntlm program {helper} --helper-protocol=squid-2.5-ntlmssp \
         --password=proxy:pass --configfile={samba}\nauth_param ntlm children 1\n"
    )
}

fn run(folder: &Path, logs: &Path, address: SocketAddr) -> Process {
    let mut squid = Command::new(needs("/usr/sbin/squid", "squid-openssl"));
    squid
        .args(["-N", "-d", "1", "-f"])
        .arg(folder.join("squid.conf"));
    let mut process = Process::start("squid", logs, &mut squid);
    wait_for("squid", PATIENCE, || {
        assert!(process.has_ended().is_none(), "squid does not start");
        TcpStream::connect(address).ok()
    });
    process
}

/// The program at `path`; a test without it fails, and says what to install.
pub(crate) fn needs(path: &str, package: &str) -> PathBuf {
    let program = PathBuf::from(path);
    assert!(
        program.is_file(),
        "{path} is missing; sudo apt-get install --no-install-recommends {package}"
    );
    program
}
