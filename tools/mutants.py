#!/usr/bin/env python3
"""Breaks the library on purpose, one promise at a time, and shows which tests turn red.

Each mutant is one replacement in a copy of the sources. A mutant that no test notices is a failure, and so is one whose
text is no longer found: the list must follow the code. `make mutants`.
"""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COPY = os.path.join(ROOT, "target", "mutants", "tree")

# name, file, what stands there, what the mutant says, the tests that must notice
MUTANTS = [
    (
        "a new key for each retry",
        "core/src/client/work.rs",
        "Message::post(path(\"/capture\"), m.body.clone(), Some(m.key.clone()))",
        "Message::post(path(\"/capture\"), m.body.clone(), Some(format!(\"{}-{}\", &m.key[9..], r.requests)))",
        ["ride", "histories"],
    ),
    (
        "a create with a new key after a lost answer",
        "core/src/client/work.rs",
        "Some(r.create.key.clone()),\n            ),\n            Step::Send(Operation::Capture",
        "Some(format!(\"{}{}\", &r.create.key[9..], r.requests)),\n            ),\n            Step::Send(Operation::Capture",
        ["ride", "histories"],
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
        "(EARLIEST_MS..=LATEST_MS).contains(date) && (date - by).abs() <= CERTIFICATE_MS",
        "(EARLIEST_MS..=LATEST_MS).contains(date) || by == 0",
        ["clock"],
    ),
    (
        "the intent is sent before it is written",
        "core/src/client/keep.rs",
        "            self.put_open(&next.record)?;\n",
        "",
        ["ride", "histories"],
    ),
    (
        "release before the capture is proven",
        "core/src/recovery/mod.rs",
        "    if let Some(index) = capture {\n        return write_gate(p, now, Operation::Capture(index));\n    }\n    if r.release_owed() {\n        return write_gate(p, now, Operation::Release);\n    }\n",
        "    if r.release_owed() {\n        return write_gate(p, now, Operation::Release);\n    }\n    if let Some(index) = capture {\n        return write_gate(p, now, Operation::Capture(index));\n    }\n",
        ["ride", "histories"],
    ),
    (
        "adoption by amount instead of by ride id",
        "core/src/recovery/answers/mod.rs",
        "if seen.ride_id.as_deref() != Some(self.record.ride_id.as_str()) {",
        "if seen.state.is_none() {",
        ["ride"],
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
        ["ride", "histories"],
    ),
    (
        "a 200 is taken for proof",
        "core/src/recovery/answers/mod.rs",
        "if moved - baseline >= movement.amount {",
        "if moved - baseline >= 0 {",
        ["ride"],
    ),
    (
        "a ride may be given up after its capture was asked for",
        "core/src/payment/intents.rs",
        "                if self.has_capture() {\n                    return Err(wrong_state(\n                        \"a capture of this payment was asked for: refund",
        "                if self.has_capture() && self.amount < 0 {\n                    return Err(wrong_state(\n                        \"a capture of this payment was asked for: refund",
        ["ride", "histories"],
    ),
    (
        "a lost answer is called refused",
        "core/src/retry.rs",
        "408 | 500..=599 => {\n            Answer::Unknown(",
        "408 | 500..=599 => {\n            Answer::Refused(",
        ["ride", "histories"],
    ),
    (
        "a late approval is captured by the library's own guess",
        "core/src/recovery/answers/mod.rs",
        "first_seen && untouched && too_late",
        "first_seen && untouched && too_late && m.random == 7",
        ["ride"],
    ),
    (
        "the phone number stays in the journal",
        "core/src/recovery/answers/mod.rs",
        "        self.record.create.progress = Progress::Done;\n        self.record.create.body = None;\n",
        "        self.record.create.progress = Progress::Done;\n",
        ["ride"],
    ),
    (
        "not found is believed at once",
        "core/src/recovery/mod.rs",
        "pub const NOT_FOUND_PROOF_MS: i64 = 60_000;",
        "pub const NOT_FOUND_PROOF_MS: i64 = -60_000;",
        ["ride", "histories"],
    ),
    (
        "an exchange that a call has left under way is forgotten",
        "core/src/client/work.rs",
        "                live.errand = Some(errand);",
        "                drop(errand);",
        ["histories"],
    ),
    (
        "an answer that arrived long ago is believed",
        "core/src/client/exchange.rs",
        "age <= i64::from(self.config.request_ms)",
        "age < i64::MAX - i64::from(self.config.request_ms)",
        ["histories"],
    ),
    (
        "a second capture of the same number is another capture",
        "core/src/payment/intents.rs",
        "        let index = nth_of(&self.captures, nth, \"flags\")?;",
        "        let nth = self.captures.len() as u32 + u32::from(nth > 0);\n        let index = nth_of(&self.captures, nth, \"flags\")?;",
        ["ride", "histories"],
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
]


def copy_tree():
    os.makedirs(COPY, exist_ok=True)
    for name in ("Cargo.toml", "Cargo.lock", "build.rs", "cbindgen.toml"):
        shutil.copy2(os.path.join(ROOT, name), os.path.join(COPY, name))
    for folder in ("core", "src", "include", "tests"):
        shutil.rmtree(os.path.join(COPY, folder), ignore_errors=True)
        shutil.copytree(os.path.join(ROOT, folder), os.path.join(COPY, folder))


def run(tests):
    command = ["cargo", "test", "--locked", "-q", "-p", "vpmeter-core", "--no-default-features", "--no-fail-fast"]
    for test in tests:
        command += ["--test", test]
    env = dict(os.environ, CARGO_TARGET_DIR=os.path.join(ROOT, "target", "mutants", "target"), RUST_BACKTRACE="0")
    done = subprocess.run(command, cwd=COPY, env=env, capture_output=True, text=True)
    red = sorted(set(re.findall(r"^    ([a-z0-9_:]+)$", done.stdout, re.M)))
    compiled = "could not compile" not in done.stderr
    return done.returncode, compiled, red, done.stderr


def main():
    copy_tree()
    status, compiled, red, errors = run(sorted({t for m in MUTANTS for t in m[4]}))
    if status != 0:
        print("the tests are red without any mutant:", red, errors[-2000:])
        return 1
    survived = 0
    for name, path, old, new, tests in MUTANTS:
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
    print(f"{len(MUTANTS) - survived} passed, {survived} failed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
