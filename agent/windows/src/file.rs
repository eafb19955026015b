//! Who may do what with a file or folder.

use std::io;
use std::path::Path;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetNamedSecurityInfoW, SDDL_REVISION_1,
    SE_FILE_OBJECT, SetNamedSecurityInfoW,
};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACE_HEADER, DACL_SECURITY_INFORMATION, GetAce, GetSecurityDescriptorDacl,
    INHERIT_ONLY_ACE, OWNER_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION,
    SECURITY_ATTRIBUTES,
};
use windows_sys::Win32::Storage::FileSystem::CreateDirectoryW;
use windows_sys::Win32::System::SystemServices::ACCESS_ALLOWED_ACE_TYPE;

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

/// Something that somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// A user or group, as `S-1-5-32-545`.
    pub who: String,
    /// FILE_WRITE_DATA and so on (ACCESS_MASK).
    pub rights: u32,
}

/// What is allowed with a file or folder, inherited rights too; what is denied is left out.
pub fn grants(path: &Path) -> io::Result<Vec<Grant>> {
    let path = wide(path);
    let (mut list, mut descriptor) = (null_mut(), null_mut());
    // SAFETY: the path ends with a zero, and the pointers for the answers are ours.
    let got = unsafe {
        GetNamedSecurityInfoW(
            path.as_ptr(),
            SE_FILE_OBJECT,
            DACL_SECURITY_INFORMATION,
            null_mut(),
            null_mut(),
            &raw mut list,
            null_mut(),
            &raw mut descriptor,
        )
    };
    code(got)?;
    let _descriptor = Local(descriptor);
    if list.is_null() {
        // Without a list everybody may do everything.
        return Ok(vec![Grant {
            who: "S-1-1-0".to_owned(),
            rights: u32::MAX,
        }]);
    }
    let mut grants = Vec::new();
    // SAFETY: the list lies in the descriptor, which lives until the end of this function.
    let count = unsafe { (*list).AceCount };
    for index in 0..u32::from(count) {
        let mut entry = null_mut();
        // SAFETY: the list as above, and the pointer for the answer is ours.
        checked(unsafe { GetAce(list, index, &raw mut entry) })?;
        // SAFETY: every entry begins so; it lies in the list.
        let header = unsafe { entry.cast::<ACE_HEADER>().read_unaligned() };
        let is_only_inherited = u32::from(header.AceFlags) & INHERIT_ONLY_ACE != 0;
        if u32::from(header.AceType) != ACCESS_ALLOWED_ACE_TYPE || is_only_inherited {
            continue;
        }
        let entry = entry.cast::<ACCESS_ALLOWED_ACE>();
        // SAFETY: that is what an entry of this type is.
        let rights = unsafe { (*entry).Mask };
        // SAFETY: as above; the identifier begins there.
        let sid = unsafe { &raw mut (*entry).SidStart };
        // SAFETY: it lies in the list.
        let who = unsafe { identifier(sid.cast()) }?;
        grants.push(Grant { who, rights });
    }
    Ok(grants)
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
    fn what_everybody_may_do_is_told() {
        const EVERYBODY: &str = "S-1-1-0";
        const WRITE_DATA: u32 = 2;
        let path = place("open");
        let user = process::user(std::process::id()).expect("is known");
        let closed = format!("D:P(A;OICI;FA;;;{user})");
        let told = |path: &Path| {
            let grants = grants(path).expect("are known");
            let mut everybody = grants.iter().filter(|grant| grant.who == EVERYBODY);
            everybody.any(|grant| grant.rights & WRITE_DATA != 0)
        };

        make_folder(&path, &closed).expect("is made");
        let before = told(&path);
        set_access(&path, &format!("{closed}(A;OICI;FA;;;WD)")).expect("changes rights");
        let after = told(&path);
        std::fs::remove_dir_all(&path).expect("is removed");

        assert_eq!((before, after), (false, true));
        assert!(grants(&path).is_err());
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
