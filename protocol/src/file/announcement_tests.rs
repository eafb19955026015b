use super::*;
use crate::file::entry::Entry;
use crate::file::update::Head;
use crate::secret::Secret;
use crate::sign::SigningKey;

fn package(file: &str) -> Package {
    Package {
        file: file.to_owned(),
        size: 4_000_000,
        sha256: Sha256([9; 32]),
    }
}

fn announcement() -> Announcement {
    Announcement {
        version: "0.2.0".parse().expect("a version"),
        page: Some("https://www.example.jp/tasuki?x=1".parse().expect("one")),
        note: Some(Text::lossy("金曜日に更新してください。")),
        packages: vec![package("tasuki-setup-0.2.0.exe")],
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([seed; 32])).expect("is a seed")
}

fn open(text: &str) -> Result<Announcement, AnnouncementError> {
    Announcement::open(text.as_bytes(), &key(1).public_key())
}

/// What `lines` say, signed as everything is.
fn signed(lines: &str) -> String {
    let text = format!("{LABEL}\nformat = 1\n{lines}");
    let signature = BASE64.encode(&key(1).sign(text.as_bytes()));
    format!("{text}{SIGNATURE_KEY}{signature}\"\n")
}

#[test]
fn what_was_signed_opens_with_its_key_only() {
    let text = announcement().to_signed_text(&key(1));

    assert_eq!(open(&text), Ok(announcement()));
    let other = announcement().to_signed_text(&key(2));
    assert_eq!(open(&other), Err(AnnouncementError::Signature));
}

#[test]
fn a_changed_byte_a_cut_and_an_addition_anywhere_are_not_opened() {
    let good = announcement().to_signed_text(&key(1)).into_bytes();
    let opens = |bytes: &[u8]| Announcement::open(bytes, &key(1).public_key()).is_ok();
    assert!(opens(&good));
    for place in 0..good.len() {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        assert!(!opens(&bytes), "byte {place}");
        assert!(!opens(&good[..place]), "{place} bytes");
        assert!(!opens(&good[place + 1..]), "without {place} bytes");
    }
    for tail in ["\n", " ", "page = \"https://crook.example\"\n", "# a note"] {
        assert!(!opens(&[&good, tail.as_bytes()].concat()), "{tail:?}");
    }
}

#[test]
fn one_kind_of_signed_file_never_passes_for_another() {
    let text = announcement().to_signed_text(&key(1));
    assert!(Head::find(text.as_bytes()).is_err());
    assert!(Entry::parse(&text).is_err());
    for label in ["# Tasuki entry file", "# Tasuki update.", ""] {
        let body = announcement().to_text().replacen(LABEL, label, 1);
        let signature = BASE64.encode(&key(1).sign(body.as_bytes()));
        let other = format!("{body}{SIGNATURE_KEY}{signature}\"\n");
        assert_eq!(open(&other), Err(AnnouncementError::Form), "{label}");
    }
}

#[test]
fn a_file_is_read_up_to_its_limit_and_not_one_byte_further() {
    let rest = signed("").len() + "# \nversion = \"1.0.0\"\npackages = []\n".len();
    let filled = |length: usize| {
        let filling = "x".repeat(length - rest);
        signed(&format!(
            "# {filling}\nversion = \"1.0.0\"\npackages = []\n"
        ))
    };

    let (full, beyond) = (filled(ANNOUNCEMENT_MAX), filled(ANNOUNCEMENT_MAX + 1));

    assert_eq!(full.len(), ANNOUNCEMENT_MAX);
    assert!(open(&full).is_ok());
    assert_eq!(open(&beyond), Err(AnnouncementError::TooLong));
}

#[test]
fn what_newer_programs_add_is_passed_over_and_another_format_is_not() {
    let newer = signed("version = \"2.0.0\"\npackages = []\nfrom = 3\n[more]\nx = 1\n");
    assert_eq!(
        open(&newer).map(|read| read.version.to_string()),
        Ok("2.0.0".into())
    );
    let other = newer.replacen("format = 1", "format = 2", 1);
    let (text, _) = other.split_once(SIGNATURE_KEY).expect("is signed");
    let signature = BASE64.encode(&key(1).sign(text.as_bytes()));
    let refused = open(&format!("{text}{SIGNATURE_KEY}{signature}\"\n"));
    assert!(
        matches!(refused, Err(AnnouncementError::Text(_))),
        "{refused:?}"
    );
}

#[test]
fn each_value_has_its_limits() {
    let value = |line: &str| open(&signed(&format!("version = \"1.0.0\"\n{line}"))).is_ok();
    let packages = |count: usize| {
        let names = (0..count).map(|index| package(&format!("p{index}")).to_string());
        format!("packages = {}\n", list(&names.collect::<Vec<_>>()))
    };
    let page = |length: usize| {
        let rest = "x".repeat(length - "https://".len());
        format!("page = \"https://{rest}\"\npackages = []\n")
    };
    let note = |note: &str| format!("note = {}\npackages = []\n", quote(note));
    for (good, bad) in [
        (packages(PACKAGES_MAX), packages(PACKAGES_MAX + 1)),
        (page(ADDRESS_MAX), page(ADDRESS_MAX + 1)),
        (note(&"x".repeat(NOTE_MAX)), note(&"x".repeat(NOTE_MAX + 1))),
        (note("One line."), note("Two\nlines.")),
        (note("Plain."), note("\u{1b}[2J")),
    ] {
        assert!(value(&good), "{good}");
        assert!(!value(&bad), "{bad}");
    }
    let long = format!("1.0.0-{}", "x".repeat(NAME_MAX - 6));
    let version = |version: &str| {
        open(&signed(&format!(
            "version = \"{version}\"\npackages = []\n"
        )))
    };
    assert!(version(&long).is_ok());
    assert!(version(&format!("{long}x")).is_err());
}

#[test]
fn a_package_is_a_plain_file_and_an_address_can_be_opened_as_it_is() {
    let hash = Sha256([0; 32]);
    let long = "x".repeat(NAME_MAX);
    for (name, good) in [
        ("tasuki_0.2.0~rc.1_amd64.deb", true),
        (long.as_str(), true),
        (&format!("{long}x"), false),
        ("../x", false),
        ("a\\b", false),
        (".hidden", false),
        ("", false),
    ] {
        let read = format!("{name} 1 {hash}").parse::<Package>();
        assert_eq!(read.is_ok(), good, "{name}");
    }
    for (address, good) in [
        ("https://www.example.jp/a%20b?c=d&e#f", true),
        ("http://www.example.jp", false),
        ("https://", false),
        ("https://a b", false),
        ("https://a\" --x", false),
        ("file:///c:/windows", false),
    ] {
        assert_eq!(address.parse::<HttpsAddress>().is_ok(), good, "{address}");
    }
}
