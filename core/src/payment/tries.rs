//! What a process knows of the tries of the open capture or refund: whether its key may still act, and how the servers answer
//! it.

use crate::error::Report;

/// The refusals that the last tries of a key met, all alike.
#[derive(Clone, Debug)]
pub struct Refusals {
    /// The last one.
    pub report: Report,
    /// How many in a row.
    pub count: u32,
    /// When the first of them came, monotonic milliseconds.
    pub since: i64,
    /// No read has been taken in since the last one.
    pub fresh: bool,
}

/// The tries of the key of the open movement.
#[derive(Clone, Debug, Default)]
pub struct Tries {
    /// A try, under any key of the movement, may have acted or may still: it has no answer, or one that speaks of an earlier
    /// acting ("in progress", a conflict of keys, 2xx). What was loaded counts as having one.
    pub unanswered: bool,
    /// When a try may last have left (loading counts as one), monotonic milliseconds; `None`: none of this key ever did.
    pub last: Option<i64>,
    /// When the first one may have left, or the record was loaded, monotonic milliseconds. Of all keys of the movement.
    pub since: Option<i64>,
    /// A try was answered with 2xx, and something like a payment in it.
    pub accepted: bool,
    /// The last tries were refused, all in the same way.
    pub refused: Option<Refusals>,
    /// The same refusal for so long that the servers will give no other to this key: nothing is sent under it any more.
    pub stuck: bool,
}

impl Tries {
    /// Of a movement that came from the disk: what may have been sent counts as sent, now.
    pub fn loaded(now_mono: i64) -> Tries {
        Tries {
            unanswered: true,
            last: Some(now_mono),
            since: Some(now_mono),
            ..Tries::default()
        }
    }

    /// Of the next key of the same movement. What may still act under the earlier one goes on to count.
    pub fn next_key(&self) -> Tries {
        Tries {
            unanswered: self.unanswered,
            since: self.since,
            ..Tries::default()
        }
    }

    /// A try may have left.
    pub fn left(&mut self, now_mono: i64) {
        self.last = Some(now_mono);
        self.since.get_or_insert(now_mono);
    }

    /// A try has no answer that says what became of it.
    pub fn unanswered(&mut self, now_mono: i64) {
        self.left(now_mono);
        self.unanswered = true;
        self.refused = None;
    }

    /// A try was refused.
    pub fn refused(&mut self, report: Report, now_mono: i64) {
        self.left(now_mono);
        let alike = |r: &Refusals| {
            (r.report.http_status, r.report.vipps_code) == (report.http_status, report.vipps_code)
        };
        let (count, since) = match &self.refused {
            Some(r) if alike(r) => (r.count.saturating_add(1), r.since),
            _ => (1, now_mono),
        };
        self.refused = Some(Refusals {
            report,
            count,
            since,
            fresh: true,
        });
    }
}
