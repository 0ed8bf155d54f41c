//! What an answer means for the next try: done, refused, nothing happened, or unknown. Pure.
//!
//! Sources: ePayment API guide (errors), knowledge base (HTTP headers, errors): network loss, 5xx, 423 and 429 repeat
//! the same key and the same bytes; a 4xx stays a 4xx for its key.

use crate::error::{Cause, Code, Report, Retry, Who};
use crate::payment::Operation;
use crate::transport::{Failure, Response};
use crate::vipps::problem::Problem;

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
    /// 429: the gateway did nothing.
    RateLimited(Report, Option<u32>),
    /// 423: repeat the same later.
    Locked(Report, Option<u32>),
    /// It may have happened.
    Unknown(Report),
    /// Surely not: no byte left.
    NotSent(Report),
}

/// Reads the outcome of an exchange.
pub fn classify(result: Result<Response, Failure>) -> Answer {
    let response = match result {
        Ok(r) => r,
        Err(f) => return lost(f),
    };
    let status = response.status;
    if (200..300).contains(&status) {
        return Answer::Done(response.body);
    }
    let problem = Problem::parse(status, &response.body);
    match status {
        401 => Answer::Unauthorized(refusal(Code::Credentials, &problem)),
        404 if problem.from_api && matches!(problem.vipps_code, 0 | 5090) => {
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
        429 => Answer::RateLimited(
            refusal(Code::RateLimited, &problem).because(Cause::RateLimited),
            response.retry_after_ms,
        ),
        400..=499 => Answer::Refused(refusal(code_of(&problem), &problem)),
        // 1xx and 3xx: something between us and the API answered.
        _ => Answer::Unknown(refusal(Code::OutcomeUnknown, &problem).because(Cause::BadAnswer)),
    }
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

/// What to do about a 4xx to an operation, once a read has proven that it did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterRefusal {
    /// The reason may pass: a new attempt with a new key, after a pause.
    NewAttempt,
    /// The same key again, after a pause (6280: "capture failed, try later").
    SameKey,
    /// Something outside must change first; the operation stays owed.
    Blocked,
    /// It will never be accepted.
    Final,
}

/// Decides that by operation and code.
pub fn after_refusal(operation: Operation, report: &Report) -> AfterRefusal {
    use AfterRefusal::*;
    match report.vipps_code {
        6280 => return SameKey,
        6260 => return Blocked,
        // Being processed, an idempotency clash, or a race with the approval.
        6160 | 6250 | 4010 | 4020 | 4150 => return NewAttempt,
        _ => {}
    }
    match operation {
        Operation::Capture(_) => match report.vipps_code {
            6080 => NewAttempt,
            6070 | 6090 | 6100 | 6140 | 6170 | 6200 => Final,
            _ => by_status(report),
        },
        Operation::Withdraw | Operation::Release => match report.vipps_code {
            6030 => Final,
            6040..=6060 | 6190 => NewAttempt,
            _ => by_status(report),
        },
        Operation::Refund(_) => match report.vipps_code {
            6020 => NewAttempt,
            5100 | 6150 | 6180 | 6210 | 6220 => Final,
            _ => by_status(report),
        },
        Operation::Create => Final,
    }
}

fn by_status(report: &Report) -> AfterRefusal {
    match report.http_status {
        403 | 404 => AfterRefusal::Blocked,
        409 => AfterRefusal::NewAttempt,
        _ => AfterRefusal::Final,
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
    if (-89..=-70).contains(&p.code.number()) {
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
        classify(Ok(Response {
            status,
            body: body.as_bytes().to_vec(),
            ..Response::default()
        }))
    }

    #[test]
    fn only_an_api_404_says_not_found() {
        let api = r#"{"type":"https://httpstatuses.io/404","title":"Not found","status":404,"traceId":"t","extraDetails":[{"name":"ErrorCode","reason":"5090"}]}"#;
        assert!(matches!(answer(404, api), Answer::NotFound(_)));
        assert!(matches!(answer(404, "<html>"), Answer::Refused(r) if r.code == Code::Url));
        assert!(
            matches!(answer(404, r#"{"statusCode":404,"message":"Resource not found"}"#), Answer::Refused(r) if r.code == Code::Url)
        );
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
            classify(Err(Failure {
                may_have_left,
                cause,
                detail: String::new(),
            }))
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
