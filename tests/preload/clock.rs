//! A library that is preloaded into a process on Linux: the process sees the time of day moved by a number of seconds,
//! and its other clocks as they are. The number is in a file that `SERIN_CLOCK_OFFSET` names, as eight bytes in the
//! machine's order; what is written there takes effect at once.
//!
//! `rustc --crate-type cdylib` builds it; no package is needed.

#![no_std]

use core::ffi::{c_char, c_int, c_long, c_void};
use core::sync::atomic::{AtomicPtr, Ordering};

/// `struct timespec`.
#[repr(C)]
pub struct Timespec {
    seconds: i64,
    nanos: i64,
}

#[link(name = "c")]
unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn getenv(name: *const c_char) -> *const c_char;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn mmap(at: *mut c_void, length: usize, protection: c_int, flags: c_int, file: c_int, offset: i64) -> *mut c_void;
    fn abort() -> !;
}

#[cfg(target_arch = "x86_64")]
const CLOCK_GETTIME: c_long = 228;
#[cfg(target_arch = "aarch64")]
const CLOCK_GETTIME: c_long = 113;
const CLOCK_REALTIME: c_int = 0;

/// The offset in the file.
static OFFSET: AtomicPtr<i64> = AtomicPtr::new(core::ptr::null_mut());

/// The offset in seconds; 0 without the variable or its file.
fn offset() -> i64 {
    let mut known = OFFSET.load(Ordering::Acquire);
    if known.is_null() {
        // SAFETY: the name ends with a zero byte, the path is the environment's, and the result is checked.
        known = unsafe {
            let path = getenv(c"SERIN_CLOCK_OFFSET".as_ptr());
            if path.is_null() {
                return 0;
            }
            let file = open(path, 0);
            // Readable, and shared with whoever writes the file.
            let mapped = if file < 0 { -1_isize as *mut c_void } else { mmap(core::ptr::null_mut(), 8, 1, 1, file, 0) };
            if mapped as isize == -1 {
                return 0;
            }
            mapped.cast()
        };
        OFFSET.store(known, Ordering::Release);
    }
    // SAFETY: it is the start of a mapped page, which is never unmapped.
    unsafe { known.read_volatile() }
}

/// In place of libc's.
///
/// # Safety
/// As libc's: `time` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    // SAFETY: the caller's pointer is passed on; after a success it holds the time.
    unsafe {
        let result = syscall(CLOCK_GETTIME, c_long::from(clock), time);
        if result == 0 && clock == CLOCK_REALTIME {
            (*time).seconds += offset();
        }
        result as c_int
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: it takes nothing and does not return.
    unsafe { abort() }
}
