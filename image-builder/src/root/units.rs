//! Which units start by themselves: what `systemctl preset-all` would do, done to a tree.
//!
//! Only presets of our own count (`systemd/90-tasuki.preset`): what Debian's packages would switch
//! on is nothing that an image wants by default.

use super::{Entry, Kind, Tree, TreeError};
use crate::glob::matches;

const UNITS: &str = "usr/lib/systemd/system";
const ENABLED: &str = "etc/systemd/system";
const PRESETS: &str = "usr/lib/systemd/system-preset";
const DEFAULT_TARGET: &str = "multi-user.target";

/// Why units could not be enabled.
#[derive(Debug, thiserror::Error)]
pub enum UnitsError {
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("{file}: enables {unit}, which is not there")]
    NoUnit { file: String, unit: String },
    #[error("{file}: '{line}' is none of enable UNIT, disable PATTERN")]
    Line { file: String, line: String },
}

/// One line of a preset file.
struct Rule {
    enable: bool,
    pattern: String,
}

/// Enables what the presets say; units that no line names stay off.
pub fn enable(tree: &mut Tree) -> Result<(), UnitsError> {
    let mut rules = Vec::new();
    let files: Vec<String> = tree
        .below(PRESETS)
        .map(|(path, _)| path.to_owned())
        .collect();
    for file in files {
        for rule in parse(&file, tree.read_text(&file)?)? {
            let exact = !rule.pattern.contains('*');
            if rule.enable && exact && !tree.contains(&template_path(&rule.pattern)) {
                let unit = rule.pattern;
                return Err(UnitsError::NoUnit { file, unit });
            }
            rules.push(rule);
        }
    }
    for unit in candidates(tree, &rules) {
        let rule = rules.iter().find(|rule| matches(&rule.pattern, &unit));
        if rule.is_some_and(|rule| rule.enable) {
            install(tree, &unit)?;
        }
    }
    let target = format!("/{UNITS}/{DEFAULT_TARGET}");
    tree.insert(&format!("{ENABLED}/default.target"), Entry::link(target))?;
    Ok(())
}

fn parse(file: &str, text: &str) -> Result<Vec<Rule>, UnitsError> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
        .map(|line| {
            let refused = || UnitsError::Line {
                file: file.to_owned(),
                line: line.to_owned(),
            };
            let (verb, pattern) = line.split_once(' ').ok_or_else(refused)?;
            let enable = match verb {
                "enable" => true,
                "disable" => false,
                _ => return Err(refused()),
            };
            let pattern = pattern.trim().to_owned();
            Ok(Rule { enable, pattern })
        })
        .collect()
}

/// All units that a rule may name: those that are files, and the instances that rules spell out.
fn candidates(tree: &Tree, rules: &[Rule]) -> Vec<String> {
    let files = tree
        .below(UNITS)
        .filter(|(_, entry)| matches!(entry.kind, Kind::File(_)))
        .filter_map(|(path, _)| path.strip_prefix(UNITS)?.strip_prefix('/'))
        // What lies deeper is a drop-in.
        .filter(|name| !name.contains('/') && !name.contains("@."))
        .map(str::to_owned);
    let mut names: Vec<String> = files.collect();
    let spelt = rules.iter().map(|rule| &rule.pattern);
    names.extend(
        spelt
            .filter(|name| name.contains('@') && !name.contains('*'))
            .cloned(),
    );
    names
}

/// The file of a unit; that of its template for `name@instance.service`.
fn template_path(unit: &str) -> String {
    match (unit.split_once('@'), unit.rsplit_once('.')) {
        (Some((name, _)), Some((_, kind))) => format!("{UNITS}/{name}@.{kind}"),
        _ => format!("{UNITS}/{unit}"),
    }
}

/// Makes the links that the section `[Install]` of a unit asks for.
fn install(tree: &mut Tree, unit: &str) -> Result<(), UnitsError> {
    let file = template_path(unit);
    let text = tree.read_text(&file)?.to_owned();
    let target = format!("/{file}");
    let install = text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[Install]")
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    for (key, value) in install.filter_map(|line| line.split_once('=')) {
        for name in value.split_whitespace() {
            let place = match key.trim() {
                "WantedBy" => format!("{name}.wants/{unit}"),
                "RequiredBy" => format!("{name}.requires/{unit}"),
                "UpheldBy" => format!("{name}.upholds/{unit}"),
                "Alias" => name.to_owned(),
                // `Also=` names units that the presets say yes or no to themselves.
                _ => continue,
            };
            tree.insert(&format!("{ENABLED}/{place}"), Entry::link(&target))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn enabled(preset: &str) -> Result<Vec<String>, UnitsError> {
        let mut tree = Tree::new(Timestamp::UNIX_EPOCH);
        let wanted =
            "[Unit]\nWantedBy=no\n[Install]\nWantedBy=a.target b.target\nAlias=c.service\n";
        for (path, text) in [
            ("usr/lib/systemd/system/one.service", wanted),
            (
                "usr/lib/systemd/system/two.socket",
                "[Install]\nRequiredBy=a.target\n",
            ),
            (
                "usr/lib/systemd/system/many@.service",
                "[Install]\nWantedBy=a.target\n",
            ),
            ("usr/lib/systemd/system/one.service.d/x.conf", wanted),
            ("usr/lib/systemd/system-preset/90-a.preset", preset),
        ] {
            tree.insert(path, Entry::file(text.as_bytes())).unwrap();
        }
        enable(&mut tree)?;
        let links = tree
            .below("etc/systemd/system")
            .filter_map(|(path, entry)| match &entry.kind {
                Kind::Link(target) => Some(format!("{} {target}", path.split_at(19).1)),
                Kind::Folder | Kind::File(_) => None,
            });
        Ok(links.collect())
    }

    #[test]
    fn the_first_line_that_fits_decides_and_silence_means_off() {
        let only_default = ["default.target /usr/lib/systemd/system/multi-user.target"];

        assert_eq!(enabled("").unwrap(), only_default);
        assert_eq!(
            enabled("disable one.*\nenable one.service\n").unwrap(),
            only_default
        );
    }

    #[test]
    fn an_enabled_unit_is_linked_where_its_install_section_says() {
        let links = enabled("# why\nenable one.service\nenable two.*\ndisable *\n").unwrap();

        let unit = "/usr/lib/systemd/system/one.service";
        assert_eq!(
            links,
            [
                format!(
                    "a.target.requires/two.socket {}",
                    unit.replace("one.service", "two.socket")
                ),
                format!("a.target.wants/one.service {unit}"),
                format!("b.target.wants/one.service {unit}"),
                format!("c.service {unit}"),
                "default.target /usr/lib/systemd/system/multi-user.target".to_owned(),
            ]
        );
    }

    #[test]
    fn an_instance_is_enabled_by_its_full_name() {
        let links = enabled("enable many@tty1.service\n").unwrap();

        assert_eq!(
            links.first().unwrap(),
            "a.target.wants/many@tty1.service /usr/lib/systemd/system/many@.service"
        );
    }

    #[test]
    fn slips_are_told() {
        assert!(
            enabled("enable onne.service\n")
                .unwrap_err()
                .to_string()
                .contains("onne.service")
        );
        assert!(
            enabled("mask one.service\n")
                .unwrap_err()
                .to_string()
                .contains("mask")
        );
    }
}
