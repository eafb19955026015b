//! The programs for Windows behind a proxy of another maker: squid, with samba's word on who has
//! given the right password, found and answered as Windows does it, under Wine.
//!
//! The relay has a name that squid alone knows, so whoever reaches it has come through squid.

mod squid;

use std::fs;
use std::io::{Read, Write, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use self::squid::{ANYBODY, HIDDEN, PROXY_PASSWORD, Squid};
use super::relay::{self, ENTRY, Relay, free_address};
use super::{Night, Part};
use crate::debian::{self, Consent, Package};
use crate::dist;
use crate::exec::{Call, Finished, Process};
use crate::wine::{self, Wine};

/// Beside those of Wine, of which one does NTLM, also for this proxy.
const PACKAGES: [Package; 1] = [Package {
    name: "squid-openssl",
    purpose: "a proxy",
}];

/// Also for what Wine runs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

const UNITS: [&str; 7] = [
    "script",
    "options",
    "winhttp",
    "basic",
    "ntlm",
    "negotiate",
    "session",
];

const HOST: &str = "tasuki-host.exe";
const CLIENT: &str = "tasuki-client.exe";
/// Both have a `check`.
const PROGRAMS: [&str; 2] = [HOST, CLIENT];

const LOGIN: &str = "user = 'OFFICE\\taro'\npassword_file = 'proxy-password'\n";

/// Where a user's *Internet options* and the PC's `netsh winhttp` are kept.
const CONNECTIONS: &str =
    r"Software\Microsoft\Windows\CurrentVersion\Internet Settings\Connections";
const OF_USER: (&str, &str) = ("HKCU", "DefaultConnectionSettings");
const OF_MACHINE: (&str, &str) = ("HKLM", "WinHttpSettings");
/// What one of them says, as a sum: straight if nothing else helps, by a server, by a script.
const STRAIGHT: u32 = 1;
const BY_SERVER: u32 = 2;
const BY_SCRIPT: u32 = 4;

/// For the host of the unit `session`.
const PASSWORD: &str = "Quiet-Maple-4071";

pub(super) struct Proxies;

impl Part for Proxies {
    fn name(&self) -> &'static str {
        "proxies"
    }

    fn what(&self) -> &'static str {
        "the agents for Windows behind squid, under Wine: settings, scripts, logins"
    }

    fn inputs(&self) -> &'static [&'static str] {
        &[
            "agent/src",
            "agent/windows",
            "protocol/src",
            "relay/src",
            "Cargo.lock",
            "xtask/src/nightly/proxies",
            "xtask/src/nightly/relay.rs",
            "xtask/src/wine.rs",
        ]
    }

    fn prepare(&self, night: &Night<'_>) -> Result<Vec<String>> {
        let consent = Consent::new(false);
        debian::provide(night.shell, &PACKAGES, consent)?;
        debian::provide(night.shell, &wine::PACKAGES, consent)?;
        dist::windows(night.shell, night.root, consent)?;
        relay::build(night)?;
        Ok(UNITS.map(str::to_owned).to_vec())
    }

    fn run(&self, night: &Night<'_>, unit: &str) -> Result<String> {
        let home = Home::open(night)?;
        match unit {
            "script" => home.by_script(),
            "options" => home.by_options(),
            "winhttp" => home.by_winhttp(),
            "basic" => home.by_login("basic", "Basic"),
            "ntlm" => home.by_login("ntlm", "NTLM"),
            "negotiate" => home.by_login("negotiate", "Negotiate"),
            "session" => home.session(),
            _ => bail!("there is no such unit"),
        }
    }
}

/// A home PC on which nothing is set, and a relay.
struct Home<'n> {
    night: &'n Night<'n>,
    relay: Relay,
    wine: Wine<'n>,
}

impl<'n> Home<'n> {
    fn open(night: &'n Night<'n>) -> Result<Self> {
        let this = Self {
            night,
            relay: Relay::start(night, HIDDEN)?,
            wine: Wine::open(night.shell, night.root, "home")?,
        };
        fs::create_dir(this.relay.folder.path().join("home"))?;
        this.forget()?;
        Ok(this)
    }

    /// A script on a web server names squid for the relay, and nothing for anything else.
    fn by_script(&self) -> Result<String> {
        let squid = Squid::start(self.night, ANYBODY)?;
        let script = self.serve_script(squid.address)?;
        self.set(OF_USER, STRAIGHT + BY_SCRIPT, ["", "", &script])?;
        // The first script in its life may take Wine longer than our programs wait for it.
        self.check(CLIENT).finish(PATIENCE)?;
        self.comes_through(&squid)?;

        let nobody = format!("http://{}/proxy.pac", free_address()?);
        self.set(OF_USER, STRAIGHT + BY_SCRIPT, ["", "", &nobody])?;
        self.fails(&[&nobody, "cannot be fetched"])?;

        let server = squid.address.to_string();
        let all = STRAIGHT + BY_SERVER + BY_SCRIPT;
        self.set(OF_USER, all, [&server, "", &nobody])?;
        self.comes_through(&squid)?;
        Ok(
            "a script is fetched and asked; where it is gone, the server that is set is used"
                .into(),
        )
    }

    /// *Internet options* name squid, for all or for HTTPS only, and except some names.
    fn by_options(&self) -> Result<String> {
        let squid = Squid::start(self.night, ANYBODY)?;
        let both = STRAIGHT + BY_SERVER;
        let server = squid.address.to_string();
        self.set(OF_USER, both, [&server, "<local>", ""])?;
        self.comes_through(&squid)?;
        let for_https = format!("http=127.0.0.1:1;https={server}");
        self.set(OF_USER, both, [&for_https, "", ""])?;
        self.comes_through(&squid)?;
        self.set(OF_USER, both, [&server, "*.invalid;<local>", ""])?;
        self.fails(&[HIDDEN, "name FAILED"])?;
        Ok("for all, for HTTPS, and not for what is excepted".into())
    }

    /// What a service finds, and whoever has set nothing himself.
    fn by_winhttp(&self) -> Result<String> {
        let squid = Squid::start(self.night, ANYBODY)?;
        let server = squid.address.to_string();
        self.set(OF_MACHINE, STRAIGHT + BY_SERVER, [&server, "", ""])?;
        self.comes_through(&squid)?;
        Ok("the proxy of the whole PC".into())
    }

    /// A proxy that asks who is here, by one scheme.
    fn by_login(&self, helper: &str, scheme: &str) -> Result<String> {
        let squid = Squid::asking(self.night, helper)?;
        let settings = settings(squid.address) + LOGIN;
        self.put("proxy-password", PROXY_PASSWORD)?;
        self.put("client.toml", &settings)?;
        self.put("host.toml", &settings)?;
        self.comes_through(&squid)?;
        // It asks; where a scheme has two steps, it asks its question; it says yes or no.
        let steps = if scheme == "Basic" { 2 } else { 3 };
        let answers = steps * PROGRAMS.len();
        let requests = squid.requests(self.night, answers)?;
        let last = requests.last().map(String::as_str).unwrap_or_default();
        ensure!(
            requests.len() == answers && last.contains("TCP_TUNNEL/200") && last.contains("taro"),
            "not asked, told and let through: {requests:#?}"
        );

        self.put("proxy-password", "wrong")?;
        self.fails(&[
            "does not accept the user name",
            &format!("offers: {scheme}."),
        ])?;
        let requests = squid.requests(self.night, 2 * answers)?;
        ensure!(
            requests.len() == 2 * answers,
            "a wrong password is to be told once: {requests:#?}"
        );
        Ok(format!(
            "{scheme}: the right password, and a wrong one once"
        ))
    }

    /// A host that logs in by NTLM and a client that a script leads meet, and bytes go both ways.
    fn session(&self) -> Result<String> {
        let night = self.night;
        let (asking, open) = (Squid::asking(night, "ntlm")?, Squid::start(night, ANYBODY)?);
        let office = Wine::open(night.shell, night.root, "office")?;
        let _host = self.start_host(&office, &asking)?;

        let script = self.serve_script(open.address)?;
        self.set(OF_USER, STRAIGHT + BY_SCRIPT, ["", "", &script])?;
        // Only what the client has started may use its address, and this program is not that.
        let door = free_address()?;
        let viewer = self.path("mstsc.exe");
        fs::copy(
            dist::windows_folder(night.root).join("passage.exe"),
            &viewer,
        )?;
        let viewer = Wine::path(&viewer);
        self.put(
            "client.toml",
            &format!("viewer = '{viewer}'\nviewer_arguments = ['{door}']\n"),
        )?;
        let log = self.path("client.log");
        let mut client = self
            .program(CLIENT)
            .args(["connect", "office", "--password-fd", "0", "--entry"])
            .arg(self.entry())
            .line_on_stdin(PASSWORD)
            .start(&log)?;
        let mut stream = night.shell.wait_for("the viewer", PATIENCE, || {
            client.still_runs()?;
            let said = fs::read_to_string(&log)?;
            if !said.contains("listening for ") {
                return Ok(None);
            }
            Ok(TcpStream::connect(door).ok())
        })?;

        stream.set_read_timeout(Some(PATIENCE))?;
        let sent: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
        let mut source = stream.try_clone()?;
        let (writes, heard) = std::thread::scope(|scope| {
            let writes = scope.spawn(|| stream.write_all(&sent));
            let mut heard = vec![0; sent.len()];
            let reads = source.read_exact(&mut heard);
            (writes.join(), reads.map(|()| heard))
        });
        writes.ok().context("a panic")??;
        ensure!(heard? == sent, "other bytes came back");
        Ok("a host behind NTLM and a client behind a script: 1 MiB there and back".into())
    }

    fn start_host(&self, office: &Wine<'_>, squid: &Squid) -> Result<Process> {
        let night = self.night;
        let state = self.path("office");
        let host = || {
            let program = dist::windows_folder(night.root).join(HOST);
            let call = office.call(|loader| night.shell.call(loader), &program);
            call.arg("--state").arg(Wine::path(&state))
        };
        host()
            .args(["init", "--id", "office", "--entry"])
            .arg(self.entry())
            .output(PATIENCE)?;
        host()
            .args(["set-password", "--password-fd", "0"])
            .line_on_stdin(PASSWORD)
            .output(PATIENCE)?;
        let target = serve(|stream| {
            // Whoever breaks off notices it at his own end.
            let _ = copy(&mut &stream, &mut &stream);
            let _ = stream.shutdown(Shutdown::Write);
        })?;
        let settings = format!("target = '{target}'\n{}{LOGIN}", settings(squid.address));
        fs::write(state.join("host.toml"), settings)?;
        fs::write(state.join("proxy-password"), PROXY_PASSWORD)?;
        let mut process = host().arg("run").start(&self.path("host.log"))?;
        night.shell.wait_for("the host's link", PATIENCE, || {
            process.still_runs()?;
            let status = host().arg("status").finish(PATIENCE)?;
            Ok(status.status.success().then_some(()))
        })?;
        Ok(process)
    }

    /// Both programs have to reach the relay through `squid`.
    fn comes_through(&self, squid: &Squid) -> Result<()> {
        let ok = format!("proxy {} ok, encryption ok, answer ok", squid.address);
        self.finds(0, &[&ok])
    }

    /// Neither must reach the relay, and both have to say why.
    fn fails(&self, words: &[&str]) -> Result<()> {
        self.finds(80, words)
    }

    fn finds(&self, code: i32, words: &[&str]) -> Result<()> {
        for name in PROGRAMS {
            let Finished {
                status,
                stdout,
                stderr,
            } = self.check(name).finish(PATIENCE)?;
            let said = format!("{name}'s check ends with {status} and says:\n{stdout}{stderr}");
            ensure!(status.code() == Some(code), "not {code}: {said}");
            for word in words {
                ensure!(stdout.contains(word), "'{word}' is missing: {said}");
            }
        }
        Ok(())
    }

    fn check(&self, name: &str) -> Call<'n> {
        let check = self.program(name).args(["check", "--entry"]);
        check.arg(self.entry())
    }

    /// A call of one of our programs on this PC.
    fn program(&self, name: &str) -> Call<'n> {
        let program = dist::windows_folder(self.night.root).join(name);
        let shell = self.night.shell;
        let call = self.wine.call(|loader| shell.call(loader), &program);
        call.arg("--state").arg(Wine::path(&self.path("home")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.relay.folder.path().join(name)
    }

    fn entry(&self) -> String {
        Wine::path(&self.path(ENTRY))
    }

    /// Puts a file into the client's folder.
    fn put(&self, name: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.path("home").join(name), text)?)
    }

    /// Sets a proxy, for what it is not meant, and a script, as Windows keeps them.
    fn set(&self, (root, name): (&str, &str), kinds: u32, texts: [&str; 3]) -> Result<()> {
        // The PC's have no script, and another number in front.
        let (number, count) = if root == OF_USER.0 {
            (0x46, 3)
        } else {
            (0x18, 2)
        };
        let mut value = Vec::new();
        for number in [number, 0, kinds] {
            value.extend(u32::to_le_bytes(number));
        }
        for text in texts.iter().take(count) {
            value.extend(u32::try_from(text.len())?.to_le_bytes());
            value.extend(text.bytes());
        }
        value.extend([0; 32]);
        let value: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = format!(r"{root}\{CONNECTIONS}");
        self.reg(&[
            "add",
            &key,
            "/v",
            name,
            "/t",
            "REG_BINARY",
            "/d",
            &value,
            "/f",
        ])
        .output(PATIENCE)?;
        Ok(())
    }

    /// Takes away what an earlier unit has set.
    fn forget(&self) -> Result<()> {
        for (root, name) in [OF_USER, OF_MACHINE] {
            let key = format!(r"{root}\{CONNECTIONS}");
            // It fails where nothing is set.
            self.reg(&["delete", &key, "/v", name, "/f"])
                .finish(PATIENCE)?;
        }
        Ok(())
    }

    fn reg(&self, words: &[&str]) -> Call<'n> {
        let shell = self.night.shell;
        let call = self
            .wine
            .call(|loader| shell.call(loader), Path::new("reg"));
        call.args(words)
    }

    /// Serves a script that names `proxy` for the relay; where it is.
    fn serve_script(&self, proxy: SocketAddr) -> Result<String> {
        let script = format!(
            "function FindProxyForURL(url, host) {{ return host == '{HIDDEN}' ? 'PROXY {proxy}' \
             : 'DIRECT'; }}"
        );
        let page = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-ns-proxy-autoconfig\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{script}",
            script.len()
        );
        let address = serve(move |mut stream| {
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok_and(|length| length > 0) {
                // Who asked and went away has no use for it.
                let _ = stream.write_all(page.as_bytes());
            }
        })?;
        Ok(format!("http://{address}/proxy.pac"))
    }
}

impl Drop for Home<'_> {
    fn drop(&mut self) {
        // The next test that uses this PC finds it as it was; a failure shows there.
        let _ = self.forget();
    }
}

/// Serves each connection on a thread, for as long as this program runs.
fn serve(each: impl Fn(TcpStream) + Clone + Send + 'static) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = each.clone();
            std::thread::spawn(move || each(stream));
        }
    });
    Ok(address)
}

fn settings(proxy: SocketAddr) -> String {
    format!("[proxy]\nkind = 'http'\naddress = '{proxy}'\n")
}
