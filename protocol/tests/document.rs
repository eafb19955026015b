//! `docs/PROTOCOL.md` says what the code does: dumps, frame codes, refusals, limits.
//!
//! The parts between `<!-- begin NAME -->` and `<!-- end -->` are compared with what the
//! code says, and written anew by `TASUKI_BLESS=1`.

use std::fs;
use std::path::{Path, PathBuf};

use protocol::refusal::RefusalCode;
use protocol::{board_list, outer, tunnel};

use crate::{golden, samples};

const REFUSALS: &str = include_str!("../src/refusal.rs");

fn document() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/PROTOCOL.md")
}

fn read() -> String {
    fs::read_to_string(document()).expect("docs/PROTOCOL.md")
}

/// Compares the part called `name`, or writes it.
fn hold(text: &mut String, name: &str, expected: &str) {
    let begin = format!("<!-- begin {name} -->\n");
    let start = text.find(&begin).expect(name) + begin.len();
    let length = text[start..].find("<!-- end -->").expect(name);
    if golden::bless() {
        text.replace_range(start..start + length, expected);
    } else {
        assert_eq!(&text[start..start + length], expected, "{name}");
    }
}

/// The doc comment of every refusal, from the source.
fn meanings() -> Vec<(String, String)> {
    let mut meanings = Vec::new();
    let mut comment = String::new();
    for line in REFUSALS.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            comment = text.to_owned();
        } else if let Some((name, _)) = line.split_once(" = ")
            && line.ends_with("\";")
        {
            meanings.push((name.to_owned(), comment.clone()));
        }
    }
    meanings
}

#[test]
fn dumps_and_the_refusal_table_are_what_the_code_says() {
    let mut text = read();

    for sample in samples::all() {
        let dump = format!("```\n{}```\n", golden::dump(&sample.bytes));
        hold(&mut text, &sample.name, &dump);
    }
    let meanings = meanings();
    assert_eq!(meanings.len(), RefusalCode::ALL.len());
    let mut table = "| code | name | label | meaning |\n|---|---|---|---|\n".to_owned();
    for (code, (name, meaning)) in RefusalCode::ALL.iter().zip(&meanings) {
        assert_eq!(&format!("{code:?}"), name);
        let (number, label) = (code.to_u16(), code.label());
        table += &format!("| {number} | `{name}` | `{label}` | {meaning} |\n");
    }
    hold(&mut text, "refusals", &table);

    if golden::bless() {
        fs::write(document(), text).expect("writes");
    }
}

#[test]
fn every_frame_has_its_heading_under_its_code() {
    let text = read();
    let headings: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("#### 0x"))
        .collect();

    let outer = samples::outer();
    let tunnel = samples::tunnel();
    let names = outer
        .iter()
        .map(|frame| frame.name())
        .chain(tunnel.iter().map(|frame| frame.name()));
    let expected: Vec<String> = names
        .zip(samples::all())
        .map(|(name, sample)| format!("#### {:#04x} {name}", sample.bytes[0]))
        .collect();

    assert_eq!(headings, expected);
}

#[test]
fn the_limits_are_the_ones_in_the_code() {
    let text = read();
    for (name, value) in [
        ("outer::FRAME_MAX", outer::FRAME_MAX),
        ("outer::BOARD_LIST_PART_MAX", outer::BOARD_LIST_PART_MAX),
        ("outer::BOARDS_NAMED_MAX", outer::BOARDS_NAMED_MAX),
        ("tunnel::FRAME_MAX", tunnel::FRAME_MAX),
        ("tunnel::DATA_MAX", tunnel::DATA_MAX),
        ("tunnel::STREAMS_MAX", tunnel::STREAMS_MAX),
        ("board_list::BOARD_LIST_MAX", board_list::BOARD_LIST_MAX),
        ("board_list::BOARDS_MAX", board_list::BOARDS_MAX),
        ("board_list::REVOKED_MAX", board_list::REVOKED_MAX),
    ] {
        let row = format!("| `{name}` | {value} |");
        assert!(text.contains(&row), "docs/PROTOCOL.md lacks {row}");
    }
}

/// All Rust source of the repository in one text.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("reads").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, text);
        } else if name.ends_with(".rs") {
            // Somebody may be writing it at this very moment; it is not there then.
            *text += &fs::read_to_string(&path).unwrap_or_default();
        }
    }
}

#[test]
fn the_threat_model_names_files_and_tests_that_exist() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/THREAT_MODEL.md")).expect("is there");
    let mut code = String::new();
    for part in ["protocol", "relay", "agent", "image-builder"] {
        sources(&root.join(part), &mut code);
    }
    let mut tests = 0;
    for name in page.split('`').skip(1).step_by(2) {
        let is_test = name.matches('_').count() > 2
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if is_test {
            assert!(
                code.contains(&format!("fn {name}(")),
                "docs/THREAT_MODEL.md names the test {name}, which is gone: name its successor there"
            );
            tests += 1;
        } else if name.contains('/') {
            assert!(
                root.join(name).exists(),
                "docs/THREAT_MODEL.md names {name}, which is gone: correct it there"
            );
        }
    }
    assert!(tests > 20, "only {tests} tests were found on the page");
}

#[test]
fn no_two_refusals_share_a_number_or_a_label() {
    for (index, code) in RefusalCode::ALL.iter().enumerate() {
        assert_eq!(RefusalCode::from(code.to_u16()), *code);
        let same =
            |other: &&RefusalCode| other.to_u16() == code.to_u16() || other.label() == code.label();
        assert_eq!(RefusalCode::ALL[..index].iter().find(same), None);
    }
}
