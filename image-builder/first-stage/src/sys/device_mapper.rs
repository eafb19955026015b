//! The one call without a safe wrapper: device-mapper's ioctl.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;

use nix::libc;

use crate::mapper::{HEADER, Order, REQUEST};

/// `DM_IOCTL` of linux/dm-ioctl.h.
const KIND: u8 = 0xfd;

/// The kernel's device-mapper.
#[derive(Debug)]
pub struct DeviceMapper(File);

impl DeviceMapper {
    pub fn open() -> io::Result<Self> {
        let control = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/mapper/control")?;
        Ok(Self(control))
    }

    /// Carries out an order and returns the kernel's answer.
    #[expect(
        unsafe_code,
        reason = "neither std nor nix has a safe call for device-mapper"
    )]
    pub fn carry_out(&self, order: Order<'_>) -> io::Result<[u8; REQUEST]> {
        let mut request = order
            .request()
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let code = nix::request_code_readwrite!(KIND, order.number(), HEADER);
        let at = request.as_mut_ptr();
        // SAFETY: the kernel reads and writes at most `data_size` bytes at `at`, a field of the
        // request that `Order::request` sets to REQUEST, which is what the array behind `at` holds.
        // It is borrowed by nobody else and outlives the call. The kernel copies, so it needs no
        // alignment, and any bytes that it writes are valid in an array of bytes. The descriptor
        // is open, since `self` owns it.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), code, at) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(request)
    }
}
