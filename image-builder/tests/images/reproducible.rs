//! The same bytes from a stranger's workstation, in another time zone, 400 days later.

use std::fs;
use std::path::{Path, PathBuf};

use image_builder::programs::Programs;

use super::world::{World, files, stand_ins};

/// What `docs/IMAGE.md` promises for the boards with a card.
const LARGEST: usize = 64 << 20;
/// From a warm cache, beyond compiling.
const CPU_SECONDS_MAX: f64 = 60.0;

/// The programs of the board's architecture, compiled here.
fn compiled(here: &World, board: &str, folder: &Path) {
    let folder = folder.to_str().unwrap();
    here.tasuki(&["image", "programs", "--board", board, "--out", folder]);
}

fn comes_out_the_same(name: &str, programs: impl Fn(&World, &str, &Path)) {
    let (here, there) = (World::here(), World::elsewhere(true));
    let home = there.home().unwrap();
    let work = tempfile::tempdir().unwrap();
    let image = work.path().join("image");
    let ours = work.path().join("programs");
    programs(&here, name, &ours);
    // Handed over as a stranger gets them.
    let (theirs, archive) = (there.source.join("programs"), there.source.join("archive"));
    Programs::read(&ours).unwrap().write(&theirs).unwrap();
    let board = here.workplace().board(name).unwrap();
    here.archive(&board, &archive);

    let build = |world: &World, out: &Path, programs: &Path, more: &[&str]| {
        let [out, programs] = [out, programs].map(|path| path.to_str().unwrap());
        let words = ["image", "build", "--board", name, "--out", out];
        let words = [&words[..], &["--programs", programs], more].concat();
        world.tasuki(&words)
    };
    let said = build(&here, &image, &ours, &[]);
    let again: PathBuf = home.join("image");
    let more = ["--offline", "--archive", archive.to_str().unwrap()];
    build(&there, &again, &theirs, &more);

    assert_cheap(&said);
    let (one, other) = (files(&image), files(&again));
    let names = |files: &[_]| {
        files
            .iter()
            .map(|(name, _): &(_, _)| format!("{name:?}"))
            .collect()
    };
    let (ours_named, theirs_named): (Vec<String>, Vec<String>) = (names(&one), names(&other));
    assert_eq!(ours_named, theirs_named);
    for ((file, one), (_, other)) in one.iter().zip(&other) {
        assert!(one == other, "{} differs", file.display());
        if file.to_string_lossy().ends_with(".img.zst") {
            eprintln!("{name}: {} bytes compressed", one.len());
            assert!(one.len() <= LARGEST, "{} bytes", one.len());
        }
    }
    let [image, ours] = [&image, &ours].map(|path| path.to_str().unwrap());
    let verified = here.tasuki(&["image", "verify", image, "--rebuild", "--programs", ours]);
    assert!(verified.contains("comes out the same"), "{verified}");
    let inspected = here.tasuki(&["image", "inspect", image]);
    assert!(inspected.contains("root hash"), "{inspected}");
}

fn assert_cheap(said: &str) {
    let seconds = said.lines().find_map(|line| {
        let rest = line.strip_prefix("CPU:")?;
        rest.split_whitespace().next()?.parse::<f64>().ok()
    });
    let seconds = seconds.unwrap();
    eprintln!("{seconds} s of CPU");
    assert!(seconds < CPU_SECONDS_MAX, "{seconds} s of CPU");
}

#[test]
#[ignore = "fetches Debian's packages where they are not in the cache"]
fn quick() {
    comes_out_the_same("virt", |_, _, folder| stand_ins(folder));
}

#[test]
#[ignore = "compiles for the board's architecture"]
fn virt() {
    comes_out_the_same("virt", compiled);
}

#[test]
#[ignore = "compiles for the board's architecture"]
fn vm_x86_64() {
    comes_out_the_same("vm-x86-64", compiled);
}

#[test]
#[ignore = "compiles for the board's architecture"]
fn rpi4() {
    comes_out_the_same("rpi4", compiled);
}

#[test]
#[ignore = "compiles for the board's architecture"]
fn rock64() {
    comes_out_the_same("rock64", compiled);
}

#[test]
#[ignore = "compiles for the board's architecture"]
fn rockpro64() {
    comes_out_the_same("rockpro64", compiled);
}

/// As the same user: a stranger cannot use a toolchain in somebody's home.
fn compile_the_same(board: &str) {
    let (here, there) = (World::here(), World::elsewhere(false));
    let work = tempfile::tempdir().unwrap();
    let ours = work.path().join("programs");
    compiled(&here, board, &ours);
    let theirs = there.home().unwrap().join("programs");
    compiled(&there, board, &theirs);

    for ((file, one), (_, other)) in files(&ours).iter().zip(&files(&theirs)) {
        assert!(one == other, "{} differs", file.display());
    }
    let home = here.source.to_str().unwrap().as_bytes();
    for (file, bytes) in files(&ours) {
        let traced = bytes.windows(home.len()).any(|piece| piece == home);
        assert!(!traced, "{} tells where it was compiled", file.display());
    }
    fs::remove_dir_all(theirs).unwrap();
}

#[test]
#[ignore = "compiles twice, for an hour on a small machine"]
fn programs_arm64() {
    compile_the_same("virt");
}

#[test]
#[ignore = "compiles twice, for an hour on a small machine"]
fn programs_amd64() {
    compile_the_same("vm-x86-64");
}
