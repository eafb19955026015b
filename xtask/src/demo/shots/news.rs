//! A newer version for the windows to find: announced by the operator's command, on an HTTPS
//! server of openssl's, whose CA the Windows of Wine trusts.
//!
//! Wine 8 wants more of a certificate than Windows: a list of revoked ones that can be fetched,
//! and a name, since it finds no addresses.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result};

use super::Studio;
use crate::debian::Package;
use crate::demo::deployment::{COMMAND_LIMIT, Deployment};
use crate::demo::stage::Stage;

pub(super) const PACKAGES: [Package; 1] = [Package {
    name: "openssl",
    purpose: "a web server with a newer version",
}];

const VERSION: &str = "99.0.0";
/// Where Windows keeps the CAs that a user trusts.
const ROOTS: &str = r"HKCU\Software\Microsoft\SystemCertificates\Root\Certificates";
/// Kind of the property that is the certificate itself (`CERT_CERT_PROP_ID` of Wine and Windows).
const CERTIFICATE: u32 = 32;

/// Starts the web server, and returns the entry file that names it.
pub(super) fn announce(
    stage: &mut Stage<'_>,
    studio: &Studio<'_>,
    deployment: &Deployment<'_>,
) -> Result<PathBuf> {
    let folder = stage.path("web");
    fs::create_dir(&folder)?;
    let name = format!("tasuki-setup-{VERSION}.exe");
    fs::write(folder.join(&name), "no program")?;
    let note = "Please install it by Friday. / 金曜日までに更新してください。";
    deployment
        .tasuki(stage)
        .args(["deployment", "announce", "--note", note, "--out"])
        .arg(folder.join("tasuki-agents.toml"))
        .arg(folder.join(&name))
        .output(COMMAND_LIMIT)?;
    let revoked = TcpListener::bind(("127.0.0.1", 0))?;
    certify(stage, &folder, revoked.local_addr()?.port())?;
    let list = fs::read(folder.join("revoked.der"))?;
    thread::spawn(move || hand_out(&revoked, &list));
    trust(stage, studio, &folder)?;
    let port = stage.free_port()?;
    let server = stage
        .call("openssl")
        .args(["s_server", "-quiet", "-tls1_3", "-WWW", "-accept"])
        .arg(format!("127.0.0.1:{port}"))
        .args(["-cert", "server.pem", "-key", "server.key"])
        .dir(&folder);
    stage.start("openssl", server)?;
    stage.wait_for("the web server", COMMAND_LIMIT, |_| {
        Ok(TcpStream::connect(("127.0.0.1", port)).ok())
    })?;
    let entry = stage.path("updated-entry.toml");
    deployment
        .tasuki(stage)
        .args(["entry", "--update"])
        .arg(format!("https://localhost:{port}"))
        .arg("--out")
        .arg(&entry)
        .output(COMMAND_LIMIT)?;
    Ok(entry)
}

/// A CA with a list of what it has revoked, which is nothing, and a certificate of its for this
/// machine.
fn certify(stage: &Stage<'_>, folder: &Path, revoked: u16) -> Result<()> {
    let extensions = format!(
        "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n\
         crlDistributionPoints=URI:http://127.0.0.1:{revoked}/revoked\n"
    );
    fs::write(folder.join("server.ext"), extensions)?;
    let authority = "[ca]\ndefault_ca=it\n[it]\ndatabase=index\ncrlnumber=number\n\
                     default_md=sha256\ndefault_crl_days=30\n";
    fs::write(folder.join("ca.cnf"), authority)?;
    fs::write(folder.join("index"), "")?;
    fs::write(folder.join("number"), "01\n")?;
    let commands = [
        "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=Example-CA -keyout ca.key -out ca.pem \
         -addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign,cRLSign",
        "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
         -extfile server.ext -out server.pem",
        "x509 -in ca.pem -outform DER -out ca.der",
        "ca -gencrl -config ca.cnf -keyfile ca.key -cert ca.pem -out revoked.pem",
        "crl -in revoked.pem -outform DER -out revoked.der",
    ];
    for command in commands {
        let call = stage.call("openssl").args(command.split_whitespace());
        call.dir(folder).output(COMMAND_LIMIT)?;
    }
    Ok(())
}

/// Gives the list to whoever asks, until this program ends.
fn hand_out(listener: &TcpListener, list: &[u8]) {
    let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", list.len());
    for mut caller in listener.incoming().flatten() {
        // Whoever hangs up has enough.
        let _ = caller.read(&mut [0; 4096]);
        let _ = caller.write_all(&[head.as_bytes(), list].concat());
    }
}

/// Puts the CA where Windows looks, as the registry has it: a list of properties, each with its
/// kind, a one and its length before it.
fn trust(stage: &Stage<'_>, studio: &Studio<'_>, folder: &Path) -> Result<()> {
    let certificate = fs::read(folder.join("ca.der"))?;
    let print = stage
        .call("openssl")
        .args(["dgst", "-sha1", "-r", "ca.der"])
        .dir(folder)
        .output(COMMAND_LIMIT)?;
    let print = print.split(' ').next().context("openssl tells a hash")?;
    let length = u32::try_from(certificate.len())?;
    let head = [CERTIFICATE, 1, length].map(u32::to_le_bytes).concat();
    let blob = [head, certificate].concat();
    let blob: String = blob.iter().map(|byte| format!("{byte:02x}")).collect();
    studio
        .wine
        .call(|loader| stage.call(loader), Path::new("reg"))
        .arg("add")
        .arg(format!(r"{ROOTS}\{}", print.to_uppercase()))
        .args(["/v", "Blob", "/t", "REG_BINARY", "/d", &blob, "/f"])
        .output(COMMAND_LIMIT)?;
    Ok(())
}
