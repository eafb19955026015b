//! Announcing a new version of the agents: what is said, of which files, and what nobody signs.

use std::fs;

use protocol::file::announcement::Announcement;
use protocol::file::update::Sha256;

use crate::shell::Shell;

/// A folder as `cargo xtask dist` leaves one, with programs and notes beside the packages.
fn dist(shell: &Shell, folder: &str, version: &str) {
    fs::create_dir_all(shell.path(folder).join("windows-x86-64")).expect("a folder");
    for name in [
        format!("tasuki-setup-{version}.exe"),
        format!("tasuki-setup-user-{version}.exe"),
        format!("tasuki-client-{version}-windows.zip"),
        format!("tasuki_{version}_amd64.deb"),
        "notes.txt".to_owned(),
    ] {
        fs::write(shell.path(folder).join(&name), &name).expect("writes");
    }
}

fn announced(shell: &Shell, name: &str) -> Announcement {
    let bytes = fs::read(shell.path(name)).expect("is there");
    let key = shell.open().record().deployment_key;
    Announcement::open(&bytes, &key).expect("is signed")
}

#[test]
fn packages_of_a_folder_are_announced_with_their_hashes() {
    let shell = Shell::with_passphrase("correct horse");
    dist(&shell, "dist", "0.2.0-rc.1");

    let said = shell.done("deployment announce dist --page https://www.example.jp/t --note Soon.");

    assert!(
        said.contains("version 0.2.0-rc.1 of the agents; packages: 4."),
        "{said}"
    );
    assert!(said.contains("tasuki entry --update"), "{said}");
    let read = announced(&shell, "tasuki-agents.toml");
    assert_eq!(read.version.to_string(), "0.2.0-rc.1");
    assert_eq!(
        read.page.expect("a page").as_str(),
        "https://www.example.jp/t"
    );
    assert_eq!(read.note.expect("a note").as_str(), "Soon.");
    let names: Vec<&str> = read.packages.iter().map(|it| it.file.as_str()).collect();
    assert_eq!(
        names,
        [
            "tasuki-client-0.2.0-rc.1-windows.zip",
            "tasuki-setup-0.2.0-rc.1.exe",
            "tasuki-setup-user-0.2.0-rc.1.exe",
            "tasuki_0.2.0-rc.1_amd64.deb",
        ]
    );
    for package in &read.packages {
        assert_eq!(package.sha256, Sha256::of(package.file.as_bytes()));
        assert_eq!(u64::try_from(package.file.len()), Ok(package.size));
    }
}

#[test]
fn the_next_one_takes_the_place_of_the_last_and_says_where_it_belongs() {
    let shell = Shell::with_deployment();
    shell.done("node add tokyo-1 --address relay.example.jp:443 --lone");
    shell.done("entry --update https://updates.example.jp/tasuki");
    dist(&shell, "old", "0.2.0");
    dist(&shell, "new", "0.3.0");
    shell.done("deployment announce old");

    let said = shell.done("deployment announce new/tasuki-setup-0.3.0.exe");

    assert!(said.contains("https://updates.example.jp/tasuki"), "{said}");
    let read = announced(&shell, "tasuki-agents.toml");
    assert_eq!(
        (read.version.to_string().as_str(), read.packages.len()),
        ("0.3.0", 1)
    );
    assert_eq!((read.page, read.note), (None, None));
}

#[test]
fn what_is_no_package_or_not_clear_is_refused_and_nothing_else_is_written_over() {
    let shell = Shell::with_deployment();
    for (folder, version) in [("one", "0.2.0"), ("two", "0.2.0"), ("three", "0.3.0")] {
        dist(&shell, folder, version);
    }
    fs::create_dir(shell.path("empty")).expect("a folder");
    fs::write(shell.path("mine"), "my notes").expect("writes");

    for (arguments, reason) in [
        ("empty", "there is no package"),
        ("gone", "is no package"),
        ("one/notes.txt", "is no package"),
        ("one two", "have the same name"),
        ("one three", "version 0.2.0 and of 0.3.0"),
        ("one --out mine", "is no announcement"),
    ] {
        let said = shell.refused(&format!("deployment announce {arguments}"));
        assert!(said.contains(reason), "{arguments}: {said}");
    }
    assert!(!shell.path("tasuki-agents.toml").exists());
    assert_eq!(shell.read("mine"), "my notes");
    let page = shell.tasuki("deployment announce one --page http://a.example", None);
    assert_eq!(page.status.code(), Some(64));
}
