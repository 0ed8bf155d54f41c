//! The C face, called as a C program calls it.

mod callbacks;
mod calls;
mod handles;
mod nulls;
mod panics;
mod text;
mod webhook;

use std::ffi::{CStr, CString};
use std::ptr::{null, null_mut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libc::c_char;
use vpmeter_core::client::config::{Config, Credentials};
use vpmeter_core::client::{Client, Doors, SystemRandom};
use vpmeter_core::clock::BestClock;
use vpmeter_core::error::Code;
use vpmeter_core::journal::memory::Memory;
use vpmeter_core::phone::Market;
use vpmeter_core::poll::PollPlan;
use vpmeter_core::transport::{Failure, Flow, Request, Response, Traffic, Transport};

use crate::client::{vp_client, Open};
use crate::error::vp_error;
use crate::hooks::{vp_hooks, HostHooks};
use crate::payment::vp_payment;
use crate::pointers::CStruct;
use crate::receipt::{vp_order_line, vp_receipt};
use crate::ride::vp_push_payment;
use crate::table::Reserved;

/// The table of clients belongs to the process: one test at a time.
static TABLE: Mutex<()> = Mutex::new(());

/// No network: no byte ever leaves.
struct Nowhere;

impl Transport for Nowhere {
    fn exchange(
        &self,
        _: &Request,
        _: std::rc::Rc<dyn Fn() -> Flow>,
    ) -> (Result<Response, Failure>, Traffic) {
        let failure = Failure {
            may_have_left: false,
            cause: vpmeter_core::error::Cause::Connect,
            detail: "no network".into(),
        };
        (Err(failure), Traffic::default())
    }
}

/// An open client without network and disk.
struct Opened {
    client: *mut vp_client,
    _table: MutexGuard<'static, ()>,
}

impl Opened {
    fn new() -> Opened {
        Opened::with(null())
    }

    fn with(hooks: *const vp_hooks) -> Opened {
        let table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
        Opened {
            client: open(hooks),
            _table: table,
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // SAFETY: a handle, whatever it is by now.
        unsafe { crate::vp_client_close(self.client) };
    }
}

fn open(hooks: *const vp_hooks) -> *mut vp_client {
    // SAFETY: NULL or good hooks of the test.
    let hooks = Arc::new(unsafe { HostHooks::read(hooks) }.unwrap());
    let place = Reserved::take().unwrap();
    let config = Config {
        base_url: "http://127.0.0.1:1".into(),
        credentials: Credentials {
            client_id: "id".into(),
            client_secret: String::from("secret").into(),
            subscription_key: String::from("key").into(),
            msn: "123456".into(),
        },
        access: Default::default(),
        market: Market::Norway,
        device: "car-7".into(),
        system_name: String::new(),
        system_version: String::new(),
        plugin_name: String::new(),
        plugin_version: String::new(),
        allow_refund: true,
        request_ms: 1_000,
        connect_ms: 1_000,
        poll: PollPlan::default(),
    };
    let doors = Doors {
        transport: Arc::new(Nowhere),
        store: Arc::new(Memory::new()),
        clock: Arc::new(BestClock::new(hooks.clock())),
        hooks: hooks.clone(),
        random: Arc::new(SystemRandom),
        interrupts: place.interrupts(),
    };
    let client = Client::open(config, doors).unwrap();
    place.publish(Arc::new(Open::new(client, hooks)))
}

/// A request with every string that it needs, and a receipt of two lines.
struct Asked {
    request: vp_push_payment,
    receipt: vp_receipt,
    lines: Vec<vp_order_line>,
    _strings: Vec<CString>,
}

impl Asked {
    fn new(reference: &str) -> Box<Asked> {
        let mut strings = Vec::new();
        let mut text = |text: &str| {
            strings.push(CString::new(text).unwrap());
            strings[strings.len() - 1].as_ptr()
        };
        let mut request = vp_push_payment::empty();
        request.on_approval = crate::ride::VP_THEN_CAPTURE;
        request.amount = 25_000;
        request.currency = text("NOK");
        request.reference = text(reference);
        request.trip = text("trip-7");
        request.phone = text("912 34 567");
        let mut first = vp_order_line::empty();
        first.vat_rate = 1_200;
        first.total = 22_400;
        first.total_excluding_vat = 20_000;
        first.vat = 2_400;
        first.id = text("1");
        first.name = text("Tur");
        let mut second = vp_order_line::empty();
        second.total = 2_600;
        second.total_excluding_vat = 2_600;
        second.id = text("2");
        second.name = text("Bom");
        let mut receipt = vp_receipt::empty();
        receipt.line_size = size_of::<vp_order_line>() as u32;
        receipt.line_count = 2;
        let mut asked = Box::new(Asked {
            request,
            receipt,
            lines: vec![first, second],
            _strings: strings,
        });
        asked.receipt.lines = asked.lines.as_ptr();
        asked.request.receipt = &raw const asked.receipt;
        asked
    }
}

/// Reads a fixed array or a buffer.
fn read(text: &[c_char]) -> String {
    // SAFETY: the library terminates what it writes, and the tests begin with zeros.
    unsafe { CStr::from_ptr(text.as_ptr()) }
        .to_str()
        .unwrap()
        .into()
}

/// The code of an error, by name, and the field.
fn told(error: &vp_error) -> (&'static str, String) {
    let code = Code::from_number(error.code).unwrap();
    (code.name(), read(&error.field))
}

fn create(client: *mut vp_client, reference: &str) -> (i32, vp_payment) {
    let asked = Asked::new(reference);
    let mut payment = vp_payment::empty();
    // SAFETY: everything is good.
    let rc = unsafe {
        crate::vp_create_push_payment(client, &asked.request, 0, &mut payment, null_mut())
    };
    (rc, payment)
}
