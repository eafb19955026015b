//! The command that Windows starts when somebody logs on (pure).

use std::path::Path;

use anyhow::{Context, bail};

/// Longer ones Windows leaves out (Microsoft, "Run and RunOnce Registry Keys").
const COMMAND_MAX: usize = 260;

/// Names the starter, and the folder of state, which otherwise depends on whether an
/// administrator asks.
pub(super) fn of(starter: &Path, state: &Path) -> anyhow::Result<String> {
    let quoted = |path: &Path| -> anyhow::Result<String> {
        let text = path.to_str().with_context(|| {
            format!(
                "the name of {} is no Unicode; choose another",
                path.display()
            )
        })?;
        // A backslash before a quote would make it a part of the name; two are one.
        let end = if text.ends_with('\\') { "\\" } else { "" };
        Ok(format!("\"{text}{end}\""))
    };
    let command = format!("{} --state {}", quoted(starter)?, quoted(state)?);
    if command.encode_utf16().count() > COMMAND_MAX {
        bail!("Windows starts no command this long; choose folders with shorter names: {command}");
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_is_quoted_and_no_longer_than_windows_takes() {
        let starter = Path::new(r"C:\My programs\tasuki-host-background.exe");
        let text = |state: &str| of(starter, Path::new(state));

        assert_eq!(
            text(r"C:\s t").expect("is right"),
            r#""C:\My programs\tasuki-host-background.exe" --state "C:\s t""#
        );
        assert!(text(r"D:\").expect("is right").ends_with(r#" "D:\\""#));
        let room = COMMAND_MAX - text("").expect("is right").len();
        assert!(text(&"x".repeat(room)).is_ok());
        assert!(text(&"x".repeat(room + 1)).is_err());
    }
}
