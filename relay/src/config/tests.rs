//! Whole configurations, as an operator would write them.

use std::time::Duration;

use data_encoding::BASE64;
use protocol::sign::SigningKey;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::*;
use crate::limits;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A folder with a node file in it, and what went into that.
struct Deployment {
    directory: tempfile::TempDir,
    ca: String,
    board: String,
    key: String,
}

impl Deployment {
    fn new() -> Self {
        let ed25519 = || KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params
            .distinguished_name
            .push(DnType::CommonName, "Tasuki CA of test");
        let ca = CertifiedIssuer::self_signed(params, ed25519()).expect("a CA");
        let key = ed25519();
        let names = vec!["board.tasuki".to_owned(), "alpha.board.tasuki".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        let now = SystemTime::now();
        params.not_before = (now - DAY).into();
        params.not_after = (now + 100 * DAY).into();
        let board = params.signed_by(&key, &ca).expect("a certificate");
        let directory = tempfile::tempdir().expect("a directory");
        let deployment = Self {
            directory,
            ca: ca.pem(),
            board: board.pem(),
            key: key.serialize_pem(),
        };
        deployment.write(|node| node);
        deployment
    }

    /// Writes the node file, changed by `change`.
    fn write(&self, change: impl FnOnce(String) -> String) {
        let seed = protocol::secret::Secret::new([7; 32]);
        let registrar = SigningKey::from_seed(&seed).expect("a seed").public_key();
        let node = format!(
            "format = 1\ndeployment = \"test\"\ngeneration = 1\nname = \"alpha\"\n\
             addresses = [\"relay.example:443\"]\nregistrar = [\"{registrar}\"]\n\
             certificate = \"\"\"\n{}{}\"\"\"\nkey = \"\"\"\n{}\"\"\"\n\
             [lone]\nregistrar_key = \"{}\"\n",
            self.board,
            self.ca,
            self.key,
            BASE64.encode(&[7; 32]),
        );
        let node = change(node);
        std::fs::write(self.directory.path().join("node.toml"), node).expect("writes");
    }

    fn parse(&self, source: &str) -> Result<Config, Vec<String>> {
        let source = format!("node_file = \"node.toml\"\n{source}");
        let config = Config::parse(&source, self.directory.path(), SystemTime::now());
        config.map_err(|ConfigError(mistakes)| mistakes)
    }

    /// What is wrong with the node file, without its path and the lines in it.
    fn node_mistakes(&self, change: impl FnOnce(String) -> String) -> Vec<String> {
        self.write(change);
        let path = format!("{}: ", self.directory.path().join("node.toml").display());
        let mistakes = self.parse("").expect_err("is wrong");
        mistakes
            .into_iter()
            .map(|mistake| mistake.replace(&path, ""))
            .map(|mistake| match mistake.split_once(": ") {
                Some((line, rest)) if line.starts_with("line ") => rest.to_owned(),
                _ => panic!("no line in: {mistake}"),
            })
            .collect()
    }
}

#[test]
fn everything_but_the_node_file_has_a_default() {
    let config = Deployment::new().parse("").expect("is good");

    assert_eq!(config.node.name.as_str(), "alpha");
    assert_eq!((config.user.as_deref(), config.sandbox), (None, true));
    assert_eq!(config.listen, ["[::]:443".parse().expect("an address")]);
    assert_eq!(
        config.metrics_listen,
        Some("127.0.0.1:9464".parse().expect("an address"))
    );
    assert_eq!(config.control_socket, Path::new(DEFAULT_CONTROL_SOCKET));
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.ping_interval, Duration::from_secs(25));
    assert!(config.bars.is_empty());
    assert_eq!(config.identity.warning(SystemTime::now()), None);
}

#[test]
fn every_key_is_read() {
    let deployment = Deployment::new();
    let config = deployment.parse(
        "listen = [\"192.0.2.1:443\", \"[2001:db8::1]:443\"]\nstate_dir = \"state\"\n\
         control_socket = \"/tmp/s\"\nmetrics_listen = \"none\"\nworkers = 3\n\
         data_path = \"splice\"\nbatching = false\ndrain_deadline = \"5m\"\nping_interval = \"10s\"\n\
         [limits]\nsessions = 10\nhosts = 20\nparked_legs = 30\nmemory_budget = \"64M\"\n\
         unproven_per_address = 40\nclaims_per_range = 50\n\
         [[bar]]\nrange = \"198.51.100.0/24\"\norganisation = \"Example\"\n\
         department = \"IT\"\ncontact = \"it@example.org\"\n",
    );

    let config = config.expect("is good");
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.state_dir, deployment.directory.path().join("state"));
    assert_eq!(config.control_socket, Path::new("/tmp/s"));
    assert_eq!(config.metrics_listen, None);
    assert_eq!((config.workers, config.data_path), (3, DataPath::Splice));
    assert!(!config.batching);
    assert_eq!(config.drain_deadline, Duration::from_secs(300));
    assert_eq!(config.ping_interval, Duration::from_secs(10));
    let limits = Limits {
        sessions: 10,
        hosts: 20,
        parked_legs: 30,
        memory_budget: 64 << 20,
        unproven_per_address: 40,
        claims_per_range: 50,
    };
    assert_eq!(config.limits, limits);
    let bar = |address: &str| config.bar_for(address.parse().expect("an address"));
    assert_eq!(
        bar("::ffff:198.51.100.7").map(|bar| bar.contact.contact.as_str()),
        Some("it@example.org")
    );
    assert_eq!(bar("198.51.101.7"), None);
}

#[test]
fn all_mistakes_in_both_files_are_told_at_once() {
    let deployment = Deployment::new();
    deployment.write(|node| node.replace("generation = 1", "generation = \"one\""));

    let mistakes = deployment.parse(
        "lisen = []\nmetrics_listen = \"0.0.0.0:9464\"\nworkers = 0\nping_interval = \"301s\"\n\
         [limits]\nsesions = 3\n[[bar]]\nrange = \"192.0.2.1/24\"\n",
    );

    let mistakes = mistakes.expect_err("is wrong");
    let found = |text: &str| {
        mistakes
            .iter()
            .filter(|mistake| mistake.contains(text))
            .count()
    };
    for expected in [
        "relay.toml: line 2: lisen: unknown key",
        "relay.toml: line 3: metrics_listen: must be a loopback address",
        "relay.toml: line 4: workers: must be 1 to 16",
        "relay.toml: line 5: ping_interval: must be 1s to 300s",
        "relay.toml: line 7: limits.sesions: unknown key",
        "relay.toml: line 9: bar[0].range: '192.0.2.1/24': has bits set behind the prefix",
        "node.toml: line 3: generation: expected a whole number",
    ] {
        assert_eq!(found(expected), 1, "{expected} in {mistakes:#?}");
    }
    assert_eq!(mistakes.len(), 7, "{mistakes:#?}");
}

#[test]
fn bounds_hold_at_the_limit_and_one_past_it() {
    let deployment = Deployment::new();
    let listen = |count: usize| {
        let addresses: Vec<String> = (0..count)
            .map(|last| format!("\"192.0.2.{last}:443\""))
            .collect();
        deployment
            .parse(&format!("listen = [{}]", addresses.join(",")))
            .is_ok()
    };
    assert!(!listen(0));
    assert!(listen(limits::LISTENERS_MAX));
    assert!(!listen(limits::LISTENERS_MAX + 1));
    assert!(
        deployment
            .parse("listen = [\"192.0.2.1:443\", \"192.0.2.1:443\"]")
            .is_err()
    );

    let socket = |length: usize| {
        deployment
            .parse(&format!("control_socket = \"/{}\"", "s".repeat(length - 1)))
            .is_ok()
    };
    assert!(socket(limits::SOCKET_PATH_MAX));
    assert!(!socket(limits::SOCKET_PATH_MAX + 1));

    let contact = |length: usize| {
        let contact = "x".repeat(length);
        deployment
            .parse(&format!(
                "[[bar]]\nrange = \"::/0\"\ncontact = \"{contact}\""
            ))
            .is_ok()
    };
    assert!(contact(120));
    assert!(!contact(121));
}

#[test]
fn a_node_file_must_fit_together() {
    let deployment = Deployment::new();
    let stranger = Deployment::new();

    assert_eq!(
        deployment.node_mistakes(|node| node.replace(&deployment.key, &stranger.key)),
        ["key: does not belong to the certificate"]
    );
    assert_eq!(
        deployment.node_mistakes(|node| node.replace("name = \"alpha\"", "name = \"beta\"")),
        ["certificate: is for board.tasuki, alpha.board.tasuki, not for board beta"]
    );
    let foreign = deployment.node_mistakes(|node| node.replace(&deployment.ca, &stranger.ca));
    assert!(
        foreign[0].starts_with("certificate: the chain is wrong"),
        "{foreign:?}"
    );
    assert_eq!(foreign.len(), 1);
    let key = BASE64.encode(&[8; 32]);
    assert_eq!(
        deployment.node_mistakes(|node| node.replace(&BASE64.encode(&[7; 32]), &key)),
        ["lone.registrar_key: its public half is not among the registrar's keys"]
    );
    for wrong in [
        "relay.example",
        ":443",
        "relay.example:0",
        "re lay:443",
        "2001:db8::1:443",
    ] {
        let mistakes = deployment.node_mistakes(|node| node.replace("relay.example:443", wrong));
        assert_eq!(mistakes, [format!("addresses: '{wrong}' is not host:port")]);
    }
    let fleet =
        deployment.node_mistakes(|node| node.split("[lone]").next().unwrap_or("").to_owned());
    assert!(fleet[0].starts_with("lone: is missing"), "{fleet:?}");

    deployment.write(|node| node.replace(&deployment.ca, ""));
    assert!(deployment.parse("").is_ok(), "the CA may stay out");
}

#[test]
fn a_mistake_of_the_identity_is_told_with_its_line() {
    let deployment = Deployment::new();
    let other = BASE64.encode(&[8; 32]);
    deployment.write(|node| node.replace(&BASE64.encode(&[7; 32]), &other));
    let path = deployment.directory.path().join("node.toml");
    let text = std::fs::read_to_string(path).expect("reads");
    let at = text.lines().position(|line| line.contains(&other));

    let told = deployment.parse("").expect_err("is wrong");

    let place = format!(": line {}: lone.registrar_key: ", at.expect("is there") + 1);
    assert!(told[0].contains(&place), "{told:?}");
}

#[test]
fn dates_are_warnings() {
    let config = Deployment::new().parse("").expect("is good");
    let warning = |now: SystemTime| config.identity.warning(now).unwrap_or_default();
    let end = config.identity.not_after;

    assert_eq!(warning(end - 30 * DAY), "");
    let soon = warning(end - 30 * DAY + Duration::from_secs(1));
    assert!(soon.starts_with("certificate expires in 29 days"), "{soon}");
    assert!(warning(end + DAY).starts_with("certificate has expired"));
    assert!(warning(SystemTime::UNIX_EPOCH).contains("clock is wrong"));
}

#[test]
fn a_running_relay_takes_a_renewed_node_file_but_no_other_name() {
    let deployment = Deployment::new();
    deployment.parse("").expect("is good");
    let source = "node_file = \"node.toml\"\n";
    std::fs::write(deployment.directory.path().join("relay.toml"), source).expect("writes");
    let config = deployment.parse("").expect("is good");
    let now = SystemTime::now();

    deployment.write(|node| node.replace("relay.example:443", "other.example:443"));
    let change = config.reread(now).expect("is renewed");
    assert_eq!(change.config.node.addresses, ["other.example:443"]);
    assert_eq!(change.taken, ["the node file's addresses"]);

    deployment.write(|node| node.replace("deployment = \"test\"", "deployment = \"other\""));
    let refused = config.reread(now).expect_err("is another board");
    assert!(
        refused
            .to_string()
            .contains("a running relay stays board alpha of test"),
        "{refused}"
    );
}

/// Each key, changed alone, is either taken over or named as one that needs a restart.
#[test]
fn no_key_is_forgotten_by_a_reload() {
    let deployment = Deployment::new();
    let config = deployment.parse("").expect("is good");
    let other_node = deployment.directory.path().join("other.toml");
    std::fs::copy(deployment.directory.path().join("node.toml"), other_node).expect("copies");
    let keys = [
        ("listen = [\"127.0.0.1:1\"]", None, Some("listen")),
        ("user = \"nobody\"", None, Some("user")),
        ("sandbox = false", None, Some("sandbox")),
        ("state_dir = \"s\"", None, Some("state_dir")),
        ("control_socket = \"c\"", None, Some("control_socket")),
        ("metrics_listen = \"none\"", None, Some("metrics_listen")),
        ("workers = 15", None, Some("workers")),
        ("data_path = \"copy\"", None, Some("data_path")),
        ("batching = false", None, Some("batching")),
        ("drain_deadline = \"7s\"", Some("drain_deadline"), None),
        ("ping_interval = \"7s\"", Some("ping_interval"), None),
        ("[limits]\nsessions = 7", None, Some("limits.sessions")),
        ("[limits]\nhosts = 7", Some("limits.hosts"), None),
        (
            "[limits]\nparked_legs = 7",
            Some("limits.parked_legs"),
            None,
        ),
        (
            "[limits]\nmemory_budget = \"256M\"",
            None,
            Some("limits.memory_budget"),
        ),
        (
            "[limits]\nunproven_per_address = 7",
            Some("limits.unproven_per_address"),
            None,
        ),
        (
            "[limits]\nclaims_per_range = 7",
            Some("limits.claims_per_range"),
            None,
        ),
        ("[[bar]]\nrange = \"192.0.2.0/24\"", Some("bar"), None),
    ];
    for (line, taken, waiting) in keys {
        let new = deployment.parse(line).expect("is good");

        let change = config.change_to(new.clone());

        assert_eq!(change.taken.first().copied(), taken, "{line}");
        assert_eq!(change.waiting.first().copied(), waiting, "{line}");
        assert_eq!(change.taken.len() + change.waiting.len(), 1, "{line}");
        // What waits is the old value still, so that it is named at the next reload as well.
        let again = change.config.change_to(new);
        assert_eq!(
            (again.taken.len(), again.waiting.first().copied()),
            (0, waiting),
            "{line}"
        );
    }
}

#[test]
fn a_budget_that_the_data_plane_would_refuse_is_told_in_time() {
    let mistakes = Deployment::new().parse("[limits]\nmemory_budget = \"30M\"");

    let told = mistakes.expect_err("is too little").join("\n");
    assert!(
        told.contains("line 3: limits.memory_budget: 31457280 bytes are too few"),
        "{told}"
    );
}
