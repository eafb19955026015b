//! sozu as a TCP proxy.

use super::{Place, Recipe, path, words};

pub(super) fn recipe(place: &Place<'_>) -> Recipe {
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
        socket = path(place.folder, "command.sock"),
        threads = place.threads,
        connections = place.connections,
        // One for each direction.
        buffers = 2 * place.connections,
        front = place.front,
        back = place.back,
    );
    Recipe {
        files: vec![("sozu.toml", config)],
        makers: Vec::new(),
        relay: words(["sozu", "start", "-c", &path(place.folder, "sozu.toml")]),
        helper: None,
    }
}
