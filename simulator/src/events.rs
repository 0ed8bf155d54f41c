//! `GET /_sim/events`: tells a page that something has changed, as server-sent events (HTML standard, section 9.2).
//!
//! An event says that there is something new to look at, not what. So events that come faster than a page reads melt into
//! one, the last is never lost, a new connection knows all with its first event, and nobody waits for a slow page.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::channel::{Channel, Sender};
use hyper::body::Bytes;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time;

use crate::wire::Answer;

/// More pages than that are a mistake; each holds a connection.
const LISTENERS: usize = 32;
/// Ten events a second are as good as live.
const PAUSE: Duration = Duration::from_millis(100);
/// Only a write shows that a page has gone.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// After a lost connection a browser comes back so soon.
const RETRY_MS: u32 = 1_000;

/// Who listens, at most so many.
pub struct Seats(Arc<Semaphore>);

impl Default for Seats {
    fn default() -> Seats {
        Seats(Arc::new(Semaphore::new(LISTENERS)))
    }
}

impl Seats {
    /// The body of the answer; `None` when every seat is taken.
    pub fn listen(&self, changes: watch::Receiver<u64>) -> Option<Channel<Bytes, Infallible>> {
        let seat = Arc::clone(&self.0).try_acquire_owned().ok()?;
        // One event under way: the next waits until the page has taken it.
        let (page, body) = Channel::new(1);
        tokio::spawn(tell(changes, page, seat));
        Some(body)
    }
}

pub fn head() -> Answer {
    let mut answer = Answer::empty(200).with_header("cache-control", "no-store");
    answer.content_type = Some("text/event-stream".into());
    answer
}

pub fn no_seat() -> Answer {
    Answer::json(429, &json!({"error": format!("{LISTENERS} listen already")}))
}

async fn tell(mut changes: watch::Receiver<u64>, mut page: Sender<Bytes>, _seat: OwnedSemaphorePermit) {
    let mut text = format!("retry: {RETRY_MS}\n");
    loop {
        let now = *changes.borrow_and_update();
        text += &format!("id: {now}\ndata: {{\"version\":{now}}}\n\n");
        if page.send_data(Bytes::from(std::mem::take(&mut text))).await.is_err() {
            return;
        }
        time::sleep(PAUSE).await;
        loop {
            match time::timeout(SIGN_OF_LIFE, changes.changed()).await {
                Ok(Ok(())) => break,
                Ok(Err(_)) => return,
                Err(_) if page.send_data(Bytes::from_static(b":\n\n")).await.is_err() => return,
                Err(_) => {}
            }
        }
    }
}
