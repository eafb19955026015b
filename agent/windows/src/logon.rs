//! Logging in by question and answer (SSPI), as the account that this process runs as or with a
//! password.

use std::fmt;
use std::io;
use std::ptr::{from_ref, null, null_mut};

use windows_sys::Win32::Foundation::{
    SEC_E_OK, SEC_I_COMPLETE_AND_CONTINUE, SEC_I_COMPLETE_NEEDED, SEC_I_CONTINUE_NEEDED,
};
use windows_sys::Win32::Security::Authentication::Identity::{
    AcquireCredentialsHandleW, CompleteAuthToken, DeleteSecurityContext, FreeCredentialsHandle,
    ISC_REQ_CONNECTION, InitializeSecurityContextW, SECBUFFER_TOKEN, SECBUFFER_VERSION,
    SECPKG_CRED_OUTBOUND, SECURITY_NATIVE_DREP, SecBuffer, SecBufferDesc,
};
use windows_sys::Win32::Security::Credentials::SecHandle;
use windows_sys::Win32::System::Rpc::{SEC_WINNT_AUTH_IDENTITY_UNICODE, SEC_WINNT_AUTH_IDENTITY_W};
use zeroize::Zeroizing;

use crate::text::wide;

/// The largest token that Windows can be told to make (MaxTokenSize).
const TOKEN_MAX: usize = 65_535;

/// A user and his password.
#[derive(Clone, Copy)]
pub struct Account<'a> {
    /// Empty: the user's name says it, as `user@example.jp`, or there is none.
    pub domain: &'a str,
    pub user: &'a str,
    pub password: &'a str,
}

/// A login that goes on.
pub struct Logon {
    /// Both are handles of Windows, given back when this is dropped.
    credentials: SecHandle,
    context: Option<SecHandle>,
    /// Whom it is for, as `HTTP/proxy.example`, with its zero.
    target: Vec<u16>,
}

impl Logon {
    /// Begins with a package of Windows, `Negotiate` or `NTLM`. Without an account it is whoever
    /// this process runs as.
    pub fn begin(package: &str, target: &str, account: Option<Account<'_>>) -> io::Result<Self> {
        let package = wide(package);
        let identity = account.map(Identity::new).transpose()?;
        let raw = identity.as_ref().map(Identity::raw);
        let data = raw.as_ref().map_or(null(), |raw| from_ref(raw).cast());
        let (mut credentials, mut expiry) = (SecHandle::default(), 0);
        // SAFETY: the package's name ends with a zero; the identity, if there is one, describes
        // texts that outlive the call, which copies them; what is optional is left out; the last
        // two are ours.
        let answer = unsafe {
            AcquireCredentialsHandleW(
                null(),
                package.as_ptr(),
                SECPKG_CRED_OUTBOUND,
                null(),
                data,
                None,
                null(),
                &raw mut credentials,
                &raw mut expiry,
            )
        };
        status(answer)?;
        Ok(Self {
            credentials,
            context: None,
            target: wide(target),
        })
    }

    /// The next token. `challenge` is what the other side has said; it is empty at first.
    pub fn next(&mut self, challenge: &[u8]) -> io::Result<Vec<u8>> {
        let mut question = Zeroizing::new(challenge.to_vec());
        let mut said = buffer(&mut question)?;
        let input = describe(&mut said);
        let mut token = Zeroizing::new(vec![0; TOKEN_MAX]);
        let mut next = buffer(&mut token)?;
        let mut output = describe(&mut next);
        let known = self.context.as_ref().map_or(null(), from_ref);
        let input = if known.is_null() {
            null()
        } else {
            &raw const input
        };
        let mut context = self.context.unwrap_or_default();
        let (mut attributes, mut expiry) = (0, 0);
        // SAFETY: the credentials are held; the context is null at first and afterwards the one
        // that the first call has made; the target ends with a zero; both descriptions tell of
        // one buffer each, which lives until the end of this function, with its true length; the
        // rest is ours.
        let answer = unsafe {
            InitializeSecurityContextW(
                &raw const self.credentials,
                known,
                self.target.as_ptr(),
                ISC_REQ_CONNECTION,
                0,
                SECURITY_NATIVE_DREP,
                input,
                0,
                &raw mut context,
                &raw mut output,
                &raw mut attributes,
                &raw mut expiry,
            )
        };
        status(answer)?;
        self.context = Some(context);
        if matches!(answer, SEC_I_COMPLETE_NEEDED | SEC_I_COMPLETE_AND_CONTINUE) {
            // SAFETY: the context was just made or gone on with, and the token is its own.
            status(unsafe { CompleteAuthToken(&raw const context, &raw const output) })?;
        }
        let length = usize::try_from(next.cbBuffer).unwrap_or(usize::MAX);
        let token = token.get(..length).ok_or(io::ErrorKind::InvalidData)?;
        Ok(token.to_vec())
    }
}

impl Drop for Logon {
    fn drop(&mut self) {
        if let Some(context) = &self.context {
            // SAFETY: Windows has made it, and it is given back once. What it says changes nothing.
            unsafe { DeleteSecurityContext(context) };
        }
        // SAFETY: the same.
        unsafe { FreeCredentialsHandle(&raw const self.credentials) };
    }
}

impl fmt::Debug for Logon {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Logon")
    }
}

/// The texts of an account, wiped when it is dropped.
struct Identity {
    domain: Zeroizing<Vec<u16>>,
    user: Zeroizing<Vec<u16>>,
    password: Zeroizing<Vec<u16>>,
    lengths: [u32; 3],
}

impl Identity {
    fn new(account: Account<'_>) -> io::Result<Self> {
        let texts = [account.domain, account.user, account.password].map(wide);
        let mut lengths = [0; 3];
        for (length, text) in lengths.iter_mut().zip(&texts) {
            let units = text.len().saturating_sub(1);
            *length = u32::try_from(units).map_err(|_| io::ErrorKind::InvalidInput)?;
        }
        let [domain, user, password] = texts.map(Zeroizing::new);
        Ok(Self {
            domain,
            user,
            password,
            lengths,
        })
    }

    /// What describes it for Windows, as long as it lives.
    fn raw(&self) -> SEC_WINNT_AUTH_IDENTITY_W {
        let [domain, user, password] = self.lengths;
        SEC_WINNT_AUTH_IDENTITY_W {
            User: self.user.as_ptr().cast_mut(),
            UserLength: user,
            Domain: self.domain.as_ptr().cast_mut(),
            DomainLength: domain,
            Password: self.password.as_ptr().cast_mut(),
            PasswordLength: password,
            Flags: SEC_WINNT_AUTH_IDENTITY_UNICODE,
        }
    }
}

fn buffer(bytes: &mut [u8]) -> io::Result<SecBuffer> {
    Ok(SecBuffer {
        cbBuffer: u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        BufferType: SECBUFFER_TOKEN,
        pvBuffer: if bytes.is_empty() {
            null_mut()
        } else {
            bytes.as_mut_ptr().cast()
        },
    })
}

fn describe(buffer: &mut SecBuffer) -> SecBufferDesc {
    SecBufferDesc {
        ulVersion: SECBUFFER_VERSION,
        cBuffers: 1,
        pBuffers: buffer,
    }
}

/// What SSPI said; its successes are several.
fn status(answer: i32) -> io::Result<()> {
    match answer {
        SEC_E_OK | SEC_I_CONTINUE_NEEDED | SEC_I_COMPLETE_NEEDED | SEC_I_COMPLETE_AND_CONTINUE => {
            Ok(())
        }
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_package_is_an_error() {
        assert!(Logon::begin("no such package", "HTTP/proxy.test", None).is_err());
    }

    /// Needs `ntlm_auth` where Wine does it.
    #[test]
    #[ignore = "needs winbind's ntlm_auth under Wine"]
    fn ntlm_says_hello_and_answers_a_question() {
        let account = Account {
            domain: "OFFICE",
            user: "taro",
            password: "secret",
        };
        let mut logon = Logon::begin("NTLM", "HTTP/proxy.test", Some(account)).expect("begins");

        let hello = logon.next(&[]).expect("says hello");

        assert!(hello.starts_with(b"NTLMSSP\0\x01"), "{hello:?}");
        assert!(logon.next(b"mumble").is_err());
    }
}
