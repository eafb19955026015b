//! socat: a process for each session.

use super::{Recipe, Site, words};

pub(super) fn recipe(site: &Site<'_>) -> Recipe {
    let listen = format!(
        "TCP4-LISTEN:{},bind={},fork,reuseaddr,nodelay,backlog=1024",
        site.front.port(),
        site.front.ip()
    );
    let connect = format!("TCP4:{},nodelay", site.back);
    Recipe {
        files: Vec::new(),
        makers: Vec::new(),
        // By default a half-closed session has half a second left.
        relay: words(["socat", "-t", "86400", "-b", "65536", &listen, &connect]),
        helper: None,
    }
}
