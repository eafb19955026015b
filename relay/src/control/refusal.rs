//! The refusals that the board itself gives, in boxes: they are large and rare.

use protocol::refusal::{Contact, Refusal, RefusalCode};

use crate::limits;

/// Come back whenever you like.
pub(super) fn plain(code: RefusalCode) -> Box<Refusal> {
    Box::new(code.into())
}

/// Come back in a moment.
pub(super) fn soon(code: RefusalCode) -> Box<Refusal> {
    Box::new(Refusal::from(code).retry_after(limits::RETRY_SOON))
}

/// Do not come back before something has changed.
pub(super) fn never(code: RefusalCode) -> Box<Refusal> {
    Box::new(Refusal {
        retry_after_s: u32::MAX,
        ..code.into()
    })
}

/// The operator bars your address; ask there why.
pub(super) fn barred(contact: Contact) -> Box<Refusal> {
    Box::new(Refusal {
        contact,
        ..*never(RefusalCode::Barred)
    })
}
