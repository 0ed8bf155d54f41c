//! The numbers of the header are those of the core; one that drifts does not compile. (The codes are compared by name too,
//! in a test; units, messages and kinds of list are translated one by one where they are used.)

use vpmeter_core::client::hooks::Tick;
use vpmeter_core::error::{Cause, Retry, Who};
use vpmeter_core::log::Level;
use vpmeter_core::payment::{CancelHow, Decision, OnApproval, State};
use vpmeter_core::verdict::{owed, NextStep, Verdict};

use crate::around::*;
use crate::error::*;
use crate::hooks::*;
use crate::office::*;
use crate::payment::*;
use crate::ride::*;

macro_rules! same {
    ($($ours:ident = $core:expr;)*) => {
        const _: () = {
            $(assert!($ours as i64 == $core as i64, stringify!($ours));)*
        };
    };
}

same! {
    VP_DECIDE_CAPTURE = Decision::Capture;
    VP_DECIDE_GIVE_UP = Decision::GiveUp;

    VP_CAUSE_NONE = Cause::None;
    VP_CAUSE_TIMEOUT = Cause::Timeout;
    VP_CAUSE_CONNECTION_LOST = Cause::ConnectionLost;
    VP_CAUSE_SERVER_ERROR = Cause::ServerError;
    VP_CAUSE_LOCKED = Cause::Locked;
    VP_CAUSE_BAD_ANSWER = Cause::BadAnswer;
    VP_CAUSE_INTERRUPTED = Cause::Interrupted;
    VP_CAUSE_STORAGE_AFTER_ANSWER = Cause::StorageAfterAnswer;
    VP_CAUSE_NAME_LOOKUP = Cause::NameLookup;
    VP_CAUSE_CONNECT = Cause::Connect;
    VP_CAUSE_TLS = Cause::Tls;
    VP_CAUSE_RATE_LIMITED = Cause::RateLimited;
    VP_CAUSE_UNAUTHORIZED = Cause::Unauthorized;
    VP_CAUSE_NOT_YET_PROVEN = Cause::NotYetProven;
    VP_CAUSE_PROXY = Cause::Proxy;
    VP_CAUSE_SOURCE_ADDRESS = Cause::SourceAddress;
    VP_CAUSE_INTERFACE = Cause::Interface;

    VP_RETRY_NO = Retry::No;
    VP_RETRY_LIBRARY_DOES = Retry::LibraryDoes;
    VP_RETRY_LATER = Retry::Later;
    VP_RETRY_NEW_REFERENCE = Retry::NewReference;

    VP_WHO_NOBODY_WAIT = Who::NobodyWait;
    VP_WHO_DRIVER = Who::Driver;
    VP_WHO_CUSTOMER = Who::Customer;
    VP_WHO_OFFICE = Who::Office;
    VP_WHO_VIPPS = Who::Vipps;
    VP_WHO_PROGRAMMER = Who::Programmer;

    VP_STATE_RECORDED = State::Recorded;
    VP_STATE_CREATED = State::Created;
    VP_STATE_AUTHORIZED = State::Authorized;
    VP_STATE_ABORTED = State::Aborted;
    VP_STATE_EXPIRED = State::Expired;
    VP_STATE_TERMINATED = State::Terminated;
    VP_STATE_NOT_CREATED = State::NotCreated;
    VP_STATE_UNKNOWN = State::Unknown;

    VP_VERDICT_WAIT = Verdict::Wait;
    VP_VERDICT_PAID_LEAVE = Verdict::PaidLeave;
    VP_VERDICT_SECURED_LEAVE = Verdict::SecuredLeave;
    VP_VERDICT_TAKE_OTHER_PAYMENT = Verdict::TakeOtherPayment;
    VP_VERDICT_TAKE_OTHER_RELEASE_OWED = Verdict::TakeOtherReleaseOwed;
    VP_VERDICT_ASK_OFFICE = Verdict::AskOffice;

    VP_NEXT_DONE = NextStep::Done;
    VP_NEXT_POLL = NextStep::Poll;
    VP_NEXT_CAPTURE = NextStep::Capture;
    VP_NEXT_DECIDE = NextStep::Decide;
    VP_NEXT_SETTLE = NextStep::Settle;
    VP_NEXT_OFFICE = NextStep::Office;

    VP_OWED_CAPTURE = owed::CAPTURE;
    VP_OWED_RELEASE = owed::RELEASE;
    VP_OWED_RECEIPT = owed::RECEIPT;
    VP_OWED_REFUND = owed::REFUND;
    VP_OWED_DECISION = owed::DECISION;
    VP_OWED_ANSWER = owed::ANSWER;
    VP_OWED_ELSEWHERE = owed::ELSEWHERE;
    VP_OWED_LOST = owed::LOST;
    VP_OWED_RECEIPT_REFUSED = owed::RECEIPT_REFUSED;

    VP_TICK_GO_ON = Tick::GoOn;
    VP_TICK_STOP_WAITING = Tick::StopWaiting;
    VP_TICK_GIVE_UP = Tick::GiveUp;

    VP_LOG_ERROR = Level::Error;
    VP_LOG_WARNING = Level::Warning;
    VP_LOG_INFO = Level::Info;
    VP_LOG_DEBUG = Level::Debug;

    VP_THEN_CAPTURE = OnApproval::Capture;
    VP_THEN_HOLD = OnApproval::Hold;

    VP_CANCEL_IF_NOT_APPROVED = CancelHow::IfNotApproved;
    VP_CANCEL_GIVE_UP = CancelHow::GiveUp;
    VP_CANCEL_RELEASE_REST = CancelHow::ReleaseRest;
}
