//! Offices as they are: a system that knows the proxy, and proxies that do as they are told.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::board::{Board, Ca, Certificate};
use super::proxy::{behind, server, works};
use super::soon;
use crate::config::{Login, Proxy};
use crate::outer::proxy::Way;
use crate::outer::proxy::exempt::Exempt;
use crate::outer::proxy::login::{Logon, Scheme};
use crate::outer::proxy::system::{Script, Settings, System};
use crate::outer::{Outer, OuterError, ProxyRefusal, Target};

/// A system that says what a test wants it to say.
#[derive(Debug, Default)]
pub(super) struct Office {
    settings: Settings,
    /// What the script at an address says, and what the network's own says.
    script: Option<&'static str>,
    network: Option<String>,
    /// The schemes that it can do.
    schemes: Vec<Scheme>,
    /// What it was asked for.
    asked: Mutex<Vec<String>>,
}

impl System for Office {
    fn settings(&self) -> io::Result<Settings> {
        Ok(self.settings.clone())
    }

    fn ask(&self, script: &Script, url: &str) -> io::Result<String> {
        let asked = format!("{script} {url}");
        self.asked.lock().expect("is free").push(asked);
        match script {
            Script::At(_) => self.script.map(str::to_owned),
            Script::OfNetwork => self.network.clone(),
        }
        .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn logon(&self, scheme: Scheme, proxy: &str, login: &Login) -> io::Result<Box<dyn Logon>> {
        if !self.schemes.contains(&scheme) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let asked = format!("{scheme:?} {proxy} {login:?}");
        self.asked.lock().expect("is free").push(asked);
        Ok(Box::new(Echo))
    }
}

/// A login whose first word is "hello"; after that it says the question backwards.
struct Echo;

impl Logon for Echo {
    fn next(&mut self, challenge: &[u8]) -> io::Result<Vec<u8>> {
        Ok(match challenge {
            b"" => b"hello".to_vec(),
            b"mumble" => return Err(io::Error::other("what does it say?")),
            question => question.iter().rev().copied().collect(),
        })
    }
}

/// What a proxy answers to the requests on one connection, one after the other.
pub(super) type Talk = &'static [(&'static str, &'static str)];

/// A proxy that takes one connection for each script: each request must hold a text, and gets an
/// answer; after a "200" the board is joined.
pub(super) async fn strict(board: Option<SocketAddr>, scripts: &'static [Talk]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("is bound");
    tokio::spawn(async move {
        for script in scripts {
            let (stream, _) = listener.accept().await.expect("accepts");
            play(stream, script, board).await;
        }
    });
    address
}

async fn play(mut stream: TcpStream, script: Talk, board: Option<SocketAddr>) {
    for (wanted, answer) in script {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => request.push(byte),
                Err(_) => return,
            }
        }
        let request = String::from_utf8(request).expect("is text");
        let says = request
            .lines()
            .find_map(|line| line.strip_prefix("Proxy-Authorization: "));
        assert_eq!(says.unwrap_or_default(), *wanted, "{request}");
        stream.write_all(answer.as_bytes()).await.expect("answers");
        if answer.contains(" 200 ")
            && let Some(board) = board
        {
            let mut onward = TcpStream::connect(board).await.expect("reaches the board");
            // Ends when either side is done with the test.
            let _ = copy_bidirectional(&mut stream, &mut onward).await;
        }
    }
}

pub(super) const GO: &str = "HTTP/1.1 200 Connection established\r\n\r\n";
pub(super) const WHO: &str = "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Negotiate\r\n\
                   Proxy-Authenticate: NTLM\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\
                   Connection: close\r\n\r\n";
pub(super) fn prepare(ca: &Ca, proxy: Proxy, office: Office) -> (Outer, Arc<Office>) {
    let (entry, options) = behind(ca, proxy);
    let office = Arc::new(office);
    let system: Arc<dyn System> = Arc::<Office>::clone(&office);
    let outer = Outer::with_system(&entry, options, system).expect("is prepared");
    (outer, office)
}

pub(super) fn with(schemes: &[Scheme]) -> Office {
    Office {
        schemes: schemes.to_vec(),
        ..Office::default()
    }
}

/// An agent in an office, and where its board is.
async fn system(office: impl FnOnce(SocketAddr) -> Office) -> (Outer, Arc<Office>, Board) {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let scripts: &[Talk] = &[&[("", GO)], &[("", GO)]];
    let proxy = strict(Some(board.address()), scripts).await;
    let (agent, office) = prepare(&ca, Proxy::default(), office(proxy));
    (agent, office, board)
}

pub(super) fn asked(office: &Office) -> Vec<String> {
    office.asked.lock().expect("is free").clone()
}

#[tokio::test]
async fn what_has_been_set_on_this_pc_is_the_way() {
    let (agent, office, board) = system(|proxy| Office {
        settings: Settings {
            servers: vec![Way::Http(server(proxy, None))],
            detect: true,
            ..Settings::default()
        },
        ..Office::default()
    })
    .await;

    works(&board, &agent).await;

    assert!(asked(&office).is_empty(), "{office:?}");
}

#[tokio::test]
async fn a_script_comes_before_a_server_and_is_asked_for_each_address() {
    let (agent, office, board) = system(|proxy| Office {
        settings: Settings {
            script: Some("http://pac.test/".into()),
            servers: vec![Way::Http(server(
                "127.0.0.1:9".parse().expect("is one"),
                None,
            ))],
            detect: true,
            ..Settings::default()
        },
        script: Some(format!("PROXY {proxy}; DIRECT").leak()),
        ..Office::default()
    })
    .await;

    works(&board, &agent).await;
    works(&board, &agent).await;

    let once = format!("http://pac.test/ https://{}/", super::proxy::NAME);
    assert_eq!(asked(&office), [once.clone(), once]);
}

#[tokio::test]
async fn without_settings_the_way_is_straight_and_then_what_the_network_proposes() {
    let (agent, office, board) = system(|proxy| Office {
        settings: Settings {
            detect: true,
            ..Settings::default()
        },
        network: Some(proxy.to_string()),
        ..Office::default()
    })
    .await;

    // Nobody but the proxy knows the board's name.
    works(&board, &agent).await;

    assert_eq!(asked(&office).len(), 1, "{office:?}");
}

#[tokio::test]
async fn a_proxy_that_only_the_network_has_named_is_told_nobody() {
    let ca = Ca::new("Tasuki CA of test");
    let proxy = strict(None, &[&[("", WHO)]]).await;
    let office = Office {
        settings: Settings {
            detect: true,
            ..Settings::default()
        },
        network: Some(proxy.to_string()),
        schemes: vec![Scheme::Negotiate, Scheme::Ntlm],
        ..Office::default()
    };
    let (agent, _) = prepare(&ca, Proxy::default(), office);

    let error = soon(agent.leg(&Target::Entry)).await.expect_err("is asked");

    assert!(
        matches!(
            &error,
            OuterError::Proxy {
                source: ProxyRefusal::Stranger { .. },
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_script_that_cannot_be_had_is_told_when_nothing_else_helps() {
    let ca = Ca::new("Tasuki CA of test");
    let office = Office {
        settings: Settings {
            script: Some("http://pac.test/".into()),
            ..Settings::default()
        },
        ..Office::default()
    };
    let (agent, _) = prepare(&ca, Proxy::default(), office);

    let error = soon(agent.leg(&Target::Entry)).await.expect_err("no way");

    assert!(
        matches!(&error, OuterError::ProxyScript { script, .. } if script == "http://pac.test/"),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_exempt_address_and_this_pc_itself_are_reached_straight() {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let nowhere = "192.0.2.1:9".parse().expect("is an address");
    let settings = |exempt: &str| Settings {
        servers: vec![Way::Http(server(nowhere, None))],
        exempt: Exempt::of_windows(exempt),
        ..Settings::default()
    };
    let entry = super::board::entry(&[&ca], &[board.address()]);
    let office = Arc::new(Office {
        settings: settings(""),
        ..Office::default()
    });
    let mut options = super::board::options();
    options.proxy = Proxy::default();

    let agent = Outer::with_system(&entry, options, office).expect("is prepared");

    works(&board, &agent).await;

    let office = Office {
        settings: Settings {
            detect: true,
            ..settings("*.only-the-proxy-knows.invalid")
        },
        ..Office::default()
    };
    let (agent, office) = prepare(&ca, Proxy::default(), office);
    let error = soon(agent.leg(&Target::Entry))
        .await
        .expect_err("is unknown");
    assert!(
        matches!(error, OuterError::NameNotFound { .. }),
        "{error:?}"
    );
    assert!(
        asked(&office).is_empty(),
        "where something is set, the network is not asked: {office:?}"
    );
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_tried_last_for_a_while() {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let good = strict(Some(board.address()), &[&[("", GO)], &[("", GO)]]).await;
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let dead = gone.local_addr().expect("is bound");
    drop(gone);
    let office = Office {
        settings: Settings {
            servers: vec![Way::Http(server(dead, None)), Way::Http(server(good, None))],
            ..Settings::default()
        },
        ..Office::default()
    };
    let (agent, _) = prepare(&ca, Proxy::default(), office);
    works(&board, &agent).await;

    // Whoever listens there now and says nothing would cost 20 s.
    let listener = TcpListener::bind(dead).await.expect("binds again");
    works(&board, &agent).await;

    let knocked = tokio::time::timeout(std::time::Duration::ZERO, listener.accept()).await;
    assert!(knocked.is_err(), "the dead proxy was tried first");
}
