//! `tasuki image diff`: one byte in any kind of input, and it says which input that is.

use std::fs;
use std::path::{Path, PathBuf};

use image_builder::identity::Hash;

use super::world::{World, copy_locks, stand_ins};

const BOARD: &str = "virt";
/// Behind the magic word and a name of 16 bytes, a `.deb` says when its first part was made.
const DEB_TIME: usize = 8 + 16;

/// A world in which inputs can be changed, and an image of what was there before.
struct Bench {
    world: World,
    archive: String,
    programs: String,
    locks: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let mut world = World::elsewhere(false);
        let place = |name: &str| world.source.join(name).to_str().unwrap().to_owned();
        let (archive, programs) = (place("archive"), place("programs"));
        let workplace = world.workplace();
        world.archive(&workplace.board(BOARD).unwrap(), Path::new(&archive));
        stand_ins(Path::new(&programs));
        let locks = world.source.join("locks");
        fs::create_dir(&locks).unwrap();
        let pinned = world.locks.replace(locks.clone());
        copy_locks(&pinned.unwrap_or_else(|| workplace.boards()), &locks);
        Self {
            world,
            archive,
            programs,
            locks,
        }
    }

    fn build(&self, out: &str, version: &str) {
        let words = [
            ["image", "build"],
            ["--board", BOARD],
            ["--out", out],
            ["--image-version", version],
            ["--programs", &self.programs],
            ["--archive", &self.archive],
        ];
        self.world
            .tasuki(&[words.as_flattened(), &["--offline"]].concat());
    }

    /// The inputs that are different in `other`, as the command names them.
    fn diff(&self, one: &str, other: &str) -> Vec<String> {
        let output = self.world.try_tasuki(&["image", "diff", one, other]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(!output.status.success(), "they differ:\n{said}");
        assert!(said.contains("the images differ first at byte "), "{said}");
        let inputs = said.lines().filter_map(|line| line.strip_prefix("input "));
        let named = inputs.map(|line| line.split(": ").next().unwrap().to_owned());
        named.collect()
    }

    /// Another second in which the packages were locked.
    fn change_time(&self) {
        let path = self.locks.join("arm64.lock");
        let text = fs::read_to_string(&path).unwrap();
        let (before, time) = text.split_once("\ntime = \"").unwrap();
        let digit = before.len() + "\ntime = \"2026-11-20T02:11:1".len();
        assert!(time.starts_with("20"), "{time}");
        let mut bytes = text.clone().into_bytes();
        change(&mut bytes, digit);
        fs::write(path, bytes).unwrap();
    }

    /// Changes one byte of a locked package that means nothing.
    fn change_package(&self, lock: &str, name: &str) {
        let path = self.locks.join(lock);
        let text = fs::read_to_string(&path).unwrap();
        let parsed = image_builder::package::Lock::parse(&text).unwrap();
        let mut packages = parsed.packages.iter();
        let package = packages.find(|package| package.name == name).unwrap();
        let place = Path::new(&self.archive).join(package.file_name());
        let mut bytes = fs::read(&place).unwrap();
        change(&mut bytes, DEB_TIME);
        let sum = Hash::of(&bytes).to_string();
        fs::write(place, bytes).unwrap();
        fs::write(path, text.replace(&package.sha256.to_string(), &sum)).unwrap();
    }
}

/// Another digit or letter.
fn change(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1;
}

#[test]
#[ignore = "makes eight images"]
fn the_input_in_which_a_byte_changed_is_named() {
    let bench = Bench::new();
    let mut last = bench.world.home().unwrap().join("0");
    let home = bench.world.home().unwrap();
    bench.build(last.to_str().unwrap(), "1.0.0");
    let file = |path: &str| bench.world.source.join(path);
    let flip = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let at = bytes.iter().position(u8::is_ascii_alphabetic).unwrap();
        change(&mut bytes, at);
        fs::write(path, bytes).unwrap();
    };
    let steps: [(&str, &str, &dyn Fn()); 7] = [
        ("1.0.0", "program first-stage", &|| {
            flip(&Path::new(&bench.programs).join("first-stage"));
        }),
        // A letter of the comment that it begins with.
        ("1.0.0", "file systemd/tasuki-relay.service", &|| {
            flip(&file("systemd/tasuki-relay.service"));
        }),
        ("1.0.0", "file boards/common.toml", &|| {
            flip(&file("boards/common.toml"));
        }),
        ("1.0.0", "package tzdata", &|| {
            bench.change_package("arm64.lock", "tzdata")
        }),
        ("1.0.0", "tool mtools", &|| {
            bench.change_package("tools.lock", "mtools")
        }),
        ("1.0.0", "lock time", &|| bench.change_time()),
        ("1.1.0", "image virt", &|| ()),
    ];
    for (number, (version, named, step)) in steps.into_iter().enumerate() {
        step();
        let next = home.join(format!("{}", number + 1));
        bench.build(next.to_str().unwrap(), version);

        let [one, other] = [&last, &next].map(|path| path.to_str().unwrap());
        assert_eq!(bench.diff(one, other), [named]);
        fs::remove_dir_all(&last).unwrap();
        last = next;
    }
}
