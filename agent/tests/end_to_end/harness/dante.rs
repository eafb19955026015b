//! dante, a SOCKS server of offices.

use std::env::consts::ARCH;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use super::squid::needs;
use super::{Lab, PATIENCE, Process, free_address, is_root, wait_for};

/// The line of `proxy-user`, password `proxy:pass`, among the passwords of a system.
const SHADOW: &str = "proxy-user:$6$tasuki$1v1TUyJ8I5YevYRtaz8h83F0BSF/Ys39WOEKS6/SG7uldV5vF7wb7jG2.\
     DRvOoIhgM4jTgLHEaGbkxLNt1hEH0:20000:0:99999:7:::\n";

/// A running dante; whoever gets through may go anywhere but to 127.0.0.9.
pub(crate) struct Dante {
    pub(crate) address: SocketAddr,
    _process: Process,
}

impl Dante {
    /// Everybody gets through.
    pub(crate) fn open_to_all(lab: &Lab) -> Self {
        Self::start(lab, "none")
    }

    /// Only `proxy-user` gets through.
    pub(crate) fn with_login(lab: &Lab) -> Self {
        Self::start(lab, "username")
    }

    fn start(lab: &Lab, method: &str) -> Self {
        let folder = lab.path("dante");
        fs::create_dir(&folder).expect("a folder");
        let address = free_address();
        let user = if is_root() {
            "user.privileged: root\nuser.unprivileged: nobody\n"
        } else {
            ""
        };
        let config = format!(
            "logoutput: stderr\ninternal: 127.0.0.1 port = {}\nexternal: lo\n{user}\
             clientmethod: none\nsocksmethod: {method}\n\
             client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}\n\
             socks block {{ from: 0.0.0.0/0 to: 127.0.0.9/32 }}\n\
             socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}\n",
            address.port()
        );
        let put = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).expect("is written");
            path
        };
        // It asks the system for users; this is another system, with one more than root and nobody.
        let users = "root:x:0:0::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n\
             proxy-user:x:65533:65534::/:/bin/false\n";
        let wrapper = format!("/usr/lib/{ARCH}-linux-gnu/libnss_wrapper.so");
        let system = needs(&wrapper, "libnss-wrapper");
        let mut dante = Command::new(needs("/usr/sbin/danted", "dante-server"));
        dante
            .env("LD_PRELOAD", system)
            .env("NSS_WRAPPER_PASSWD", put("passwd", users))
            .env(
                "NSS_WRAPPER_GROUP",
                put("group", "root:x:0:\nnogroup:x:65534:\n"),
            )
            .env("NSS_WRAPPER_SHADOW", put("shadow", SHADOW))
            .arg("-f")
            .arg(put("danted.conf", &config));
        lab.give_to_nobody(&["dante"]);
        let mut process = Process::start("danted", &lab.logs(), &mut dante);
        wait_for("dante", PATIENCE, || {
            assert!(process.has_ended().is_none(), "dante does not start");
            TcpStream::connect(address).ok()
        });
        Self {
            address,
            _process: process,
        }
    }
}
