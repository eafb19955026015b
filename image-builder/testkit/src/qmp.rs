//! QEMU's own control channel: one line of JSON there, one back, events between.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// QEMU answers at once unless the machine that it runs on is very busy.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(crate) struct Qmp {
    lines: BufReader<UnixStream>,
}

impl Qmp {
    /// Greets a QEMU that has the other end of the stream.
    pub(crate) fn new(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(LIMIT))?;
        let mut qmp = Self {
            lines: BufReader::new(stream),
        };
        qmp.line()?;
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Runs a command and returns its answer.
    pub(crate) fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let line = json!({"execute": command, "arguments": arguments});
        let stream = self.lines.get_mut();
        writeln!(stream, "{line}").context("QEMU is gone")?;
        loop {
            let mut answer = self.line()?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {command}: {error}");
            }
        }
    }

    /// A command of its monitor for people.
    pub(crate) fn monitor(&mut self, command: &str) -> Result<String> {
        let arguments = json!({"command-line": command});
        let answer = self.execute("human-monitor-command", &arguments)?;
        Ok(answer.as_str().unwrap_or_default().to_owned())
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        let count = self
            .lines
            .read_line(&mut line)
            .context("QEMU does not answer")?;
        if count == 0 {
            bail!("QEMU has ended");
        }
        serde_json::from_str(&line).context("QEMU's answer is no JSON")
    }
}
