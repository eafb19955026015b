//! The relay as a process, and what can be seen of it from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::place::Place;
use crate::site::Site;
use crate::wait::PATIENCE;

/// A running `tasuki-relay`; killed when it is dropped.
pub struct Relay {
    child: Child,
    systemd: UnixDatagram,
    log: PathBuf,
    place: Place,
    metrics: Option<SocketAddr>,
}

impl Relay {
    /// Runs this command as systemd would, and waits until the relay serves.
    /// Its log goes to `relay.log` in the site's folder.
    pub fn start(site: &Site, mut command: Command) -> Self {
        let told = site.path("notify");
        if told.exists() {
            std::fs::remove_file(&told).unwrap();
        }
        let systemd = UnixDatagram::bind(&told).unwrap();
        systemd.set_read_timeout(Some(PATIENCE)).unwrap();
        site.hand_over();
        let log = site.path("relay.log");
        let child = command
            .env("NOTIFY_SOCKET", told)
            .env("WATCHDOG_USEC", "1000000")
            .stderr(Stdio::from(File::create(&log).unwrap()))
            .spawn()
            .unwrap();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut relay = Self {
            child,
            systemd,
            log,
            place: Place::new(nowhere, Arc::clone(&site.deployment.roots)),
            metrics: None,
        };
        relay.hear("READY=1");
        let status = site.status();
        relay.place.address = status.listen[0];
        relay.metrics = status.metrics;
        relay
    }

    /// Where it can be dialled.
    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its page of metrics.
    pub fn metrics(&self) -> Metrics {
        Metrics::scrape(self.metrics.unwrap())
    }

    /// Everything that it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until systemd is told this; gives the whole message.
    pub fn hear(&self, expected: &str) -> String {
        let mut buffer = [0; 1_024];
        loop {
            let length = match self.systemd.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => panic!(
                    "systemd was not told {expected}: {error}\n--- relay ---\n{}",
                    self.log()
                ),
            };
            let text = String::from_utf8_lossy(&buffer[..length]);
            if text.lines().any(|line| line == expected) {
                return text.into_owned();
            }
        }
    }

    /// What systemd was told since it was asked last.
    pub fn heard(&self) -> Vec<String> {
        self.systemd.set_nonblocking(true).unwrap();
        let mut buffer = [0; 1_024];
        let messages = std::iter::from_fn(|| {
            self.systemd
                .recv(&mut buffer)
                .ok()
                .map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned())
        })
        .collect();
        self.systemd.set_nonblocking(false).unwrap();
        messages
    }

    /// Sends a signal by its name, as `HUP`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success());
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Whether it has not ended by itself.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Descriptors that it has open.
    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.pid());
        std::fs::read_dir(folder).unwrap().count()
    }

    /// Bytes of memory that it has written (`proc_pid_smaps(5)`, `Anonymous`). Pages of the program
    /// file are not among them: those of one that was linked just now are dirty, and private
    /// (`Private_Dirty`) from the moment in which the last other relay of the same build ends.
    pub fn anonymous_memory(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.pid());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Anonymous:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        1_024 * kib.parse::<u64>().unwrap()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // A relay that has ended needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page of metrics, by series as they are written there.
#[derive(Debug)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    fn scrape(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        let samples = page.lines().filter(|line| line.starts_with("tasuki_"));
        let parse = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        };
        Self(samples.filter_map(parse).collect())
    }

    /// The names of all metrics of the relay's own, without labels, each once.
    pub fn names(&self) -> BTreeSet<&str> {
        let name = |series: &'_ str| series.find('{').unwrap_or(series.len());
        self.0
            .keys()
            .map(|series| &series[..name(series)])
            .collect()
    }

    /// The sum of all series of a metric with labels.
    pub fn sum(&self, name: &str) -> f64 {
        let series = format!("{name}{{");
        let of_it = self.0.iter().filter(|(it, _)| it.starts_with(&series));
        of_it.map(|(_, value)| value).sum()
    }

    /// The value of a series, as `tasuki_refused_total{reason="offline"}`.
    pub fn get(&self, series: &str) -> f64 {
        let value = self.0.get(series);
        *value.unwrap_or_else(|| panic!("no series {series} in {:?}", self.0.keys()))
    }
}
