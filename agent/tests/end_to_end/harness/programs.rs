//! Where the programs are: beside this test, or where `TASUKI_BIN_DIR` says; and programs that are
//! scripts.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The path of `name`.
pub(crate) fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("TASUKI_BIN_DIR").map_or_else(beside_this_test, PathBuf::from);
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is missing; build the programs first: cargo build --workspace",
        path.display()
    );
    path
}

/// Makes a program of a script.
pub(crate) fn script(path: &Path, text: &str) {
    fs::write(path, text).expect("is written");
    fs::set_permissions(path, Permissions::from_mode(0o700)).expect("is ours");
}

/// Tests lie in `deps` of the folder where the programs are.
fn beside_this_test() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its path");
    let folder = test.ancestors().nth(2).expect("a test lies in deps");
    folder.to_owned()
}
