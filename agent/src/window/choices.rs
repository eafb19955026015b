//! What a person can choose for the desktop.

use crate::client::{Redirection, Redirections};

/// One box to tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    FullScreen,
    AllDisplays,
    Redirect(Redirection),
}

impl Choice {
    /// In the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::FullScreen,
        Self::AllDisplays,
        Self::Redirect(Redirection::Sound),
        Self::Redirect(Redirection::Microphone),
        Self::Redirect(Redirection::Camera),
        Self::Redirect(Redirection::Printers),
        Self::Redirect(Redirection::Drives),
        Self::Redirect(Redirection::Clipboard),
    ];

    /// Whether it is ticked as long as nobody says otherwise: nearly everybody wants these two,
    /// and each of the others lends more of this PC than many would expect.
    pub fn is_usual(self) -> bool {
        matches!(
            self,
            Self::Redirect(Redirection::Sound | Redirection::Clipboard)
        )
    }

    /// What the viewer is told; `mstsc` and FreeRDP say it alike.
    fn argument(self) -> Option<&'static str> {
        match self {
            Self::FullScreen => Some("/f"),
            Self::AllDisplays => Some("/multimon"),
            Self::Redirect(_) => None,
        }
    }
}

/// The boxes that are ticked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices(pub Vec<Choice>);

impl Choices {
    /// What the viewer is told.
    pub(super) fn arguments(&self) -> Vec<String> {
        self.0
            .iter()
            .filter_map(|choice| choice.argument().map(str::to_owned))
            .collect()
    }

    /// What of this PC the office PC may use.
    pub(super) fn redirections(&self) -> Redirections {
        let wanted = self.0.iter().filter_map(|choice| match choice {
            Choice::Redirect(redirection) => Some(*redirection),
            Choice::FullScreen | Choice::AllDisplays => None,
        });
        Redirections(wanted.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_redirection_has_a_box_and_says_what_it_is() {
        let boxes = Choices(Choice::ALL.to_vec());

        assert_eq!(boxes.redirections().0, Redirection::ALL);
        assert_eq!(boxes.arguments(), ["/f", "/multimon"]);
        assert_eq!(Choices::default().redirections(), Redirections::default());
    }
}
