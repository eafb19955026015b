//! How a person leaves full screen. Each viewer has keys of its own for that, and on a full screen
//! nobody else at home hears of keys. A host in user mode does, and minimizes the viewer by way of
//! the client where that can do it (`client/full_screen.rs`): on Windows.

use std::path::Path;

use super::Language;

/// What to tell somebody whose viewer takes the whole screen; `None` where it does not, or where
/// its keys are not known here.
pub fn how_to_leave<'a>(
    viewer: &str,
    mut arguments: impl Iterator<Item = &'a String>,
    language: Language,
) -> Option<&'static str> {
    let is_full = |argument: &'a String| ["/f", "+f"].contains(&argument.to_lowercase().as_str());
    if !arguments.any(is_full) {
        return None;
    }
    let name = Path::new(viewer).file_stem()?.to_str()?.to_lowercase();
    let (english, japanese) = if name == "mstsc" {
        (
            "To leave full screen: Ctrl+Alt+Break. Without such a key: the bar at the top edge; \
             Ctrl+Alt+Home gets there. Where the desktop of whoever is logged on is shared, \
             Ctrl+Alt+Shift+F minimizes it.",
            "全画面表示を終えるには：Ctrl+Alt+Break（Pause）を押してください。このキーがないときは、\
             画面上端のバーを使ってください（Ctrl+Alt+Home で移動できます）。サインイン中の\
             デスクトップを共有しているときは、Ctrl+Alt+Shift+F で最小化できます。",
        )
    } else if name.contains("freerdp") {
        (
            "To leave full screen: Ctrl+Alt+Enter.",
            "全画面表示を終えるには：Ctrl+Alt+Enter を押してください。",
        )
    } else {
        return None;
    };
    Some(language.pick(english, japanese))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_those_of_the_viewer_and_told_only_where_it_fills_the_screen() {
        let told = |viewer, arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
            [Language::English, Language::Japanese]
                .map(|language| how_to_leave(viewer, arguments.iter(), language))
        };

        for (viewer, arguments, keys) in [
            ("mstsc", &["/multimon", "/f"][..], "Ctrl+Alt+Break"),
            ("MSTSC.EXE", &["/F"], "Ctrl+Alt+Shift+F"),
            ("/usr/bin/xfreerdp", &["/f"], "Ctrl+Alt+Enter"),
            ("xfreerdp3", &["+f"], "Ctrl+Alt+Enter"),
        ] {
            let [english, japanese] = told(viewer, arguments).map(Option::unwrap_or_default);
            assert!(
                english.contains(keys) && japanese.contains(keys),
                "{viewer}"
            );
            assert_ne!(english, japanese);
        }
        for (viewer, arguments) in [
            ("mstsc", &["/multimon", "/floatbar"][..]),
            ("other", &["/f"]),
        ] {
            assert_eq!(told(viewer, arguments), [None, None], "{viewer}");
        }
    }
}
