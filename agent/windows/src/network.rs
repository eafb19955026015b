//! Tells when addresses, interfaces or routes of this PC change, and when it wakes up.

use std::ffi::c_void;
use std::fmt;
use std::io;
use std::ptr::{from_ref, null_mut};

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::NetworkManagement::IpHelper::{
    CancelMibChangeNotify2, MIB_IPFORWARD_ROW2, MIB_IPINTERFACE_ROW, MIB_UNICASTIPADDRESS_ROW,
    NotifyIpInterfaceChange, NotifyRouteChange2, NotifyUnicastIpAddressChange,
};
use windows_sys::Win32::Networking::WinSock::AF_UNSPEC;
use windows_sys::Win32::System::Power::{
    DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS, HPOWERNOTIFY, PowerRegisterSuspendResumeNotification,
    PowerUnregisterSuspendResumeNotification,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{DEVICE_NOTIFY_CALLBACK, PBT_APMRESUMEAUTOMATIC};

use crate::handle::code;

type Tell = Box<dyn Fn() + Send + Sync>;

/// Watches until dropped.
pub struct Watch {
    network: Vec<HANDLE>,
    power: Option<HPOWERNOTIFY>,
    /// Both in boxes of their own, since Windows has their addresses.
    tell: Box<Tell>,
    subscription: Box<DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS>,
}

// SAFETY: the handles may be given back from any thread, and `tell` may be called from any.
unsafe impl Send for Watch {}

impl Watch {
    /// Calls `tell`, from a thread of Windows, after each change. It must not wait, and must
    /// not drop this watch.
    pub fn start(tell: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let tell: Box<Tell> = Box::new(Box::new(tell));
        let mut watch = Self {
            network: Vec::new(),
            power: None,
            subscription: Box::new(DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS {
                Callback: Some(power_changed),
                Context: from_ref(&*tell).cast_mut().cast(),
            }),
            tell,
        };
        watch.network()?;
        watch.power()?;
        Ok(watch)
    }

    fn network(&mut self) -> io::Result<()> {
        let context = from_ref(&*self.tell).cast();
        let mut handle = null_mut();
        // SAFETY: the context lives in its box until `drop` has given every handle back, after
        // which Windows calls no more; the function has the signature that is asked for.
        let answer = unsafe {
            NotifyIpInterfaceChange(
                AF_UNSPEC,
                Some(interface_changed),
                context,
                false,
                &raw mut handle,
            )
        };
        self.keep(answer, handle)?;
        // SAFETY: as above.
        let answer = unsafe {
            NotifyUnicastIpAddressChange(
                AF_UNSPEC,
                Some(address_changed),
                context,
                false,
                &raw mut handle,
            )
        };
        self.keep(answer, handle)?;
        // SAFETY: as above.
        let answer = unsafe {
            NotifyRouteChange2(
                AF_UNSPEC,
                Some(route_changed),
                context,
                false,
                &raw mut handle,
            )
        };
        self.keep(answer, handle)
    }

    fn keep(&mut self, answer: u32, handle: HANDLE) -> io::Result<()> {
        code(answer)?;
        self.network.push(handle);
        Ok(())
    }

    fn power(&mut self) -> io::Result<()> {
        let subscription = from_ref(&*self.subscription);
        let mut handle = null_mut();
        // SAFETY: as above; with this flag the second argument is such a subscription.
        let answer = unsafe {
            PowerRegisterSuspendResumeNotification(
                DEVICE_NOTIFY_CALLBACK,
                subscription.cast_mut().cast(),
                &raw mut handle,
            )
        };
        code(answer)?;
        self.power = Some(handle.addr().cast_signed());
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for handle in self.network.drain(..) {
            // SAFETY: Windows gave it, and it is given back once. The call returns after
            // callbacks that run have ended. What it says changes nothing.
            unsafe { CancelMibChangeNotify2(handle) };
        }
        if let Some(handle) = self.power.take() {
            // SAFETY: the same.
            unsafe { PowerUnregisterSuspendResumeNotification(handle) };
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Watch")
    }
}

unsafe extern "system" fn interface_changed(
    context: *const c_void,
    _row: *const MIB_IPINTERFACE_ROW,
    _kind: i32,
) {
    // SAFETY: it is the context that `network` has handed over.
    unsafe { tell(context) }
}

unsafe extern "system" fn address_changed(
    context: *const c_void,
    _row: *const MIB_UNICASTIPADDRESS_ROW,
    _kind: i32,
) {
    // SAFETY: the same.
    unsafe { tell(context) }
}

unsafe extern "system" fn route_changed(
    context: *const c_void,
    _row: *const MIB_IPFORWARD_ROW2,
    _kind: i32,
) {
    // SAFETY: the same.
    unsafe { tell(context) }
}

unsafe extern "system" fn power_changed(
    context: *const c_void,
    kind: u32,
    _setting: *const c_void,
) -> u32 {
    if kind == PBT_APMRESUMEAUTOMATIC {
        // SAFETY: it is the context of the subscription.
        unsafe { tell(context) }
    }
    0
}

/// # Safety
///
/// `context` points to the `tell` of a [`Watch`], which still lives.
unsafe fn tell(context: *const c_void) {
    // SAFETY: our caller says so, and nobody changes it while Windows has it.
    let tell = unsafe { &*context.cast::<Tell>() };
    tell();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watching_begins_and_ends() {
        drop(Watch::start(|| ()).expect("watches"));
    }
}
