//! Which node file a board goes by: the card's, or the last good one. No I/O here.
//!
//! The card's wins, unless it is an older one of the same deployment: so a file that is put on the
//! card is taken, and an old card that is found in a drawer does not turn a board back.

use std::time::SystemTime;

use protocol::file::node::NodeFile;
use tasuki_relay::config::check_node;

/// Mistakes of one file to tell: consoles are slow, and nobody reads more.
const MISTAKES_MAX: usize = 20;

/// A file on the card that looks like a node file.
#[derive(Debug, Clone)]
pub struct CardFile {
    pub name: String,
    /// Its text, or why there is none.
    pub text: Result<String, String>,
}

/// The node file that the board goes by.
#[derive(Debug, PartialEq, Eq)]
pub struct Chosen {
    pub node: NodeFile,
    pub text: String,
    /// The card's file has to be kept as the last good one.
    pub is_new: bool,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// None: the board cannot serve.
    pub chosen: Option<Chosen>,
    /// What is wrong with the card, one line each; empty: nothing.
    pub problems: Vec<String>,
}

/// Whether a file of that name is looked at. Windows hides `.txt`, and some editors add it; macOS
/// writes a `._NAME` beside each file that it copies.
pub fn is_node_file(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let stem = name.strip_suffix(".txt").unwrap_or(&name);
    !stem.starts_with('.') && (stem == "node.toml" || stem.ends_with(".node.toml"))
}

/// Chooses. `card` holds the files of `CONFIG`, or says why it cannot be read.
pub fn choose(
    card: Result<Vec<CardFile>, String>,
    last_good: Option<&str>,
    now: SystemTime,
) -> Choice {
    let mut problems = Vec::new();
    let card = newest(card, now, &mut problems);
    let last = last_good.and_then(|text| {
        let (node, _) = check_node(text, now).ok()?;
        Some(Chosen {
            node,
            text: text.to_owned(),
            is_new: false,
        })
    });
    let chosen = match (card, last) {
        (Some((name, card)), Some(last)) if is_older(&card.node, &last.node) => {
            problems.push(format!(
                "{name}: has generation {}, and this board already used generation {} of the \
                 same deployment; make a new file with `tasuki node renew`",
                card.node.generation, last.node.generation
            ));
            Some(last)
        }
        (Some((_, card)), Some(last)) if card.text == last.text => Some(last),
        (Some((_, card)), _) => Some(card),
        (None, last) => last,
    };
    Choice { chosen, problems }
}

fn is_older(card: &NodeFile, last: &NodeFile) -> bool {
    card.deployment == last.deployment
        && card.registrar == last.registrar
        && card.generation < last.generation
}

/// The newest good file on the card, with its name.
fn newest(
    card: Result<Vec<CardFile>, String>,
    now: SystemTime,
    problems: &mut Vec<String>,
) -> Option<(String, Chosen)> {
    let files = match card {
        Ok(files) => files,
        Err(error) => {
            problems.push(format!("the partition CONFIG cannot be read: {error}"));
            return None;
        }
    };
    if files.is_empty() {
        problems.push(
            "there is no node file here: copy the one that `tasuki node add` wrote, \
             its name ends in .node.toml"
                .to_owned(),
        );
    }
    let mut good = Vec::new();
    for CardFile { name, text } in files {
        match text.map(|text| (check_node(&text, now), text)) {
            Ok((Ok((node, _)), text)) => {
                let chosen = Chosen {
                    node,
                    text,
                    is_new: true,
                };
                good.push((name, chosen));
            }
            Ok((Err(mistakes), _)) => {
                let told = mistakes.0.iter().take(MISTAKES_MAX);
                problems.extend(told.map(|it| format!("{name}: {it}")));
                let left = mistakes.0.len().saturating_sub(MISTAKES_MAX);
                if left > 0 {
                    problems.push(format!("{name}: {left} more mistakes; is it a node file?"));
                }
            }
            Err(error) => problems.push(format!("{name}: {error}")),
        }
    }
    let (first, first_file) = good.first()?;
    if let Some((second, _)) = good
        .iter()
        .find(|(_, file)| file.node.name != first_file.node.name)
    {
        problems.push(format!(
            "{first} and {second} are of different boards: leave only this board's file here"
        ));
        return None;
    }
    good.into_iter()
        .max_by_key(|(_, file)| file.node.generation)
}

/// What stands in `ERROR.txt`, for whoever opens the card on a PC.
pub fn error_lines(choice: &Choice) -> Vec<String> {
    if choice.problems.is_empty() {
        return Vec::new();
    }
    let state = match &choice.chosen {
        Some(Chosen { node, is_new, .. }) => format!(
            "The board goes on with {} of {}, generation {}, {}.",
            node.name,
            node.deployment,
            node.generation,
            if *is_new {
                "from this card"
            } else {
                "which it kept"
            }
        ),
        None => "The board has no good node file and serves nobody.".to_owned(),
    };
    let mut lines = vec![
        // The mark tells Notepad that it is UTF-8.
        "\u{feff}Something is wrong with this card. / このカードの設定に問題があります。"
            .to_owned(),
        String::new(),
    ];
    lines.extend_from_slice(&choice.problems);
    lines.extend([
        String::new(),
        state,
        "Correct that and start the board again; this file goes away by itself.".to_owned(),
        "直してから再起動してください。このファイルは自動的に消えます。".to_owned(),
    ]);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_and_their_systems_give_to_a_node_file_are_known() {
        for name in [
            "node.toml",
            "NODE.TOML",
            "tokyo-1.node.toml",
            "tokyo-1.node.toml.txt",
        ] {
            assert!(is_node_file(name), "{name}");
        }
        for name in [
            "._node.toml",
            "._tokyo-1.node.toml",
            "README.txt",
            "anode.toml",
        ] {
            assert!(!is_node_file(name), "{name}");
        }
    }

    #[test]
    fn of_a_file_that_is_no_node_file_at_all_some_mistakes_are_told() {
        let text: String = (0..5_000).map(|it| format!("key{it} = 1\n")).collect();
        let file = CardFile {
            name: "node.toml".to_owned(),
            text: Ok(text),
        };
        let choice = choose(Ok(vec![file]), None, SystemTime::UNIX_EPOCH);
        assert_eq!(choice.problems.len(), MISTAKES_MAX + 1);
        let last = choice.problems.last().expect("has some");
        assert!(
            last.ends_with("more mistakes; is it a node file?"),
            "{last}"
        );
    }
}
