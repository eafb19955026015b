//! The announcement as agents in the field read it: its bytes never change.

use std::fs;

use protocol::file::announcement::{Announcement, Package, read_note};
use protocol::file::update::Sha256;
use protocol::secret::Secret;
use protocol::sign::SigningKey;

use crate::golden;

fn announcement() -> Announcement {
    let package = |file: &str, seed: u8| Package {
        file: file.to_owned(),
        size: 3_000_000 + u64::from(seed),
        sha256: Sha256([seed; 32]),
    };
    Announcement {
        version: "0.2.0-rc.1".parse().expect("a version"),
        page: Some("https://www.example.jp/tasuki".parse().expect("an address")),
        note: read_note("Ask for \"Tasuki\" at the help desk. お早めに。"),
        packages: vec![
            package("tasuki-setup-0.2.0-rc.1.exe", 1),
            package("tasuki_0.2.0-rc.1_amd64.deb", 2),
        ],
    }
}

#[test]
fn a_signed_announcement_is_the_golden_one_and_comes_back() {
    let key = SigningKey::from_seed(&Secret::new([6; 32])).expect("a seed");
    let path = golden::folder().join("announcement.toml");
    let corpus = golden::folder().join("../../fuzz/corpus/announcement");
    if golden::bless() {
        let text = announcement().to_signed_text(&key);
        fs::write(&path, &text).expect("writes");
        fs::create_dir_all(&corpus).expect("a folder");
        fs::write(corpus.join("signed"), text).expect("writes");
    }
    let golden = fs::read_to_string(&path).expect("is there");

    assert_eq!(announcement().to_signed_text(&key), golden);
    assert_eq!(
        Announcement::open(golden.as_bytes(), &key.public_key()),
        Ok(announcement())
    );
}
