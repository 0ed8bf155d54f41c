//! Whether a request is a webhook: the vectors of the published guide, everything that is not one, and garbage.

use proptest::prelude::*;
use vpmeter_core::error::{Code, Report};
use vpmeter_core::vipps::webhook::{verify, Delivery, WebhookEvent, BODY_MAX};

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const SECRET: &str =
    "A0+AeKBRG2KRGvnNwJpQlb6IJFk48CKXCIcrLoHncVJKDILsQSxS6NWCccwWm6r6FhGKhiHTBsG2wo/xU6FY/A==";
const DATE: &str = "Thu, 30 Mar 2023 08:38:32 GMT";
/// The same, Unix milliseconds.
const AT: i64 = 1_680_165_512_000;
const EVENT: &str = r#"{"msn":"123456","reference":"ride-0001","pspReference":"psp-7","name":"AUTHORIZED",
"amount":{"currency":"NOK","value":24900},"timestamp":"2023-03-30T08:38:31.5Z","idempotencyKey":"k-1","success":true,
"userDetails":{"phoneNumber":"4791234567"}}"#;

/// A request as it comes, to be changed by a test.
#[derive(Clone)]
struct Came {
    method: String,
    target: String,
    host: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    secret: String,
    now_ms: i64,
    fresh_ms: u32,
}

impl Came {
    /// Signed as the guide says.
    fn signed(body: &[u8], host: &str, secret: &str) -> Came {
        let target = "/hook?meter=1";
        let hash = STANDARD.encode(Sha256::digest(body));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("POST\n{target}\n{DATE};{host};{hash}").as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        Came::with(target, host, body, secret, &hash, &signature)
    }

    fn with(
        target: &str,
        host: &str,
        body: &[u8],
        secret: &str,
        hash: &str,
        signature: &str,
    ) -> Came {
        let header = |name: &str, value: &str| (name.to_string(), value.as_bytes().to_vec());
        Came {
            method: "POST".into(),
            target: target.into(),
            host: Some(host.into()),
            headers: vec![
                header("Content-Type", "application/json"),
                header("X-Ms-Date", DATE),
                header("HOST", host),
                header("x-ms-content-sha256", hash),
                header(
                    "authorization",
                    &format!(
                        "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}"
                    ),
                ),
            ],
            body: body.to_vec(),
            secret: secret.into(),
            now_ms: 0,
            fresh_ms: 0,
        }
    }

    fn verify(&self) -> Result<WebhookEvent, Report> {
        let headers: Vec<(&[u8], &[u8])> = self
            .headers
            .iter()
            .map(|(n, v)| (n.as_bytes(), v.as_slice()))
            .collect();
        verify(&Delivery {
            method: self.method.as_bytes(),
            target: self.target.as_bytes(),
            host: self.host.as_deref().map(str::as_bytes),
            headers: &headers,
            body: &self.body,
            secret: self.secret.as_bytes(),
            now_ms: self.now_ms,
            fresh_ms: self.fresh_ms,
        })
    }

    fn code(&self) -> Code {
        match self.verify() {
            Ok(_) => Code::Ok,
            Err(report) => {
                let text = format!("{report} {}", report.trace_id);
                assert!(!text.contains(&self.secret), "{text}");
                report.code
            }
        }
    }

    fn header(&mut self, name: &str) -> &mut Vec<u8> {
        let found = self
            .headers
            .iter_mut()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        &mut found.unwrap().1
    }
}

fn good() -> Came {
    Came::signed(EVENT.as_bytes(), "hooks.example.no", SECRET)
}

#[test]
fn the_vectors_of_the_guide() {
    let body =
        br#"{"some-unique-content":"ee6e441b-cc4a-46f8-895d-a5af79bcc233/hello-world"}"#.as_slice();
    let short = format!("{}==", "A".repeat(86));
    for (secret, signature) in [
        (SECRET, "agAiSyogQbDHpeucoNwYz+yAr5nJ+v+zasdkSbqzv+U="),
        (&short, "u4zz3dyO3c3xJwl36rPpn1n7WF75u6r2epjH70MZTGM="),
    ] {
        let came = |secret: &str, signature: &str| {
            Came::with(
                "/e2cee29b-012e-4f1d-8ef4-e95fd74a7a63",
                "webhook.site",
                body,
                secret,
                "lNlsp1XA03N34HrQsVzPgJKtC+r7l/RBF4V3JQUWMj4=",
                signature,
            )
        };
        // Genuine, but the guide's body is no event.
        assert_eq!(came(secret, signature).code(), Code::NotAnEvent);
        let other = signature.replacen('a', "b", 1).replacen('u', "v", 1);
        assert_eq!(came(secret, &other).code(), Code::NotGenuine);
    }
}

#[test]
fn a_genuine_event_is_read_without_the_person() {
    let event = good().verify().unwrap();
    assert_eq!(
        event,
        WebhookEvent {
            msn: "123456".into(),
            reference: "ride-0001".into(),
            name: "AUTHORIZED".into(),
            psp_reference: "psp-7".into(),
            idempotency_key: "k-1".into(),
            amount: 24_900,
            currency: "NOK".into(),
            timestamp: AT - 500,
            signed_at: AT,
            success: true,
        }
    );
    assert!(!format!("{event:?}").contains("91234567"));
}

#[test]
fn what_is_not_genuine_is_refused() {
    type Change = fn(&mut Came);
    let changes: Vec<(&str, Change)> = vec![
        ("wrong secret", |c| c.secret = format!("{}x", &SECRET[1..])),
        ("the secret decoded and encoded anew", |c| {
            c.secret = c.secret.replace("==", "")
        }),
        ("changed body", |c| c.body[20] ^= 1),
        ("cut body", |c| c.body.truncate(50)),
        ("no body", |c| c.body.clear()),
        ("changed host", |c| {
            c.host = Some("evil.example.no".into());
        }),
        ("host in other case", |c| {
            c.host = Some("HOOKS.example.no".into());
            c.headers.retain(|h| h.0 != "HOST");
        }),
        ("no host at all", |c| {
            c.host = None;
            c.headers.retain(|h| h.0 != "HOST");
        }),
        ("empty host", |c| c.host = Some(String::new())),
        ("changed path", |c| c.target = "/hook?meter=2".into()),
        ("path without query", |c| c.target = "/hook".into()),
        ("no path", |c| c.target = String::new()),
        ("line end in the path", |c| c.target = "/hook\n".into()),
        ("another method", |c| c.method = "PUT".into()),
        ("changed date", |c| c.header("x-ms-date")[0] = b'F'),
        ("changed hash", |c| {
            c.header("x-ms-content-sha256")[3] ^= 1;
        }),
        ("another scheme", |c| {
            c.header("authorization")[0] = b'X';
        }),
        ("no signature", |c| {
            c.header("authorization").truncate(80);
        }),
        ("a longer signature", |c| {
            c.header("authorization").extend(b"AAAA")
        }),
        ("other signed headers", |c| {
            let text = String::from_utf8(c.header("authorization").clone()).unwrap();
            *c.header("authorization") = text.replace("x-ms-date;host", "host;x-ms-date").into();
        }),
        ("not UTF-8", |c| c.header("x-ms-date").push(0xff)),
        ("a head line of 8 kB", |c| {
            *c.header("x-ms-date") = vec![b'a'; 8_192]
        }),
        ("a body of 1 MB", |c| c.body = vec![b' '; 1 << 20]),
    ];
    for (what, change) in changes {
        let mut came = good();
        change(&mut came);
        assert_eq!(came.code(), Code::NotGenuine, "{what}");
    }
    for name in ["x-ms-date", "x-ms-content-sha256", "authorization", "host"] {
        let mut twice = good();
        let again = twice.header(name).clone();
        twice.headers.push((name.to_uppercase(), again));
        assert_eq!(twice.code(), Code::NotGenuine, "{name} twice");
        let mut none = good();
        none.headers.retain(|h| !h.0.eq_ignore_ascii_case(name));
        let expected = match name {
            // The caller knows it anyway.
            "host" => Code::Ok,
            _ => Code::NotGenuine,
        };
        assert_eq!(none.code(), expected, "no {name}");
    }
    let mut nothing = good();
    nothing.secret.clear();
    assert!(matches!(nothing.verify(), Err(r) if r.code == Code::InvalidArgument));
}

#[test]
fn the_parts_of_what_is_signed_do_not_flow_into_each_other() {
    // Signed for one date and host; told as another split of the same text.
    let mut came = good();
    let date = format!("{DATE};hooks.example.no");
    *came.header("x-ms-date") = date.into_bytes();
    came.host = Some(String::new());
    *came.header("host") = Vec::new();
    assert_eq!(came.code(), Code::NotGenuine);
}

#[test]
fn a_port_may_be_signed_or_not() {
    for (signed, given, header, good) in [
        ("h.no", Some("h.no"), "h.no", true),
        ("h.no", Some("h.no:8443"), "h.no:8443", true),
        ("h.no:8443", Some("h.no:8443"), "h.no", true),
        ("h.no:8443", Some("h.no"), "h.no:8443", true),
        ("h.no:8443", Some("h.no"), "h.no", false),
        ("h.no:8443", Some("h.no:8444"), "h.no", false),
        ("h.no:8443", None, "h.no:8443", true),
        ("h.no", None, "h.no:8443", true),
        // The registered host counts, whatever somebody puts into the head.
        ("evil.no", Some("h.no"), "evil.no", false),
        ("[::1]", Some("[::1]:8080"), "[::1]:8080", true),
        ("[:", Some("[::1]"), "[::1]", false),
    ] {
        let mut came = Came::signed(EVENT.as_bytes(), signed, SECRET);
        came.host = given.map(str::to_string);
        *came.header("host") = header.as_bytes().to_vec();
        let code = if good { Code::Ok } else { Code::NotGenuine };
        assert_eq!(came.code(), code, "{signed} {given:?} {header}");
    }
}

#[test]
fn the_window_is_the_receivers_choice() {
    for (now, window, code) in [
        (0, 0, Code::Ok),
        (AT + 300_000, 300_000, Code::Ok),
        (AT - 300_000, 300_000, Code::Ok),
        (AT + 300_001, 300_000, Code::NotFresh),
        (AT - 300_001, 300_000, Code::NotFresh),
        (i64::MIN, u32::MAX, Code::NotFresh),
        (i64::MAX, u32::MAX, Code::NotFresh),
    ] {
        let mut came = good();
        (came.now_ms, came.fresh_ms) = (now, window);
        assert_eq!(came.code(), code, "{now} {window}");
    }
}

#[test]
fn what_is_genuine_and_no_event_says_so() {
    for body in [
        "",
        "{",
        "null",
        "[]",
        "\"ride-0001\"",
        "{}",
        r#"{"reference":"ride-0001"}"#,
        r#"{"name":"AUTHORIZED"}"#,
        r#"{"reference":"../../etc","name":"AUTHORIZED"}"#,
        r#"{"reference":"short","name":"AUTHORIZED"}"#,
        r#"{"reference":7,"name":"AUTHORIZED"}"#,
        r#"{"reference":"ride-0001","name":""}"#,
        r#"{"reference":"ride-0001","name":"A B"}"#,
        r#"{"reference":"ride-0001","name":"AUTHORIZED","msn":"12x"}"#,
        r#"{"reference":"ride-0001","name":"AUTHORIZED","amount":{"value":"1"}}"#,
        r#"{"reference":"ride-0001","name":"AUTHORIZED","amount":{"value":1.5}}"#,
        r#"{"reference":"ride-0001","name":"AUTHORIZED","amount":{"value":-1}}"#,
        r#"{"reference":"ride-0001","name":"AUTHORIZED","amount":7}"#,
        r#"{"customerToken":"t","initiatedAt":"2023-03-30T08:38:31Z"}"#,
    ] {
        let came = Came::signed(body.as_bytes(), "h.no", SECRET);
        assert_eq!(came.code(), Code::NotAnEvent, "{body}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(
        Came::signed(deep.as_bytes(), "h.no", SECRET).code(),
        Code::NotAnEvent
    );
    let largest = format!("{EVENT}{}", " ".repeat(BODY_MAX - EVENT.len()));
    assert_eq!(
        Came::signed(largest.as_bytes(), "h.no", SECRET).code(),
        Code::Ok
    );
    let little =
        r#"{"reference":"ride-0001","name":"SOMETHING_NEW","msn":123456,"amount":null,"extra":[]}"#;
    let event = Came::signed(little.as_bytes(), "h.no", SECRET)
        .verify()
        .unwrap();
    assert_eq!(
        (event.msn.as_str(), event.success, event.amount),
        ("123456", false, 0)
    );
}

proptest! {
    /// No garbage, in whatever place, is genuine, and none ends in a panic.
    #[test]
    fn garbage_is_refused(
        place in 0usize..8,
        garbage in prop::collection::vec(any::<u8>(), 0..300),
        text in ".{0,80}",
    ) {
        let mut came = good();
        let before = came.clone();
        match place {
            0 => came.method = text,
            1 => came.target = text,
            2 => { came.host = Some(text); came.headers.retain(|h| h.0 != "HOST") }
            3 => came.secret = format!("{text}!"),
            4 => came.body = garbage,
            5 => came.headers = vec![(text, garbage)],
            n => came.headers[n - 5].1 = garbage,
        }
        let header_host = place == 7;
        let code = came.code();
        if !header_host {
            prop_assert_eq!(code, Code::NotGenuine);
        }
        prop_assert_eq!(before.code(), Code::Ok);
    }

    /// One bit in anything that is signed.
    #[test]
    fn one_bit_is_enough(place in 0usize..5, at in any::<prop::sample::Index>(), bit in 0u8..7) {
        let mut came = good();
        let bytes = match place {
            0 => &mut came.body,
            1 => came.header("x-ms-date"),
            2 => came.header("x-ms-content-sha256"),
            3 => came.header("authorization"),
            _ => {
                let mut secret = came.secret.clone().into_bytes();
                let at = at.index(secret.len());
                secret[at] ^= 1 << bit;
                prop_assume!(secret[at] < 0x80);
                came.secret = String::from_utf8(secret).unwrap();
                prop_assert_eq!(came.code(), Code::NotGenuine);
                return Ok(());
            }
        };
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(came.code(), Code::NotGenuine);
    }

    /// Whatever a genuine body holds: an event with a good reference, or none.
    #[test]
    fn any_genuine_body_is_an_event_or_none(body in prop::collection::vec(any::<u8>(), 0..400), text in ".{0,40}", n in any::<i64>()) {
        let json = serde_json::json!({"reference": text, "name": text, "msn": n, "amount": {"value": n, "currency": text},
            "timestamp": text, "pspReference": text, "success": text}).to_string();
        for body in [body.as_slice(), json.as_bytes()] {
            if let Ok(event) = Came::signed(body, "h.no", SECRET).verify() {
                prop_assert!((8..=64).contains(&event.reference.len()));
                prop_assert!(event.name.len() <= 31 && event.msn.len() <= 15 && event.amount >= 0);
            }
        }
    }
}
