//! The one place where fault rules meet the servers.

use std::future::pending;
use std::time::Duration;

use tokio::time;

use crate::connection::{Connection, Reply};
use crate::exchange::{self, Noted};
use crate::faults::Action;
use crate::socket::Ending;
use crate::wire::{Answer, Request};

impl Connection {
    /// The HTTP server lets go of the socket when this is seen; nothing of this request is heard again.
    pub async fn take(&self, ending: Ending) -> Reply {
        let _ = self.ending.send(ending);
        pending().await
    }

    fn log(&self, noted: &Noted, status: Option<u16>) {
        self.shared.change(|sim| {
            sim.log.end(noted.n, status);
            if sim.settings.verbose {
                eprintln!("{}", sim.log.line(noted.n));
            }
        });
    }

    pub async fn end(&self, noted: &Noted, ending: Ending) -> Reply {
        let status = match &ending {
            Ending::Half(answer) | Ending::Drip(answer, _) => Some(answer.status),
            Ending::Reset | Ending::Close | Ending::Hold(_) => None,
        };
        self.log(noted, status);
        self.take(ending).await
    }

    pub fn send(&self, noted: &Noted, answer: Answer) -> Reply {
        self.log(noted, Some(answer.status));
        Ok(self.response(answer))
    }

    fn act(&self, request: &Request, noted: &Noted) -> Answer {
        self.shared.change(|sim| exchange::act(sim, request, noted))
    }

    pub async fn exchange(self, request: Request) -> Reply {
        let noted = self.shared.change(|sim| exchange::on_whole(sim, &request));
        let Some(fault) = noted.fault.clone() else {
            let answer = self.act(&request, &noted);
            return self.send(&noted, answer);
        };
        match fault {
            Action::Refuse | Action::ResetBefore => self.end(&noted, Ending::Reset).await,
            Action::StallBefore(ms) => self.end(&noted, Ending::Hold(ms)).await,
            Action::GarbageBefore { content_type } => self.send(&noted, exchange::garbage(&content_type)),
            Action::ResetAfter => {
                self.act(&request, &noted);
                self.end(&noted, Ending::Reset).await
            }
            Action::StallAfter(ms) => {
                self.act(&request, &noted);
                self.end(&noted, Ending::Hold(ms)).await
            }
            Action::CloseAfter => {
                self.act(&request, &noted);
                self.end(&noted, Ending::Close).await
            }
            Action::GarbageAfter { content_type } => {
                self.act(&request, &noted);
                self.send(&noted, exchange::garbage(&content_type))
            }
            Action::TruncateAfter => {
                let answer = self.act(&request, &noted);
                self.end(&noted, Ending::Half(answer)).await
            }
            Action::SlowAfter(ms) => {
                let answer = self.act(&request, &noted);
                self.end(&noted, Ending::Drip(answer, ms)).await
            }
            Action::Status(fixed) => {
                if fixed.act {
                    self.act(&request, &noted);
                }
                self.send(&noted, exchange::fixed(&fixed))
            }
            Action::DelayAfter(ms) => {
                let answer = self.act(&request, &noted);
                time::sleep(Duration::from_millis(ms)).await;
                self.send(&noted, answer)
            }
            Action::Delay(ms) => {
                // A server that is late acts all the same, whether or not the client still waits for it.
                let late = tokio::spawn(async move {
                    time::sleep(Duration::from_millis(ms)).await;
                    let answer = self.act(&request, &noted);
                    self.send(&noted, answer)
                });
                match late.await {
                    Ok(reply) => reply,
                    Err(_) => pending().await,
                }
            }
        }
    }
}
