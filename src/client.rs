//! A client: its settings, its opening and closing, and what is done on it as a whole.

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use libc::c_char;
use vpmeter_core::client::access::{Access, TokenFrom};
use vpmeter_core::client::config::{default, Config, Credentials};
use vpmeter_core::client::{Client, Doors, SystemRandom};
use vpmeter_core::clock::{BestClock, Clock};
use vpmeter_core::error::{Code, Report};
use vpmeter_core::journal::directory::Directory;
use vpmeter_core::journal::disk::RealDisk;
use vpmeter_core::journal::hooked::Hooked;
use vpmeter_core::journal::{Store, StoreError};
use vpmeter_core::phone::Market;
use vpmeter_core::poll::PollPlan;
use vpmeter_core::transport::Transport;

use crate::boundary::{boundary, From};
use crate::error::vp_error;
use crate::hooks::{vp_hooks, HostHooks};
use crate::network::Network;
use crate::pointers::{self, CStruct, POINTER};
use crate::store::HostStore;
use crate::table::{self, Reserved};
use crate::token::HostTokens;
use crate::transport::HostTransport;

/// The version of the structs in this header; VP_CONFIG_INIT puts it into vp_config.
pub const VP_HEADER_VERSION: u32 = 1;

/// No gateway: the meter talks to the servers, and has the keys or a token hook.
pub const VP_GATEWAY_NONE: i32 = 0;
/// `base_url` is the fleet's own gateway, which adds client_id and client_secret where a token is asked for, and the
/// subscription key everywhere. The token reaches the meter, unless there is a token hook.
pub const VP_GATEWAY_ADDS_KEYS: i32 = 1;
/// The same, and it adds the token: no request has the header Authorization, and no token is in the meter.
pub const VP_GATEWAY_ADDS_TOKEN: i32 = 2;

/// A client: one sales unit, its journal and its connection. A handle, not a pointer to anything: a stale or foreign one
/// gives VP_ERR_NO_SUCH_CLIENT. May be shared by threads; up to 64 in a process.
pub struct vp_client {
    _opaque: [u8; 0],
}

/// The settings of a client. Zero and NULL mean the default that is written here. Everything is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_config {
    /// sizeof(vp_config)
    pub struct_size: u32,
    /// VP_HEADER_VERSION
    pub header_version: u32,
    /// "https://host[:port][/path]", or "http://" to a loopback address. Required.
    pub base_url: *const c_char,
    /// Required; NULL with a token hook or a gateway.
    pub client_id: *const c_char,
    /// Required; NULL with a token hook or a gateway. Wiped from the library's memory at close.
    pub client_secret: *const c_char,
    /// Required; NULL with a gateway. Wiped from the library's memory at close.
    pub subscription_key: *const c_char,
    /// Merchant serial number, 4 to 10 digits. Required.
    pub msn: *const c_char,
    /// Where a phone number without country code is at home: "NO", "DK", "FI" or "SE". Required.
    pub market: *const c_char,
    /// The meter or car, unique under this merchant: 1 to 60 visible ASCII characters. Part of every idempotency key, so
    /// it must not change while anything is open. Required.
    pub device: *const c_char,
    /// The directory of the journal, of this client alone; made if need be. On storage that survives a power cut.
    /// Required, or NULL with the store hooks of vp_hooks.
    pub journal_dir: *const c_char,
    /// PEM file of certificate authorities to trust beside the built-in ones; NULL: none. NULL with the hook `transport`.
    pub ca_file: *const c_char,
    /// The meter's software, told to the servers: up to 30 visible ASCII characters; NULL: nothing.
    pub system_name: *const c_char,
    /// Its version, likewise.
    pub system_version: *const c_char,
    /// The integration kit, likewise.
    pub plugin_name: *const c_char,
    /// Its version, likewise.
    pub plugin_version: *const c_char,
    /// Longest time of one request with all that it needs, 100 to 120000 milliseconds; 0: 10000.
    pub request_ms: u32,
    /// Longest time of name lookup, connection and handshake, inside `request_ms`; 0: 5000, or `request_ms` if that is
    /// less.
    pub connect_ms: u32,
    /// When a waiting payment is read first, up to 60000 milliseconds after the create; 0: 5000.
    pub poll_first_ms: u32,
    /// How often it is read from then on, 500 to 60000 milliseconds; 0: 2000.
    pub poll_every_ms: u32,
    /// 1: vp_refund works; 0: it returns VP_ERR_NOT_PERMITTED.
    pub allow_refund: i32,
    /// What the fleet's own gateway adds, VP_GATEWAY_; 0: there is none. docs/gateway.md shows one.
    pub gateway: i32,
    /// Callbacks; NULL: none. Copied, but for what `user` points to.
    pub hooks: *const vp_hooks,
    /// A header by which the gateway knows this meter, sent with every request; NULL: none.
    pub gateway_header_name: *const c_char,
    /// Its value, up to 1024 visible ASCII characters. Wiped from the library's memory at close.
    pub gateway_header_value: *const c_char,
    /// PEM file with the certificate by which the gateway knows this meter, and what leads from it to the authority; NULL:
    /// none.
    pub client_cert_file: *const c_char,
    /// PEM file with its private key: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub client_key_file: *const c_char,
    /// The address of this machine from which connections are made, IPv4 or IPv6: which of two modems or access points is
    /// used. It may come and go with the modem: while it is not there, VP_ERR_NETWORK with VP_CAUSE_SOURCE_ADDRESS. NULL:
    /// as the routing table says. This and what follows is of the library's own transport; NULL with the hook `transport`.
    pub source_address: *const c_char,
    /// The interface through which connections are made, "wwan0": nothing leaves by another, whatever the routing table
    /// says (SO_BINDTODEVICE). Linux before 5.7 asks for CAP_NET_RAW: VP_ERR_NOT_PERMITTED at open. While it is not
    /// there, VP_ERR_NETWORK with VP_CAUSE_INTERFACE. NULL: any.
    pub interface_name: *const c_char,
    /// Where the host of `base_url` is, "192.0.2.7, 2001:db8::7", up to 16 in the order in which they are tried: then no
    /// name is looked up and no helper thread runs. The certificate must be the name's all the same. NULL: look it up.
    pub addresses: *const c_char,
    /// A CONNECT proxy, "http://host:port", for https only: TLS goes through it from end to end. What it refuses was surely
    /// not sent: VP_ERR_NETWORK with VP_CAUSE_PROXY. NULL: none; nothing is taken from the environment.
    pub proxy_url: *const c_char,
    /// For a proxy that asks who it is (Basic): up to 255 visible ASCII characters without a colon; NULL: nothing is said.
    pub proxy_user: *const c_char,
    /// Its password. Goes to the proxy unencrypted. Wiped from the library's memory at close.
    pub proxy_password: *const c_char,
    /// Age at which an idle connection is no longer used, up to 600000 milliseconds; 0: 20000. Below the patience of the
    /// NAT on the way: a request on a connection that it has dropped is unknown until it is settled. 1: none is kept.
    pub keep_idle_ms: u32,
    /// 0
    pub reserved: u32,
}

// SAFETY: repr(C), begins with its size, and all zeros are a value of it: integers and raw pointers.
unsafe impl CStruct for vp_config {
    const FIRST_SIZE: usize = 40 + 24 * POINTER;
}

/// Opens a client: checks the settings, locks and reads the journal. Sends nothing. Follow it with vp_settle: what the
/// last run left open is finished there.
///
/// VP_ERR_INVALID_ARGUMENT, VP_ERR_NULL_POINTER and VP_ERR_URL name the member of vp_config at fault;
/// VP_ERR_STORAGE_IN_USE: another client has `journal_dir`; VP_ERR_BUSY: 64 clients are open.
///
/// Not from a callback. Takes as long as reading the journal takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_client_open(
    config: *const vp_config,
    out_client: *mut *mut vp_client,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::OutsideOnly, {
        // SAFETY: the header asks for NULL or a vp_config that was set up.
        let config: vp_config = unsafe { pointers::read(config, "config") }?;
        if out_client.is_null() {
            return Err(pointers::null("out_client"));
        }
        // SAFETY: the header asks for members that are NULL or good.
        let client = unsafe { open(&config) }?;
        // SAFETY: not NULL, so good, as the header asks.
        unsafe { pointers::put(out_client, client) };
        Ok(Report::ok())
    })
}

/// Closes a client and frees all that it has. The journal keeps what is open; the next vp_client_open and vp_settle go on
/// with it. NULL is fine. VP_ERR_BUSY while another call runs on this client: vp_interrupt ends that, then close again.
/// After VP_ERR_PANIC this is the only call that works.
///
/// Not from a callback. Does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_client_close(client: *mut vp_client) -> i32 {
    boundary!(std::ptr::null_mut(), From::OutsideOnly, {
        if !client.is_null() {
            drop(table::remove(client)?);
        }
        Ok(Report::ok())
    })
}

/// Makes a call that waits return within 200 milliseconds or so, VP_ERR_INTERRUPTED or, if something was sent,
/// VP_ERR_OUTCOME_UNKNOWN. `reference`: only a call on this payment; NULL: any call on this client. If none runs now, the
/// next one is meant. A handle that is not open is ignored.
///
/// From anywhere: any thread, any callback, and any signal handler: it takes no lock, allocates nothing, leaves errno
/// alone, and only sets atomic flags.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_interrupt(client: *mut vp_client, reference: *const c_char) {
    // No boundary: nothing here can panic, and a boundary is too much for a signal handler.
    if reference.is_null() {
        table::interrupt(client, None);
    } else {
        // SAFETY: not NULL, so a string, as the header asks. What is longer than a reference is nobody's.
        let reference = unsafe { pointers::bytes(reference, 65) };
        table::interrupt(client, Some(reference));
    }
}

/// Does what is recorded, and waits for more, until `wait_ms` is over: for a thread of the host's own, so that the other
/// calls can be made with `wait_ms` 0. VP_OK: nothing is owed; VP_PENDING: something is.
///
/// Not from a callback. At most `wait_ms` + `request_ms`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_worker_run(
    client: *mut vp_client,
    wait_ms: u32,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::OutsideOnly, client, |open| {
        Ok(open.client.worker_run(wait_ms))
    })
}

/// The version of the library: "0.1.0". Static. Compare with VPMETER_VERSION, that of the header. From anywhere.
#[unsafe(no_mangle)]
pub extern "C" fn vp_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => c"",
        };
    VERSION.as_ptr()
}

/// The version of the library as a number, major * 10000 + minor * 100 + patch. Compare with VPMETER_VERSION_NUMBER, that
/// of the header. From anywhere.
#[unsafe(no_mangle)]
pub extern "C" fn vp_version_number() -> u32 {
    const fn number(text: &str) -> u32 {
        match u32::from_str_radix(text, 10) {
            Ok(number) => number,
            Err(_) => panic!("a version is made of numbers"),
        }
    }
    const NUMBER: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) * 10_000
        + number(env!("CARGO_PKG_VERSION_MINOR")) * 100
        + number(env!("CARGO_PKG_VERSION_PATCH"));
    NUMBER
}

/// What this library was made of: 40 hex digits, a hash of its sources, its locked dependencies and its compiler, the same
/// for everyone who builds the same. The shared library carries it as its GNU build id: `readelf -n libvpmeter.so`. Static.
/// From anywhere.
#[unsafe(no_mangle)]
pub extern "C" fn vp_build_id() -> *const c_char {
    const ID: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("VPMETER_BUILD_ID"), "\0").as_bytes()) {
            Ok(id) => id,
            Err(_) => c"",
        };
    ID.as_ptr()
}

/// What a handle stands for.
pub struct Open {
    /// The client.
    pub client: Arc<Client>,
    /// Its host.
    pub hooks: Arc<HostHooks>,
    poisoned: AtomicBool,
}

impl Open {
    /// A client that has seen no panic.
    pub fn new(client: Arc<Client>, hooks: Arc<HostHooks>) -> Open {
        Open {
            client,
            hooks,
            poisoned: AtomicBool::new(false),
        }
    }

    /// A panic came out of a call on it.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst)
    }

    /// Says so from now on.
    pub fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
    }
}

/// # Safety
/// The pointers of the config are NULL or good.
unsafe fn open(config: &vp_config) -> Result<*mut vp_client, Report> {
    if config.header_version == 0 || config.header_version > VP_HEADER_VERSION {
        let mut report = Report::new(
            Code::HeaderVersion,
            format!(
                "is {}, this library serves 1 to {VP_HEADER_VERSION}",
                config.header_version
            ),
        );
        report.field = "header_version".into();
        return Err(report);
    }
    // SAFETY: the caller's promise.
    let hooks = Arc::new(unsafe { HostHooks::read(config.hooks) }?);
    // SAFETY: the caller's promise.
    let settings = unsafe { settings(config, &hooks) }?;
    settings.check()?;
    // SAFETY: the caller's promise.
    let journal = unsafe { Journal::read(config.journal_dir, &hooks) }?;
    // SAFETY: as above.
    let files = unsafe { Files::read(config) }?;
    // SAFETY: as above.
    let network = unsafe { Network::read(config) }?;
    let place = Reserved::take()?;
    let clock = Arc::new(BestClock::new(hooks.clock()));
    let transport = match HostTransport::of(&hooks, &(clock.clone() as Arc<dyn Clock>)) {
        Some(transport) => {
            files.none("with the transport hook, which does TLS itself")?;
            network.none("with the transport hook, which does it itself")?;
            Arc::new(transport)
        }
        None => transport(files, &network, &settings.base_url, clock.clone())?,
    };
    let store = journal.open().map_err(|e| e.report())?;
    let doors = Doors {
        transport,
        store,
        clock,
        hooks: hooks.clone(),
        random: Arc::new(SystemRandom),
        interrupts: place.interrupts(),
    };
    let client = Client::open(settings, doors)?;
    Ok(place.publish(Arc::new(Open::new(client, hooks))))
}

/// Certificates and the key of the meter.
struct Files {
    ca: Option<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
}

impl Files {
    /// # Safety
    /// The pointers of the config are NULL or good.
    unsafe fn read(config: &vp_config) -> Result<Files, Report> {
        let path = |p: *const c_char, field: &str| {
            // SAFETY: the caller's promise.
            let text = unsafe { pointers::optional(p, field) }?;
            Ok((!text.is_empty()).then(|| PathBuf::from(text)))
        };
        let ca = path(config.ca_file, "ca_file")?;
        let cert = path(config.client_cert_file, "client_cert_file")?;
        let key = path(config.client_key_file, "client_key_file")?;
        let client = match (cert, key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((cert, key)),
            (Some(_), None) => return Err(pointers::null("client_key_file")),
            (None, Some(_)) => return Err(pointers::null("client_cert_file")),
        };
        Ok(Files { ca, client })
    }

    /// What does not use them refuses them.
    fn none(&self, why: &str) -> Result<(), Report> {
        let field = match (&self.ca, &self.client) {
            (None, None) => return Ok(()),
            (Some(_), _) => "ca_file",
            (None, Some(_)) => "client_cert_file",
        };
        Err(Report::invalid(field, format!("must be NULL {why}")))
    }
}

/// Where the journal is.
enum Journal {
    In(String),
    Hooked(HostStore),
}

impl Journal {
    /// # Safety
    /// NULL or a string of the caller's.
    unsafe fn read(journal_dir: *const c_char, hooks: &Arc<HostHooks>) -> Result<Journal, Report> {
        match HostStore::of(hooks)? {
            Some(_) if !journal_dir.is_null() => Err(Report::invalid(
                "journal_dir",
                "must be NULL with the store hooks: there is one journal",
            )),
            Some(store) => Ok(Journal::Hooked(store)),
            None => {
                // SAFETY: the caller's promise.
                let dir = unsafe { pointers::required(journal_dir, "journal_dir") }?;
                match dir.is_empty() {
                    true => Err(Report::invalid("journal_dir", "must not be empty")),
                    false => Ok(Journal::In(dir)),
                }
            }
        }
    }

    fn open(self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Journal::In(dir) => {
                Arc::new(Directory::open(Path::new(&dir), Arc::new(RealDisk::new()))?)
            }
            Journal::Hooked(store) => Arc::new(Hooked::open(Box::new(store))?),
        })
    }
}

/// # Safety
/// The pointers of the config are NULL or good.
unsafe fn settings(config: &vp_config, hooks: &Arc<HostHooks>) -> Result<Config, Report> {
    // SAFETY: the caller's promise.
    let required = |p: *const c_char, field: &str| unsafe { pointers::required(p, field) };
    // SAFETY: the caller's promise.
    let optional = |p: *const c_char, field: &str| unsafe { pointers::optional(p, field) };
    let gateway = config.gateway != VP_GATEWAY_NONE;
    let token = match (config.gateway, HostTokens::of(hooks)) {
        (VP_GATEWAY_NONE | VP_GATEWAY_ADDS_KEYS, Some(tokens)) => TokenFrom::Host(Arc::new(tokens)),
        (VP_GATEWAY_NONE | VP_GATEWAY_ADDS_KEYS, None) => TokenFrom::Servers,
        (VP_GATEWAY_ADDS_TOKEN, None) => TokenFrom::Gateway,
        (VP_GATEWAY_ADDS_TOKEN, Some(_)) => {
            return Err(Report::invalid(
                "gateway",
                "adds the token: then there is no token hook",
            ))
        }
        _ => return Err(Report::invalid("gateway", "must be one of VP_GATEWAY_")),
    };
    let has_secret = !gateway && matches!(token, TokenFrom::Servers);
    let key = |p: *const c_char, field: &str, needed: bool| match needed {
        true => required(p, field),
        false => optional(p, field),
    };
    let header = match optional(config.gateway_header_name, "gateway_header_name")? {
        name if name.is_empty() && config.gateway_header_value.is_null() => None,
        name => {
            let value = required(config.gateway_header_value, "gateway_header_value")?;
            Some((name, value.into()))
        }
    };
    let or = |value: u32, default: u32| if value == 0 { default } else { value };
    let request_ms = or(config.request_ms, default::REQUEST_MS);
    let plan = PollPlan::default();
    let interval = |value: u32, default: i64| match value {
        0 => default,
        ms => i64::from(ms),
    };
    Ok(Config {
        base_url: required(config.base_url, "base_url")?,
        credentials: Credentials {
            client_id: key(config.client_id, "client_id", has_secret)?,
            client_secret: key(config.client_secret, "client_secret", has_secret)?.into(),
            subscription_key: key(config.subscription_key, "subscription_key", !gateway)?.into(),
            msn: required(config.msn, "msn")?,
        },
        access: Access {
            token,
            gateway,
            header,
        },
        market: Market::parse("market", &required(config.market, "market")?)?,
        device: required(config.device, "device")?,
        system_name: optional(config.system_name, "system_name")?,
        system_version: optional(config.system_version, "system_version")?,
        plugin_name: optional(config.plugin_name, "plugin_name")?,
        plugin_version: optional(config.plugin_version, "plugin_version")?,
        allow_refund: pointers::flag("allow_refund", config.allow_refund)?,
        request_ms,
        connect_ms: or(config.connect_ms, default::CONNECT_MS.min(request_ms)),
        poll: PollPlan {
            first_ms: interval(config.poll_first_ms, plan.first_ms),
            every_ms: interval(config.poll_every_ms, plan.every_ms),
        },
    })
}

#[cfg(feature = "https")]
fn transport(
    files: Files,
    network: &Network,
    base_url: &str,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Transport>, Report> {
    use vpmeter_core::transport::https::{Https, HttpsConfig};
    let config = HttpsConfig {
        ca_file: files.ca,
        client: files.client,
        ..network.settings(base_url)?
    };
    Ok(Arc::new(Https::new(config, clock)?))
}

#[cfg(not(feature = "https"))]
fn transport(
    files: Files,
    network: &Network,
    _: &str,
    _: Arc<dyn Clock>,
) -> Result<Arc<dyn Transport>, Report> {
    files.none("in a library without HTTPS of its own")?;
    network.none("in a library without HTTPS of its own")?;
    Err(Report::invalid(
        "hooks.transport",
        "must be there: this library was built without HTTPS of its own",
    ))
}

const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<vp_config>() == 40 + 24 * POINTER);
    assert!(offset_of!(vp_config, base_url) == 8);
    assert!(offset_of!(vp_config, plugin_version) == 8 + 12 * POINTER);
    assert!(offset_of!(vp_config, request_ms) == 8 + 13 * POINTER);
    assert!(offset_of!(vp_config, hooks) == 32 + 13 * POINTER);
    assert!(offset_of!(vp_config, client_key_file) == 32 + 17 * POINTER);
    assert!(offset_of!(vp_config, keep_idle_ms) == 32 + 24 * POINTER);
};
