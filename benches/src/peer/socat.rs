//! socat: a process for each session.

use super::{Place, Recipe, words};

pub(super) fn recipe(place: &Place<'_>) -> Recipe {
    let listen = format!(
        "TCP4-LISTEN:{},bind={},fork,reuseaddr,nodelay,backlog=1024",
        place.front.port(),
        place.front.ip()
    );
    let connect = format!("TCP4:{},nodelay", place.back);
    Recipe {
        files: Vec::new(),
        makers: Vec::new(),
        // By default a half-closed session has half a second left.
        relay: words(["socat", "-t", "86400", "-b", "65536", &listen, &connect]),
        helper: None,
    }
}
