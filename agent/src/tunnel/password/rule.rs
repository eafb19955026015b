//! Which passwords are good enough (A5).

/// Checks `password`; `exempt` is for people who cannot type symbols.
///
/// # Errors
/// What is missing, in plain words.
pub fn rule(password: &str, exempt: bool) -> Result<(), Weak> {
    let _ = (password, exempt);
    unimplemented!()
}

/// What a weak password has, beside what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("password has {characters} characters of {kinds} kinds")]
pub struct Weak {
    pub characters: usize,
    pub kinds: usize,
    pub exempt: bool,
}
