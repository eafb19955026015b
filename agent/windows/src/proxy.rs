//! What Windows knows of proxies (WinHTTP).
//!
//! Each call may take as long as a name server or a web server lets it, within the limits below.

use std::io;
use std::ptr::null;

use windows_sys::Win32::Foundation::GlobalFree;
use windows_sys::Win32::Networking::WinHttp::{
    WINHTTP_ACCESS_TYPE_NAMED_PROXY, WINHTTP_ACCESS_TYPE_NO_PROXY, WINHTTP_AUTO_DETECT_TYPE_DHCP,
    WINHTTP_AUTO_DETECT_TYPE_DNS_A, WINHTTP_AUTOPROXY_AUTO_DETECT, WINHTTP_AUTOPROXY_CONFIG_URL,
    WINHTTP_AUTOPROXY_OPTIONS, WINHTTP_CURRENT_USER_IE_PROXY_CONFIG, WINHTTP_PROXY_INFO,
    WinHttpCloseHandle, WinHttpGetDefaultProxyConfiguration, WinHttpGetIEProxyConfigForCurrentUser,
    WinHttpGetProxyForUrl, WinHttpOpen, WinHttpSetTimeouts,
};
use windows_sys::core::PWSTR;

use crate::handle::checked;
use crate::text::{long, wide};

/// For each step of fetching a script, in milliseconds.
const STEP_MAX: i32 = 4_000;

/// What a user has set, or a policy for him; for a service, what its account has.
#[derive(Debug, Default)]
pub struct UserSettings {
    /// *Automatically detect settings* is ticked.
    pub detect: bool,
    /// Address of the script.
    pub script: Option<String>,
    pub servers: Option<String>,
    /// Where the servers are not meant for.
    pub bypass: Option<String>,
}

/// Proxies and where they are not meant for, as Windows writes both. No proxies: straight.
#[derive(Debug, Default)]
pub struct Servers {
    pub servers: Option<String>,
    pub bypass: Option<String>,
}

/// Where a script comes from.
#[derive(Debug, Clone, Copy)]
pub enum Script<'u> {
    At(&'u str),
    /// DHCP or DNS name it (WPAD).
    OfNetwork,
}

/// What the account has that this process runs as.
pub fn of_user() -> io::Result<UserSettings> {
    let mut found = WINHTTP_CURRENT_USER_IE_PROXY_CONFIG::default();
    // SAFETY: it is ours and filled by the call.
    checked(unsafe { WinHttpGetIEProxyConfigForCurrentUser(&raw mut found) })?;
    Ok(UserSettings {
        detect: found.fAutoDetect != 0,
        // SAFETY: the call has filled it, and nobody else frees its texts.
        script: unsafe { take(found.lpszAutoConfigUrl) },
        // SAFETY: as above.
        servers: unsafe { take(found.lpszProxy) },
        // SAFETY: as above.
        bypass: unsafe { take(found.lpszProxyBypass) },
    })
}

/// What `netsh winhttp set proxy` has set for the whole PC.
pub fn of_machine() -> io::Result<Servers> {
    let mut found = WINHTTP_PROXY_INFO::default();
    // SAFETY: it is ours and filled by the call.
    checked(unsafe { WinHttpGetDefaultProxyConfiguration(&raw mut found) })?;
    // SAFETY: the call has filled it.
    Ok(unsafe { servers(&found) })
}

/// What a script says of `url`.
pub fn ask(script: Script<'_>, url: &str) -> io::Result<Servers> {
    let session = Session::open()?;
    let address;
    let mut options = WINHTTP_AUTOPROXY_OPTIONS::default();
    match script {
        Script::At(script) => {
            address = wide(script);
            options.dwFlags = WINHTTP_AUTOPROXY_CONFIG_URL;
            options.lpszAutoConfigUrl = address.as_ptr();
        }
        Script::OfNetwork => {
            options.dwFlags = WINHTTP_AUTOPROXY_AUTO_DETECT;
            options.dwAutoDetectFlags =
                WINHTTP_AUTO_DETECT_TYPE_DHCP | WINHTTP_AUTO_DETECT_TYPE_DNS_A;
        }
    }
    let (url, mut found) = (wide(url), WINHTTP_PROXY_INFO::default());
    // SAFETY: the session is open, all texts end with a zero and outlive the call, and the last
    // two are ours.
    let answer =
        unsafe { WinHttpGetProxyForUrl(session.0, url.as_ptr(), &raw mut options, &raw mut found) };
    checked(answer)?;
    // SAFETY: the call has filled it.
    Ok(unsafe { servers(&found) })
}

/// # Safety
///
/// Windows has filled it, and nobody else frees its texts.
unsafe fn servers(found: &WINHTTP_PROXY_INFO) -> Servers {
    // SAFETY: our caller says so.
    let servers = unsafe { take(found.lpszProxy) };
    // SAFETY: as above.
    let bypass = unsafe { take(found.lpszProxyBypass) };
    let named = found.dwAccessType == WINHTTP_ACCESS_TYPE_NAMED_PROXY;
    Servers {
        servers: servers.filter(|_| named),
        bypass,
    }
}

/// A text that Windows has set aside for us with `GlobalAlloc`; none if it is null or empty.
///
/// # Safety
///
/// It is null, or such a text with a zero at its end, and nobody else frees it.
unsafe fn take(text: PWSTR) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: it is such a text.
    let copy = unsafe { long(text) };
    // SAFETY: and it is given back once.
    unsafe { GlobalFree(text.cast()) };
    Some(copy).filter(|text| !text.is_empty())
}

/// A session of WinHTTP.
struct Session(*mut core::ffi::c_void);

impl Session {
    fn open() -> io::Result<Self> {
        // SAFETY: without names there is nothing to read, and a null is told apart below.
        let session =
            unsafe { WinHttpOpen(null(), WINHTTP_ACCESS_TYPE_NO_PROXY, null(), null(), 0) };
        if session.is_null() {
            return Err(io::Error::last_os_error());
        }
        let session = Self(session);
        // SAFETY: the session is open.
        let set = unsafe { WinHttpSetTimeouts(session.0, STEP_MAX, STEP_MAX, STEP_MAX, STEP_MAX) };
        checked(set)?;
        Ok(session)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: it is open, and closed once. What it says changes nothing.
        unsafe { WinHttpCloseHandle(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Serves `script` to one caller, and says where.
    fn serve(script: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("is bound");
        std::thread::spawn(move || {
            let (mut caller, _) = listener.accept().expect("is called");
            let mut request = [0; 4096];
            let _ = caller.read(&mut request).expect("is asked");
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ns-proxy-autoconfig\r\n\
                        Connection: close\r\nContent-Length: ";
            write!(caller, "{head}{}\r\n\r\n{script}", script.len()).expect("answers");
        });
        format!("http://{address}/proxy.pac")
    }

    #[test]
    fn settings_can_be_read() {
        // A PC without settings of either kind says so by an error, or by none.
        println!("{:?} {:?}", of_user(), of_machine());
    }

    #[test]
    fn script_is_fetched_and_asked() {
        let script = serve(
            "function FindProxyForURL(url, host) {\
               return host == 'relay.test' ? 'PROXY proxy.test:8080' : 'DIRECT'; }",
        );

        let said = ask(Script::At(&script), "https://relay.test:443/").expect("is asked");

        assert_eq!(said.servers.as_deref(), Some("proxy.test:8080"));
    }

    #[test]
    fn script_that_is_not_there_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let nowhere = listener.local_addr().expect("is bound");
        drop(listener);

        let script = format!("http://{nowhere}/proxy.pac");

        assert!(ask(Script::At(&script), "https://relay.test/").is_err());
    }
}
