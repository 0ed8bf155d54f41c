//! What is said is written down: begun, read and ended by the control API, in memory. A file is named on the command
//! line only, for whoever can reach this port should not be able to write anywhere.

use serde_json::json;

use super::Refused;
use crate::recording::Recording;
use crate::sim::Sim;
use crate::wire::Answer;

pub fn answer(sim: &mut Sim, method: &str) -> Result<Answer, Refused> {
    let none = || Refused(404, "nothing is being recorded in memory".to_owned());
    match method {
        "POST" if sim.recording.as_ref().is_some_and(|old| old.text().is_some() || !old.has_ended()) => {
            Err(Refused(409, "there is a recording already".to_owned()))
        }
        "POST" => {
            sim.recording = Some(Recording::in_memory(sim));
            Ok(Answer::json(200, &json!({"ok": true})))
        }
        "GET" | "DELETE" => {
            let text = sim.recording.as_ref().and_then(Recording::text).ok_or_else(none)?;
            if method == "DELETE" {
                sim.recording = None;
            }
            let mut answer = Answer::empty(200);
            answer.content_type = Some("application/jsonl".into());
            answer.body = text;
            Ok(answer)
        }
        _ => Err(Refused(404, "a recording is begun by POST, read by GET and ended by DELETE".to_owned())),
    }
}
