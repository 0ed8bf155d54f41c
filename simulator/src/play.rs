//! The one place where fault rules meet the servers.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time;

use crate::answered::Answered;
use crate::clock;
use crate::connection::{Connection, Reply};
use crate::exchange::{self, Done, Noted};
use crate::faults::{self, Action, Heard, WrongDate};
use crate::problem;
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
            // What is late has its line when it is done.
            if let Some(recording) = sim.recording.as_ref().filter(|_| !sim.late.has(noted.n)) {
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
        Ok(self.dated(answer, self.date()))
    }

    /// The answer goes out by the bare socket.
    async fn end_with(&self, noted: &Noted, answer: &Answer, ending: Ending) -> Reply {
        self.log(noted, Some(answer));
        self.take(ending).await
    }

    /// As it would go out by the HTTP server.
    async fn act_dated(&self, request: &Request, noted: &Noted) -> Result<Answer, Stale> {
        let answer = self.act(request, noted).await?;
        Ok(match self.date() {
            Some(date) => answer.with_header("date", date),
            None => answer,
        })
    }

    async fn act(&self, request: &Request, noted: &Noted) -> Result<Answer, Stale> {
        match self.begin(request, noted).await? {
            Done::Now(answer) => Ok(answer),
            Done::Later(mut answers) => answers.recv().await.ok_or(Stale),
        }
    }

    /// A repeat may have to wait until the first request of its key has been carried out.
    async fn begin(&self, request: &Request, noted: &Noted) -> Result<Done, Stale> {
        let mut changes = self.shared.changes();
        loop {
            changes.mark_unchanged();
            if !exchange::must_wait(&self.shared.lock(), request, noted) {
                break;
            }
            let _ = changes.changed().await;
        }
        self.shared.change(|sim| match noted.is_stale(sim) {
            true => Err(Stale),
            false => Ok(exchange::begin(sim, request, noted)),
        })
    }

    /// What is late is done and logged whether or not the client still waits for it.
    async fn act_and_send(&self, request: &Request, noted: &Noted) -> Result<Reply, Stale> {
        let mut answers = match self.begin(request, noted).await? {
            Done::Now(answer) => return Ok(self.send(noted, answer)),
            Done::Later(answers) => answers,
        };
        let (connection, noted) = (self.clone(), noted.clone());
        let late = tokio::spawn(async move {
            let answer = answers.recv().await.ok_or(Stale)?;
            Ok(connection.send(&noted, answer))
        });
        match late.await {
            Ok(reply) => reply,
            Err(_) => pending().await,
        }
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
            return self.act_and_send(request, noted).await;
        };
        Ok(match fault.action.clone() {
            Action::Refuse => self.end(noted, Then::Reset).await,
            Action::Silence { acts, then } => {
                if acts {
                    self.act(request, noted).await?;
                }
                self.end(noted, then).await
            }
            Action::Instead { acts, answer } => {
                if acts {
                    self.act(request, noted).await?;
                }
                self.send(noted, exchange::instead(&answer))
            }
            Action::Cut { place, then } => {
                let answer = self.act_dated(request, noted).await?;
                let ending = Ending { written: socket::cut(&answer, place), pause_ms: None, then };
                match place {
                    Place::Head => self.end(noted, ending).await,
                    Place::Body => self.end_with(noted, &answer, ending).await,
                }
            }
            Action::Drip(ms) => {
                let answer = self.act_dated(request, noted).await?;
                let written = socket::whole(&answer);
                self.end_with(noted, &answer, Ending { written, pause_ms: Some(ms), then: Then::Close }).await
            }
            Action::AnswerTwice(ms) => {
                let answer = self.act_dated(request, noted).await?;
                let written = socket::whole(&answer).repeat(2);
                self.end_with(noted, &answer, Ending { written, pause_ms: None, then: Then::Hold(ms) }).await
            }
            Action::Typed(content_type) => {
                let mut answer = self.act(request, noted).await?;
                answer.content_type = Some(content_type.into());
                self.send(noted, answer)
            }
            Action::Garble { bytes, seed, seen } => {
                let mut answer = self.act(request, noted).await?;
                faults::garble(&mut answer.body, bytes, seed, seen);
                self.send(noted, answer)
            }
            Action::AnswerLate(wait) => {
                let answer = self.act(request, noted).await?;
                time::sleep(Duration::from_millis(wait.ms)).await;
                self.send(noted, answer)
            }
            Action::ActLate(wait) => {
                // A server that is late acts all the same, whether or not the client still waits for it.
                let (connection, request, noted) = (self.clone(), request.clone(), noted.clone());
                let late = tokio::spawn(async move {
                    time::sleep(Duration::from_millis(wait.ms)).await;
                    let answer = connection.act(&request, &noted).await?;
                    Ok(connection.send(&noted, answer))
                });
                match late.await {
                    Ok(reply) => reply?,
                    Err(_) => pending().await,
                }
            }
            Action::Late { heard: Heard::Late, .. } => self.act_and_send(request, noted).await?,
            Action::Late { heard, .. } => {
                self.begin(request, noted).await?;
                match heard {
                    Heard::Reset => self.end(noted, Then::Reset).await,
                    Heard::Close => self.end(noted, Then::Close).await,
                    Heard::Late | Heard::GatewayTimeout => self.send(noted, problem::stock(504)),
                }
            }
            Action::Dated(wrong) => {
                let answer = self.act(request, noted).await?;
                let date = match wrong {
                    WrongDate::Said(date) => date,
                    WrongDate::Off(ms) => clock::http_date_off(self.shared.lock().clock.now(), ms),
                };
                self.send(noted, answer.with_header("date", date))
            }
            Action::Duplicate { second_answers } => {
                let first = self.act(request, noted).await?;
                let again = self.shared.change(|sim| exchange::on_whole_again(sim, request, noted));
                let second = self.act(request, &again).await?;
                let (unheard, heard, answer) =
                    if second_answers { (noted, &again, second) } else { (&again, noted, first) };
                // Its bytes came over the wire once.
                self.log_with(unheard, None, Arc::default());
                self.send(heard, answer)
            }
            Action::RevokeToken => {
                self.shared.change(|sim| exchange::revoke_token(sim, request));
                let answer = self.act(request, noted).await?;
                self.send(noted, answer)
            }
        })
    }
}
