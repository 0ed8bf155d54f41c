//! What an answer means for the next try: done, refused, nothing happened, or unknown. Pure.
//!
//! Sources: ePayment API guide (errors), knowledge base (HTTP headers, errors): network loss, 5xx, 423 and 429 repeat
//! the same key and the same bytes; a 4xx stays a 4xx for its key.

use crate::error::{Cause, Code, Group, Report, Retry, Who};
use crate::payment::Operation;
use crate::transport::{Failure, Response};
use crate::vipps::problem::Problem;

/// Which API an answer is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// ePayment: money hangs on the answer, so a refusal is believed in the API's own shapes only.
    Epayment,
    /// Access tokens, Order Management, webhooks.
    Other,
}

impl Api {
    /// By the path of the request.
    pub fn of(path: &str) -> Api {
        match path.starts_with("/epayment/") {
            true => Api::Epayment,
            false => Api::Other,
        }
    }
}

/// What came of one request.
#[derive(Debug)]
pub enum Answer {
    /// 2xx, with the body.
    Done(Vec<u8>),
    /// 404 in the API's own words.
    NotFound(Report),
    /// Refused by the API: a 4xx that stays one for its key.
    Refused(Report),
    /// 401: the token or the keys.
    Unauthorized(Report),
    /// 429: the gateway did nothing with this try.
    RateLimited(Report, Option<u32>),
    /// 423, and a 429 in a shape that is not the gateway's: repeat the same later; it may have happened.
    Locked(Report, Option<u32>),
    /// It may have happened.
    Unknown(Report),
    /// Surely not: no byte left.
    NotSent(Report),
}

/// Reads the outcome of an exchange with an API.
pub fn classify(api: Api, result: Result<Response, Failure>) -> Answer {
    let response = match result {
        Ok(r) => r,
        Err(f) => return lost(f),
    };
    let status = response.status;
    if (200..300).contains(&status) {
        return Answer::Done(response.body);
    }
    let problem = Problem::parse(status, &response.body);
    let believed = api == Api::Other || problem.own;
    match status {
        401 => {
            let mut r = refusal(Code::Credentials, &problem);
            if !believed {
                // Something on the way wants credentials of its own; the API may have acted.
                r.cause = Cause::BadAnswer;
            }
            Answer::Unauthorized(r)
        }
        404 if problem.from_api && believed && matches!(problem.vipps_code, 0 | 5090) => {
            let mut r = refusal(Code::Refused, &problem);
            r.who = Who::Office;
            Answer::NotFound(r)
        }
        408 | 500..=599 => {
            Answer::Unknown(refusal(Code::OutcomeUnknown, &problem).because(Cause::ServerError))
        }
        423 => Answer::Locked(
            refusal(Code::OutcomeUnknown, &problem).because(Cause::Locked),
            response.retry_after_ms,
        ),
        429 if believed => Answer::RateLimited(
            refusal(Code::RateLimited, &problem).because(Cause::RateLimited),
            response.retry_after_ms,
        ),
        429 => Answer::Locked(
            refusal(Code::OutcomeUnknown, &problem).because(Cause::RateLimited),
            response.retry_after_ms,
        ),
        400..=499 if believed => Answer::Refused(refusal(code_of(&problem), &problem)),
        400..=499 => {
            let mut r = refusal(Code::OutcomeUnknown, &problem).because(Cause::BadAnswer);
            r.message = format!("not an answer of the API: {}", r.message);
            Answer::Unknown(r)
        }
        // 1xx and 3xx: something between us and the API answered.
        _ => Answer::Unknown(refusal(Code::OutcomeUnknown, &problem).because(Cause::BadAnswer)),
    }
}

/// A 401 that is not in the API's own shape: it says nothing about what became of the request.
pub fn is_foreign(unauthorized: &Report) -> bool {
    unauthorized.cause == Cause::BadAnswer
}

/// A body with status 2xx that is not what the API promises.
pub fn bad_answer() -> Report {
    Report::new(
        Code::OutcomeUnknown,
        "the answer is not what the API promises",
    )
    .because(Cause::BadAnswer)
}

fn lost(failure: Failure) -> Answer {
    if failure.may_have_left {
        return Answer::Unknown(
            Report::new(Code::OutcomeUnknown, failure.detail).because(failure.cause),
        );
    }
    let code = match failure.cause {
        Cause::Tls => Code::Tls,
        Cause::Interrupted => Code::Interrupted,
        _ => Code::Network,
    };
    let mut report = Report::new(code, failure.detail).because(failure.cause);
    // Settings of the meter's own, which may be right again when the modem is.
    report.field = match failure.cause {
        Cause::Proxy => "proxy_url",
        Cause::SourceAddress => "source_address",
        Cause::Interface => "interface_name",
        _ => return Answer::NotSent(report),
    }
    .into();
    report.who = Who::Office;
    Answer::NotSent(report)
}

fn refusal(code: Code, problem: &Problem) -> Report {
    let mut r = Report::new(code, problem.message.clone());
    r.http_status = i32::from(problem.status);
    r.vipps_code = problem.vipps_code;
    r.trace_id = problem.trace_id.clone();
    r
}

/// The code of a refusal: by Vipps code, then by status.
fn code_of(problem: &Problem) -> Code {
    match problem.vipps_code {
        7010 | 4070 => Code::CustomerNotFound,
        5080 => Code::PushNotAllowed,
        4150 | 4020 | 4010 => Code::ReferenceInUse,
        6010 | 4040 | 6090 | 6140 | 6150 | 6170 | 6180 => Code::Amount,
        6030 | 6100 | 6220 => Code::TooLate,
        6060 => Code::AlreadyApproved,
        6260 => Code::FundsUnavailable,
        5040..=5100 => Code::NotPermitted,
        _ if problem.status == 403 => Code::NotPermitted,
        _ if problem.status == 404 && !problem.from_api => Code::Url,
        _ if problem.status == 409 => Code::ReferenceInUse,
        _ => Code::Refused,
    }
}

/// What a refusal in the API's own words tells of a capture or a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Being carried out, or locked: the same key, later.
    InProgress,
    /// Contradicts what is read, or speaks for an earlier try that acted: look; the same key, later.
    Contradiction,
    /// The bank has released the money (6260): the same key, and somebody must talk to the passenger.
    FundsUnavailable,
    /// Something outside must change first (permission, sales unit); the operation stays owed.
    Blocked,
    /// It will never be accepted.
    Final,
}

/// Decides that by operation and code (ePayment API guide, errors). Whether the sums prove that it cannot succeed is decided
/// before, by the caller.
pub fn meaning(operation: Operation, report: &Report) -> Meaning {
    use Meaning::*;
    match report.vipps_code {
        // "Order processing", "processing payment", "capture failed, try later".
        6160 | 6250 | 6280 => return InProgress,
        6260 => return FundsUnavailable,
        // Idempotency conflicts: somebody has used this key, and nobody but us has it.
        4010 | 4020 | 4150 => return Contradiction,
        _ => {}
    }
    match (operation, report.vipps_code) {
        // Not reserved, cancelled, too high, captured already: of a payment whose sums say otherwise.
        (Operation::Capture(_), 6070 | 6080 | 6090 | 6170) => Contradiction,
        (Operation::Capture(_), 6100 | 6140 | 6200) => Final,
        // Before the reservation, not enough left, refunded already.
        (Operation::Refund(_), 6020 | 6150 | 6180) => Contradiction,
        (Operation::Refund(_), 5100 | 6210 | 6220) => Final,
        _ => match report.http_status {
            // Said by the log.
            0 => Contradiction,
            403 | 404 => Blocked,
            409 => InProgress,
            _ => Final,
        },
    }
}

/// What to do about a refused cancel, once a read has proven that it did nothing. A cancel has no key in the specification and
/// two of a kind move no more than one, so it may be tried anew after any answered refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterCancel {
    /// The reason may pass: a new attempt, after a pause.
    NewAttempt,
    /// Something outside must change first; the operation stays owed.
    Blocked,
    /// It will never be accepted.
    Final,
}

/// Decides that by code, then by status.
pub fn after_cancel(report: &Report) -> AfterCancel {
    use AfterCancel::*;
    match (report.vipps_code, report.http_status) {
        (6030, _) => Final,
        (6160 | 6250 | 4010 | 4020 | 4150 | 6040..=6060 | 6190, _) => NewAttempt,
        (_, 403 | 404) => Blocked,
        (_, 409) => NewAttempt,
        _ => Final,
    }
}

/// The pause before the next try, full jitter: anything from nothing to the exponential ceiling. Milliseconds.
/// `random` is any 32 bits; `asked` is the server's `Retry-After`, which is always honoured.
pub fn pause(tries: u32, asked: Option<u32>, random: u32) -> i64 {
    const FIRST_MS: i64 = 500;
    const LONGEST_MS: i64 = 30_000;
    let ceiling = (FIRST_MS << tries.min(6)).min(LONGEST_MS);
    let jitter = i64::from(random) * ceiling / i64::from(u32::MAX);
    i64::from(asked.unwrap_or(0)).min(10 * 60_000) + jitter
}

/// Writes and reads that the servers allow for one reference in a minute (ePayment API guide, errors).
pub const WRITES_A_MINUTE: usize = 5;
/// See [`WRITES_A_MINUTE`].
pub const READS_A_MINUTE: usize = 120;
const MINUTE_MS: i64 = 60_000;

/// When the next request of a kind may be sent, given the times of those before (monotonic milliseconds).
pub fn allowed_at(times: &std::collections::VecDeque<i64>, limit: usize, now: i64) -> i64 {
    let recent = times.iter().filter(|t| now - **t < MINUTE_MS).count();
    if recent < limit {
        return now;
    }
    times[times.len() - limit] + MINUTE_MS
}

/// Notes a request sent now and forgets those older than a minute.
pub fn note(times: &mut std::collections::VecDeque<i64>, now: i64) {
    while times.front().is_some_and(|t| now - *t >= MINUTE_MS) {
        times.pop_front();
    }
    times.push_back(now);
}

/// A report for a wait that ended before the step was done: what the last try met, but never as a proven refusal.
pub fn pending(last: Option<&Report>) -> Report {
    let Some(last) = last else {
        return Report::new(Code::Pending, "not decided yet");
    };
    let mut p = last.clone();
    p.retry = Retry::LibraryDoes;
    if p.code.group() == Group::Refused {
        p.code = Code::Pending;
        p.who = Who::NobodyWait;
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    fn answer(status: u16, body: &str) -> Answer {
        classify(
            Api::Epayment,
            Ok(Response {
                status,
                body: body.as_bytes().to_vec(),
                ..Response::default()
            }),
        )
    }

    #[test]
    fn only_an_api_404_says_not_found() {
        let api = r#"{"type":"https://httpstatuses.io/404","title":"Not found","status":404,"traceId":"t","extraDetails":[{"name":"ErrorCode","reason":"5090"}]}"#;
        assert!(matches!(answer(404, api), Answer::NotFound(_)));
        for foreign in [
            "<html>",
            r#"{"statusCode":404,"message":"Resource not found"}"#,
        ] {
            assert!(matches!(answer(404, foreign), Answer::Unknown(_)));
        }
    }

    #[test]
    fn an_unknown_customer_may_come_as_404() {
        let body = r#"{"type":"t","title":"Customer not found","extraDetails":[{"name":"ErrorCode","reason":"7010"}]}"#;
        for status in [400, 404] {
            assert!(
                matches!(answer(status, body), Answer::Refused(r) if r.code == Code::CustomerNotFound)
            );
        }
    }

    /// Wrong if a box on the way answered in the API's own shape; then nothing could be told from anything.
    #[test]
    fn a_foreign_page_refuses_nothing() {
        for status in [
            400, 402, 403, 404, 405, 406, 409, 410, 413, 421, 425, 451, 499,
        ] {
            for body in [
                "",
                "<html>Blocked</html>",
                r#"{"title":"Blocked","status":403}"#,
            ] {
                let told = answer(status, body);
                assert!(
                    matches!(&told, Answer::Unknown(r) if r.cause == Cause::BadAnswer),
                    "{status} {body}: {told:?}"
                );
            }
        }
        assert!(matches!(answer(401, "<html>"), Answer::Unauthorized(r) if is_foreign(&r)));
        let gateway = r#"{"statusCode":401,"message":"Access denied"}"#;
        assert!(matches!(answer(401, gateway), Answer::Unauthorized(r) if !is_foreign(&r)));
        assert!(matches!(answer(429, "<html>"), Answer::Locked(..)));
    }

    #[test]
    fn what_may_have_happened_is_never_refused() {
        for status in [301, 408, 500, 502, 503, 504] {
            assert!(
                matches!(answer(status, ""), Answer::Unknown(r) if r.code == Code::OutcomeUnknown)
            );
        }
        assert!(matches!(answer(423, ""), Answer::Locked(..)));
        assert!(
            matches!(answer(429, ""), Answer::RateLimited(r, _) if r.code == Code::RateLimited)
        );
        let f = |may_have_left, cause| {
            let detail = String::new();
            classify(
                Api::Epayment,
                Err(Failure {
                    may_have_left,
                    cause,
                    detail,
                }),
            )
        };
        assert!(matches!(f(true, Cause::Timeout), Answer::Unknown(_)));
        assert!(matches!(f(false, Cause::Connect), Answer::NotSent(r) if r.code == Code::Network));
        assert!(matches!(f(false, Cause::Tls), Answer::NotSent(r) if r.code == Code::Tls));
    }

    #[test]
    fn the_pause_honours_the_server_and_never_exceeds_its_ceiling() {
        assert_eq!(pause(0, None, 0), 0);
        assert_eq!(pause(0, None, u32::MAX), 500);
        assert_eq!(pause(3, None, u32::MAX), 4000);
        assert_eq!(pause(60, None, u32::MAX), 30_000);
        assert!(pause(0, Some(7000), 0) >= 7000);
    }

    #[test]
    fn five_writes_a_minute() {
        let mut times = VecDeque::new();
        for t in [0, 1000, 2000, 3000, 4000] {
            assert_eq!(allowed_at(&times, WRITES_A_MINUTE, t), t);
            note(&mut times, t);
        }
        assert_eq!(allowed_at(&times, WRITES_A_MINUTE, 5000), 60_000);
        assert_eq!(allowed_at(&times, WRITES_A_MINUTE, 60_000), 60_000);
    }
}
