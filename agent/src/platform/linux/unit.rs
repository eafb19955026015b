//! The unit of systemd that this program runs in, if it is one's own process.

use std::fs;

/// systemd.exec(5): the process that systemd has started for a unit, which its children inherit.
const STARTED: &str = "SYSTEMD_EXEC_PID";
/// cgroups(7): where this process stands among all units.
const PLACE: &str = "/proc/self/cgroup";

/// The command that stops this program, where systemd has started it for a unit.
pub(crate) fn stopped_by() -> Option<String> {
    let started = std::env::var(STARTED).ok()?;
    (started == std::process::id().to_string())
        .then(|| command(&fs::read_to_string(PLACE).unwrap_or_default()))
}

/// For the unit that stands last in `place`; otherwise the one that our package brings.
fn command(place: &str) -> String {
    let mut parts = place.trim_end().rsplit('/');
    let unit = parts.next().filter(|part| part.ends_with(".service"));
    let unit = unit.unwrap_or("tasuki-host.service");
    let is_users = parts.any(|part| part.starts_with("user@"));
    let user = if is_users { "--user " } else { "" };
    format!("systemctl {user}stop {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_the_unit_and_whose_it_is() {
        let user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/mine.service\n";
        for (place, said) in [
            ("0::/system.slice/a.service\n", "systemctl stop a.service"),
            (user, "systemctl --user stop mine.service"),
            ("0::/\n", "systemctl stop tasuki-host.service"),
            ("", "systemctl stop tasuki-host.service"),
        ] {
            assert_eq!(command(place), said);
        }
    }

    #[test]
    fn what_somebody_typed_in_a_terminal_is_no_unit() {
        // Also where that terminal is one: the number is another process's.
        assert_eq!(stopped_by(), None);
    }
}
