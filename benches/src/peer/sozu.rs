//! sozu as a TCP proxy.

use super::{Recipe, Site, path, words};

pub(super) fn recipe(site: &Site<'_>) -> Recipe {
    let config = format!(
        "log_level = \"error\"\n\
         log_target = \"stdout\"\n\
         command_socket = \"{socket}\"\n\
         worker_count = {threads}\n\
         worker_automatic_restart = false\n\
         max_connections = {connections}\n\
         max_buffers = {buffers}\n\
         activate_listeners = true\n\
         \n\
         [[listeners]]\n\
         protocol = \"tcp\"\n\
         address = \"{front}\"\n\
         \n\
         [clusters.bench]\n\
         protocol = \"tcp\"\n\
         frontends = [{{ address = \"{front}\" }}]\n\
         backends = [{{ address = \"{back}\" }}]\n",
        socket = path(site.folder, "command.sock"),
        threads = site.threads,
        connections = site.connections,
        // One for each direction.
        buffers = 2 * site.connections,
        front = site.front,
        back = site.back,
    );
    Recipe {
        files: vec![("sozu.toml", config)],
        makers: Vec::new(),
        relay: words(["sozu", "start", "-c", &path(site.folder, "sozu.toml")]),
        helper: None,
    }
}
