//! A request as a receiver in C hands it over.

use super::*;
use crate::error::*;
use crate::webhook::*;

/// The vector of the published guide: genuine, and no event.
struct Came {
    webhook: vp_webhook,
    headers: Vec<*const c_char>,
}

impl Came {
    fn new() -> Came {
        let headers = vec![
            c"Accept".as_ptr(),
            c"*/*".as_ptr(),
            c"X-MS-Date".as_ptr(),
            c"Thu, 30 Mar 2023 08:38:32 GMT".as_ptr(),
            c"x-ms-content-sha256".as_ptr(),
            c"lNlsp1XA03N34HrQsVzPgJKtC+r7l/RBF4V3JQUWMj4=".as_ptr(),
            c"Authorization".as_ptr(),
            c"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=agAiSyogQbDHpeucoNwYz+yAr5nJ+v+zasdkSbqzv+U=".as_ptr(),
            null(),
        ];
        let body =
            c"{\"some-unique-content\":\"ee6e441b-cc4a-46f8-895d-a5af79bcc233/hello-world\"}";
        let mut webhook = vp_webhook::empty();
        webhook.method = c"POST".as_ptr();
        webhook.target = c"/e2cee29b-012e-4f1d-8ef4-e95fd74a7a63".as_ptr();
        webhook.host = c"webhook.site".as_ptr();
        webhook.secret = c"A0+AeKBRG2KRGvnNwJpQlb6IJFk48CKXCIcrLoHncVJKDILsQSxS6NWCccwWm6r6FhGKhiHTBsG2wo/xU6FY/A==".as_ptr();
        webhook.body = body.as_ptr().cast();
        webhook.body_size = body.count_bytes() as u32;
        Came { webhook, headers }
    }

    fn verify(&mut self) -> (i32, String, vp_webhook_event) {
        if self.webhook.headers.is_null() {
            self.webhook.headers = self.headers.as_ptr();
        }
        self.verify_as_it_is()
    }

    fn verify_as_it_is(&self) -> (i32, String, vp_webhook_event) {
        let mut error = vp_error::empty();
        let mut event = vp_webhook_event::empty();
        event.amount = 7;
        event.reference[0] = b'x' as c_char;
        // SAFETY: good pointers.
        let rc = unsafe { vp_webhook_verify(&self.webhook, &mut event, &mut error) };
        (rc, read(&error.field), event)
    }
}

#[test]
fn the_vector_of_the_guide_through_the_c_layer() {
    let (rc, _, event) = Came::new().verify();
    assert_eq!(rc, VP_ERR_NOT_AN_EVENT);
    assert_eq!(
        (event.amount, event.reference[0]),
        (0, 0),
        "nothing of an event before is left"
    );
    let mut other = Came::new();
    other.webhook.host = c"webhook.example".as_ptr();
    assert_eq!(other.verify().0, VP_ERR_NOT_GENUINE);
}

#[test]
fn what_a_receiver_may_do_wrong() {
    type Change = fn(&mut Came);
    let changes: Vec<(&str, i32, Change)> = vec![
        ("webhook.method", VP_ERR_NULL_POINTER, |c| {
            c.webhook.method = null()
        }),
        ("webhook.target", VP_ERR_NULL_POINTER, |c| {
            c.webhook.target = null()
        }),
        ("webhook.secret", VP_ERR_NULL_POINTER, |c| {
            c.webhook.secret = null()
        }),
        ("webhook.body", VP_ERR_NULL_POINTER, |c| {
            c.webhook.body = null()
        }),
        ("webhook.headers", VP_ERR_NULL_POINTER, |c| {
            c.headers[1] = null()
        }),
        ("webhook.reserved", VP_ERR_INVALID_ARGUMENT, |c| {
            c.webhook.reserved = 1
        }),
        ("secret", VP_ERR_INVALID_ARGUMENT, |c| {
            c.webhook.secret = c"".as_ptr()
        }),
        ("host", VP_ERR_NOT_GENUINE, |c| c.webhook.host = null()),
        ("x-ms-date", VP_ERR_NOT_GENUINE, |c| c.headers[0] = null()),
        ("x-ms-date", VP_ERR_NOT_FRESH, |c| c.webhook.fresh_ms = 1),
        ("webhook.headers", VP_ERR_NOT_GENUINE, |c| {
            c.headers = [c"a".as_ptr(); 600].to_vec();
            c.headers.push(null());
        }),
    ];
    for (field, code, change) in changes {
        let mut came = Came::new();
        change(&mut came);
        let (rc, told, _) = came.verify();
        assert_eq!((rc, told.as_str()), (code, field));
    }
    let none = Came::new();
    assert_eq!(none.verify_as_it_is().0, VP_ERR_NULL_POINTER);
    let mut empty = Came::new();
    (empty.webhook.body, empty.webhook.body_size) = (null(), 0);
    assert_eq!(empty.verify().0, VP_ERR_NOT_GENUINE, "no body is a body");
}

#[test]
fn an_event_of_nothing_that_is_here() {
    let opened = Opened::new();
    let mut payment = vp_payment::empty();
    payment.amount = 7;
    // SAFETY: good pointers.
    let rc = unsafe {
        vp_apply_webhook(
            opened.client,
            c"trip-9999".as_ptr(),
            c"AUTHORIZED".as_ptr(),
            null(),
            0,
            &mut payment,
            null_mut(),
        )
    };
    assert_eq!((rc, payment.amount), (VP_ERR_NO_SUCH_PAYMENT, 0));
    let mut counts = vp_webhook_counts::empty();
    // SAFETY: good pointers.
    let rc = unsafe { vp_webhook_count(opened.client, &mut counts, null_mut()) };
    assert_eq!((rc, counts.unknown, counts.applied), (VP_OK, 1, 0));
}
