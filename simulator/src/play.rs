//! The one place where fault rules meet the servers.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time;

use crate::answered::Answered;
use crate::connection::{Connection, Reply};
use crate::exchange::{self, Noted};
use crate::faults::{self, Action};
use crate::say::say;
use crate::socket::{self, Ending, Place, Then};
use crate::traffic::Traffic;
use crate::wire::{Answer, Request};

/// Nothing was done: the state of which it was asked has been replaced.
struct Stale;

impl Connection {
    /// The HTTP server lets go of the socket when this is seen; nothing of this request is heard again.
    pub async fn take(&self, ending: impl Into<Ending>) -> Reply {
        let _ = self.ending.send(ending.into());
        pending().await
    }

    fn log(&self, noted: &Noted, answer: Option<&Answer>) {
        self.log_with(noted, answer, self.meter.current());
    }

    fn log_with(&self, noted: &Noted, answer: Option<&Answer>, traffic: Arc<Traffic>) {
        self.shared.change(|sim| {
            let reference = noted.reference.as_deref().unwrap_or_default();
            let payment = sim.ledger.get(&sim.credentials.msn, reference);
            let answer = answer.map(|answer| Answered::new(answer, payment.and_then(|payment| payment.phone.clone())));
            sim.log.end(noted.n, answer, traffic);
            if let Some(recording) = &sim.recording {
                recording.ended(noted.n, sim.clock.now());
            }
            if sim.settings.verbose {
                say(sim.log.line(noted.n));
            }
        });
    }

    /// Ends without an answer, or with one that nobody can read.
    pub async fn end(&self, noted: &Noted, ending: impl Into<Ending>) -> Reply {
        self.log(noted, None);
        self.take(ending).await
    }

    pub fn send(&self, noted: &Noted, answer: Answer) -> Reply {
        self.log(noted, Some(&answer));
        Ok(self.response(answer))
    }

    /// The answer goes out by the bare socket.
    async fn end_with(&self, noted: &Noted, answer: &Answer, ending: Ending) -> Reply {
        self.log(noted, Some(answer));
        self.take(ending).await
    }

    /// As it would go out by the HTTP server.
    fn act_dated(&self, request: &Request, noted: &Noted) -> Result<Answer, Stale> {
        let answer = self.act(request, noted)?;
        Ok(answer.with_header("date", self.date()))
    }

    fn act(&self, request: &Request, noted: &Noted) -> Result<Answer, Stale> {
        self.shared.change(|sim| match noted.is_stale(sim) {
            true => Err(Stale),
            false => Ok(exchange::act(sim, request, noted)),
        })
    }

    pub async fn exchange(self, request: Request) -> Reply {
        let noted = self.shared.change(|sim| exchange::on_whole(sim, &request));
        match self.play(&request, &noted).await {
            Ok(reply) => reply,
            Err(Stale) => self.end(&noted, Then::Reset).await,
        }
    }

    async fn play(&self, request: &Request, noted: &Noted) -> Result<Reply, Stale> {
        let Some(fault) = &noted.fault else {
            let answer = self.act(request, noted)?;
            return Ok(self.send(noted, answer));
        };
        Ok(match fault.action.clone() {
            Action::Refuse => self.end(noted, Then::Reset).await,
            Action::Silence { acts, then } => {
                if acts {
                    self.act(request, noted)?;
                }
                self.end(noted, then).await
            }
            Action::Instead { acts, answer } => {
                if acts {
                    self.act(request, noted)?;
                }
                self.send(noted, exchange::instead(&answer))
            }
            Action::Cut { place, then } => {
                let answer = self.act_dated(request, noted)?;
                let ending = Ending { written: socket::cut(&answer, place), pause_ms: None, then };
                match place {
                    Place::Head => self.end(noted, ending).await,
                    Place::Body => self.end_with(noted, &answer, ending).await,
                }
            }
            Action::Drip(ms) => {
                let answer = self.act_dated(request, noted)?;
                let written = socket::whole(&answer);
                self.end_with(noted, &answer, Ending { written, pause_ms: Some(ms), then: Then::Close }).await
            }
            Action::AnswerTwice(ms) => {
                let answer = self.act_dated(request, noted)?;
                let written = socket::whole(&answer).repeat(2);
                self.end_with(noted, &answer, Ending { written, pause_ms: None, then: Then::Hold(ms) }).await
            }
            Action::Typed(content_type) => {
                let mut answer = self.act(request, noted)?;
                answer.content_type = Some(content_type.into());
                self.send(noted, answer)
            }
            Action::Garble { bytes, seed, seen } => {
                let mut answer = self.act(request, noted)?;
                faults::garble(&mut answer.body, bytes, seed, seen);
                self.send(noted, answer)
            }
            Action::AnswerLate(wait) => {
                let answer = self.act(request, noted)?;
                time::sleep(Duration::from_millis(wait.ms)).await;
                self.send(noted, answer)
            }
            Action::ActLate(wait) => {
                // A server that is late acts all the same, whether or not the client still waits for it.
                let (connection, request, noted) = (self.clone(), request.clone(), noted.clone());
                let late = tokio::spawn(async move {
                    time::sleep(Duration::from_millis(wait.ms)).await;
                    let answer = connection.act(&request, &noted)?;
                    Ok(connection.send(&noted, answer))
                });
                match late.await {
                    Ok(reply) => reply?,
                    Err(_) => pending().await,
                }
            }
            Action::Duplicate { second_answers } => {
                let first = self.act(request, noted)?;
                let again = self.shared.change(|sim| exchange::on_whole_again(sim, request, noted));
                let second = self.act(request, &again)?;
                let (unheard, heard, answer) =
                    if second_answers { (noted, &again, second) } else { (&again, noted, first) };
                // Its bytes came over the wire once.
                self.log_with(unheard, None, Arc::default());
                self.send(heard, answer)
            }
            Action::RevokeToken => {
                self.shared.change(|sim| exchange::revoke_token(sim, request));
                let answer = self.act(request, noted)?;
                self.send(noted, answer)
            }
        })
    }
}
