//! stunnel: takes TLS off what comes in; the load's side has one that puts it on.

use super::{Place, Recipe, path, words};

pub(super) fn recipe(place: &Place<'_>) -> Recipe {
    let at = |name| path(place.folder, name);
    let common = "foreground = yes\npid =\nsyslog = no\ndebug = err\nsocket = l:TCP_NODELAY=1\n\
                  socket = r:TCP_NODELAY=1\n";
    let relay = format!(
        "{common}[relay]\naccept = {}\nconnect = {}\ncert = {}\nkey = {}\n\
         sslVersionMin = TLSv1.3\nTIMEOUTidle = 86400\nTIMEOUTclose = 86400\n",
        place.middle,
        place.back,
        at("certificate.pem"),
        at("key.pem"),
    );
    let helper = format!(
        "{common}[client]\nclient = yes\naccept = {}\nconnect = {}\n\
         sslVersionMin = TLSv1.3\nTIMEOUTidle = 86400\nTIMEOUTclose = 86400\n",
        place.front, place.middle,
    );
    let (certificate, key) = (at("certificate.pem"), at("key.pem"));
    Recipe {
        files: vec![("relay.conf", relay), ("helper.conf", helper)],
        makers: vec![words([
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ed25519",
            "-nodes",
            "-subj",
            "/CN=bench",
            "-days",
            "2",
            "-out",
            &certificate,
            "-keyout",
            &key,
        ])],
        relay: words(["stunnel", &at("relay.conf")]),
        helper: Some(words(["stunnel", &at("helper.conf")])),
    }
}
