//! Which passwords are good enough (A5).

use std::fmt;

/// Checks `password`: at least 8 characters of 3 kinds (lower case, upper case, digits,
/// symbols and all else), or 16 of 2 kinds, or 24 of any.
///
/// `exempt` is for people who cannot type symbols, or not both cases, on what they have:
/// one kind less will do (8 characters of 2 kinds, or 16 of any).
///
/// # Errors
/// What is missing, in plain words.
pub fn rule(password: &str, exempt: bool) -> Result<(), Weak> {
    let has = |kind: fn(char) -> bool| usize::from(password.chars().any(kind));
    let kinds =
        has(is_lower) + has(is_upper) + has(is_digit) + has(|other| !is_letter_or_digit(other));
    let weak = Weak {
        characters: password.chars().count(),
        kinds,
        exempt,
    };
    let good = weak
        .choices()
        .iter()
        .any(|choice| weak.characters >= choice.characters && kinds >= choice.kinds);
    if good { Ok(()) } else { Err(weak) }
}

/// What a weak password has; its text says what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weak {
    pub characters: usize,
    pub kinds: usize,
    pub exempt: bool,
}

struct Choice {
    characters: usize,
    kinds: usize,
}

impl Weak {
    fn choices(self) -> &'static [Choice] {
        const fn choice(characters: usize, kinds: usize) -> Choice {
            Choice { characters, kinds }
        }
        if self.exempt {
            const { &[choice(8, 2), choice(16, 1)] }
        } else {
            const { &[choice(8, 3), choice(16, 2), choice(24, 1)] }
        }
    }
}

impl std::error::Error for Weak {}

impl fmt::Display for Weak {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (characters, kinds) = (self.characters, self.kinds);
        let kinds_word = if kinds == 1 { "kind" } else { "kinds" };
        write!(
            formatter,
            "the password has {characters} characters of {kinds} {kinds_word}; it needs at least "
        )?;
        for (index, choice) in self.choices().iter().enumerate() {
            let joint = if index == 0 { "" } else { ", or " };
            match choice.kinds {
                1 => write!(formatter, "{joint}{} of any kind", choice.characters)?,
                kinds => write!(formatter, "{joint}{} of {kinds} kinds", choice.characters)?,
            }
        }
        formatter.write_str(" (kinds: lower case, upper case, digits, symbols)")
    }
}

fn is_lower(character: char) -> bool {
    character.is_lowercase()
}

fn is_upper(character: char) -> bool {
    character.is_uppercase()
}

fn is_digit(character: char) -> bool {
    character.is_numeric()
}

/// Everything else counts as a symbol: punctuation, spaces, and letters without case.
fn is_letter_or_digit(character: char) -> bool {
    is_lower(character) || is_upper(character) || is_digit(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_is_good_at_its_limit_and_weak_below() {
        let cases = [
            ("aA345678", false, true),
            ("aA34567", false, false),
            ("abcd5678", false, false),
            ("aaaaaaaaaaaaaaa6", false, true),
            ("aaaaaaaaaaaaaa5", false, false),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", false, true),
            ("aaaaaaaaaaaaaaaaaaaaaaa", false, false),
            ("abcd5678", true, true),
            ("abcd567", true, false),
            ("abcdefgh", true, false),
            ("aaaaaaaaaaaaaaaa", true, true),
            ("aaaaaaaaaaaaaaa", true, false),
            ("", true, false),
            ("ab!45678", false, true),
            ("東京タワー1a!", false, true),
            ("東京タワー12", false, false),
        ];
        for (password, exempt, good) in cases {
            assert_eq!(rule(password, exempt).is_ok(), good, "{password} {exempt}");
        }
    }

    #[test]
    fn the_explanation_says_what_there_is_and_what_is_needed() {
        let text = rule("abc", false).unwrap_err().to_string();

        assert_eq!(
            text,
            "the password has 3 characters of 1 kind; it needs at least 8 of 3 kinds, \
             or 16 of 2 kinds, or 24 of any kind (kinds: lower case, upper case, digits, symbols)"
        );
    }
}
