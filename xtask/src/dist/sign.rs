//! Signatures of what Windows runs (Authenticode), by osslsigncode.
//!
//! They come after the build: that is the same on every machine, a signature is its owner's. The
//! pass phrase of a key is never an argument, and what holds it here is this user's alone.

use std::env;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use tempfile::TempDir;

use crate::debian::Package;
use crate::exec::Shell;

/// With an answer from a server for times.
const LIMIT: Duration = Duration::from_secs(180);

/// What osslsigncode says of a time that is right.
const TIMED: &str = "Timestamp Server Signature verification: ok";

const PASSPHRASE: &str = "TASUKI_SIGN_PASSPHRASE";
/// Where Debian keeps the certificates that it trusts.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

pub(super) const PACKAGES: [Package; 1] = [Package {
    name: "osslsigncode",
    purpose: "signs programs for Windows, and checks signatures",
}];

/// What makes a certificate for tests.
pub(crate) const TEST_PACKAGES: [Package; 2] = [
    PACKAGES[0],
    Package {
        name: "openssl",
        purpose: "makes a certificate to sign with in tests",
    },
];

#[derive(Args, Default)]
pub(crate) struct SignOptions {
    /// Also make signed packages for Windows, with the certificate and key of this file (PKCS#12,
    /// or PEM).
    #[arg(long = "sign", value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The key (PEM), where that file has none.
    #[arg(long = "sign-key", value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// A file whose first line is the key's pass phrase [default: what the environment variable
    /// TASUKI_SIGN_PASSPHRASE says].
    #[arg(
        long = "sign-passphrase",
        value_name = "FILE",
        requires = "certificate"
    )]
    passphrase: Option<PathBuf>,
    /// Certificates (PEM) of the CA that vouches for it [default: this system's].
    #[arg(long = "sign-ca", value_name = "FILE", requires = "certificate")]
    ca: Option<PathBuf>,
    /// The server (RFC 3161) that says when it was signed: with it, signatures outlive the
    /// certificate.
    #[arg(long, value_name = "ADDRESS", requires = "certificate")]
    timestamp: Option<String>,
    /// Certificates (PEM) of the CA that vouches for that server [default: this system's].
    #[arg(long, value_name = "FILE", requires = "timestamp")]
    timestamp_ca: Option<PathBuf>,
}

/// Signs files, and checks that they are signed.
pub(crate) struct Signer<'a> {
    shell: &'a Shell,
    /// Holds the program below, and the pass phrase.
    folder: TempDir,
    ca: PathBuf,
    /// What vouches for the server that says when it was signed.
    clock_ca: Option<PathBuf>,
}

impl<'a> Signer<'a> {
    /// `None`: nothing is to be signed.
    pub(crate) fn new(shell: &'a Shell, options: &SignOptions) -> Result<Option<Self>> {
        let Some(certificate) = &options.certificate else {
            return Ok(None);
        };
        let passphrase = match &options.passphrase {
            Some(path) => Some(
                fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?,
            ),
            None => env::var(PASSPHRASE).ok(),
        };
        let ca = options.ca.clone().unwrap_or_else(|| SYSTEM_CA.into());
        let mut words = holder(certificate, options.key.as_deref())?;
        let folder = tempfile::tempdir()?;
        let Some(address) = &options.timestamp else {
            return Self::with(shell, folder, words, passphrase.as_deref(), ca).map(Some);
        };
        words.extend(["-ts".to_owned(), address.clone()]);
        let signer = Self::with(shell, folder, words, passphrase.as_deref(), ca)?;
        let clock_ca = options.timestamp_ca.clone();
        Ok(Some(Self {
            clock_ca: Some(clock_ca.unwrap_or_else(|| SYSTEM_CA.into())),
            ..signer
        }))
    }

    /// With a certificate of its own that is forgotten with it.
    #[cfg(test)]
    pub(crate) fn for_tests(shell: &'a Shell) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let [key, certificate] = ["key.pem", "certificate.pem"].map(|it| folder.path().join(it));
        certify(shell, "codeSigning", &key, &certificate)?;
        let words = holder(&certificate, Some(&key))?;
        Self::with(shell, folder, words, Some("not a secret"), certificate)
    }

    fn with(
        shell: &'a Shell,
        folder: TempDir,
        mut words: Vec<String>,
        passphrase: Option<&str>,
        ca: PathBuf,
    ) -> Result<Self> {
        if let Some(line) = passphrase.map(|text| text.lines().next().unwrap_or_default()) {
            let path = folder.path().join("passphrase");
            let mut file = OpenOptions::new();
            file.write(true).create_new(true).mode(0o600);
            file.open(&path)?.write_all(line.as_bytes())?;
            words.extend(["-readpass".to_owned(), path.display().to_string()]);
        }
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let signer = Self {
            shell,
            folder,
            ca,
            clock_ca: None,
        };
        let program = signer.program();
        let text = format!(
            "#!/bin/sh\nset -e\n\
             osslsigncode sign {} -h sha256 -n Tasuki -in \"$1\" -out \"$1.signed\"\n\
             cat \"$1.signed\" > \"$1\"\n\
             rm \"$1.signed\"\n",
            words.join(" ")
        );
        fs::write(&program, text)?;
        fs::set_permissions(&program, Permissions::from_mode(0o700))?;
        Ok(signer)
    }

    /// A program that signs the file which it is told; the installer's maker calls it as well.
    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("sign")
    }

    /// Signs a file in its place.
    pub(crate) fn sign(&self, file: &Path) -> Result<()> {
        self.shell.call(self.program()).arg(file).output(LIMIT)?;
        self.check(file)
    }

    /// Fails unless the file is signed, and is as it was then.
    pub(crate) fn check(&self, file: &Path) -> Result<()> {
        let checked = self
            .shell
            .call("osslsigncode")
            .args(["verify", "-CAfile"])
            .arg(&self.ca)
            .args(
                self.clock_ca
                    .iter()
                    .flat_map(|ca| ["-TSA-CAfile".as_ref(), ca.as_os_str()]),
            )
            .arg("-in")
            .arg(file)
            .finish(LIMIT)?;
        // A time that nobody vouches for is no failure to osslsigncode.
        let is_timed = self.clock_ca.is_none() || checked.stdout.contains(TIMED);
        ensure!(
            checked.status.success() && is_timed,
            "the signature of {} is not right:\n{}{}",
            file.display(),
            checked.stdout,
            checked.stderr
        );
        Ok(())
    }
}

/// How osslsigncode is told where certificate and key are.
fn holder(certificate: &Path, key: Option<&Path>) -> Result<Vec<String>> {
    let bytes =
        fs::read(certificate).with_context(|| format!("cannot read {}", certificate.display()))?;
    let text = |path: &Path| path.display().to_string();
    if bytes.windows(11).any(|bytes| bytes == b"-----BEGIN ") {
        let key = key.unwrap_or(certificate);
        return Ok(vec![
            "-certs".into(),
            text(certificate),
            "-key".into(),
            text(key),
        ]);
    }
    ensure!(
        key.is_none(),
        "{} is no PEM file; a PKCS#12 file has its key in it",
        certificate.display()
    );
    Ok(vec!["-pkcs12".into(), text(certificate)])
}

/// Makes a key, and a certificate that vouches for itself.
#[cfg(test)]
fn certify(shell: &Shell, usage: &str, key: &Path, certificate: &Path) -> Result<()> {
    shell
        .call("openssl")
        .args(["req", "-x509", "-newkey", "rsa:3072", "-days", "2"])
        .args(["-subj", "/CN=Tasuki Test", "-addext"])
        .arg(format!("extendedKeyUsage=critical,{usage}"))
        .args(["-passout", "pass:not a secret", "-keyout"])
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output(LIMIT)
        .map(drop)
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// The least that is a program for Windows.
    fn program() -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 0x40;
        let header = &mut bytes[0x40..];
        header[..6].copy_from_slice(&[b'P', b'E', 0, 0, 0x64, 0x86]);
        // The optional header: its size, PE32+, and 16 directories.
        header[20] = 0xf0;
        header[24..26].copy_from_slice(&[0x0b, 2]);
        header[24 + 108] = 16;
        bytes
    }

    #[test]
    fn signed_program_is_right_until_a_byte_of_it_changes() {
        let shell = Shell::new(false).unwrap();
        let signer = Signer::for_tests(&shell).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("it's a program.exe");
        fs::write(&file, program()).unwrap();
        assert!(signer.check(&file).is_err(), "it is not signed yet");

        signer.sign(&file).unwrap();

        let mut bytes = fs::read(&file).unwrap();
        assert!(bytes.len() > 1024);
        bytes[1000] ^= 1;
        fs::write(&file, bytes).unwrap();
        assert!(signer.check(&file).is_err(), "it was changed");
    }

    #[test]
    fn another_certificate_does_not_vouch() {
        let shell = Shell::new(false).unwrap();
        let [one, two] = [(); 2].map(|()| Signer::for_tests(&shell).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("program.exe");
        fs::write(&file, program()).unwrap();

        one.sign(&file).unwrap();

        assert!(two.check(&file).is_err());
    }

    #[test]
    fn time_counts_where_somebody_vouches_for_who_says_it() {
        let shell = Shell::new(false).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        certify(
            &shell,
            "timeStamping",
            &path("clock.key"),
            &path("clock.pem"),
        )
        .unwrap();
        certify(&shell, "codeSigning", &path("key"), &path("pem")).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        fs::write(path("passphrase"), "not a secret").unwrap();
        let file = path("program.exe");
        fs::write(&file, program()).unwrap();
        let signer = |clock_ca: Option<PathBuf>| {
            let options = SignOptions {
                certificate: Some(path("pem")),
                key: Some(path("key")),
                passphrase: Some(path("passphrase")),
                ca: Some(path("pem")),
                timestamp: Some(address.clone()),
                timestamp_ca: clock_ca,
            };
            Signer::new(&shell, &options).unwrap().unwrap()
        };
        let clock = folder.path().to_owned();
        let clock = thread::spawn(move || tell_time_once(&listener, &clock));

        signer(Some(path("clock.pem"))).sign(&file).unwrap();

        clock.join().unwrap();
        assert!(
            signer(Some(path("pem"))).check(&file).is_err(),
            "another CA"
        );
        assert!(signer(None).check(&file).is_err(), "this system's CAs");
        fs::write(&file, program()).unwrap();
        let nobody = signer(Some(path("clock.pem"))).sign(&file);
        assert!(nobody.is_err(), "the server has gone");
    }

    /// A server (RFC 3161) that is asked once.
    fn tell_time_once(listener: &TcpListener, folder: &Path) {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 2 {
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut question = Vec::new();
        reader.take(length).read_to_end(&mut question).unwrap();
        fs::write(folder.join("question"), question).unwrap();
        let settings = "[tsa]\ndefault_tsa = clock\n[clock]\nserial = serial\n\
            signer_digest = sha256\ndefault_policy = 1.2.3.4\ndigests = sha256\n";
        fs::write(folder.join("settings"), settings).unwrap();
        Shell::new(false)
            .unwrap()
            .call("openssl")
            .args([
                "ts",
                "-reply",
                "-config",
                "settings",
                "-queryfile",
                "question",
            ])
            .args(["-signer", "clock.pem", "-inkey", "clock.key"])
            .args(["-passin", "pass:not a secret", "-out", "answer"])
            .dir(folder)
            .output(LIMIT)
            .unwrap();
        let answer = fs::read(folder.join("answer")).unwrap();
        let head = format!(
            "HTTP/1.0 200 OK\r\nContent-Type: application/timestamp-reply\r\n\
             Content-Length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&answer).unwrap();
    }

    #[test]
    fn pass_phrase_is_no_argument() {
        let shell = Shell::new(false).unwrap();
        let signer = Signer::for_tests(&shell).unwrap();

        let said = fs::read_to_string(signer.program()).unwrap();

        assert!(
            !said.contains("not a secret") && said.contains("-readpass"),
            "{said}"
        );
    }
}
