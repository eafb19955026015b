//! Takes a password from the terminal without showing it, or from a descriptor.
//!
//! Never from an argument: everybody on a PC can read those. The text is wiped after use.

use std::io::{BufRead, BufReader, ErrorKind, stdin};

use anyhow::{Context, bail};
use zeroize::Zeroizing;

use crate::platform;

/// Longest password in bytes, beyond anything that a person types.
const PASSWORD_MAX: u64 = 1024;

/// Asks at the terminal.
pub(super) fn ask(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    match rpassword::prompt_password(prompt) {
        Ok(password) => Ok(Zeroizing::new(password)),
        Err(error) if error.kind() == ErrorKind::Interrupted => bail!("nothing was typed"),
        Err(error) => Err(error)
            .context("there is no terminal to ask for the password; give it with --password-fd N"),
    }
}

/// Reads the first line of descriptor `number`.
pub(super) fn from_descriptor(number: u32) -> anyhow::Result<Zeroizing<String>> {
    if number == 0 {
        return first_line(stdin().lock());
    }
    let file = platform::open_descriptor(number)
        .with_context(|| format!("descriptor {number} cannot be read; is it open?"))?;
    first_line(BufReader::new(file))
}

fn first_line(source: impl BufRead) -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(Vec::new());
    source
        .take(PASSWORD_MAX + 1)
        .read_until(b'\n', &mut line)
        .context("cannot read the password")?;
    let end = line.len() - usize::from(line.ends_with(b"\n"));
    let end = end - usize::from(line[..end].ends_with(b"\r"));
    if u64::try_from(end).is_ok_and(|end| end > PASSWORD_MAX) {
        bail!("the password has more than {PASSWORD_MAX} bytes");
    }
    if end == 0 {
        bail!("the descriptor holds no password");
    }
    let text = std::str::from_utf8(&line[..end]).context("the password is not UTF-8 text")?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &[u8]) -> Option<String> {
        first_line(source).ok().map(|line| line.to_string())
    }

    #[test]
    fn takes_the_first_line_without_its_end() {
        assert_eq!(read(b"secret\nmore\n").as_deref(), Some("secret"));
        assert_eq!(read(b"secret\r\n").as_deref(), Some("secret"));
        assert_eq!(read(b" with blanks ").as_deref(), Some(" with blanks "));
    }

    #[test]
    fn refuses_nothing_and_too_much() {
        let longest = "x".repeat(1024);

        assert_eq!(read(b""), None);
        assert_eq!(read(b"\n"), None);
        assert_eq!(read(longest.as_bytes()), Some(longest.clone()));
        assert_eq!(read(format!("{longest}x").as_bytes()), None);
        assert_eq!(read(b"\xff\xfe\n"), None);
    }
}
