#!/usr/bin/env python3
"""Breaks the library on purpose, one promise at a time, and shows which tests turn red.

Each mutant is one replacement in a copy of the sources. A mutant that no test notices is a failure, and so is one whose
text is no longer found: the list must follow the code. `make mutants`; with words, only those whose name has one of them:
`tools/mutants.py refund "new key"`.
"""
import os
import re
import shutil
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COPY = os.path.join(ROOT, "target", "mutants", "tree")
TARGET = os.path.join(ROOT, "target", "mutants", "target")
# A mutant that waits for ever is noticed too. Seconds.
LONGEST = 600

# name, file, what stands there, what the mutant says, the tests that must notice
MUTANTS = [
    (
        "a new key for each retry",
        "core/src/client/work.rs",
        "Message::post(path(\"/capture\"), m.body.clone(), Some(m.key.clone()))",
        "Message::post(path(\"/capture\"), m.body.clone(), Some(format!(\"{}-{}\", &m.key[9..], r.requests)))",
        ["ride"],
    ),
    (
        "a create with a new key after a lost answer",
        "core/src/client/work.rs",
        "Some(r.create.key.clone()),\n            ),\n            Step::Send(Operation::Capture",
        "Some(format!(\"{}{}\", &r.create.key[9..], r.requests)),\n            ),\n            Step::Send(Operation::Capture",
        ["ride"],
    ),
    (
        "a missing sync of the file",
        "core/src/journal/directory/entry.rs",
        ".write(&files.slot(name, side), bytes, Durable::Now)?;",
        ".write(&files.slot(name, side), bytes, Durable::Later)?;",
        ["journal_power_cut", "journal_directory"],
    ),
    (
        "a store of the host is believed without reading back",
        "core/src/journal/hooked.rs",
        "            Some(back) if back == bytes => Ok(()),\n",
        "            Some(_) => Ok(()),\n",
        ["journal_hooked"],
    ),
    (
        "a tombstone goes before the record that it has ended",
        "core/src/journal/hooked.rs",
        "(true, false) => return Err(lies(\"does not remove\")),",
        "(true, false) => break,",
        ["journal_hooked"],
    ),
    (
        "a key that the gateway has is accepted in the car",
        "core/src/client/access.rs",
        "                false => return Err(Report::invalid(field, why)),\n",
        "                false => {}\n",
        ["access"],
    ),
    (
        "the floor under the clock is not used",
        "core/src/clock.rs",
        "        let too_early = host < now - TOLERANCE_MS;\n",
        "        let too_early = false;\n",
        ["clock"],
    ),
    (
        "a wrong moment raises the floor for good",
        "core/src/clock.rs",
        "(date - by).abs() <= CERTIFICATE_MS",
        "*date >= by || (date - by).abs() <= CERTIFICATE_MS",
        ["clock"],
    ),
    (
        "the intent is sent before it is written",
        "core/src/client/keep.rs",
        "            self.put_open(&next.record)?;\n",
        "",
        ["ride"],
    ),
    (
        "release before the capture is proven",
        "core/src/recovery/mod.rs",
        "    if let Some(index) = capture {\n",
        "    if r.release_owed() {\n        return write_gate(p, now, Operation::Release);\n    }\n    if let Some(index) = capture {\n",
        ["ride"],
    ),
    (
        "adoption by amount instead of by ride id",
        "core/src/recovery/answers/create.rs",
        "Some(id) if id == self.record.ride_id.as_str() => {",
        "Some(_) if seen.amount.is_none_or(|a| a == self.record.amount) => {",
        ["ride", "rules"],
    ),
    (
        "a meter that has let go of a payment writes it off",
        "core/src/client/keep.rs",
        "        if live.payment.record.handed_over {\n",
        "        if live.payment.record.handed_over && false {\n",
        ["office"],
    ),
    (
        "a payment of another sales unit is taken over",
        "core/src/client/handover.rs",
        "if record.msn != self.config.credentials.msn || record.environment != self.environment {",
        "if false {",
        ["office"],
    ),
    (
        "settling sends a create",
        "core/src/recovery/mod.rs",
        "Goal::Create | Goal::Approval => true,",
        "Goal::Create | Goal::Approval | Goal::Settle => true,",
        ["ride"],
    ),
    (
        "a 200 is taken for proof",
        "core/src/recovery/answers/movement.rs",
        "                    self.take(&seen, m);\n                    self.judge_operations(m);\n",
        "                    self.take(&seen, m);\n                    self.movement_done(operation);\n",
        ["ride", "rules"],
    ),
    (
        "a ride may be given up after its capture was asked for",
        "core/src/payment/intents.rs",
        "                if self.has_capture() {\n                    return Err(wrong_state(\n                        \"a capture of this payment was asked for: refund",
        "                if self.has_capture() && self.amount < 0 {\n                    return Err(wrong_state(\n                        \"a capture of this payment was asked for: refund",
        ["ride"],
    ),
    (
        "a lost answer is called refused",
        "core/src/retry.rs",
        "408 | 500..=599 => {\n            Answer::Unknown(",
        "408 | 500..=599 => {\n            Answer::Refused(",
        ["ride"],
    ),
    (
        "a late approval is captured by the library's own guess",
        "core/src/recovery/answers/read.rs",
        "first_seen && untouched && too_late && open",
        "first_seen && untouched && too_late && open && m.random == 7",
        ["ride"],
    ),
    (
        "the phone number stays in the journal",
        "core/src/recovery/answers/create.rs",
        "        self.record.create.progress = Progress::Done;\n        self.record.create.body = None;\n",
        "        self.record.create.progress = Progress::Done;\n",
        ["ride"],
    ),
    (
        "not found is believed at once",
        "core/src/recovery/mod.rs",
        "pub const CREATE_WATCH_MS: i64 = 12 * 60_000;",
        "pub const CREATE_WATCH_MS: i64 = -12 * 60_000;",
        ["ride"],
    ),
    (
        "an exchange that a call has left under way is forgotten",
        "core/src/client/work.rs",
        "                live.errand = Some(errand);",
        "                drop(errand);",
        ["under_way"],
    ),
    (
        "an answer that arrived long ago is believed",
        "core/src/client/exchange.rs",
        "age <= i64::from(self.config.request_ms)",
        "age < i64::MAX - i64::from(self.config.request_ms)",
        ["under_way"],
    ),
    (
        "a second capture of the same number is another capture",
        "core/src/payment/intents.rs",
        "        let index = nth_of(&self.captures, nth, \"flags\")?;",
        "        let nth = self.captures.len() as u32 + u32::from(nth > 0);\n        let index = nth_of(&self.captures, nth, \"flags\")?;",
        ["ride"],
    ),
    (
        "a webhook is believed whatever its body is",
        "core/src/vipps/webhook.rs",
        "if decoded(hash).is_none_or(|said| said[..] != Sha256::digest(delivery.body)[..]) {",
        "if decoded(hash).is_none() {",
        ["webhook"],
    ),
    (
        "a webhook is believed whatever its signature is",
        "core/src/vipps/webhook.rs",
        "genuine |= mac.verify_slice(&signature).is_ok();",
        "genuine |= mac.verify_slice(&signature).is_ok() || !signature.is_empty();",
        ["webhook"],
    ),
    (
        "a webhook's header may come twice",
        "core/src/vipps/webhook.rs",
        "            if place.is_some() {\n                return Err(not_genuine(known, \"is there twice\"));\n            }\n",
        "",
        ["webhook"],
    ),
    (
        "the secret of a webhook is decoded first",
        "core/src/vipps/webhook.rs",
        "Hmac::<Sha256>::new_from_slice(delivery.secret)",
        "Hmac::<Sha256>::new_from_slice(delivery.secret.trim_ascii_end().strip_suffix(b\"==\").unwrap_or(delivery.secret))",
        ["webhook"],
    ),
    (
        "an event does not wake a call that waits",
        "core/src/client/told.rs",
        "                live.version += 1;\n",
        "",
        ["told"],
    ),
    (
        "a flood of events is a flood of reads",
        "core/src/payment/told.rs",
        "told.not_before = now_mono + pause.min(LONGEST_PAUSE_MS);",
        "told.not_before = now_mono + pause.min(0);",
        ["told"],
    ),
    (
        "an event is believed",
        "core/src/payment/told.rs",
        "        told.kind = kind;\n        true",
        "        told.kind = kind;\n        if kind == Kind::Authorized {\n            self.record.state = State::Authorized;\n        }\n        true",
        ["told"],
    ),
    # The rules of the money.
    (
        "a refusal in a foreign shape is believed",
        "core/src/retry.rs",
        "        400..=499 if believed =>",
        "        400..=499 =>",
        ["money"],
    ),
    (
        "a 401 in a foreign shape is believed",
        "core/src/retry.rs",
        "                r.cause = Cause::BadAnswer;\n            }\n            Answer::Unauthorized(r)",
        "                r.cause = Cause::None;\n            }\n            Answer::Unauthorized(r)",
        ["money"],
    ),
    (
        "in progress opens a new key",
        "core/src/retry.rs",
        "        6160 | 6250 | 6280 => return InProgress,\n",
        "        6160 | 6250 | 6280 => return Contradiction,\n",
        ["money"],
    ),
    (
        "a conflict without a code opens a new key",
        "core/src/retry.rs",
        "            409 => InProgress,\n",
        "            409 => Contradiction,\n",
        ["money"],
    ),
    (
        "a new key by the room that there is now",
        "core/src/recovery/answers/movement.rs",
        "let fitted = room + self.moved(operation) - baseline;",
        "let fitted = room;",
        ["money"],
    ),
    (
        "a new key without the quiet time",
        "core/src/recovery/answers/movement.rs",
        "let another = means != Meaning::Final && only_one_fits;",
        "let another = means != Meaning::Final;",
        ["money"],
    ),
    (
        "what happens in the quiet time is not looked at",
        "core/src/recovery/answers/movement.rs",
        "let nothing_moved = grown <= 0 && log.others == 0 && log.possibly == 0;",
        "let nothing_moved = true;",
        ["money"],
    ),
    (
        "a refund uses the quiet time",
        "core/src/recovery/answers/movement.rs",
        "Meaning::Final | Meaning::Blocked | Meaning::Contradiction if sticks && capture => {",
        "Meaning::Final | Meaning::Blocked | Meaning::Contradiction if sticks => {",
        ["money"],
    ),
    (
        "one refusal is believed to stay",
        "core/src/recovery/answers/movement.rs",
        "let sticks = |ms: i64| refused.count >= STICKY_ANSWERS && for_ms >= ms;",
        "let sticks = |ms: i64| refused.count >= 1 && for_ms >= ms - STICKY_MS;",
        ["money"],
    ),
    (
        "refused although a try is unanswered",
        "core/src/recovery/answers/movement.rs",
        "is_definite(&report) && !unanswered && nothing_of_ours",
        "is_definite(&report) && nothing_of_ours",
        ["money"],
    ),
    (
        "in progress says nothing of an earlier try",
        "core/src/recovery/answers/movement.rs",
        "                        self.course.tries_of_key.unanswered = true;\n",
        "",
        ["money"],
    ),
    (
        "an unanswered try is forgotten with a new key",
        "core/src/payment/tries.rs",
        "            unanswered: self.unanswered,\n            since: self.since,\n",
        "            since: self.since,\n",
        ["money"],
    ),
    (
        "growth by others is proof",
        "core/src/recovery/answers/movement.rs",
        "let shown = tries.accepted && grown - log.others >= amount;",
        "let shown = tries.since.is_some() && grown >= amount;",
        ["money"],
    ),
    (
        "a baseline is read anew after a try",
        "core/src/recovery/answers/movement.rs",
        "let never_sent = self.course.tries_of_key.since.is_none();",
        "let never_sent = self.course.tries_of_key.last.is_none();",
        ["money"],
    ),
    (
        "a baseline is as old as the intent",
        "core/src/recovery/mod.rs",
        "Some(_) if whole || has_fresh_sums(p, now) => write_gate(p, now, operation),",
        "Some(_) => write_gate(p, now, operation),",
        ["money"],
    ),
    (
        "a second movement while a key is open",
        "core/src/payment/intents.rs",
        "    fn check_no_open_key(&self) -> Result<(), Report> {\n",
        "    fn check_no_open_key(&self) -> Result<(), Report> {\n        if self.amount > 0 {\n            return Ok(());\n        }\n",
        ["money"],
    ),
    (
        "what was written off cannot act any more",
        "core/src/payment/intents.rs",
        "        if self.key_is_open() {\n",
        "        if self.key_is_open() && self.amount < 0 {\n",
        ["money"],
    ),
    (
        "a release while a refund is open",
        "core/src/recovery/mod.rs",
        "    if r.open_refund().is_some() {\n        return next_of_refund(p, goal, now);\n    }\n",
        "",
        ["money"],
    ),
    (
        "a last capture that is refused still releases",
        "core/src/recovery/answers/movement.rs",
        "                    r.release = None;\n",
        "",
        ["money"],
    ),
    (
        "what the bank has released is captured without being asked for",
        "core/src/recovery/answers/movement.rs",
        "                self.record.decision = \"the bank has released the money\".into();\n",
        "",
        ["money"],
    ),
    (
        "what is open for a day is not listed",
        "core/src/recovery/answers/movement.rs",
        "const DAY_MS: i64 = 24 * 3_600_000;",
        "const DAY_MS: i64 = 240 * 3_600_000;",
        ["money"],
    ),
    (
        "not found is believed before the watch is over",
        "core/src/recovery/mod.rs",
        "pub const CREATE_WATCH_MS: i64 = 12 * 60_000;",
        "pub const CREATE_WATCH_MS: i64 = 10 * 60_000;",
        ["money"],
    ),
    (
        "not found counts by when it arrives",
        "core/src/recovery/answers/create.rs",
        "if self.course.read_begun >= watched_until && waits {",
        "if m.now.mono >= watched_until && waits {",
        ["under_way"],
    ),
    (
        "the doubted create is not asked for again",
        "core/src/recovery/mod.rs",
        "let once_more = p.record.create.doubted && p.course.stale && goal == Goal::Settle;",
        "let once_more = p.record.create.doubted && p.course.stale && goal == Goal::Told;",
        ["money"],
    ),
    (
        "the doubted create is not where the next start looks",
        "core/src/client/keep.rs",
        "let shelf = match tombstone.create.doubted {\n                true => Shelf::Open,",
        "let shelf = match tombstone.create.doubted {\n                true => Shelf::Closed,",
        ["money"],
    ),
    (
        "missing metadata is foreign",
        "core/src/recovery/answers/create.rs",
        "            None => {\n                self.course.stale = false;\n",
        "            None => {\n                self.belongs_to_another();\n                self.course.stale = false;\n",
        ["money"],
    ),
    (
        "missing metadata is ours",
        "core/src/recovery/answers/create.rs",
        "            None => {\n                self.course.stale = false;\n",
        "            None if seen.state.is_some() => {\n                self.confirm_create(plan, m);\n                true\n            }\n            None => {\n                self.course.stale = false;\n",
        ["money"],
    ),
    (
        "more is taken in than was asked for",
        "core/src/recovery/answers/sense.rs",
        "if gone.is_none_or(|gone| gone > amount) {",
        "if gone.is_none() {",
        ["money"],
    ),
    (
        "a reservation of another amount is taken in",
        "core/src/recovery/answers/sense.rs",
        "shown(seen.sums.authorized).filter(|a| *a != amount)",
        "shown(seen.sums.authorized).filter(|a| *a < 0)",
        ["money"],
    ),
    (
        "another currency is taken in",
        "core/src/recovery/answers/sense.rs",
        "find(|c| *c != currency)",
        "find(|c| c.is_empty() && *c != currency)",
        ["money"],
    ),
    (
        "a dead payment with money is taken in",
        "core/src/recovery/answers/sense.rs",
        "            (reserved || part).then(|| {",
        "            (reserved && part && amount < 0).then(|| {",
        ["money"],
    ),
    (
        "money moved before the approval is taken in",
        "core/src/recovery/answers/sense.rs",
        "Some(state) if captured > 0 || refunded > 0 =>",
        "Some(state) if captured > amount || refunded > amount =>",
        ["money"],
    ),
    (
        "closed is blind",
        "core/src/recovery/mod.rs",
        "if p.course.read_now || once_more || told.is_some_and(|at| at <= now.mono) {",
        "if once_more || told.is_some_and(|at| at <= now.mono) {",
        ["money"],
    ),
    (
        "closed stays closed",
        "core/src/recovery/answers/read.rs",
        "        if !alive {\n            return;\n        }\n        r.closed_at = 0;\n",
        "        if !alive || r.closed_at != 0 {\n            return;\n        }\n        r.closed_at = 0;\n",
        ["money"],
    ),
    (
        "what others captured of a given-up payment is not told",
        "core/src/recovery/answers/read.rs",
        "if r.given_up && kept > 0 && r.decision.is_empty() && r.lost.is_none() {",
        "if r.given_up && kept > r.amount && r.decision.is_empty() && r.lost.is_none() {",
        ["money"],
    ),
    (
        "a call that sent something says that nothing was sent",
        "core/src/client/work.rs",
        "    if !call.sent.get() || !says_nothing ||",
        "    if call.started >= 0 || !says_nothing ||",
        ["money"],
    ),
    (
        "what was loaded counts as answered",
        "core/src/payment/tries.rs",
        "            unanswered: true,\n            last: Some(now_mono),",
        "            unanswered: false,\n            last: Some(now_mono),",
        ["proof"],
    ),
    (
        "any refusal is true of every copy of the request",
        "core/src/recovery/answers/movement.rs",
        "    matches!(report.vipps_code, 5100 |",
        "    report.http_status == 400 || matches!(report.vipps_code, 5100 |",
        ["proof"],
    ),
    (
        "only the newest key is ours",
        "core/src/recovery/answers/movement.rs",
        "    earlier.chain([movement.key.clone()]).collect()",
        "    earlier.take(0).chain([movement.key.clone()]).collect()",
        ["proof"],
    ),
    (
        "a key that is not ours as the log writes it is the portal's",
        "core/src/recovery/answers/movement.rs",
        "if event.amount == amount && (keyless || unanswered) {",
        "if event.amount == amount && keyless {",
        ["proof"],
    ),
    (
        "a part is proven when all is captured",
        "core/src/recovery/answers/movement.rs",
        "if whole && moved == authorized {",
        "if moved == authorized {",
        ["proof"],
    ),
    (
        "an intent of hours ago is sent before the log was read",
        "core/src/recovery/answers/movement.rs",
        "grown >= movement.amount || self.is_old_and_unread(m)",
        "grown >= movement.amount",
        ["proof"],
    ),
    (
        "growth that nobody has explained is of others",
        "core/src/recovery/answers/movement.rs",
        "let nothing_of_ours = grown <= 0 || log.is_some_and(others_only);",
        "let nothing_of_ours = true;",
        ["proof"],
    ),
    (
        "in progress for ten seconds is in progress for ever",
        "core/src/recovery/answers/movement.rs",
        "pub const BUSY_MS: i64 = 15 * 60_000;",
        "pub const BUSY_MS: i64 = 10_000;",
        ["money"],
    ),
    (
        "new keys without end",
        "core/src/recovery/answers/movement.rs",
        "(key, attempt <= NEW_KEYS)",
        "(key, attempt <= 99)",
        ["proof"],
    ),
    (
        "a page before the second try is forgotten",
        "core/src/client/exchange.rs",
        "            errand.in_doubt |= is_foreign(report);\n",
        "            errand.in_doubt |= is_foreign(report) && errand.requests > 9;\n",
        ["money"],
    ),
    (
        "a payment of unknown owner is captured",
        "core/src/recovery/answers/create.rs",
        "                self.record.decision =\n                    \"approved, and nothing shows whether this payment is ours\".into();\n",
        "",
        ["money"],
    ),
    # Which version of a record counts, whose request it is, and what time it is.
    (
        "an older version is believed",
        "core/src/client/load.rs",
        "            payment.put_in_doubt(&why);\n",
        "",
        ["doubt"],
    ),
    (
        "an older version is captured or released",
        "core/src/payment/intents.rs",
        "        match self.is_doubtful() {\n",
        "        match self.is_doubtful() && self.amount < 0 {\n",
        ["doubt"],
    ),
    (
        "the journal gives an older version for the newest",
        "core/src/journal/directory/entry.rs",
        "                Some(why) => Found::Older(slot.record, why.clone()),\n",
        "                Some(_) => Found::Record(slot.record),\n",
        ["journal_doubt"],
    ),
    (
        "an older version does not say that it is one",
        "core/src/journal/directory/entry.rs",
        "                if !self.marked {\n",
        "                if self.marked {\n",
        ["journal_doubt"],
    ),
    (
        "what cannot be read now is no record",
        "core/src/client/load.rs",
        "if self.unread().insert(name.to_string(), why).is_none() {",
        "if !why.is_empty() {",
        ["doubt"],
    ),
    (
        "one Date is believed",
        "core/src/clock.rs",
        "            _ => heard.claim = Some(now),\n",
        "            _ => heard.believe(now),\n",
        ["tombstones"],
    ),
    (
        "tombstones are old by one time",
        "core/src/client/age.rs",
        "age.by = age.kept.filter(|_| is_older);",
        "age.by = Some(now).filter(|_| is_older);",
        ["tombstones"],
    ),
    (
        "two times of one hour make tombstones old",
        "core/src/client/age.rs",
        "let apart = |at: i64| mono.saturating_sub(at) >= KEEP_TIME_MS;",
        "let apart = |at: i64| mono >= at;",
        ["tombstones"],
    ),
    (
        "the number is not compared",
        "core/src/payment/request.rs",
        "        payer.add(self.phone.as_bytes());\n",
        "",
        ["same_request"],
    ),
    (
        "the content is not compared",
        "core/src/payment/request.rs",
        "        content.add(self.description.as_bytes());\n",
        "",
        ["same_request"],
    ),
    (
        "a doubtful record moves money",
        "core/src/recovery/doubt.rs",
        "if !r.is_doubtful() || r.create.progress",
        "if !r.is_doubtful() || r.amount > 0 || r.create.progress",
        ["doubt"],
    ),
    (
        "a doubt ends because the older version was finished",
        "core/src/recovery/doubt.rs",
        "nothing_left && !finished && r.open_refund",
        "nothing_left && r.open_refund",
        ["doubt"],
    ),
    (
        "a doubtful create is sent",
        "core/src/recovery/mod.rs",
        "        && !p.record.is_doubtful()\n",
        "",
        ["doubt"],
    ),
    (
        "a paid trip is forgotten when the clock jumps",
        "core/src/client/keep.rs",
        "_ => self.paid_here(&new.trip).map_or(Ok(()), |r| taken(&r)),",
        "_ => Ok(()),",
        ["tombstones"],
    ),
    (
        "numbers that share a mark are one while the body is kept",
        "core/src/payment/request.rs",
        "            && whole != Some(false)\n",
        "            && (whole != Some(false) || record.create.marks.is_some())\n",
        ["same_request"],
    ),
    (
        "a closed record without marks is anybody's",
        "core/src/payment/request.rs",
        "now_wall.saturating_sub(last).saturating_abs() < REPEAT_MS",
        "now_wall >= last",
        ["same_request"],
    ),
]


def copy_tree():
    # With times of now: cargo would take what it built of the last mutant for the newer.
    os.makedirs(COPY, exist_ok=True)
    for name in ("Cargo.toml", "Cargo.lock", "build.rs", "cbindgen.toml"):
        shutil.copy(os.path.join(ROOT, name), os.path.join(COPY, name))
    for folder in ("core", "src", "include", "tests"):
        shutil.rmtree(os.path.join(COPY, folder), ignore_errors=True)
        shutil.copytree(os.path.join(ROOT, folder), os.path.join(COPY, folder), copy_function=shutil.copy)


def run(tests):
    command = ["cargo", "test", "--locked", "-q", "-p", "vpmeter-core", "--no-default-features", "--no-fail-fast"]
    for test in tests:
        command += ["--test", test]
    env = dict(os.environ, CARGO_TARGET_DIR=TARGET, RUST_BACKTRACE="0")
    pipe = subprocess.PIPE
    # A group of its own: cargo and the test that it runs end together.
    cargo = subprocess.Popen(command, cwd=COPY, env=env, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    try:
        out, errors = cargo.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        os.killpg(cargo.pid, signal.SIGKILL)
        cargo.communicate()
        return 1, True, [f"no end within {LONGEST} seconds"], ""
    red = sorted(set(re.findall(r"^    ([a-z0-9_:]+)$", out, re.M)))
    return cargo.returncode, "could not compile" not in errors, red, errors


def main():
    words = sys.argv[1:]
    chosen = [m for m in MUTANTS if not words or any(word in m[0] for word in words)]
    if not chosen:
        print("no mutant has that name")
        return 1
    copy_tree()
    status, compiled, red, errors = run(sorted({t for m in chosen for t in m[4]}))
    if status != 0:
        print("the tests are red without any mutant:", red, errors[-2000:])
        return 1
    survived = 0
    for name, path, old, new, tests in chosen:
        target = os.path.join(COPY, path)
        with open(target, encoding="utf-8") as f:
            source = f.read()
        if source.count(old) != 1:
            print(f"MISSING   {name}: its text stands {source.count(old)} times in {path}")
            survived += 1
            continue
        with open(target, "w", encoding="utf-8") as f:
            f.write(source.replace(old, new))
        status, compiled, red, errors = run(tests)
        with open(target, "w", encoding="utf-8") as f:
            f.write(source)
        if not compiled:
            print(f"BROKEN    {name}: does not compile\n{errors[-1500:]}")
            survived += 1
        elif status == 0:
            print(f"SURVIVED  {name}")
            survived += 1
        else:
            print(f"red       {name}: {', '.join(red[:4])}{' ...' if len(red) > 4 else ''}")
        sys.stdout.flush()
    print(f"{len(chosen) - survived} passed, {survived} failed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
