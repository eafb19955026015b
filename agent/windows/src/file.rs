//! Who may do what with a file or folder.

use std::io;
use std::path::Path;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetNamedSecurityInfoW, SDDL_REVISION_1,
    SE_FILE_OBJECT, SetNamedSecurityInfoW,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetSecurityDescriptorDacl, OWNER_SECURITY_INFORMATION,
    PROTECTED_DACL_SECURITY_INFORMATION, SECURITY_ATTRIBUTES,
};
use windows_sys::Win32::Storage::FileSystem::CreateDirectoryW;

use crate::handle::{Local, checked, code};
use crate::text::{identifier, wide};

/// Makes a folder that has the rights that `sddl` names from its first moment on. Its parent
/// is there; a folder that is there already is an error.
pub fn make_folder(path: &Path, sddl: &str) -> io::Result<()> {
    let path = wide(path);
    let descriptor = descriptor(sddl)?;
    let attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>()
            .try_into()
            .map_err(|_| io::ErrorKind::InvalidInput)?,
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    };
    // SAFETY: the path ends with a zero; attributes and descriptor outlive the call.
    checked(unsafe { CreateDirectoryW(path.as_ptr(), &raw const attributes) })
}

/// Who owns a file or folder, as `S-1-5-32-544`. An owner can give himself every right.
pub fn owner(path: &Path) -> io::Result<String> {
    let path = wide(path);
    let (mut owner, mut descriptor) = (null_mut(), null_mut());
    // SAFETY: the path ends with a zero, and the pointers for the answers are ours.
    let got = unsafe {
        GetNamedSecurityInfoW(
            path.as_ptr(),
            SE_FILE_OBJECT,
            OWNER_SECURITY_INFORMATION,
            &raw mut owner,
            null_mut(),
            null_mut(),
            null_mut(),
            &raw mut descriptor,
        )
    };
    code(got)?;
    let _descriptor = Local(descriptor);
    // SAFETY: the identifier lies in the descriptor, which lives until the end of this function.
    unsafe { identifier(owner) }
}

/// A security descriptor in the form that calls take.
fn descriptor(sddl: &str) -> io::Result<Local> {
    let sddl = wide(sddl);
    let mut descriptor = null_mut();
    // SAFETY: the text ends with a zero, and the pointer for the answer is ours.
    let converted = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            sddl.as_ptr(),
            SDDL_REVISION_1,
            &raw mut descriptor,
            null_mut(),
        )
    };
    checked(converted)?;
    Ok(Local(descriptor))
}

/// Gives `path` the rights that `sddl` names and no inherited ones; what lies in a folder
/// follows. `sddl` is text of the security descriptor definition language with a `D:` part,
/// such as `D:(A;OICI;FA;;;SY)`.
pub fn set_access(path: &Path, sddl: &str) -> io::Result<()> {
    let path = wide(path);
    let descriptor = descriptor(sddl)?;
    let (mut present, mut defaulted, mut list) = (0, 0, null_mut());
    // SAFETY: the descriptor was just made and lives until the end of this function.
    let got = unsafe {
        GetSecurityDescriptorDacl(
            descriptor.0,
            &raw mut present,
            &raw mut list,
            &raw mut defaulted,
        )
    };
    checked(got)?;
    if present == 0 || list.is_null() {
        // Without a list everybody could do everything.
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the path ends with a zero; the list lies in the descriptor, which still lives;
    // owner, group and audit list are not asked to change.
    let set = unsafe {
        SetNamedSecurityInfoW(
            path.as_ptr(),
            SE_FILE_OBJECT,
            DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
            null_mut(),
            null_mut(),
            list,
            null(),
        )
    };
    code(set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;

    fn place(name: &str) -> std::path::PathBuf {
        let name = format!("tasuki-test-{}-{name}", std::process::id());
        std::env::temp_dir().join(name)
    }

    #[test]
    fn folder_is_made_once_with_its_rights_and_has_an_owner() {
        let path = place("folder");
        let user = process::user(std::process::id()).expect("is known");
        let rights = format!("D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;{user})");

        make_folder(&path, &rights).expect("is made");
        let again = make_folder(&path, &rights).expect_err("is there");
        std::fs::write(path.join("file"), "text").expect("its owner may write");
        set_access(&path, &rights).expect("changes rights");
        let owner = owner(&path).expect("is known");
        std::fs::remove_dir_all(&path).expect("is removed");

        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert!(owner.starts_with("S-1-5-"), "{owner}");
    }

    #[test]
    fn rights_that_make_no_sense_are_refused() {
        let path = place("nonsense");

        assert!(make_folder(&path, "D:(nonsense)").is_err());
        assert!(
            set_access(&std::env::temp_dir(), "O:SY").is_err(),
            "no list"
        );
        assert!(!path.exists());
        assert!(owner(&path).is_err());
    }
}
