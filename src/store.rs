//! The journal in the hands of the host: its four functions, and what they may return.

use std::cell::RefCell;
use std::ffi::CString;
use std::sync::Arc;

use libc::{c_char, c_void};
use vpmeter_core::error::Report;
use vpmeter_core::journal::hooked::{Place, Shelves, MAX_BYTES};
use vpmeter_core::journal::StoreError;

use crate::boundary::Marked;
use crate::hooks::HostHooks;
use crate::pointers;

/// A payment with something left to do: `shelf` of the store hooks.
pub const VP_SHELF_OPEN: i32 = 0;
/// A payment that is done; kept so that its reference is not used twice and a refund finds it. May be given up, oldest
/// first, when there is no room for anything else.
pub const VP_SHELF_CLOSED: i32 = 1;
/// What the meter itself remembers: one record, "meter-clock", of less than 128 bytes, written about every two days.
pub const VP_SHELF_METER: i32 = 2;

/// Done.
pub const VP_STORE_OK: i32 = 0;
/// There is no such record.
pub const VP_STORE_NOTHING: i32 = -1;
/// There is no room; what was there before is as it was.
pub const VP_STORE_FULL: i32 = -2;
/// It could not be read or written; what was there before is as it was. So is every number without a name.
pub const VP_STORE_FAILED: i32 = -3;
/// There is a record, and it cannot be trusted.
pub const VP_STORE_DAMAGED: i32 = -4;

/// The largest record that a store is given, bytes. A payment without receipt has about 1500, a tombstone 1000; each
/// line of a receipt adds 200 until the receipt is posted.
pub const VP_STORE_RECORD_MAX: u32 = 65_536;

/// Given to `store_each`: takes one name. Returns 0: the next one; anything else: end.
pub type vp_store_name_fn =
    Option<unsafe extern "C" fn(context: *mut c_void, name: *const c_char) -> i32>;

/// `store_put`
pub type PutFn = unsafe extern "C" fn(
    user: *mut c_void,
    shelf: i32,
    name: *const c_char,
    bytes: *const c_void,
    size: u32,
) -> i32;
/// `store_get`
pub type GetFn = unsafe extern "C" fn(
    user: *mut c_void,
    shelf: i32,
    name: *const c_char,
    buffer: *mut c_void,
    size: u32,
) -> i32;
/// `store_remove`
pub type RemoveFn = unsafe extern "C" fn(user: *mut c_void, shelf: i32, name: *const c_char) -> i32;
/// `store_each`
pub type EachFn = unsafe extern "C" fn(
    user: *mut c_void,
    shelf: i32,
    each: vp_store_name_fn,
    context: *mut c_void,
) -> i32;

/// The host's store.
pub struct HostStore {
    hooks: Arc<HostHooks>,
    put: PutFn,
    get: GetFn,
    remove: RemoveFn,
    each: EachFn,
}

impl HostStore {
    /// The host's store, if it brings one: all four functions or none.
    pub fn of(hooks: &Arc<HostHooks>) -> Result<Option<HostStore>, Report> {
        let h = hooks.raw();
        match (h.store_put, h.store_get, h.store_remove, h.store_each) {
            (None, None, None, None) => Ok(None),
            (Some(put), Some(get), Some(remove), Some(each)) => Ok(Some(HostStore {
                hooks: hooks.clone(),
                put,
                get,
                remove,
                each,
            })),
            (put, get, remove, _) => {
                let missing = match (put, get, remove) {
                    (None, _, _) => "hooks.store_put",
                    (_, None, _) => "hooks.store_get",
                    (_, _, None) => "hooks.store_remove",
                    _ => "hooks.store_each",
                };
                Err(Report::invalid(
                    missing,
                    "is missing: all four store hooks or none",
                ))
            }
        }
    }

    fn user(&self) -> *mut c_void {
        self.hooks.raw().user
    }
}

fn number(place: Place) -> i32 {
    match place {
        Place::Open => VP_SHELF_OPEN,
        Place::Closed => VP_SHELF_CLOSED,
        Place::Meter => VP_SHELF_METER,
    }
}

fn c_name(name: &str) -> Result<CString, StoreError> {
    CString::new(name).map_err(|_| StoreError::Broken("a name with a NUL".into()))
}

fn failure(what: &str, code: i32) -> StoreError {
    match code {
        VP_STORE_FULL => StoreError::Full,
        VP_STORE_DAMAGED => StoreError::Damaged("the store says that it is damaged".into()),
        VP_STORE_FAILED => StoreError::Broken(format!("{what} of the host failed")),
        _ => StoreError::Broken(format!("{what} of the host returned {code}")),
    }
}

fn done(what: &str, code: i32) -> Result<(), StoreError> {
    match code {
        VP_STORE_OK => Ok(()),
        code => Err(failure(what, code)),
    }
}

impl Shelves for HostStore {
    fn put(&self, place: Place, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let name = c_name(name)?;
        let size = u32::try_from(bytes.len()).map_err(|_| StoreError::Full)?;
        let _marked = Marked::store();
        // SAFETY: the host's function, with its own pointer, a string and `size` bytes that live until it returns.
        let code = unsafe {
            (self.put)(
                self.user(),
                number(place),
                name.as_ptr(),
                bytes.as_ptr().cast(),
                size,
            )
        };
        done("store_put", code)
    }

    fn get(&self, place: Place, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let name = c_name(name)?;
        let mut buffer = vec![0u8; MAX_BYTES];
        let code = {
            let _marked = Marked::store();
            // SAFETY: the host's function, with its own pointer, and a string and a buffer of the size that it is told,
            // which live until it returns.
            unsafe {
                (self.get)(
                    self.user(),
                    number(place),
                    name.as_ptr(),
                    buffer.as_mut_ptr().cast(),
                    VP_STORE_RECORD_MAX,
                )
            }
        };
        match usize::try_from(code) {
            Ok(length) if length <= MAX_BYTES => Ok(Some(buffer[..length].to_vec())),
            Ok(length) => Err(StoreError::Broken(format!(
                "store_get of the host gave {length} bytes where {MAX_BYTES} were asked for"
            ))),
            Err(_) if code == VP_STORE_NOTHING => Ok(None),
            Err(_) => Err(failure("store_get", code)),
        }
    }

    fn remove(&self, place: Place, name: &str) -> Result<(), StoreError> {
        let name = c_name(name)?;
        let _marked = Marked::store();
        // SAFETY: the host's function, with its own pointer and a string that lives until it returns.
        match unsafe { (self.remove)(self.user(), number(place), name.as_ptr()) } {
            VP_STORE_NOTHING => Ok(()),
            code => done("store_remove", code),
        }
    }

    fn names(&self, place: Place, most: usize) -> Result<Vec<String>, StoreError> {
        let collecting = Collecting::begin(most);
        let code = {
            let _marked = Marked::store();
            // SAFETY: the host's function, with its own pointer and a function that may be called with anything.
            unsafe {
                (self.each)(
                    self.user(),
                    number(place),
                    Some(take_name),
                    std::ptr::null_mut(),
                )
            }
        };
        let names = collecting.end();
        done("store_each", code)?;
        names
    }
}

/// What `take_name` is given. In a thread-local and not behind `context`: a host that calls it late, or from another
/// thread, finds nothing there instead of memory that is gone.
struct Names {
    most: usize,
    names: Vec<String>,
    wrong: bool,
}

thread_local! {
    static NAMES: RefCell<Option<Names>> = const { RefCell::new(None) };
}

/// Ends the collecting, also when a panic passes by.
struct Collecting;

impl Collecting {
    fn begin(most: usize) -> Collecting {
        NAMES.set(Some(Names {
            most,
            names: Vec::new(),
            wrong: false,
        }));
        Collecting
    }

    fn end(self) -> Result<Vec<String>, StoreError> {
        match NAMES.take() {
            Some(n) if !n.wrong => Ok(n.names),
            _ => Err(StoreError::Broken(
                "store_each of the host named something that is no name".into(),
            )),
        }
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        let _ = NAMES.try_with(RefCell::take);
    }
}

unsafe extern "C" fn take_name(_: *mut c_void, name: *const c_char) -> i32 {
    let take = |n: &mut Names| {
        if n.names.len() >= n.most {
            return 1;
        }
        // SAFETY: the header asks for NULL or a string with a NUL.
        match unsafe { pointers::required(name, "name") } {
            Ok(name) => n.names.push(name),
            Err(_) => n.wrong = true,
        }
        i32::from(n.wrong)
    };
    NAMES
        .try_with(|names| names.borrow_mut().as_mut().map_or(1, take))
        .unwrap_or(1)
}

const _: () = assert!(VP_STORE_RECORD_MAX as usize == MAX_BYTES);
