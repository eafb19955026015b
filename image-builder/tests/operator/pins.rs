//! What becomes of a pinned package that nobody has any more.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

/// A mirror that has forgotten everything: it answers as a proxy for every host. Returns its
/// address; it ends with the test.
fn forgetful() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("has one");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines();
                // Every empty line ends a request, and apt sends several at a time.
                while let Some(Ok(line)) = lines.next() {
                    if line.is_empty() {
                        let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
                        // Whoever asked may be gone.
                        let _ = (&stream).write_all(answer);
                    }
                }
            });
        }
    });
    format!("http://{address}")
}

#[test]
fn a_package_that_no_source_has_stops_with_its_name_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let boards = folder.path().join("boards");
    fs::create_dir(&boards).expect("a folder");
    fs::write(boards.join("packages.toml"), "root = []\ntools = []\n").expect("writes");
    for name in ["tools", "machines", "arm64", "amd64"] {
        let architecture = if name == "arm64" { "arm64" } else { "amd64" };
        let lock = format!(
            "format = 1\narchitecture = \"{architecture}\"\ntime = \"2026-11-21T08:00:00Z\"\n\
             [[package]]\nname = \"gone\"\nversion = \"1.2-3\"\npart = \"root\"\n\
             archive = \"debian\"\npath = \"pool/main/g/gone/gone_1.2-3_all.deb\"\n\
             sha256 = \"{}\"\nsize = 7\n",
            "0".repeat(64)
        );
        fs::write(boards.join(format!("{name}.lock")), lock).expect("writes");
    }
    let mirror = forgetful();
    let tasuki = |words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_tasuki"))
            .args(["image", "lock", "fetch"])
            .args(words)
            .current_dir(folder.path())
            .env("http_proxy", &mirror)
            .env("XDG_CACHE_HOME", folder.path().join("cache"))
            .output()
            .expect("starts")
    };

    let output = tasuki(&[]);

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("  gone 1.2-3\n"), "{said}");
    assert!(
        said.contains("--archive") && said.contains("lock update"),
        "{said}"
    );
    let output = tasuki(&["--offline"]);
    assert_eq!(output.status.code(), Some(1), "no mirror was asked");
}
