//! Bad input: a code, the field and the rule named, nothing sent, nothing written.

mod pointers;
mod requests;
mod settings;
mod states;

use crate::common::{Bench, Driver, Reply};

const INVALID: &str = "VP_ERR_INVALID_ARGUMENT";
const NULL: &str = "VP_ERR_NULL_POINTER";

/// A meter on a bench where nothing may change any more.
struct Watched {
    bench: Bench,
    meter: Driver,
}

impl Watched {
    fn new(bench: Bench) -> Watched {
        let meter = bench.meter();
        Watched { bench, meter }
    }

    /// The call is refused with this code and field, and leaves no trace on the servers and on the disk.
    #[track_caller]
    fn refused(&mut self, line: &str, code: &str, field: &str) -> Reply {
        let requests = self.bench.sim.requests();
        let files = self.bench.journal_files();
        let told = self.meter.told("payment").len();
        let reply = self.meter.call(line);
        assert_eq!(
            (reply.code(), reply.get("field")),
            (code, field),
            "{line}: {}",
            reply.everything()
        );
        assert!(
            !reply.get("message").is_empty(),
            "{line}: the rule is named"
        );
        assert_eq!(
            self.bench.sim.requests(),
            requests,
            "{line}: nothing is sent"
        );
        assert_eq!(
            self.bench.journal_files(),
            files,
            "{line}: nothing is written"
        );
        assert_eq!(
            self.meter.told("payment").len(),
            told,
            "{line}: nothing changed"
        );
        reply
    }
}

fn fresh() -> Watched {
    Watched::new(Bench::new(&[]))
}

/// Created, approved; and one more that is only created.
fn with_payments() -> Watched {
    let mut w = fresh();
    w.meter.call("create").is("rc=VP_OK");
    w.meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
    w.bench.sim.passenger("ignore");
    w.meter.call("create ref=trip-0002").is("rc=VP_OK");
    w
}
