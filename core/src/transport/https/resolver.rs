//! Names to addresses, without ever being stuck in the system's resolver.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use ureq::config::Config;
use ureq::http::uri::Scheme;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::underway::{Ended, Underway};
use crate::error::Cause;

/// As many as ureq's list holds.
pub(super) const MOST: usize = 16;

/// Stack of the helper thread: `getaddrinfo` of glibc with its plug-ins wants more than a bare thread.
const STACK: usize = 256 * 1024;

type Found = Result<Vec<IpAddr>, String>;

/// How a name is looked up; replaced in tests.
pub(super) type Lookup = fn(&str) -> io::Result<Vec<IpAddr>>;

/// Finds addresses: literal ones and `localhost` by reading, others from the configuration or by a helper thread.
pub(super) struct Names {
    fixed: Vec<IpAddr>,
    /// The proxy, to which every connection goes.
    proxy: Option<(String, u16)>,
    lookup: Lookup,
    /// The helper thread's work; at most one is unfinished.
    job: Mutex<Option<Arc<Job>>>,
}

struct Job {
    host: String,
    found: Mutex<Option<Found>>,
    ready: Condvar,
}

impl Names {
    pub fn new(fixed: Vec<IpAddr>, proxy: Option<(String, u16)>) -> Names {
        Names {
            fixed,
            proxy,
            lookup: system_lookup,
            job: Mutex::new(None),
        }
    }

    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Ended> {
        if let Some(ip) = literal(host) {
            return Ok(vec![ip]);
        }
        // Never asked of a name server: plain http is allowed to it.
        if is_localhost(host) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        if !self.fixed.is_empty() {
            return Ok(self.fixed.clone());
        }
        let found = self.look_up(host)?;
        match found {
            Ok(ips) if ips.is_empty() => {
                Err(Ended::new(Cause::NameLookup, format!("{host}: no address")))
            }
            Ok(ips) => Ok(alternate(ips)),
            Err(why) => Err(Ended::new(Cause::NameLookup, format!("{host}: {why}"))),
        }
    }

    /// Waits for the helper thread, in slices. A thread that hangs is left behind when the exchange ends, and the next
    /// lookup waits for that one: the same name takes its result, another name its turn.
    fn look_up(&self, host: &str) -> Result<Found, Ended> {
        let underway = Underway::current()?;
        loop {
            let job = self.running_or_new(host)?;
            let mut found = lock(&job.found);
            while found.is_none() {
                // The watch runs the host's code: no lock is held meanwhile.
                drop(found);
                underway.check()?;
                found = lock(&job.found);
                if found.is_none() {
                    let slice = underway.slice(underway.limit());
                    found = job
                        .ready
                        .wait_timeout(found, slice)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
            }
            if job.host == host {
                if let Some(found) = found.clone() {
                    return Ok(found);
                }
            }
        }
    }

    fn running_or_new(&self, host: &str) -> Result<Arc<Job>, Ended> {
        let mut current = lock(&self.job);
        if let Some(job) = current.as_ref() {
            if lock(&job.found).is_none() {
                return Ok(Arc::clone(job));
            }
        }
        let job = Arc::new(Job {
            host: host.to_string(),
            found: Mutex::new(None),
            ready: Condvar::new(),
        });
        let work = Arc::clone(&job);
        let lookup = self.lookup;
        thread::Builder::new()
            .name("vpmeter-lookup".to_string())
            .stack_size(STACK)
            .spawn(move || {
                let found = lookup(&work.host).map_err(|e| e.to_string());
                *lock(&work.found) = Some(found);
                work.ready.notify_all();
            })
            .map_err(|e| Ended::new(Cause::NameLookup, format!("no thread for the lookup: {e}")))?;
        *current = Some(Arc::clone(&job));
        Ok(job)
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let https = uri.scheme() == Some(&Scheme::HTTPS);
        let (host, port) = match &self.proxy {
            Some((host, port)) => (host.as_str(), *port),
            None => (
                uri.host().unwrap_or_default(),
                uri.port_u16().unwrap_or(if https { 443 } else { 80 }),
            ),
        };
        let mut list = self.empty();
        for ip in self
            .addresses(host)
            .map_err(Ended::into_ureq)?
            .iter()
            .take(MOST)
        {
            list.push(SocketAddr::new(*ip, port));
        }
        Ok(list)
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

/// A lock that a panic elsewhere does not take away: what it guards is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn system_lookup(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok((host, 0).to_socket_addrs()?.map(|a| a.ip()).collect())
}

/// The address that a host is written as, if it is.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

pub(super) fn is_localhost(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
}

/// The system's order, but the families take turns: a family without a route must not use up all shares of the time
/// before the other is tried.
fn alternate(ips: Vec<IpAddr>) -> Vec<IpAddr> {
    let first_is_v6 = ips.first().is_some_and(IpAddr::is_ipv6);
    let (a, b): (Vec<_>, Vec<_>) = ips.into_iter().partition(|ip| ip.is_ipv6() == first_is_v6);
    let mut turns = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    loop {
        let before = turns.len();
        turns.extend(a.next());
        turns.extend(b.next());
        if turns.len() == before {
            return turns;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{Flow, Method, Request};
    use std::rc::Rc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    fn underway(limit_ms: u32, watch: impl Fn() -> Flow + 'static) -> Rc<Underway> {
        let request = Request {
            method: Method::Get,
            url: String::new(),
            headers: vec![],
            body: vec![],
            limit_ms: 60_000,
            connect_limit_ms: limit_ms,
            max_body: 0,
        };
        Rc::new(Underway::new(&request, Rc::new(watch)))
    }

    static STARTED: AtomicUsize = AtomicUsize::new(0);

    fn slow(host: &str) -> io::Result<Vec<IpAddr>> {
        STARTED.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(700));
        if host == "gone.test" {
            return Err(io::Error::other("no such name"));
        }
        Ok(vec![Ipv4Addr::new(192, 0, 2, 1).into()])
    }

    #[test]
    fn a_hanging_lookup_is_left_behind_and_not_doubled() {
        let names = Names {
            lookup: slow,
            ..Names::new(vec![], None)
        };
        // Out of time.
        let one = underway(150, || Flow::GoOn);
        let guard = one.enter();
        let start = Instant::now();
        let ended = names.addresses("api.test").unwrap_err();
        assert_eq!(ended.cause, Cause::Timeout);
        assert!(start.elapsed() < Duration::from_millis(400));
        drop(guard);
        // Stopped.
        let two = underway(5_000, || Flow::Stop);
        let guard = two.enter();
        assert_eq!(
            names.addresses("api.test").unwrap_err().cause,
            Cause::Interrupted
        );
        assert_eq!(STARTED.load(Ordering::SeqCst), 1);
        drop(guard);
        // The third takes the result of the first; another name waits its turn.
        let three = underway(5_000, || Flow::GoOn);
        let _guard = three.enter();
        assert_eq!(names.addresses("api.test").unwrap().len(), 1);
        assert_eq!(STARTED.load(Ordering::SeqCst), 1);
        let ended = names.addresses("gone.test").unwrap_err();
        assert_eq!(ended.cause, Cause::NameLookup);
        assert_eq!(STARTED.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn no_lookup_where_none_is_needed() {
        fn never(_: &str) -> io::Result<Vec<IpAddr>> {
            panic!("looked up")
        }
        let names = Names {
            lookup: never,
            ..Names::new(vec![Ipv4Addr::new(192, 0, 2, 9).into()], None)
        };
        assert_eq!(names.addresses("10.0.0.1").unwrap().len(), 1);
        assert_eq!(
            names.addresses("[::1]").unwrap(),
            [IpAddr::from(Ipv6Addr::LOCALHOST)]
        );
        assert!(names
            .addresses("LocalHost")
            .unwrap()
            .iter()
            .all(IpAddr::is_loopback));
        assert_eq!(
            names.addresses("api.test").unwrap(),
            [IpAddr::from(Ipv4Addr::new(192, 0, 2, 9))]
        );
    }

    #[test]
    fn families_take_turns() {
        let ips = |list: &[&str]| list.iter().map(|s| s.parse().unwrap()).collect::<Vec<_>>();
        assert_eq!(
            alternate(ips(&["2001:db8::1", "2001:db8::2", "192.0.2.1"])),
            ips(&["2001:db8::1", "192.0.2.1", "2001:db8::2"])
        );
        assert_eq!(alternate(vec![]), Vec::<IpAddr>::new());
    }
}
