//! What time brings about happens when it is due, whether or not a request comes to look.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;
use tokio::time;

use crate::events::Seats;
use crate::say::say;
use crate::sim::Sim;
use crate::webhooks::{Courier, Parcel};

/// The state of the servers, and the news that it has changed.
pub struct Shared {
    sim: Mutex<Sim>,
    /// Counts the changes.
    changed: watch::Sender<u64>,
    pub seats: Seats,
    /// Connections to the servers. One whose request a fault delays stays until that has acted, also when its client is gone.
    under_way: AtomicUsize,
    /// How many TCP connections there have been.
    pub connections: AtomicU64,
}

impl Shared {
    pub fn new(sim: Sim) -> Shared {
        Shared {
            sim: Mutex::new(sim),
            changed: watch::Sender::new(1),
            seats: Seats::default(),
            under_way: AtomicUsize::new(0),
            connections: AtomicU64::new(0),
        }
    }

    /// For a glance. Whoever may change anything uses [`Shared::change`].
    pub fn lock(&self) -> MutexGuard<'_, Sim> {
        self.sim.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn change<T>(&self, doing: impl FnOnce(&mut Sim) -> T) -> T {
        let done = doing(&mut self.lock());
        self.tell();
        done
    }

    /// What is due happens first.
    pub fn look<T>(&self, looking: impl FnOnce(&mut Sim) -> T) -> T {
        let mut sim = self.lock();
        let now = sim.clock.now();
        if sim.settle(now) {
            self.tell();
        }
        looking(&mut sim)
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Wakes after each change, whoever made it.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

/// Counts as under way for as long as it lives.
pub struct UnderWay(Arc<Shared>);

impl UnderWay {
    pub fn begin(shared: &Arc<Shared>) -> UnderWay {
        shared.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(shared))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sleeps until the next due moment or the next change, whichever comes first.
pub async fn run(shared: Arc<Shared>, courier: Courier) {
    let mut changes = shared.changes();
    loop {
        changes.mark_unchanged();
        let (wait, parcels) = {
            let mut guard = shared.lock();
            let sim = &mut *guard;
            let now = sim.clock.now();
            if sim.settle(now) {
                // The others that watch want to know; for this task it is nothing new.
                shared.tell();
                changes.mark_unchanged();
            }
            let parcels = sim.webhooks.take(now, &sim.switches);
            (sim.next_due(now).and_then(|due| sim.clock.real_wait_until(due)), parcels)
        };
        for parcel in parcels {
            tokio::spawn(deliver(Arc::clone(&shared), courier.clone(), parcel));
        }
        match wait {
            None => drop(changes.changed().await),
            Some(wait) => drop(time::timeout(wait, changes.changed()).await),
        }
    }
}

async fn deliver(shared: Arc<Shared>, courier: Courier, parcel: Parcel) {
    let (token, began) = (parcel.token, Instant::now());
    let outcome = courier.deliver(parcel).await;
    shared.change(|sim| {
        let took = sim.clock.lasted(began.elapsed());
        let line = sim.webhooks.end(token, outcome, took);
        if let Some(line) = line.filter(|_| sim.settings.verbose) {
            say(line);
        }
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::runtime;

    use super::*;
    use crate::ledger::{NewPayment, State};
    use crate::passenger::Rule;
    use crate::settings::Settings;

    const MSN: &str = "123456";

    fn open(sim: &mut Sim, reference: &str, rule: &str) {
        sim.ledger.open(NewPayment {
            now: sim.clock.now(),
            rule: Rule::parse(rule).expect("a rule"),
            ..NewPayment::sample(reference)
        });
    }

    /// Looks without settling, as no request can.
    async fn until(shared: &Shared, reference: &str, state: State) {
        let mut changes = shared.changes();
        let wait = async {
            while shared.lock().ledger.get(MSN, reference).is_none_or(|payment| payment.state != state) {
                changes.changed().await.expect("the state lives");
            }
        };
        time::timeout(Duration::from_secs(60), wait).await.expect("it happens without a request");
    }

    fn run_with(test: impl AsyncFnOnce(&Shared)) {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let shared = Arc::new(Shared::new(Sim::new(Settings::default())));
            tokio::spawn(run(Arc::clone(&shared), Courier::new(&[])));
            // By then it sleeps, with nothing to wait for.
            tokio::task::yield_now().await;
            test(&shared).await;
        });
    }

    #[test]
    fn what_is_due_happens_unseen() {
        run_with(async |shared| {
            shared.change(|sim| open(sim, "ride-0001", "approve-after=20ms"));
            tokio::task::yield_now().await;
            // One that is due earlier than what the pulse sleeps for wakes it.
            shared.change(|sim| open(sim, "ride-0002", "decline-after=1ms"));
            until(shared, "ride-0002", State::Aborted).await;
            until(shared, "ride-0001", State::Authorized).await;
        });
    }

    #[test]
    fn a_moved_clock_wakes_it() {
        run_with(async |shared| {
            shared.change(|sim| sim.clock.freeze(true));
            shared.change(|sim| open(sim, "ride-0001", "ignore"));
            tokio::task::yield_now().await;
            shared.change(|sim| assert!(sim.clock.advance(11 * crate::clock::MINUTE)));
            until(shared, "ride-0001", State::Expired).await;
            let at = shared.lock().ledger.get(MSN, "ride-0001").map(|payment| payment.events[1].at);
            assert_eq!(at, Some(shared.lock().clock.now() - crate::clock::MINUTE), "at the time at which it was due");
        });
    }
}
