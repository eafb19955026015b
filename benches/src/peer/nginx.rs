//! nginx as a stream proxy.

use super::{Place, Recipe, path, words};

pub(super) fn recipe(place: &Place<'_>) -> Recipe {
    // Without half-close it would end both directions with the first.
    let config = format!(
        "daemon off;\n\
         worker_processes {threads};\n\
         pid {folder}/nginx.pid;\n\
         error_log stderr crit;\n\
         include /etc/nginx/modules-enabled/*stream.conf;\n\
         events {{\n    \
             worker_connections {connections};\n    \
             use epoll;\n\
         }}\n\
         stream {{\n    \
             server {{\n        \
                 listen {front};\n        \
                 proxy_pass {back};\n        \
                 proxy_half_close on;\n        \
                 proxy_timeout 24h;\n    \
             }}\n\
         }}\n",
        // Both ends of a session count.
        connections = 2 * place.connections,
        threads = place.threads,
        folder = place.folder.display(),
        front = place.front,
        back = place.back,
    );
    let config_path = path(place.folder, "nginx.conf");
    Recipe {
        files: vec![("nginx.conf", config)],
        makers: Vec::new(),
        relay: words(["nginx", "-e", "stderr", "-c", &config_path]),
        helper: None,
    }
}
