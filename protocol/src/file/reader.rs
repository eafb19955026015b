//! Reads a TOML document and collects every mistake with its key path and line.
//!
//! Usage: [`read`] hands the top table to a closure that takes each key out of it;
//! whatever was not asked for is an unknown key, and refused.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeTable;
/// A value as it stands in the file.
pub use toml::de::DeValue;

/// One mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, counted from 1.
    pub line: usize,
    /// Key path, as `limits.sessions`; empty for mistakes of syntax.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            path,
            message,
        } = self;
        match path.as_str() {
            "" => write!(formatter, "line {line}: {message}"),
            path => write!(formatter, "line {line}: {path}: {message}"),
        }
    }
}

/// Every mistake in a file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

/// Reads `source`: `take` gets the top table. Fails with all problems if there is any.
pub fn read<T>(
    source: &str,
    take: impl FnOnce(&mut Table<'_>) -> Option<T>,
) -> Result<T, Problems> {
    let (document, syntax) = DeTable::parse_recoverable(source);
    let problems = Collector {
        source,
        found: RefCell::default(),
    };
    if !syntax.is_empty() {
        for error in syntax {
            let at = error.span().map_or(0, |span| span.start);
            problems.add(at, String::new(), error.message().to_owned());
        }
        return Err(problems.into_problems());
    }
    let mut top = Table::new(&problems, String::new(), 0, document.get_ref());
    let value = top.read(take);
    match value {
        Some(value) if problems.found.borrow().is_empty() => Ok(value),
        _ => Err(problems.into_problems()),
    }
}

struct Collector<'s> {
    source: &'s str,
    found: RefCell<Vec<Problem>>,
}

impl Collector<'_> {
    fn add(&self, at: usize, path: String, message: String) {
        let before = self.source.get(..at).unwrap_or(self.source);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        self.found.borrow_mut().push(Problem {
            line,
            path,
            message,
        });
    }

    fn into_problems(self) -> Problems {
        let mut found = self.found.into_inner();
        found.sort_by_key(|problem| problem.line);
        Problems(found)
    }
}

/// A table whose keys are taken out one by one.
pub struct Table<'d> {
    problems: &'d Collector<'d>,
    path: String,
    /// Where the table begins, for keys that are missing.
    at: usize,
    table: &'d DeTable<'d>,
    taken: Vec<&'static str>,
    passes_over_unknown: bool,
}

impl<'d> Table<'d> {
    fn new(problems: &'d Collector<'d>, path: String, at: usize, table: &'d DeTable<'d>) -> Self {
        Self {
            problems,
            path,
            at,
            table,
            taken: Vec::new(),
            passes_over_unknown: false,
        }
    }

    /// Runs `take` and then refuses what it did not ask for.
    fn read<T>(&mut self, take: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let value = take(self);
        if self.passes_over_unknown {
            return value;
        }
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !self.taken.contains(&name) {
                let known = self.taken.join(", ");
                let message = format!("unknown key; known here: {known}");
                self.problems
                    .add(key.span().start, self.path_of(name), message);
            }
        }
        value
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn take(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.taken.push(key);
        let table = self.table;
        table.get(key)
    }

    /// Keys that nobody asks for are no mistakes: a newer program may have written them.
    pub fn pass_over_unknown(&mut self) {
        self.passes_over_unknown = true;
    }

    /// Reports a mistake in the value of `key` that only shows beside other keys.
    pub fn reject(&self, key: &str, message: impl Into<String>) {
        let at = self
            .table
            .get(key)
            .map_or(self.at, |value| value.span().start);
        self.problems.add(at, self.path_of(key), message.into());
    }

    /// The value of `key`; a missing one is a mistake.
    pub fn required<T: FromToml>(&mut self, key: &'static str) -> Option<T> {
        let path = self.path_of(key);
        match self.take(key) {
            Some(value) => self.convert(path, value),
            None => {
                self.problems
                    .add(self.at, path, format!("missing; expected {}", T::EXPECTED));
                None
            }
        }
    }

    /// The value of `key` if it is there. A wrong one is a mistake and reads as missing.
    pub fn optional<T: FromToml>(&mut self, key: &'static str) -> Option<T> {
        let path = self.path_of(key);
        let value = self.take(key)?;
        self.convert(path, value)
    }

    /// The table under `key`, if it is there.
    pub fn table<T>(
        &mut self,
        key: &'static str,
        take: impl FnOnce(&mut Table<'_>) -> Option<T>,
    ) -> Option<T> {
        let path = self.path_of(key);
        let value = self.take(key)?;
        self.inner(path, value, take)
    }

    /// Every table of the array of tables under `key`; empty if there is none.
    pub fn tables<T>(
        &mut self,
        key: &'static str,
        mut take: impl FnMut(&mut Table<'_>) -> Option<T>,
    ) -> Vec<T> {
        let path = self.path_of(key);
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let DeValue::Array(array) = value.get_ref() else {
            self.problems.add(
                value.span().start,
                path,
                "expected an array of tables".into(),
            );
            return Vec::new();
        };
        let entries = array.iter().enumerate();
        entries
            .filter_map(|(index, entry)| self.inner(format!("{path}[{index}]"), entry, &mut take))
            .collect()
    }

    fn inner<T>(
        &self,
        path: String,
        value: &'d Spanned<DeValue<'d>>,
        take: impl FnOnce(&mut Table<'_>) -> Option<T>,
    ) -> Option<T> {
        let DeValue::Table(table) = value.get_ref() else {
            self.problems
                .add(value.span().start, path, "expected a table".into());
            return None;
        };
        Table::new(self.problems, path, value.span().start, table).read(take)
    }

    fn convert<T: FromToml>(&self, path: String, value: &Spanned<DeValue<'_>>) -> Option<T> {
        match T::from_toml(value.get_ref()) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problems.add(value.span().start, path, message);
                None
            }
        }
    }
}

/// A value that can be written in TOML.
pub trait FromToml: Sized {
    /// What to write, for error messages: "a number from 0 to 65535".
    const EXPECTED: &'static str;
    /// Converts the value, or says what is wrong with it.
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String>;
}

impl FromToml for String {
    const EXPECTED: &'static str = "a text in quotes";

    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| expected::<Self>(value))
    }
}

impl FromToml for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| expected::<Self>(value))
    }
}

impl FromToml for PathBuf {
    const EXPECTED: &'static str = "a path in quotes";

    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        value
            .as_str()
            .map(Self::from)
            .ok_or_else(|| expected::<Self>(value))
    }
}

macro_rules! from_toml_integer {
    ($($type:ty: $expected:literal),*) => {$(
        impl FromToml for $type {
            const EXPECTED: &'static str = $expected;

            fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
                let integer = value.as_integer().ok_or_else(|| expected::<Self>(value))?;
                Self::from_str_radix(integer.as_str(), integer.radix())
                    .map_err(|_| format!("expected {}", Self::EXPECTED))
            }
        }
    )*};
}
from_toml_integer!(
    u16: "a whole number from 0 to 65535",
    u32: "a whole number from 0 to 4294967295",
    u64: "a whole number from 0",
    usize: "a whole number from 0"
);

impl<T: FromToml> FromToml for Vec<T> {
    const EXPECTED: &'static str = "a list in brackets";

    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let array = value.as_array().ok_or_else(|| expected::<Self>(value))?;
        array
            .iter()
            .map(|entry| T::from_toml(entry.get_ref()))
            .collect()
    }
}

/// Makes a type that is written as text readable, by its `FromStr`.
#[macro_export]
macro_rules! from_toml_text {
    ($($type:ty: $expected:literal),* $(,)?) => {$(
        impl $crate::file::reader::FromToml for $type {
            const EXPECTED: &'static str = $expected;

            fn from_toml(value: &$crate::file::reader::DeValue<'_>) -> Result<Self, String> {
                let text = value
                    .as_str()
                    .ok_or_else(|| format!("expected {}, found {}", $expected, value.type_str()))?;
                text.parse().map_err(|error| format!("'{text}': {error}; expected {}", $expected))
            }
        }
    )*};
}

from_toml_text!(
    SocketAddr: "an address with a port, as \"192.0.2.1:443\" or \"[2001:db8::1]:443\"",
    crate::id::BoardName: "a board's name",
    crate::id::ComputerId: "a computer ID",
    crate::id::PublicKey: "a public key (32 bytes of base64)",
);

fn expected<T: FromToml>(value: &DeValue<'_>) -> String {
    format!("expected {}, found {}", T::EXPECTED, value.type_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Sample {
        name: String,
        port: u16,
        ranges: Vec<u32>,
    }

    fn sample(source: &str) -> Result<Sample, Problems> {
        read(source, |top| {
            let name = top.required("name");
            let port = top.optional("port").unwrap_or(443);
            let ranges = top.tables("range", |range| range.required("size"));
            Some(Sample {
                name: name?,
                port,
                ranges,
            })
        })
    }

    #[test]
    fn reads_what_is_there_and_defaults_the_rest() {
        let read = sample("name = \"a\"\n[[range]]\nsize = 3\n[[range]]\nsize = 0x10\n");

        let expected = Sample {
            name: "a".into(),
            port: 443,
            ranges: vec![3, 16],
        };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn tells_every_problem_with_its_line_and_path() {
        let problems = sample("port = 65536\nnmae = 1\n[[range]]\nsize = \"x\"\nweight = 2\n");

        let lines: Vec<String> = problems
            .expect_err("is wrong")
            .0
            .iter()
            .map(Problem::to_string)
            .collect();
        let expected = [
            "line 1: name: missing; expected a text in quotes",
            "line 1: port: expected a whole number from 0 to 65535",
            "line 2: nmae: unknown key; known here: name, port, range",
            "line 4: range[0].size: expected a whole number from 0 to 4294967295, found string",
            "line 5: range[0].weight: unknown key; known here: size",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn tells_mistakes_of_syntax_with_their_line() {
        let problems = sample("name = \"a\"\nport = = 3\n").expect_err("is wrong");

        assert_eq!(problems.0[0].line, 2);
    }
}
