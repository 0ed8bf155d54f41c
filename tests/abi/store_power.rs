//! The power-cut tests of the journal, once more through the store hooks: the store of `examples-c/block_store.c`, with
//! the power cut at every byte that it writes, and again at every byte of the recovery.

#[path = "../../core/tests/support/script.rs"]
mod script;

use std::ffi::{c_void, CStr, CString};
use std::sync::{Arc, Mutex, OnceLock};

use vpmeter_core::journal::hooked::{Hooked, Place, Shelves};
use vpmeter_core::journal::StoreError;

use crate::common::{compile_program, root, strict, Link, Scratch};
use script::{act, find, script, Do, Model};

/// Small, so that it is full now and then.
const SIZE: usize = 4096;

type Name = unsafe extern "C" fn(*mut c_void, *const libc::c_char) -> i32;

type Told = unsafe extern "C" fn(*mut c_void, u32, *const c_void, u32);

/// The functions of the C store, loaded.
struct Functions {
    open: unsafe extern "C" fn(*mut u8, u32, Told, *mut c_void) -> *mut c_void,
    close: unsafe extern "C" fn(*mut c_void),
    put: unsafe extern "C" fn(*mut c_void, i32, *const libc::c_char, *const c_void, u32) -> i32,
    get: unsafe extern "C" fn(*mut c_void, i32, *const libc::c_char, *mut c_void, u32) -> i32,
    remove: unsafe extern "C" fn(*mut c_void, i32, *const libc::c_char) -> i32,
    each: unsafe extern "C" fn(*mut c_void, i32, Option<Name>, *mut c_void) -> i32,
}

fn functions() -> &'static Functions {
    static LOADED: OnceLock<Functions> = OnceLock::new();
    LOADED.get_or_init(|| {
        let scratch = Scratch::new();
        let library = scratch.join("cut_block.so");
        let sources = [
            root().join("tests/c/cut_block.c"),
            root().join("examples-c/block_store.c"),
        ];
        let include = format!("-I{}", root().join("examples-c").display());
        let flags = [strict(), &["-O2", "-fPIC", "-shared", &include]].concat();
        compile_program(&sources, &flags, Link::Shared, &library);
        let path = CString::new(library.to_str().expect("UTF-8")).expect("no NUL");
        // SAFETY: a library of ours, without constructors.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        assert!(!handle.is_null(), "{} cannot be loaded", library.display());
        // SAFETY: the types are those of tests/c/cut_block.h and examples-c/block_store.h.
        unsafe {
            Functions {
                open: function(handle, c"cut_open"),
                close: function(handle, c"cut_close"),
                put: function(handle, c"block_store_put"),
                get: function(handle, c"block_store_get"),
                remove: function(handle, c"block_store_remove"),
                each: function(handle, c"block_store_each"),
            }
        }
    })
}

/// # Safety
/// `F` is the type of that function.
unsafe fn function<F: Copy>(handle: *mut c_void, name: &CStr) -> F {
    // SAFETY: a handle, and a string.
    let found = unsafe { libc::dlsym(handle, name.as_ptr()) };
    assert!(!found.is_null(), "{name:?}");
    assert_eq!(size_of::<F>(), size_of::<*mut c_void>());
    // SAFETY: a function pointer, by the caller's promise.
    unsafe { std::mem::transmute_copy(&found) }
}

/// The memory. What is in it outlives the store.
#[derive(Clone)]
struct Block(Vec<u64>);

impl Block {
    fn new() -> Block {
        Block(vec![0; SIZE / 8])
    }

    fn byte(&mut self, at: usize) -> &mut u8 {
        assert!(at < SIZE);
        // SAFETY: inside the vector, which is ours alone.
        unsafe { &mut *self.0.as_mut_ptr().cast::<u8>().add(at) }
    }
}

/// Every byte that was written, in order, and where.
type Log = Vec<(usize, u8)>;

unsafe extern "C" fn told(log: *mut c_void, at: u32, bytes: *const c_void, count: u32) {
    // SAFETY: the log of `CStore`, whose lock is held, and the bytes of the store.
    let (log, bytes) = unsafe {
        let bytes = std::slice::from_raw_parts(bytes.cast::<u8>(), count as usize);
        (&mut *log.cast::<Log>(), bytes)
    };
    log.extend((at as usize..).zip(bytes.iter().copied()));
}

/// The C store on a block that it has for itself.
struct CStore(Mutex<Inside>);

struct Inside {
    user: *mut c_void,
    block: Box<Block>,
    log: Box<Log>,
}

// SAFETY: everything in it belongs to it alone.
unsafe impl Send for Inside {}

impl CStore {
    fn open(block: &Block) -> CStore {
        let mut block = Box::new(block.clone());
        let mut log = Box::new(Log::new());
        let (memory, context) = (block.0.as_mut_ptr().cast(), (&raw mut *log).cast());
        // SAFETY: a block of that size and a log, which both live as long as the store.
        let user = unsafe { (functions().open)(memory, SIZE as u32, told, context) };
        assert!(!user.is_null());
        CStore(Mutex::new(Inside { user, block, log }))
    }

    fn with<T>(&self, call: impl FnOnce(*mut c_void) -> T) -> T {
        call(self.0.lock().expect("no panic inside").user)
    }

    /// What it has written so far.
    fn log(&self) -> Log {
        (*self.0.lock().expect("no panic inside").log).clone()
    }

    fn block(&self) -> Block {
        (*self.0.lock().expect("no panic inside").block).clone()
    }
}

impl Drop for CStore {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more.
        self.with(|user| unsafe { (functions().close)(user) });
    }
}

/// One store for the journal and for the test that looks at its memory.
struct Shared(Arc<CStore>);

fn place(place: Place) -> i32 {
    match place {
        Place::Open => 0,
        Place::Closed => 1,
        Place::Meter => 2,
    }
}

fn c_name(name: &str) -> CString {
    CString::new(name).expect("no NUL")
}

fn broken(code: i32) -> StoreError {
    StoreError::Broken(format!("code {code}"))
}

unsafe extern "C" fn take(context: *mut c_void, name: *const libc::c_char) -> i32 {
    // SAFETY: the vector of `names` below, and a name of the store.
    unsafe {
        let name = CStr::from_ptr(name).to_str().expect("UTF-8").to_owned();
        (*context.cast::<Vec<String>>()).push(name);
    }
    0
}

impl Shelves for Shared {
    fn put(&self, at: Place, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (name, size) = (c_name(name), bytes.len() as u32);
        // SAFETY: a string and `size` bytes.
        let put = |user| unsafe {
            (functions().put)(user, place(at), name.as_ptr(), bytes.as_ptr().cast(), size)
        };
        match self.0.with(put) {
            0 => Ok(()),
            -2 => Err(StoreError::Full),
            code => Err(broken(code)),
        }
    }

    fn get(&self, at: Place, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let name = c_name(name);
        let mut buffer = vec![0u8; SIZE];
        let to = buffer.as_mut_ptr().cast();
        // SAFETY: a string and a buffer of that size.
        let get =
            |user| unsafe { (functions().get)(user, place(at), name.as_ptr(), to, SIZE as u32) };
        match self.0.with(get) {
            -1 => Ok(None),
            -4 => Err(StoreError::Damaged("damaged".into())),
            code => match usize::try_from(code) {
                Ok(length) => Ok(Some(buffer[..length].to_vec())),
                Err(_) => Err(broken(code)),
            },
        }
    }

    fn remove(&self, at: Place, name: &str) -> Result<(), StoreError> {
        let name = c_name(name);
        // SAFETY: a string.
        match self
            .0
            .with(|user| unsafe { (functions().remove)(user, place(at), name.as_ptr()) })
        {
            0 | -1 => Ok(()),
            code => Err(broken(code)),
        }
    }

    fn names(&self, at: Place, _: usize) -> Result<Vec<String>, StoreError> {
        let mut names: Vec<String> = Vec::new();
        let context = (&raw mut names).cast();
        // SAFETY: `take` is given this vector.
        match self
            .0
            .with(|user| unsafe { (functions().each)(user, place(at), Some(take), context) })
        {
            0 => Ok(names),
            code => Err(broken(code)),
        }
    }
}

/// Opens the journal in a copy of a block.
fn open(block: &Block, when: &str) -> (Hooked, Arc<CStore>) {
    let store = Arc::new(CStore::open(block));
    let journal = Hooked::open(Box::new(Shared(store.clone())));
    (journal.expect(when), store)
}

/// Runs the script on a new block; what was written, and what may be found when the power fails after so many bytes:
/// each model holds from its byte on.
fn run() -> (Log, Vec<(usize, Model)>, Block) {
    let (mut journal, mut store) = open(&Block::new(), "an empty block");
    let mut log = Log::new();
    let mut model = Model::new();
    let mut models = vec![(0, model.clone())];
    for what in script() {
        let before = model.clone();
        model.begin(what);
        models.push((log.len() + store.log().len(), model.clone()));
        if let Do::Reopen = what {
            log.extend(store.log());
            (journal, store) = open(&store.block(), "the script");
        }
        act(&journal, what).expect("a good store");
        model.done(&before, what);
        // A put that has returned is the only truth; it returns after its last byte.
        models.push((log.len() + store.log().len(), model.clone()));
    }
    log.extend(store.log());
    (log, models, store.block())
}

#[test]
fn a_cut_at_any_byte_loses_nothing_that_was_put() {
    let (log, models, _) = run();
    let mut block = Block::new();
    let mut recoveries = 0;
    for cut in 0..=log.len() {
        let (_, model) = models.iter().rfind(|(from, _)| *from <= cut).expect("one");
        let when = format!("cut at byte {cut} of {}", log.len());
        let (journal, store) = open(&block, &when);
        // The power fails again, after each byte that the recovery writes; of each word, for the time that it takes.
        let mut again = block.clone();
        for (second, (at, byte)) in store.log().iter().enumerate() {
            *again.byte(*at) = *byte;
            if (cut + second) % 4 != 0 {
                continue;
            }
            let when = format!("{when}; again at byte {second} of the recovery");
            model.check(&find(&open(&again, &when).0, &when, None), &when);
            recoveries += 1;
        }
        model.check(&find(&journal, &when, None), &when);
        // And it goes on.
        if cut % 16 == 0 {
            for (name, version) in [(0, 1), (1, 2), (2, 3), (3, 4)] {
                let put = Do::Put(vpmeter_core::journal::Shelf::Open, name, version);
                act(&journal, put).expect(&when);
            }
        }
        if let Some((at, byte)) = log.get(cut) {
            *block.byte(*at) = *byte;
        }
    }
    println!("{} bytes, {recoveries} cuts in a recovery", log.len());
    assert!(
        log.len() > 5_000 && recoveries > 1_000,
        "{} {recoveries}",
        log.len()
    );
}

/// A battery that was too weak: any byte may have changed. What is found is whole, or damaged by name, or gone.
#[test]
fn a_byte_that_changes_gives_no_garbage() {
    let (_, _, whole) = run();
    let mut damaged = 0;
    for at in 0..SIZE {
        for change in [0xFF, 0x01] {
            let mut block = whole.clone();
            *block.byte(at) ^= change;
            let when = format!("byte {at} changed by {change}");
            find(&open(&block, &when).0, &when, Some(&mut damaged));
        }
    }
    assert!(damaged > 100, "the changes did no harm: {damaged}");
}
