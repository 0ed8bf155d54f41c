//! Every cast, string, slice and `struct_size` check between the caller's memory and ours.
//!
//! Nothing of the caller's is ever held as a reference while a call works: structs are copied in, strings are copied in,
//! results are copied out. The caller's structs need not be aligned.

use libc::c_char;
use vpmeter_core::error::{Code, Report};

/// No struct of this API will ever be as large; what says so was never set up.
const ABSURD: usize = 65_536;
/// The longest string that is read, in bytes. Every field has a limit of its own below this.
const LONGEST: usize = 4_096;

/// Size of a pointer: each struct with pointers is made so that its size is a multiple of 8 for 4 and for 8.
pub(crate) const POINTER: usize = size_of::<*const u8>();

/// A struct of the API that begins with its size.
///
/// # Safety
/// `repr(C)`, the first member is `struct_size: u32`, and all zeros are a valid value.
pub unsafe trait CStruct: Copy {
    /// The size in the first version of the header: the least that a caller can have.
    const FIRST_SIZE: usize;

    /// All zeros but for the size.
    fn empty() -> Self {
        // SAFETY: the promise of the trait.
        let mut value: Self = unsafe { std::mem::zeroed() };
        // SAFETY: the first member is a `u32`, and `value` is aligned for it.
        unsafe {
            (&raw mut value)
                .cast::<u32>()
                .write(size_of::<Self>() as u32)
        };
        value
    }
}

/// The report of a NULL.
pub fn null(field: &str) -> Report {
    let mut report = Report::new(Code::NullPointer, "must not be NULL");
    report.field = field.to_string();
    report
}

/// The report of a size that cannot be.
pub fn wrong_size(field: String, size: usize, least: usize) -> Report {
    let rule =
        format!("is {size}, must be at least {least}: set the struct up with its INIT macro");
    let mut report = Report::new(Code::StructSize, rule);
    report.field = field;
    report
}

/// Checks a size that the caller gave.
pub fn check_size(field: &str, member: &str, size: u32, least: usize) -> Result<usize, Report> {
    let size = size as usize;
    if size < least || size > ABSURD {
        return Err(wrong_size(format!("{field}.{member}"), size, least));
    }
    Ok(size)
}

/// A member kept for later versions must be 0: what an old program leaves there must never mean anything.
pub fn reserved(field: &str, is_zero: bool) -> Result<(), Report> {
    if is_zero {
        Ok(())
    } else {
        Err(Report::invalid(field, "is reserved and must be 0"))
    }
}

/// 0 or 1.
pub fn flag(field: &str, value: i32) -> Result<bool, Report> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Report::invalid(field, "must be 0 or 1")),
    }
}

/// Checks that a struct can be written to, before anything else happens.
///
/// # Safety
/// NULL, or the caller's struct, at least the bytes that its `struct_size` says.
pub unsafe fn check<T: CStruct>(pointer: *const T, field: &str) -> Result<usize, Report> {
    if pointer.is_null() {
        return Err(null(field));
    }
    // SAFETY: not NULL, and every version of the struct begins with these four bytes.
    let size = unsafe { pointer.cast::<u32>().read_unaligned() };
    check_size(field, "struct_size", size, T::FIRST_SIZE)
}

/// Copies a struct in. Members that the caller's version does not have are zero; those that ours does not have are left.
///
/// # Safety
/// As for [`check`].
pub unsafe fn read<T: CStruct>(pointer: *const T, field: &str) -> Result<T, Report> {
    // SAFETY: the caller's promise.
    let size = unsafe { check(pointer, field) }?;
    // SAFETY: `size` bytes are the caller's promise.
    Ok(unsafe { copy_in(pointer.cast(), size) })
}

/// # Safety
/// `size` bytes can be read at `pointer`.
unsafe fn copy_in<T: CStruct>(pointer: *const u8, size: usize) -> T {
    let mut value = T::empty();
    let count = size.min(size_of::<T>());
    // SAFETY: both sides have `count` bytes, ours is not the caller's, and any bytes are a valid T: its members are
    // integers, raw pointers and optional function pointers.
    unsafe { std::ptr::copy_nonoverlapping(pointer, (&raw mut value).cast::<u8>(), count) };
    value
}

/// Copies one element of an array in, whose elements are `stride` bytes apart in the caller's version.
///
/// # Safety
/// NULL, or an array of at least `index + 1` elements of `stride` bytes.
pub unsafe fn element<T: CStruct>(
    first: *const T,
    index: usize,
    stride: u32,
    field: &str,
) -> Result<T, Report> {
    if first.is_null() {
        return Err(null(&format!("{field}s")));
    }
    let stride = check_size(
        field.rsplit_once('.').map_or(field, |(owner, _)| owner),
        "line_size",
        stride,
        T::FIRST_SIZE,
    )?;
    // SAFETY: inside the array, by the caller's promise.
    let pointer = unsafe { first.cast::<u8>().add(index * stride) };
    let name = format!("{field}s[{index}]");
    // SAFETY: every version of the struct begins with these four bytes.
    let size = unsafe { pointer.cast::<u32>().read_unaligned() };
    let size = check_size(&name, "struct_size", size, T::FIRST_SIZE)?;
    if size > stride {
        return Err(wrong_size(
            format!("{name}.struct_size"),
            size,
            T::FIRST_SIZE,
        ));
    }
    // SAFETY: `size` bytes of this element, by the caller's promise.
    Ok(unsafe { copy_in(pointer, size) })
}

/// Copies a result out, as much of it as the caller's version has; `struct_size` stays the caller's.
///
/// # Safety
/// The caller's struct, checked by [`check`], which gave `size`.
pub unsafe fn write<T: CStruct>(pointer: *mut T, size: usize, value: &T) {
    let skip = size_of::<u32>();
    let count = size.min(size_of::<T>()) - skip;
    let from = std::ptr::from_ref(value).cast::<u8>();
    // SAFETY: both sides have `skip + count` bytes, and `value` is ours, not the caller's.
    unsafe { std::ptr::copy_nonoverlapping(from.add(skip), pointer.cast::<u8>().add(skip), count) };
}

/// Sets a caller's struct up: zeros, its size, and what `fill` sets; never a byte past `size`.
///
/// # Safety
/// NULL, or `size` bytes that may be written.
pub unsafe fn init<T: CStruct>(pointer: *mut T, size: u32, fill: impl FnOnce(&mut T)) {
    let bytes = size as usize;
    if pointer.is_null() || bytes < size_of::<u32>() {
        return;
    }
    let mut value = T::empty();
    fill(&mut value);
    // SAFETY: `bytes` bytes may be written, at least four of them.
    unsafe {
        std::ptr::write_bytes(pointer.cast::<u8>(), 0, bytes);
        pointer.cast::<u32>().write_unaligned(size);
        write(pointer, bytes, &value);
    }
}

/// A string that must be there; a copy, because a callback may change the caller's while the call runs.
///
/// # Safety
/// NULL, or a NUL-terminated string that no other thread changes meanwhile.
pub unsafe fn required(pointer: *const c_char, field: &str) -> Result<String, Report> {
    if pointer.is_null() {
        return Err(null(field));
    }
    // SAFETY: not NULL; the caller's promise.
    unsafe { text(pointer, field) }
}

/// A string that may be NULL, which is the same as empty.
///
/// # Safety
/// As for [`required`].
pub unsafe fn optional(pointer: *const c_char, field: &str) -> Result<String, Report> {
    if pointer.is_null() {
        return Ok(String::new());
    }
    // SAFETY: not NULL; the caller's promise.
    unsafe { text(pointer, field) }
}

/// # Safety
/// A NUL-terminated string that nobody changes while the result lives.
unsafe fn text(pointer: *const c_char, field: &str) -> Result<String, Report> {
    // SAFETY: reads to the NUL and no further, and never more than `LONGEST + 1` bytes.
    let bytes = unsafe { bytes(pointer, LONGEST + 1) };
    if bytes.len() > LONGEST {
        return Err(Report::invalid(field, "too long, or has no NUL at its end"));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_string()),
        Err(_) => Err(Report::invalid(field, "is not UTF-8")),
    }
}

/// The bytes before the NUL, at most `most`. Calls nothing that a signal handler may not call.
///
/// # Safety
/// A NUL-terminated string that nobody changes while the result lives.
pub unsafe fn bytes<'a>(pointer: *const c_char, most: usize) -> &'a [u8] {
    // SAFETY: the caller's promise; strnlen stops at the NUL or at `most`.
    let length: libc::size_t = unsafe { libc::strnlen(pointer, most) };
    // SAFETY: `length` bytes before the NUL, which nobody changes.
    unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), length) }
}

/// A text in a fixed array: terminated, and cut between characters if it is too long.
pub fn fixed<const N: usize>(text: &str) -> [c_char; N] {
    let mut end = text.len().min(N - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(&text.as_bytes()[..end]) {
        *to = *from as c_char;
    }
    array
}

/// Writes a text into the caller's buffer, and the size that it needs, its NUL included. A buffer that is too small gets
/// an empty string: half a phone number or reference is worse than none.
///
/// # Safety
/// `out` is NULL or has `out_size` bytes; `out_needed` is NULL or good.
pub unsafe fn give(
    out: *mut c_char,
    out_size: u32,
    out_needed: *mut u32,
    field: &str,
    text: &str,
) -> Result<(), Report> {
    if out.is_null() && out_size > 0 {
        return Err(null(field));
    }
    let needed = text.len() + 1;
    if !out_needed.is_null() {
        // SAFETY: not NULL, so good, by the caller's promise.
        unsafe { out_needed.write_unaligned(needed as u32) };
    }
    if needed > out_size as usize {
        if out_size > 0 {
            // SAFETY: not NULL and at least one byte.
            unsafe { out.write(0) };
        }
        let mut report = Report::new(Code::BufferTooSmall, format!("needs {needed} bytes"));
        report.field = field.to_string();
        return Err(report);
    }
    // SAFETY: `needed` bytes fit, and `text` is ours.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), out.cast::<u8>(), text.len());
        out.add(text.len()).write(0);
    }
    Ok(())
}

/// Writes a result where the caller wants it.
///
/// # Safety
/// Not NULL, checked before, and good by the caller's promise.
pub unsafe fn put<T>(out: *mut T, value: T) {
    // SAFETY: the caller's promise.
    unsafe { out.write_unaligned(value) }
}
