//! What a person can choose for the desktop.

/// One box to tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    FullScreen,
    AllDisplays,
}

impl Choice {
    /// In the order in which they are shown.
    pub const ALL: [Self; 2] = [Self::FullScreen, Self::AllDisplays];

    /// What the viewer is told; `mstsc` and FreeRDP say it alike.
    fn argument(self) -> &'static str {
        match self {
            Self::FullScreen => "/f",
            Self::AllDisplays => "/multimon",
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
            .map(|choice| choice.argument().to_owned())
            .collect()
    }
}
