//! The end of a host that somebody asks for: by `tasuki-host stop`, and in the settings tool, which
//! starts it as well.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use tasuki_agent::settings::{Failure, Job, Starter};
use tasuki_agent::state::StateDir;

use crate::harness::{Host, Lab, Open, PATIENCE, Process, Target, program, wait_for, works};

fn stop(host: &Host) -> (Option<i32>, String) {
    let output = host.command("stop").output().expect("starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into())
}

/// A connection that has reached the office PC.
fn stream(host: &Host, open: &Open) -> TcpStream {
    let stream = open.connect();
    wait_for("the stream", PATIENCE, || {
        (host.status()["sessions"][0]["streams"] == 1).then_some(())
    });
    stream
}

#[test]
fn a_host_that_is_stopped_says_so_to_its_sessions_and_has_gone() {
    let lab = Lab::new();
    let mut host = lab.host("office", Target::echo().address);
    let open = lab.client("home").open(&host.id);
    let _stream = stream(&host, &open);

    let (code, said) = stop(&host);

    assert_eq!((code, said.trim()), (Some(0), "tasuki-host has stopped."));
    assert!(host.process().ended(PATIENCE).success());
    open.ended(PATIENCE).says(84, &["shutting down"]);
    assert_eq!(host.status()["running"], false);
    // Nothing of it is in the way of the next one.
    host.run();
    host.wait_until_linked();
}

#[test]
fn where_no_host_runs_there_is_nothing_to_stop() {
    let lab = Lab::without_relay("");
    let host = Host::prepare(&lab, "office", Target::echo().address);

    let (code, said) = stop(&host);

    assert_eq!(
        (code, said.trim()),
        (Some(1), "tasuki-host is not running.")
    );
}

#[test]
fn a_unit_of_systemd_is_stopped_by_systemd() {
    let lab = Lab::new();
    let host = Host::prepare(&lab, "office", Target::echo().address);
    // As systemd starts it: the variable names the process that the program becomes.
    let mut unit = Command::new("sh");
    unit.args(["-c", "SYSTEMD_EXEC_PID=$$ exec \"$@\"", "sh"])
        .arg(program("tasuki-host"))
        .arg("--state")
        .arg(host.state())
        .arg("run");
    let mut process = Process::start("unit", &lab.logs(), &mut unit);
    host.wait_until_linked();

    let (code, said) = stop(&host);

    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("as a service") && said.contains("systemctl"),
        "{said}"
    );
    assert!(process.has_ended().is_none());
    works(&lab.client("home").open(&host.id));
}

/// Starts the real program, as Windows does it elsewhere.
#[derive(Debug)]
struct ByHand {
    state: PathBuf,
    logs: PathBuf,
    process: Mutex<Option<Process>>,
}

impl Starter for ByHand {
    fn start(&self) -> Result<(), Failure> {
        let mut command = Command::new(program("tasuki-host"));
        command.arg("--state").arg(&self.state).arg("run");
        let process = Process::start("tool", &self.logs, &mut command);
        *self.process.lock().expect("no panic") = Some(process);
        Ok(())
    }

    fn is_at_logon(&self) -> bool {
        false
    }

    fn set_at_logon(&self, _is_at_logon: bool) -> Result<(), Failure> {
        Ok(())
    }
}

fn tool(lab: &Lab, host: &Host) -> Job {
    let dir = StateDir::open(Some(host.state())).expect("opens");
    let by_hand = ByHand {
        state: host.state().to_owned(),
        logs: lab.logs(),
        process: Mutex::default(),
    };
    Job::new(dir, Some(Arc::new(by_hand)))
}

#[test]
fn the_tool_starts_a_host_and_ends_it() {
    let lab = Lab::new();
    let host = Host::prepare(&lab, "office", Target::echo().address);
    let job = tool(&lab, &host);

    assert!(job.share().expect("starts").running);
    host.wait_until_linked();
    let open = lab.client("home").open(&host.id);
    let _stream = stream(&host, &open);
    assert!(job.share().expect("runs").running, "one is enough");
    assert!(!job.unshare().expect("ends").running);

    open.ended(PATIENCE).says(84, &["shutting down"]);
    assert!(!job.unshare().expect("has ended").running);
}

#[test]
fn a_host_that_does_not_come_up_is_told() {
    let lab = Lab::without_relay("");
    let host = Host::prepare(&lab, "office", Target::echo().address);
    host.configure("no_such_key = 1\n");

    let failure = tool(&lab, &host).share().expect_err("does not start");

    assert!(matches!(failure, Failure::NotStarted), "{failure}");
}
