/*
 * vpmeter: Vipps MobilePay payments from a taxi meter.
 *
 * This header is made from the Rust sources (`make header`); do not edit it. It compiles alone, as C89 with <stdint.h>
 * up to C23 and as C++98 up to C++20.
 *
 * A ride in ten lines
 *
 *   rc = vp_create_push_payment(client, &request, 5000, &payment, &error);
 *   while (payment.next_step == VP_NEXT_POLL && (rc >= 0 || rc <= VP_ERR_NETWORK))
 *       rc = vp_poll(client, request.reference, 1000, &payment, &error);
 *   if (payment.next_step == VP_NEXT_CAPTURE)
 *       rc = vp_capture(client, request.reference, request.amount, VP_CAPTURE_FINAL, 10000, &payment, &error);
 *   if (vp_driver_text(&payment, "nb", text, sizeof text, 0, 0) == VP_OK)
 *       show(payment.verdict, text);
 *
 * where `payment` was set to VP_PAYMENT_INIT before. (The loop ends on the caller's mistakes and on configuration, -1 to
 * -39: those do not go away by asking again.) Or all of it in one call: vp_run_ride. After a restart, and in idle
 * time: vp_settle. Loops run on `next_step`; the driver is told `verdict`; `rc` and `error` are for the log.
 *
 * Results: what must the caller do?
 *
 *      0          VP_OK: the step is done and proven
 *      1          VP_PENDING: not decided yet, or recorded and not sent yet: come back
 *     -1 ..   -19  the caller's mistake: nothing was done
 *    -20 ..   -39  configuration: nothing will work until it changes
 *    -40 ..   -59  try again: surely nothing happened
 *    -60 ..   -69  outcome unknown: it may have happened; never show it as failed
 *    -70 ..   -89  refused: proven by the servers
 *    -90 ..   -99  storage: the journal could not be read or written; nothing was sent
 *   -100 ..  -109  internal: a bug of the library
 *   -110 ..  -119  no webhook: what came is not to be believed, or tells nothing
 *
 * Numbers never change and are never used again for something else; new ones may come. Treat a code that you do not know
 * by its group, and one below the table as "outcome unknown".
 *
 * Conventions
 *
 * - Money is int64_t in minor units (ore, cent). Times are int64_t Unix milliseconds, waits uint32_t milliseconds.
 *   Numbers that name a choice (VP_STATE_, VP_CANCEL_, ...) are passed as int32_t.
 * - Strings are UTF-8 with a NUL; what is not UTF-8 is refused. Everything given in is copied before the call returns.
 *   NULL pointers are found and named: VP_ERR_NULL_POINTER.
 * - Structs begin with `struct_size`. Set each up with its INIT macro (or init function) and fill in what you need: zero
 *   is the default of every member. New versions append members, and the library reads and writes no further than
 *   `struct_size`. Members called `reserved` stay zero.
 * - Out-parameters come last, are called `out_...`, and are written only if the function returns VP_OK; but `out_payment`
 *   is emptied first and filled whenever the payment has a record, `out_error` is filled always, and `out_needed` also if
 *   the buffer was too small.
 * - Every function that sends writes what it is going to do into the journal first, then works on it for `wait_ms`. A
 *   request in flight is not torn but carried to its own limit, so a call takes `wait_ms` + `request_ms` (of vp_config)
 *   at most, and on top what the storage takes to sync and the callbacks take to return. With `wait_ms` 0 it records,
 *   does not touch the network, and returns VP_PENDING.
 * - A client may be shared by threads. Calls on different payments run side by side, and a call that waits does not hold
 *   up another on the same payment: cancel while a second thread polls. vp_interrupt may come from a signal handler.
 * - No thread is started but a short-lived one for a name lookup; nothing is written to stderr; nothing is global but
 *   the table of open clients. Do not use a client in a child after fork: what happens is not defined.
 *
 * What may be called from a callback
 *
 *   on_payment, on_tick,    vp_known_payment, vp_list_payments, vp_driver_text, vp_normalize_phone, vp_split_gross,
 *   on_log, each            vp_next_reference, vp_interrupt, vp_status_name, vp_version, vp_version_number, vp_build_id,
 *                           vp_..._init.
 *                           All others return VP_ERR_REENTRANT, also for another client.
 *   transport               the same, and the functions vp_answer_... .
 *   wall_ms, monotonic_ms,  vp_interrupt, vp_status_name, vp_version, vp_version_number, vp_build_id, vp_..._init.
 *   sleep_ms, store_...     All others return VP_ERR_REENTRANT.
 *   a signal handler        vp_interrupt alone.
 *
 * A callback must return: no longjmp, no C++ exception.
 */

#ifndef VPMETER_H
#define VPMETER_H

#include <stdint.h>

/* ---- Results ---- */

/* The step is done and proven. */
#define VP_OK 0

/* Not decided yet (also: recorded, not sent yet). Come back in `next_ms` of the payment. */
#define VP_PENDING 1

/* ---- -1 .. -19: the caller's mistake: nothing was done ---- */

/* A value is out of its range; `field` and `message` of vp_error name it and the rule. */
#define VP_ERR_INVALID_ARGUMENT (-1)

/* A pointer that must not be NULL is; `field` names it. */
#define VP_ERR_NULL_POINTER (-2)

/*
 * A `struct_size`, `line_size` or `payment_size` is smaller than the first version of that struct, or absurd. Was the
 * struct set up with its INIT macro or its init function?
 */
#define VP_ERR_STRUCT_SIZE (-3)

/* The program was compiled with a header that this library does not serve. */
#define VP_ERR_HEADER_VERSION (-4)

/* The handle is not that of an open client: closed already, or never one. */
#define VP_ERR_NO_SUCH_CLIENT (-5)

/* vp_client_close: another call is still running on this client; vp_client_open: 64 clients are open. Come back. */
#define VP_ERR_BUSY (-6)

/* Called from inside a callback; see the table at the top. Nothing was done. */
#define VP_ERR_REENTRANT (-7)

/* The reference belongs to another payment, here or on the servers. Take a new one: vp_next_reference. */
#define VP_ERR_REFERENCE_IN_USE (-8)

/* The trip has a live or a paid payment already. Nothing was sent; show the driver that payment. */
#define VP_ERR_TRIP_IN_USE (-9)

/* There is no record of this reference here. */
#define VP_ERR_NO_SUCH_PAYMENT (-10)

/* The payment is in a state in which this cannot be asked; its `next_step` says what can. */
#define VP_ERR_WRONG_STATE (-11)

/* The buffer is too small; `*out_needed` has the size that would do. The buffer holds an empty string. */
#define VP_ERR_BUFFER_TOO_SMALL (-12)

/* ---- -20 .. -39: configuration: nothing will work until it changes ---- */

/* The servers refuse the keys. */
#define VP_ERR_CREDENTIALS (-20)

/* The keys are right, but this product, sales unit or function is not permitted; also: a refund without `allow_refund`. */
#define VP_ERR_NOT_PERMITTED (-21)

/* The wall clock cannot be right, so no certificate can be judged. Set the clock, or give the time by hook. */
#define VP_ERR_CLOCK (-22)

/* The TLS connection could not be made: certificate or protocol. */
#define VP_ERR_TLS (-23)

/* The base URL is not one, or what answers there is not the servers' API. */
#define VP_ERR_URL (-24)

/* ---- -40 .. -59: try again: surely nothing happened ---- */

/* No byte of the request left: no name, no route, no connection. */
#define VP_ERR_NETWORK (-40)

/* The servers refused because of too many requests; nothing was done. */
#define VP_ERR_RATE_LIMITED (-41)

/* vp_interrupt ended the call before anything was sent. */
#define VP_ERR_INTERRUPTED (-42)

/* A question that changes nothing had no usable answer. */
#define VP_ERR_UNAVAILABLE (-43)

/* ---- -60 .. -69: outcome unknown: it may have happened; never show it as failed ---- */

/* It may have happened. Never show it as "failed". The library settles it: poll, call again, or vp_settle. */
#define VP_ERR_OUTCOME_UNKNOWN (-60)

/* ---- -70 .. -89: refused: proven by the servers ---- */

/* Refused by the servers, for the reason in vp_error. */
#define VP_ERR_REFUSED (-70)

/* No payer can be reached by this number (Vipps 7010; also: too young). Never say that the number is wrong. */
#define VP_ERR_CUSTOMER_NOT_FOUND (-71)

/* The sales unit may not send push messages (Vipps 5080). */
#define VP_ERR_PUSH_NOT_ALLOWED (-72)

/* The passenger has approved already: take no cash; capture or give up. */
#define VP_ERR_ALREADY_APPROVED (-73)

/* The servers refuse the amount. */
#define VP_ERR_AMOUNT (-74)

/* The bank has released the money (Vipps 6260). */
#define VP_ERR_FUNDS_UNAVAILABLE (-75)

/* The period for this operation is over. */
#define VP_ERR_TOO_LATE (-76)

/* The ride ended without an approval: declined, expired or cancelled; `state` of the payment says which. */
#define VP_ERR_NOT_APPROVED (-77)

/* ---- -90 .. -99: storage: the journal could not be read or written; nothing was sent ---- */

/* The journal could not be read or written. */
#define VP_ERR_STORAGE (-90)

/* The journal is full. New rides are refused; nothing that is owed is thrown away. */
#define VP_ERR_STORAGE_FULL (-91)

/* Another client, in this process or another, has the journal. */
#define VP_ERR_STORAGE_IN_USE (-92)

/* The record of this reference is damaged and was set aside. The office must look at this payment. */
#define VP_ERR_DAMAGED_RECORD (-93)

/* ---- -100 .. -109: internal: a bug of the library ---- */

/*
 * A bug of the library was caught. The client says nothing else any more: close it and open it again; what was
 * recorded is still recorded. Please report the message.
 */
#define VP_ERR_PANIC (-100)

/* A state that should not exist; nothing was sent. */
#define VP_ERR_INTERNAL (-101)

/* ---- -110 .. -119: no webhook: what came is not to be believed, or tells nothing ---- */

/* Not signed with this secret for this host, path and body, or not in a form that the servers send. */
#define VP_ERR_NOT_GENUINE (-110)

/* Genuine, but its date is outside the window that the receiver wants. */
#define VP_ERR_NOT_FRESH (-111)

/* Genuine, but no event of a payment that this version reads. */
#define VP_ERR_NOT_AN_EVENT (-112)

/* ---- Why, beside the code: vp_error.cause ---- */

/* Nothing to add. */
#define VP_CAUSE_NONE 0

/* The time limit of the request was over. */
#define VP_CAUSE_TIMEOUT 1

/* The connection broke. */
#define VP_CAUSE_CONNECTION_LOST 2

/* The server answered 5xx. */
#define VP_CAUSE_SERVER_ERROR 3

/* The payment is locked or being processed on the servers. */
#define VP_CAUSE_LOCKED 4

/* The answer was not what the API promises: not JSON, cut short, too large. */
#define VP_CAUSE_BAD_ANSWER 5

/* Stopped by vp_interrupt or by the `on_tick` hook. */
#define VP_CAUSE_INTERRUPTED 6

/* The answer came, but could not be written to the journal. */
#define VP_CAUSE_STORAGE_AFTER_ANSWER 7

/* The host name could not be resolved. */
#define VP_CAUSE_NAME_LOOKUP 8

/* No TCP connection. */
#define VP_CAUSE_CONNECT 9

/* The TLS handshake failed. */
#define VP_CAUSE_TLS 10

/* 429. */
#define VP_CAUSE_RATE_LIMITED 11

/* 401. */
#define VP_CAUSE_UNAUTHORIZED 12

/* Accepted by the servers, but not yet visible in their sums. */
#define VP_CAUSE_NOT_YET_PROVEN 13

/* The proxy gives no tunnel: it refuses, wants other credentials (407), or is none. Surely nothing was sent. */
#define VP_CAUSE_PROXY 14

/* `source_address` is not one of this machine now, or not of the servers' family. */
#define VP_CAUSE_SOURCE_ADDRESS 15

/* The interface `interface_name` is not there now. */
#define VP_CAUSE_INTERFACE 16

/* ---- Whether repeating makes sense: vp_error.retry ---- */

/* Do not repeat. */
#define VP_RETRY_NO 0

/* The library repeats it itself, in the next call with time to spend. */
#define VP_RETRY_LIBRARY_DOES 1

/* Ask again later. */
#define VP_RETRY_LATER 2

/* Ask again with a new reference: vp_next_reference. */
#define VP_RETRY_NEW_REFERENCE 3

/* ---- Who can put it right: vp_error.who ---- */

/* Nobody has to put it right: wait. */
#define VP_WHO_NOBODY_WAIT 0

/* The driver. */
#define VP_WHO_DRIVER 1

/* The passenger. */
#define VP_WHO_CUSTOMER 2

/* The office: configuration, keys, permissions. */
#define VP_WHO_OFFICE 3

/* Vipps MobilePay. */
#define VP_WHO_VIPPS 4

/* The programmer of the meter. */
#define VP_WHO_PROGRAMMER 5

/* ---- The state of a payment: vp_payment.state ---- */

/* On disk; nothing was sent yet. */
#define VP_STATE_RECORDED 1

/* On the servers; the passenger has not acted. */
#define VP_STATE_CREATED 2

/* The passenger approved; the money is reserved. Stays so after capture and refund: the sums tell those. */
#define VP_STATE_AUTHORIZED 3

/* The passenger declined. */
#define VP_STATE_ABORTED 4

/* The passenger did nothing in time. */
#define VP_STATE_EXPIRED 5

/* Cancelled before approval. */
#define VP_STATE_TERMINATED 6

/* Proven: the servers have no such payment. */
#define VP_STATE_NOT_CREATED 7

/* The request may have reached the servers; its answer was lost. */
#define VP_STATE_UNKNOWN 8

/* ---- May the passenger leave? vp_payment.verdict ---- */

/* The passenger must not leave yet, and no other payment may be taken. */
#define VP_VERDICT_WAIT 1

/* Paid, and proven: the passenger may leave. */
#define VP_VERDICT_PAID_LEAVE 2

/* Approved, and the capture is on disk: the money will come, the passenger may leave. */
#define VP_VERDICT_SECURED_LEAVE 3

/* Proven dead: take another payment. */
#define VP_VERDICT_TAKE_OTHER_PAYMENT 4

/* Given up: take another payment. The passenger may see a reservation for a while; the library releases it. */
#define VP_VERDICT_TAKE_OTHER_RELEASE_OWED 5

/* Only a human can tell. */
#define VP_VERDICT_ASK_OFFICE 6

/* ---- What the program does next: vp_payment.next_step ---- */

/* Nothing is left to do. */
#define VP_NEXT_DONE 1

/* Call vp_poll. */
#define VP_NEXT_POLL 2

/* Call vp_capture, or give up with vp_cancel. */
#define VP_NEXT_CAPTURE 3

/* A human decides: vp_capture, or vp_cancel with VP_CANCEL_GIVE_UP or VP_CANCEL_RELEASE_REST. */
#define VP_NEXT_DECIDE 4

/* Something recorded is not done yet: the same call again, vp_settle or vp_worker_run. */
#define VP_NEXT_SETTLE 5

/* Tell the office. */
#define VP_NEXT_OFFICE 6

/* ---- What is owed, bits: vp_payment.owed ---- */

/* A capture is asked for and not proven. */
#define VP_OWED_CAPTURE 1

/* A reservation is to be released. */
#define VP_OWED_RELEASE 2

/* The receipt is to be posted. */
#define VP_OWED_RECEIPT 4

/* A refund is asked for and not proven. */
#define VP_OWED_REFUND 8

/* A human must decide. */
#define VP_OWED_DECISION 16

/* The answer to a create, cancel, capture or refund is outstanding. */
#define VP_OWED_ANSWER 32

/* The record belongs to another sales unit or to other servers; this client leaves it alone. */
#define VP_OWED_ELSEWHERE 64

/* Money that can never be had any more. */
#define VP_OWED_LOST 128

/* The receipt was refused for good. */
#define VP_OWED_RECEIPT_REFUSED 256

/* ---- What the driver reads: vp_payment.message ---- */

/* The request is with the passenger. */
#define VP_MSG_WAITING 1

/* The same, for a passenger who sees nothing: open the app. */
#define VP_MSG_WAITING_OPEN_APP 2

/* Captured and proven. */
#define VP_MSG_PAID 3

/* Approved, and the capture is recorded: it will be carried out. */
#define VP_MSG_SECURED 4

/* The passenger said no. */
#define VP_MSG_DECLINED 5

/* The passenger's time is over. */
#define VP_MSG_TIMED_OUT 6

/* The request is withdrawn and proven dead. */
#define VP_MSG_CANCELLED 7

/* No payer can be reached by this number. */
#define VP_MSG_CUSTOMER_UNREACHABLE 8

/* Given up: another payment may be taken. */
#define VP_MSG_GIVEN_UP_RELEASE_OWED 9

/* Only the office can help. */
#define VP_MSG_ASK_OFFICE 10

/* Something in the car or on the way does not work. */
#define VP_MSG_TECHNICAL_PROBLEM 11

/* The sales unit may not send requests to a phone. */
#define VP_MSG_PUSH_NOT_ALLOWED 12

/* The passenger was faster than the change of mind. */
#define VP_MSG_ALREADY_APPROVED 13

/* Recorded, but not sent. */
#define VP_MSG_NOT_SENT_YET 14

/* An answer was lost; it is being settled. */
#define VP_MSG_UNKNOWN_STILL_CHECKING 15

/* Somebody has to decide whether this payment is captured or released. */
#define VP_MSG_DECISION_OWED 16

/* Money went back. */
#define VP_MSG_REFUNDED 17

/* Captured, and what was approved beyond it is released. */
#define VP_MSG_RELEASED_REST 18

/* The passenger has approved; the capture is not recorded yet. */
#define VP_MSG_APPROVED 19

/* The servers did not take the payment request. */
#define VP_MSG_NOT_ACCEPTED 20

/* The request is with the passenger, but there is no contact with the servers. */
#define VP_MSG_NO_CONTACT 21

/* ---- Units of a quantity: vp_order_line.unit ---- */

/* Pieces. */
#define VP_UNIT_PIECES 0

/* Kilograms. */
#define VP_UNIT_KG 1

/* Kilometres. */
#define VP_UNIT_KM 2

/* Minutes. */
#define VP_UNIT_MINUTE 3

/* Litres. */
#define VP_UNIT_LITRE 4

/* Kilowatt-hours. */
#define VP_UNIT_KWH 5

/* ---- Where a store keeps a record ---- */

/* A payment with something left to do: `shelf` of the store hooks. */
#define VP_SHELF_OPEN 0

/*
 * A payment that is done; kept so that its reference is not used twice and a refund finds it. May be given up, oldest
 * first, when there is no room for anything else.
 */
#define VP_SHELF_CLOSED 1

/* What the meter itself remembers: one record, "meter-clock", of less than 128 bytes, written about every two days. */
#define VP_SHELF_METER 2

/* ---- What the store hooks return ---- */

/* Done. */
#define VP_STORE_OK 0

/* There is no such record. */
#define VP_STORE_NOTHING (-1)

/* There is no room; what was there before is as it was. */
#define VP_STORE_FULL (-2)

/* It could not be read or written; what was there before is as it was. So is every number without a name. */
#define VP_STORE_FAILED (-3)

/* There is a record, and it cannot be trusted. */
#define VP_STORE_DAMAGED (-4)

/*
 * The largest record that a store is given, bytes. A payment without receipt has about 1500, a tombstone 1000; each
 * line of a receipt adds 200 until the receipt is posted.
 */
#define VP_STORE_RECORD_MAX 65536

/* ---- What the token hook returns ---- */

/* There is a token. */
#define VP_TOKEN_OK 0

/*
 * None now: the back office cannot be reached. So is every number without a name. The call returns
 * VP_ERR_UNAVAILABLE, or asks again while it has time.
 */
#define VP_TOKEN_LATER (-1)

/* None, and no use to ask before something is put right: VP_ERR_CREDENTIALS. */
#define VP_TOKEN_REFUSED (-2)

/* Room for a token, its NUL included, bytes. */
#define VP_TOKEN_MAX 8192

/* ---- What the hook `transport` is called for ---- */

/* A new request: begin with it. */
#define VP_TRANSPORT_BEGIN 1

/* The same request, for which the hook returned VP_TRANSPORT_IN_PROGRESS: go on with it. */
#define VP_TRANSPORT_GO_ON 2

/*
 * The same request, and the last call for it: close its connection and free what is kept for it. What is returned is
 * VP_TRANSPORT_NOT_SENT or VP_TRANSPORT_LOST.
 */
#define VP_TRANSPORT_TEAR 3

/* ---- What the hook `transport` returns ---- */

/* The answer was given, whole. */
#define VP_TRANSPORT_DONE 0

/* Nothing to do but wait: call again. */
#define VP_TRANSPORT_IN_PROGRESS 1

/*
 * No answer, and it is certain that no byte of the request has left: no name, no connection, no handshake. (Bytes of a
 * handshake are none of the request.) A kept connection that turns out dead is not certain.
 */
#define VP_TRANSPORT_NOT_SENT (-1)

/*
 * No answer, and the request may have left. In every doubt. Its connection is best ended by a reset, or the kernel goes on
 * delivering the request (`socket_transport.c` shows how). A hook that cannot do that relies on the library's watch: a create
 * whose answer is missing is looked for until at least 12 minutes after its last byte before it is called dead.
 */
#define VP_TRANSPORT_LOST (-2)

/* ---- What on_tick returns ---- */

/* `on_tick`: go on. */
#define VP_TICK_GO_ON 0

/* `on_tick`: end this call; what is recorded stays recorded. The call returns VP_PENDING. */
#define VP_TICK_STOP_WAITING 1

/* `on_tick`: give this payment up, as vp_cancel with VP_CANCEL_GIVE_UP. A call on many payments only ends. */
#define VP_TICK_GIVE_UP 2

/* ---- The level of on_log ---- */

/* Something the office should look at. */
#define VP_LOG_ERROR 1

/* Something that went wrong and is being dealt with. */
#define VP_LOG_WARNING 2

/* The steps of a ride. */
#define VP_LOG_INFO 3

/* Each request. */
#define VP_LOG_DEBUG 4

/* ---- Version ---- */

/* The version of the structs in this header; VP_CONFIG_INIT puts it into vp_config. */
#define VP_HEADER_VERSION 1

/* The version of this header; compare with vp_version and vp_version_number, that of the library. */
#define VPMETER_VERSION_MAJOR 0
#define VPMETER_VERSION_MINOR 1
#define VPMETER_VERSION_PATCH 0
/* major * 10000 + minor * 100 + patch */
#define VPMETER_VERSION_NUMBER 100
#define VPMETER_VERSION "0.1.0"

/* ---- The fleet's own gateway: vp_config.gateway ---- */

/* No gateway: the meter talks to the servers, and has the keys or a token hook. */
#define VP_GATEWAY_NONE 0

/*
 * `base_url` is the fleet's own gateway, which adds client_id and client_secret where a token is asked for, and the
 * subscription key everywhere. The token reaches the meter, unless there is a token hook.
 */
#define VP_GATEWAY_ADDS_KEYS 1

/* The same, and it adds the token: no request has the header Authorization, and no token is in the meter. */
#define VP_GATEWAY_ADDS_TOKEN 2

/* ---- What an approval means: vp_push_payment.on_approval ---- */

/* The fare is final: an approval is captured, also by vp_settle after a restart. */
#define VP_THEN_CAPTURE 1

/* The approval is only a reservation; the program captures or gives up. */
#define VP_THEN_HOLD 2

/* ---- vp_push_payment.customer_interaction ---- */

/* The passenger is in the car. */
#define VP_CUSTOMER_PRESENT 0

/* Somebody elsewhere pays. */
#define VP_CUSTOMER_NOT_PRESENT 1

/* ---- Flags of vp_capture and vp_refund ---- */

/* Flag of vp_capture: this is the last capture; what is left of the reservation is released once it is proven. */
#define VP_CAPTURE_FINAL 1

/*
 * Which capture or refund of a payment is meant, in the flags of vp_capture and vp_refund: from 1, which 0 means too.
 * The same number again is the same capture or refund, so a double press never takes or returns money twice; the second
 * partial capture must be asked for as VP_NTH(2). While one is not proven, also under a decision, another number is
 * VP_ERR_WRONG_STATE.
 */
#define VP_NTH(n) ((uint32_t)(n) << 16)

/* ---- How to cancel ---- */

/* The driver's cancel: ends the request, unless the passenger has approved: VP_ERR_ALREADY_APPROVED. */
#define VP_CANCEL_IF_NOT_APPROVED 1

/*
 * Durable: from now on this payment is never captured, and an approval, however late, is released. Other payment may be
 * taken at once. Refused after a capture.
 */
#define VP_CANCEL_GIVE_UP 2

/* After captures: releases what is not captured. */
#define VP_CANCEL_RELEASE_REST 3

/* ---- Which payments: vp_filter.which ---- */

/* All payments. */
#define VP_LIST_ALL 0

/* With something left to do. */
#define VP_LIST_OPEN 1

/* With nothing left to do. */
#define VP_LIST_CLOSED 2

/* ---- What a human decides: vp_decide ---- */

/* Capture all that is reserved. Where a capture or refund is neither proven nor ruled out: go on with that one, under its key. */
#define VP_DECIDE_CAPTURE 1

/*
 * Release all that is not captured; without any capture, give the payment up. VP_ERR_WRONG_STATE while a capture or refund
 * is neither proven nor ruled out.
 */
#define VP_DECIDE_GIVE_UP 2

/* ---- Webhooks ---- */

/* The longest body in bytes that vp_webhook_verify takes; an event has a few hundred. */
#define VP_WEBHOOK_BODY_MAX 262144

/* The least size of a buffer for the id of a registration. */
#define VP_WEBHOOK_ID_SIZE 64

/* The least size of a buffer for the secret of a registration. */
#define VP_WEBHOOK_SECRET_SIZE 256

/* Where the hook `transport` puts its answer: a handle, good until the hook returns and on its thread only. */
typedef struct vp_answer vp_answer;

/* ---- Structs ---- */

/*
 * A client: one sales unit, its journal and its connection. A handle, not a pointer to anything: a stale or foreign one
 * gives VP_ERR_NO_SUCH_CLIENT. May be shared by threads; up to 64 in a process.
 */
typedef struct vp_client vp_client;

/*
 * A payment at one moment. Filled whenever the reference has a record, whatever the function returned: when the
 * outcome is unknown it is needed most. Without a record it is emptied (all zero but `struct_size`), so it never shows the
 * verdict of a payment before. Holds no phone number. Money is in minor units, times are Unix milliseconds.
 */
typedef struct vp_payment {
    /* sizeof(vp_payment) */
    uint32_t struct_size;
    /* VP_STATE_ */
    int32_t state;
    /* May the passenger leave? VP_VERDICT_ */
    int32_t verdict;
    /* What the program does next; loops run on this. VP_NEXT_ */
    int32_t next_step;
    /* Bits of VP_OWED_; 0 if nothing is owed. */
    uint32_t owed;
    /* What the driver reads: VP_MSG_, in words by vp_driver_text. */
    int32_t message;
    /* What the last call for this payment returned. */
    int32_t last_code;
    /* 1: closed, nothing is left to do; 0: open. */
    int32_t closed;
    /* When to come again, milliseconds from now. */
    uint32_t next_ms;
    /* Requests sent for this payment. */
    uint32_t requests;
    /* What the passenger was asked for. */
    int64_t amount;
    /* Reserved by the approval. */
    int64_t authorized;
    /* Captured, of what was reserved. */
    int64_t captured;
    /* Cancelled, of what was reserved. */
    int64_t cancelled;
    /* Refunded, of what was captured. */
    int64_t refunded;
    /* When the payment was recorded here. */
    int64_t created_at;
    /* When the passenger's time is over. */
    int64_t expires_at;
    /* Until when a capture is guaranteed; 0: not known. */
    int64_t capture_guaranteed_until;
    /* Bytes given to the network for this payment. */
    int64_t bytes_sent;
    /* Bytes taken from the network for this payment. */
    int64_t bytes_received;
    /* "NOK", "DKK" or "EUR" */
    char currency[8];
    /* The merchant's reference. */
    char reference[72];
    /* The servers' own reference; empty: not known yet. */
    char psp_reference[64];
    /* The trip given at create; empty: none. */
    char trip[64];
    /*
     * Why a human must decide (VP_OWED_DECISION), or why money is lost (VP_OWED_LOST); English, for the office. What is
     * longer than 95 bytes is cut.
     */
    char reason[96];
} vp_payment;
#define VP_PAYMENT_INIT \
    { sizeof(vp_payment), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 }, { 0 }, \
      { 0 }, { 0 }, { 0 } }

/* Given to `store_each`: takes one name. Returns 0: the next one; anything else: end. */
typedef int32_t (*vp_store_name_fn)(void *context, const char *name);

/*
 * A request, given to the hook `transport`. Everything in it is good for as long as the request lasts, also between the
 * pieces of an exchange. It holds keys and a phone number: not for a log.
 */
typedef struct vp_request {
    /* What this library knows of vp_request; members behind it are not there. */
    uint32_t request_size;
    /* 1: by https, with the server's certificate verified. 0: plain http, to a loopback address. */
    int32_t secure;
    /* Port of the server, 1 to 65535. */
    uint32_t port;
    /* Longest time of the whole exchange, in milliseconds since VP_TRANSPORT_BEGIN. */
    uint32_t limit_ms;
    /* Longest time of name lookup, connection and handshake, inside `limit_ms`. */
    uint32_t connect_ms;
    /* Bytes of `body`. */
    uint32_t body_size;
    /* The longest body of an answer that is taken, in bytes. */
    uint32_t answer_max;
    /* 0 */
    uint32_t reserved;
    /* "GET" or "POST"; vp_delete_webhook has "DELETE". */
    const char *method;
    /* "https://host[:port]/path": the whole of it, for a client that wants it so. */
    const char *url;
    /* Its host, without the brackets of an IPv6 address. */
    const char *host;
    /* Its path, with the slash that it begins with. */
    const char *path;
    /*
     * Header lines, "Name: value", without line ends; a NULL behind the last. To be sent as they are; beside them go
     * Host, Content-Length (also 0, for a POST without body) and what the connection needs, and nothing else.
     */
    const char *const *headers;
    /* The exact bytes to send; NULL for none. */
    const void *body;
    /* A place for the hook's own, one for each exchange: NULL at VP_TRANSPORT_BEGIN, kept until the exchange ends. */
    void **state;
    /* NULL */
    const void *reserved_pointer;
} vp_request;

/* The hook `transport` of vp_hooks. */
typedef int32_t (*vp_transport_fn)(void *user,
                                   int32_t what,
                                   const struct vp_request *request,
                                   struct vp_answer *answer);

/*
 * Callbacks, all optional. They run on the thread that called the library, with no lock held; a client that is shared
 * by threads calls them on each of them. Their pointers are valid during the callback only. They must return: no
 * longjmp, no C++ exception. What they may call is in the table at the top.
 */
typedef struct vp_hooks {
    /* sizeof(vp_hooks) */
    uint32_t struct_size;
    /* sizeof(vp_payment), as the program was compiled. */
    uint32_t payment_size;
    /* Given to every callback as it is. */
    void *user;
    /* Every change of a payment. Reports only. */
    void (*on_payment)(void *user, const struct vp_payment *payment);
    /*
     * At least once a second while a call waits or a request is in flight: kick the watchdog, repaint, look at the
     * keys. `reference` is empty in a call on many payments. Returns VP_TICK_
     */
    int32_t (*on_tick)(void *user, const char *reference, uint32_t waited_ms);
    /* A line for the log, English, without keys and phone numbers; `level` is VP_LOG_ */
    void (*on_log)(void *user, int32_t level, const char *line);
    /*
     * The clock of the host, for a meter whose system clock is wrong: Unix milliseconds, from GNSS say. What cannot be
     * right (before 2026, decades ahead, a day before the latest time that is known) is not used. All three clock hooks or none;
     * they may be asked at any moment, must answer at once and may call no function of the library.
     */
    int64_t (*wall_ms)(void *user);
    /* Milliseconds since any fixed moment; never goes back, goes on while the meter sleeps. */
    int64_t (*monotonic_ms)(void *user);
    /* Sleeps for about `ms`; the library asks for 200 at most. */
    void (*sleep_ms)(void *user, uint32_t ms);
    /*
     * Access tokens from the back office, so that no client secret is in the meter: `client_id` and `client_secret` of
     * vp_config are NULL then. Called when a token is needed, about once in its life; `refused` is 1 if the servers have
     * refused the last one, which happens once before VP_ERR_CREDENTIALS. Writes the token with its NUL into `buffer`,
     * which has `size` bytes (VP_TOKEN_MAX), and for how long it is good into `out_life_s`, seconds from now. It may
     * wait, and adds to the time of the call; it may be called from every thread that uses the client, one at a time.
     * Returns VP_TOKEN_
     */
    int32_t (*token)(void *user, int32_t refused, char *buffer, uint32_t size, uint32_t *out_life_s);
    /*
     * The journal in the host's own hands, for a meter that keeps records in battery-backed RAM; all four or none, and
     * `journal_dir` of vp_config is NULL then. A record is `size` bytes, at most VP_STORE_RECORD_MAX, under a `name` of
     * 8 to 64 of a-z, A-Z, 0-9 and '-' (case matters) on a `shelf`, VP_SHELF_. One call at a time for a client; they may
     * call no function of the library, and what they hold belongs to one client of one process.
     *
     * Puts a record in place of the one before. When it returns VP_STORE_OK the record is durable, whatever happens to
     * the power; until then, and after every other return, the one before is still there. What was there before should
     * be overwritten: it may hold a phone number. Returns VP_STORE_
     */
    int32_t (*store_put)(void *user, int32_t shelf, const char *name, const void *bytes, uint32_t size);
    /* Copies a record into `buffer`, which has room for `size` bytes. Returns its length, or VP_STORE_ */
    int32_t (*store_get)(void *user, int32_t shelf, const char *name, void *buffer, uint32_t size);
    /* Removes a record. Returns VP_STORE_ */
    int32_t (*store_remove)(void *user, int32_t shelf, const char *name);
    /*
     * Calls `each` with `context` and the name of every record of a shelf, each once, in any order, until it returns
     * something else than 0. Returns VP_STORE_OK, or VP_STORE_FAILED if it could not see all of them.
     */
    int32_t (*store_each)(void *user, int32_t shelf, vp_store_name_fn each, void *context);
    /*
     * The host's own way to the servers, instead of the library's HTTPS: sends the request and gives the answer with
     * vp_answer_...; returns VP_TRANSPORT_ . It may wait for the answer itself, and then calls vp_answer_go_on
     * meanwhile; or do what can be done at once and return VP_TRANSPORT_IN_PROGRESS, to be called again, `what` being
     * VP_TRANSPORT_GO_ON. A call that has no more time leaves such an exchange under way for the next call, perhaps of
     * another thread; vp_client_close tears it. No redirects, no repeats. Threads that share a client have exchanges
     * side by side.
     */
    vp_transport_fn transport;
    /* NULL */
    const void *reserved_2;
} vp_hooks;
#define VP_HOOKS_INIT \
    { sizeof(vp_hooks), sizeof(vp_payment), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* The settings of a client. Zero and NULL mean the default that is written here. Everything is copied. */
typedef struct vp_config {
    /* sizeof(vp_config) */
    uint32_t struct_size;
    /* VP_HEADER_VERSION */
    uint32_t header_version;
    /* "https://host[:port][/path]", or "http://" to a loopback address. Required. */
    const char *base_url;
    /* Required; NULL with a token hook or a gateway. */
    const char *client_id;
    /* Required; NULL with a token hook or a gateway. Wiped from the library's memory at close. */
    const char *client_secret;
    /* Required; NULL with a gateway. Wiped from the library's memory at close. */
    const char *subscription_key;
    /* Merchant serial number, 4 to 10 digits. Required. */
    const char *msn;
    /* Where a phone number without country code is at home: "NO", "DK", "FI" or "SE". Required. */
    const char *market;
    /*
     * The meter or car, unique under this merchant: 1 to 60 visible ASCII characters. Part of every idempotency key, so
     * it must not change while anything is open. Required.
     */
    const char *device;
    /*
     * The directory of the journal, of this client alone; made if need be. On storage that survives a power cut.
     * Required, or NULL with the store hooks of vp_hooks.
     */
    const char *journal_dir;
    /* PEM file of certificate authorities to trust beside the built-in ones; NULL: none. NULL with the hook `transport`. */
    const char *ca_file;
    /* The meter's software, told to the servers: up to 30 visible ASCII characters; NULL: nothing. */
    const char *system_name;
    /* Its version, likewise. */
    const char *system_version;
    /* The integration kit, likewise. */
    const char *plugin_name;
    /* Its version, likewise. */
    const char *plugin_version;
    /* Longest time of one request with all that it needs, 100 to 120000 milliseconds; 0: 10000. */
    uint32_t request_ms;
    /*
     * Longest time of name lookup, connection and handshake, inside `request_ms`; 0: 5000, or `request_ms` if that is
     * less.
     */
    uint32_t connect_ms;
    /* When a waiting payment is read first, up to 60000 milliseconds after the create; 0: 5000. */
    uint32_t poll_first_ms;
    /* How often it is read from then on, 500 to 60000 milliseconds; 0: 2000. */
    uint32_t poll_every_ms;
    /* 1: vp_refund works; 0: it returns VP_ERR_NOT_PERMITTED. */
    int32_t allow_refund;
    /* What the fleet's own gateway adds, VP_GATEWAY_; 0: there is none. docs/gateway.md shows one. */
    int32_t gateway;
    /* Callbacks; NULL: none. Copied, but for what `user` points to. */
    const struct vp_hooks *hooks;
    /* A header by which the gateway knows this meter, sent with every request; NULL: none. */
    const char *gateway_header_name;
    /* Its value, up to 1024 visible ASCII characters. Wiped from the library's memory at close. */
    const char *gateway_header_value;
    /*
     * PEM file with the certificate by which the gateway knows this meter, and what leads from it to the authority; NULL:
     * none.
     */
    const char *client_cert_file;
    /* PEM file with its private key: PKCS #8, PKCS #1 or SEC 1, not encrypted. */
    const char *client_key_file;
    /*
     * The address of this machine from which connections are made, IPv4 or IPv6: which of two modems or access points is
     * used. It may come and go with the modem: while it is not there, VP_ERR_NETWORK with VP_CAUSE_SOURCE_ADDRESS. NULL:
     * as the routing table says. This and what follows is of the library's own transport; NULL with the hook `transport`.
     */
    const char *source_address;
    /*
     * The interface through which connections are made, "wwan0": nothing leaves by another, whatever the routing table
     * says (SO_BINDTODEVICE). Linux before 5.7 asks for CAP_NET_RAW: VP_ERR_NOT_PERMITTED at open. While it is not
     * there, VP_ERR_NETWORK with VP_CAUSE_INTERFACE. NULL: any.
     */
    const char *interface_name;
    /*
     * Where the host of `base_url` is, "192.0.2.7, 2001:db8::7", up to 16 in the order in which they are tried: then no
     * name is looked up and no helper thread runs. The certificate must be the name's all the same. NULL: look it up.
     */
    const char *addresses;
    /*
     * A CONNECT proxy, "http://host:port", for https only: TLS goes through it from end to end. What it refuses was surely
     * not sent: VP_ERR_NETWORK with VP_CAUSE_PROXY. NULL: none; nothing is taken from the environment.
     */
    const char *proxy_url;
    /* For a proxy that asks who it is (Basic): up to 255 visible ASCII characters without a colon; NULL: nothing is said. */
    const char *proxy_user;
    /* Its password. Goes to the proxy unencrypted. Wiped from the library's memory at close. */
    const char *proxy_password;
    /*
     * Age at which an idle connection is no longer used, up to 600000 milliseconds; 0: 20000. Below the patience of the
     * NAT on the way: a request on a connection that it has dropped is unknown until it is settled. 1: none is kept.
     */
    uint32_t keep_idle_ms;
    /* 0 */
    uint32_t reserved;
} vp_config;
#define VP_CONFIG_INIT \
    { sizeof(vp_config), VP_HEADER_VERSION, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/*
 * What happened, for the log and for the next decision. The last parameter of every function that can fail; may be
 * NULL. Filled by every call: success clears it. English; never a key, never a phone number. For the driver's words
 * see vp_driver_text.
 */
typedef struct vp_error {
    /* sizeof(vp_error) */
    uint32_t struct_size;
    /* What the function returned: VP_OK, VP_PENDING or a VP_ERR_ code. */
    int32_t code;
    /* Why, beside the code: VP_CAUSE_ */
    int32_t cause;
    /* HTTP status of the answer; 0 if there was none. */
    int32_t http_status;
    /* Error code of Vipps MobilePay (7010, 6090, ...); 0 if there was none. */
    int32_t vipps_code;
    /* Whether repeating makes sense: VP_RETRY_ */
    int32_t retry;
    /* Who can put it right: VP_WHO_ */
    int32_t who;
    /* 0 */
    uint32_t reserved;
    /*
     * The parameter or member at fault, as it is named here: "amount", "receipt.lines[2].vat"; empty if none. What is
     * longer than 31 bytes is cut.
     */
    char field[32];
    /* The rule that was broken, or the server's title and detail. What is longer than 159 bytes is cut. */
    char message[160];
    /* The server's trace id, for its support; empty if there was none. */
    char trace_id[64];
} vp_error;
#define VP_ERROR_INIT \
    { sizeof(vp_error), 0, 0, 0, 0, 0, 0, 0, { 0 }, { 0 }, { 0 } }

/* One line of a receipt. All amounts in minor units, 0 or more. vp_split_gross makes the VAT of an amount. */
typedef struct vp_order_line {
    /* sizeof(vp_order_line) */
    uint32_t struct_size;
    /* In hundredths of a per cent, 0 to 10000: 1200 is 12 %. */
    int32_t vat_rate;
    /* With VAT, after discount. */
    int64_t total;
    /* Without VAT, after discount; with `vat` it makes exactly `total`. */
    int64_t total_excluding_vat;
    /* VAT; 0 at a rate of 0. */
    int64_t vat;
    /* Price of one unit with VAT, before discount. Only with a quantity. */
    int64_t unit_price;
    /* What was taken off, already subtracted from the totals; 0: none. */
    int64_t discount;
    /* Thousandths of a unit, up to 999999999: 12.345 km is 12345; 0: show no quantity. */
    int64_t quantity_milli;
    /* VP_UNIT_; 0 is pieces. */
    int32_t unit;
    /* 1: this line counts negative (its amounts stay positive); 0: it does not. */
    int32_t is_return;
    /* Unique in the receipt; 1 to 255 characters. */
    const char *id;
    /* What was sold, as the passenger reads it; 1 to 255 characters. */
    const char *name;
} vp_order_line;
#define VP_ORDER_LINE_INIT \
    { sizeof(vp_order_line), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* A receipt. It is posted once and can never be corrected, so it is checked to the last cent before it goes. */
typedef struct vp_receipt {
    /* sizeof(vp_receipt) */
    uint32_t struct_size;
    /* sizeof(vp_order_line) */
    uint32_t line_size;
    /* Tip beside the lines, minor units; 0: none. */
    int64_t tip;
    /* How many lines, 1 to 64. */
    uint32_t line_count;
    /* 0 */
    uint32_t reserved;
    /* The first line of an array. */
    const struct vp_order_line *lines;
    /* The car or meter, up to 255 characters; NULL or empty: none. */
    const char *pos_id;
    /* The meter's number of the receipt, up to 255 characters; NULL or empty: none. */
    const char *receipt_number;
    /* That of the payment: "NOK", "DKK" or "EUR"; NULL: whatever the payment's is. */
    const char *currency;
} vp_receipt;
#define VP_RECEIPT_INIT \
    { sizeof(vp_receipt), sizeof(vp_order_line), 0, 0, 0, 0, 0, 0, 0 }

/* A payment request by push message to the passenger's phone. */
typedef struct vp_push_payment {
    /* sizeof(vp_push_payment) */
    uint32_t struct_size;
    /* What an approval means: VP_THEN_CAPTURE or VP_THEN_HOLD. On disk before anything is sent. Required. */
    int32_t on_approval;
    /*
     * For how long it means that, milliseconds from now; 0: 15 minutes. An approval that is first seen later is for a
     * human to decide: VP_NEXT_DECIDE.
     */
    uint32_t decide_within_ms;
    /* VP_CUSTOMER_PRESENT (0) or VP_CUSTOMER_NOT_PRESENT. */
    int32_t customer_interaction;
    /* Minor units; NOK at least 100, DKK and EUR at least 1, at most 65000000. */
    int64_t amount;
    /* 1: one of several payments of this trip, on purpose; 0: the only one. */
    int32_t part_of_trip;
    /* 0 */
    uint32_t reserved;
    /* "NOK", "DKK" or "EUR". Required. */
    const char *currency;
    /*
     * The merchant's reference: 8 to 64 letters, digits and hyphens, never used before under this sales unit. The
     * passenger sees it. Required.
     */
    const char *reference;
    /*
     * The program's own trip, up to 63 bytes, never sent; NULL or empty: none. A second live payment of one trip is
     * refused.
     */
    const char *trip;
    /* The passenger's phone number as the driver typed it. Required. */
    const char *phone;
    /* What the passenger reads, 3 to 100 characters; NULL or empty: nothing. */
    const char *description;
    /* The receipt of the ride, posted with the capture; NULL: none, or later by vp_post_receipt. */
    const struct vp_receipt *receipt;
} vp_push_payment;
#define VP_PUSH_PAYMENT_INIT \
    { sizeof(vp_push_payment), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* A whole ride. */
typedef struct vp_ride {
    /* sizeof(vp_ride) */
    uint32_t struct_size;
    /* How long a slow receipt may hold up the capture, milliseconds; 0: 3000. After that it stays owed. */
    uint32_t receipt_ms;
    /* The payment request; its `on_approval` must be VP_THEN_CAPTURE. Required. */
    const struct vp_push_payment *payment;
    /* NULL */
    const void *reserved;
} vp_ride;
#define VP_RIDE_INIT \
    { sizeof(vp_ride), 0, 0, 0 }

/* One entry of the servers' log of a payment. */
typedef struct vp_event {
    /* Size of the struct as the library has it. */
    uint32_t struct_size;
    /* 1: done; 0: tried, and it failed. */
    int32_t success;
    /* Of this event, not a running total; minor units. */
    int64_t amount;
    /* Unix milliseconds; 0: not readable. */
    int64_t timestamp;
    /* "CREATED", "AUTHORIZED", "CAPTURED", ... as the server wrote it. */
    char name[32];
    /* The key of the request that caused it; empty on some events. */
    char idempotency_key[64];
    /* Of this event. */
    char psp_reference[64];
} vp_event;
#define VP_EVENT_INIT \
    { sizeof(vp_event), 0, 0, 0, { 0 }, { 0 }, { 0 } }

/*
 * Hears of an event; returns 0 to go on, anything else to end the list. `event` is valid during the call only; members
 * that this header does not know may follow.
 */
typedef int32_t (*vp_event_fn)(void *user, const struct vp_event *event);

/* Hears of a payment. `payment` is valid during the call only; members that this header does not know may follow. */
typedef void (*vp_payment_fn)(void *user, const struct vp_payment *payment);

/* What a list is narrowed to. All zeros: every payment. */
typedef struct vp_filter {
    /* sizeof(vp_filter) */
    uint32_t struct_size;
    /* VP_LIST_; 0: all. */
    int32_t which;
    /* Only payments recorded at this time or later, Unix milliseconds; 0: any. */
    int64_t since;
    /* Only payments recorded before this time, Unix milliseconds; 0: any. */
    int64_t until;
    /* Only captures at risk: money is still reserved, and `capture_guaranteed_until` is before this; 0: any. */
    int64_t guaranteed_before;
    /* Only payments that owe one of these: bits of VP_OWED_; 0: any. */
    uint32_t owed;
    /* 0 */
    uint32_t reserved;
    /* Only this trip; NULL or empty: any. */
    const char *trip;
    /* NULL */
    const void *reserved_pointer;
} vp_filter;
#define VP_FILTER_INIT \
    { sizeof(vp_filter), 0, 0, 0, 0, 0, 0, 0, 0 }

/*
 * Hears of a payment in a list; returns 0 to go on, anything else to end the list. `payment` is valid during the call
 * only; members that this header does not know may follow.
 */
typedef int32_t (*vp_list_fn)(void *user, const struct vp_payment *payment);

/*
 * Hears of a payment that is handed over. `record` is its text, for vp_import_payment of another meter; both strings are
 * valid during the call only.
 */
typedef void (*vp_record_fn)(void *user, const char *reference, const char *record);

/* What the syncs of the journal have cost since the client was opened: the part of a call's time that has no bound. */
typedef struct vp_storage {
    /* sizeof(vp_storage) */
    uint32_t struct_size;
    /* 0 */
    uint32_t reserved;
    /* Syncs of files. */
    int64_t file_syncs;
    /* Syncs of directories. */
    int64_t directory_syncs;
    /* The longest of all, milliseconds. */
    int64_t longest_sync_ms;
} vp_storage;
#define VP_STORAGE_INIT \
    { sizeof(vp_storage), 0, 0, 0, 0 }

/*
 * An HTTP request that may be a webhook, as it came: nothing decoded, nothing put in another form. Strings of the request
 * may hold anything.
 */
typedef struct vp_webhook {
    /* sizeof(vp_webhook) */
    uint32_t struct_size;
    /* Bytes of `body`. */
    uint32_t body_size;
    /* The receiver's clock, Unix milliseconds; only looked at if `fresh_ms` is not 0. */
    int64_t now_ms;
    /*
     * How far the date of the signature may be from `now_ms`, both ways, milliseconds: 300000 is usual. 0: any date is
     * good, for receivers with a bad clock; a request that is sent again is harmless, since all that it brings is a read.
     */
    uint32_t fresh_ms;
    /* 0 */
    uint32_t reserved;
    /* Of the request line: "POST". */
    const char *method;
    /* Path and query as in the request line: "/hook?a=b". */
    const char *target;
    /*
     * Host, with its port if it has one, of the URL that was registered. NULL: what the header Host says. Nobody says
     * whether a port is signed, so it is tried as given, without its port, and as the header Host has it if that is the
     * same host.
     */
    const char *host;
    /* Names and values of the head, in turn, as they came: name, value, name, value, ..., and a NULL behind the last. */
    const char *const *headers;
    /* The raw bytes, as they came; NULL for none. */
    const void *body;
    /* The secret as vp_register_webhook gave it; it is not decoded. */
    const char *secret;
} vp_webhook;
#define VP_WEBHOOK_INIT \
    { sizeof(vp_webhook), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/*
 * What a genuine webhook says. A signal and no proof: it brings a read, and moves no money. Nothing of the passenger is in
 * it.
 */
typedef struct vp_webhook_event {
    /* sizeof(vp_webhook_event) */
    uint32_t struct_size;
    /* 1: done; 0: tried, and it failed. */
    int32_t success;
    /* Of this event, not a running total; minor units. */
    int64_t amount;
    /* Unix milliseconds; 0: not readable. */
    int64_t timestamp;
    /* The date of the signature, Unix milliseconds; 0: not readable. */
    int64_t signed_at;
    /* "CREATED", "AUTHORIZED", "CAPTURED", ... as the server wrote it. */
    char name[32];
    /* "NOK", "DKK" or "EUR"; empty: no amount. */
    char currency[8];
    /* The sales unit; empty: not said. */
    char msn[16];
    /* The merchant's reference. */
    char reference[72];
    /* Of this event: with `name`, what an event that comes twice is recognised by. */
    char psp_reference[64];
    /* The key of the request that caused it; empty on some events. */
    char idempotency_key[64];
} vp_webhook_event;
#define VP_WEBHOOK_EVENT_INIT \
    { sizeof(vp_webhook_event), 0, 0, 0, 0, { 0 }, { 0 }, { 0 }, { 0 }, { 0 }, { 0 } }

/* What became of the events that vp_apply_webhook was given since the client was opened. */
typedef struct vp_webhook_counts {
    /* sizeof(vp_webhook_counts) */
    uint32_t struct_size;
    /* 0 */
    uint32_t reserved;
    /* Asked for a read, or joined one that was due. */
    int64_t applied;
    /* Could tell nothing new: duplicates, or late. */
    int64_t known;
    /* Of no payment of this client, of another sales unit, or garbage. */
    int64_t unknown;
    /* Reads that events have asked for. */
    int64_t reads;
} vp_webhook_counts;
#define VP_WEBHOOK_COUNTS_INIT \
    { sizeof(vp_webhook_counts), 0, 0, 0, 0, 0 }

/*
 * Hears of a registration; returns 0 to go on, anything else to end the list. `events` are names, separated by spaces. All
 * three are valid during the call only.
 */
typedef int32_t (*vp_webhook_fn)(void *user, const char *id, const char *url, const char *events);

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/* ---- The answer, from inside the hook `transport` ---- */

/*
 * The answer's status, 100 to 599; once. VP_ERR_INVALID_ARGUMENT: it is not one, or the handle is stale;
 * VP_ERR_WRONG_STATE: there is one already. After an error of any of these functions the answer counts as unusable, and
 * the request as one that may have been carried out.
 *
 * From the hook `transport` only. At once.
 */
int32_t vp_answer_status(struct vp_answer *answer,
                         int32_t status);

/*
 * A line of the answer's head, "Name: value", `size` bytes, with or without its line end; status line and empty line may
 * be given too and are left alone. All lines, or at least Date and Retry-After.
 *
 * From the hook `transport` only. At once.
 */
int32_t vp_answer_header(struct vp_answer *answer,
                         const char *line,
                         int64_t size);

/*
 * The next `size` bytes of the answer's body, decoded from whatever they were sent in; `answer_max` of the request
 * altogether.
 *
 * From the hook `transport` only. At once.
 */
int32_t vp_answer_body(struct vp_answer *answer,
                       const void *bytes,
                       int64_t size);

/*
 * Bytes that this exchange has cost, since the last call of this function: for `bytes_sent` and `bytes_received` of
 * vp_payment. Without it they count nothing.
 *
 * From the hook `transport` only. At once.
 */
int32_t vp_answer_traffic(struct vp_answer *answer,
                          int64_t sent,
                          int64_t received);

/*
 * Why there is no answer, for vp_error: `cause` is VP_CAUSE_TIMEOUT, _CONNECTION_LOST, _BAD_ANSWER, _INTERRUPTED,
 * _NAME_LOOKUP, _CONNECT or _TLS. `detail`: English, for the log, without keys and numbers; cut at 120 bytes; NULL: none.
 * Changes nothing about what is done.
 *
 * From the hook `transport` only. At once.
 */
int32_t vp_answer_cause(struct vp_answer *answer,
                        int32_t cause,
                        const char *detail);

/*
 * For a hook that waits itself: to be called about every 200 milliseconds, at the latest every second. Ticks and
 * interrupts come through it. VP_OK: go on. VP_ERR_INTERRUPTED: the call was stopped, or the time of the request is
 * over: end now, and return VP_TRANSPORT_NOT_SENT or VP_TRANSPORT_LOST.
 *
 * From the hook `transport` only. Takes as long as the callbacks take.
 */
int32_t vp_answer_go_on(struct vp_answer *answer);

/* ---- The client ---- */

/*
 * Opens a client: checks the settings, locks and reads the journal. Sends nothing. Follow it with vp_settle: what the
 * last run left open is finished there.
 *
 * VP_ERR_INVALID_ARGUMENT, VP_ERR_NULL_POINTER and VP_ERR_URL name the member of vp_config at fault;
 * VP_ERR_STORAGE_IN_USE: another client has `journal_dir`; VP_ERR_BUSY: 64 clients are open.
 *
 * Not from a callback. Takes as long as reading the journal takes.
 */
int32_t vp_client_open(const struct vp_config *config,
                       struct vp_client **out_client,
                       struct vp_error *out_error);

/*
 * Closes a client and frees all that it has. The journal keeps what is open; the next vp_client_open and vp_settle go on
 * with it. NULL is fine. VP_ERR_BUSY while another call runs on this client: vp_interrupt ends that, then close again.
 * After VP_ERR_PANIC this is the only call that works.
 *
 * Not from a callback. Does not wait.
 */
int32_t vp_client_close(struct vp_client *client);

/*
 * Makes a call that waits return within 200 milliseconds or so, VP_ERR_INTERRUPTED or, if something was sent,
 * VP_ERR_OUTCOME_UNKNOWN. `reference`: only a call on this payment; NULL: any call on this client. If none runs now, the
 * next one is meant. A handle that is not open is ignored.
 *
 * From anywhere: any thread, any callback, and any signal handler: it takes no lock, allocates nothing, leaves errno
 * alone, and only sets atomic flags.
 */
void vp_interrupt(struct vp_client *client,
                  const char *reference);

/*
 * Does what is recorded, and waits for more, until `wait_ms` is over: for a thread of the host's own, so that the other
 * calls can be made with `wait_ms` 0. VP_OK: nothing is owed; VP_PENDING: something is.
 *
 * Not from a callback. At most `wait_ms` + `request_ms`.
 */
int32_t vp_worker_run(struct vp_client *client,
                      uint32_t wait_ms,
                      struct vp_error *out_error);

/* The version of the library: "0.1.0". Static. Compare with VPMETER_VERSION, that of the header. From anywhere. */
const char *vp_version(void);

/*
 * The version of the library as a number, major * 10000 + minor * 100 + patch. Compare with VPMETER_VERSION_NUMBER, that
 * of the header. From anywhere.
 */
uint32_t vp_version_number(void);

/*
 * What this library was made of: 40 hex digits, a hash of its sources, its locked dependencies and its compiler, the same
 * for everyone who builds the same. The shared library carries it as its GNU build id: `readelf -n libvpmeter.so`. Static.
 * From anywhere.
 */
const char *vp_build_id(void);

/*
 * Changes the keys of an open client, for a fleet that rotates them: the next request goes with the new ones and with a
 * new token; one in flight ends with the old. The sales unit stays, and so does everything that is owed, under the same
 * idempotency keys: what the servers have refused for the old keys is finished by the next vp_settle or vp_worker_run.
 * Closing, and opening with the new keys, does the same.
 *
 * NULL where the client has no such key: with a token hook or a gateway. VP_ERR_INVALID_ARGUMENT: the old keys stay. The
 * old ones are wiped from the library's memory when no request uses them any more. Not from a callback. Does not wait.
 */
int32_t vp_set_credentials(struct vp_client *client,
                           const char *client_id,
                           const char *client_secret,
                           const char *subscription_key,
                           struct vp_error *out_error);

/* ---- The ride ---- */

/*
 * Steps 1 and 2: records the payment request and sends it. VP_OK: it is with the passenger, go on with vp_poll;
 * VP_PENDING: recorded, not sent yet, vp_poll sends it. The same request under the same reference is the same payment: a
 * double press charges once. The same means all of it: amount, currency, trip, part_of_trip, number (however it is
 * written), description, on_approval, decide_within_ms, customer_interaction and receipt. VP_ERR_REFERENCE_IN_USE: the
 * reference has other content, on the servers or here, and then `out_payment` stays empty: it is another payment.
 * VP_ERR_TRIP_IN_USE: the trip has a live or paid payment. VP_ERR_CUSTOMER_NOT_FOUND: ask for the number again and
 * take a new reference (vp_next_reference).
 *
 * With `wait_ms` 0 the request is recorded and the network not touched. Not from a callback. At most `wait_ms` +
 * `request_ms`, and the syncs of the journal.
 */
int32_t vp_create_push_payment(struct vp_client *client,
                               const struct vp_push_payment *request,
                               uint32_t wait_ms,
                               struct vp_payment *out_payment,
                               struct vp_error *out_error);

/*
 * Step 3: waits for the passenger, at the pace of the poll plan. VP_OK: approved, or over; `next_step` and `verdict` say
 * which. VP_PENDING: the passenger has not acted; come back. Ends early when another thread cancels.
 *
 * A payment that is closed is read too, once, and its sums are true then; without an answer VP_OK tells what is known here.
 *
 * With `wait_ms` 0 nothing is sent. Not from a callback. At most `wait_ms` + `request_ms`.
 */
int32_t vp_poll(struct vp_client *client,
                const char *reference,
                uint32_t wait_ms,
                struct vp_payment *out_payment,
                struct vp_error *out_error);

/*
 * Step 4: records the receipt and posts it. Posted once; it can never be changed. Not needed if the receipt went with
 * the payment request. VP_PENDING: recorded, posted later.
 *
 * Not from a callback. At most `wait_ms` + `request_ms`, and the syncs of the journal.
 */
int32_t vp_post_receipt(struct vp_client *client,
                        const char *reference,
                        const struct vp_receipt *receipt,
                        uint32_t wait_ms,
                        struct vp_payment *out_payment,
                        struct vp_error *out_error);

/*
 * Step 5: records the capture, carries it out and proves it. VP_OK: proven, the money is captured. VP_PENDING or
 * VP_ERR_OUTCOME_UNKNOWN: it is on disk and will be done; call again, or leave it to vp_settle; the verdict says whether
 * the passenger may leave. `amount`: minor units, up to what is left of the reservation. `flags`: VP_CAPTURE_FINAL,
 * and for the second and later captures of a payment VP_NTH(2), VP_NTH(3), ...: the same call twice is one capture.
 *
 * With `wait_ms` 0 the capture is recorded and the network not touched. Not from a callback. At most `wait_ms` +
 * `request_ms`, and the syncs of the journal.
 */
int32_t vp_capture(struct vp_client *client,
                   const char *reference,
                   int64_t amount,
                   uint32_t flags,
                   uint32_t wait_ms,
                   struct vp_payment *out_payment,
                   struct vp_error *out_error);

/*
 * All five steps: sends the request, waits for the approval, posts the receipt, captures, and proves it. Called again
 * with the same ride, also after a restart, it goes on where it was. VP_OK: captured and proven. VP_ERR_NOT_APPROVED:
 * declined, expired or cancelled. VP_PENDING: time is over; call again. The hooks show the progress; `on_tick` can end
 * the wait or give the payment up.
 *
 * Not from a callback. At most `wait_ms` + `request_ms`, and the syncs of the journal; 660000 is enough for any
 * passenger.
 */
int32_t vp_run_ride(struct vp_client *client,
                    const struct vp_ride *ride,
                    uint32_t wait_ms,
                    struct vp_payment *out_payment,
                    struct vp_error *out_error);

/* ---- Around the ride ---- */

/*
 * Change of mind, in one of three ways: `how` is VP_CANCEL_. Safe against the passenger who approves at this moment.
 * VP_OK: proven. VP_PENDING or VP_ERR_OUTCOME_UNKNOWN: on disk, and being done; the verdict says whether other payment
 * may be taken. VP_ERR_ALREADY_APPROVED: take no cash; capture, or give up.
 *
 * With `wait_ms` 0 it is recorded and the network not touched. Not from a callback (there `on_tick` returns
 * VP_TICK_GIVE_UP). At most `wait_ms` + `request_ms`, and the syncs of the journal.
 */
int32_t vp_cancel(struct vp_client *client,
                  const char *reference,
                  int32_t how,
                  uint32_t wait_ms,
                  struct vp_payment *out_payment,
                  struct vp_error *out_error);

/*
 * Gives captured money back. `amount`: minor units, up to what is captured and not refunded. `flags`: VP_NTH(2), ... for
 * the second and later refunds of a payment: the same call twice is one refund. VP_ERR_NOT_PERMITTED: the client was
 * opened without `allow_refund`.
 *
 * With `wait_ms` 0 it is recorded and the network not touched. Not from a callback. At most `wait_ms` + `request_ms`,
 * and the syncs of the journal.
 */
int32_t vp_refund(struct vp_client *client,
                  const char *reference,
                  int64_t amount,
                  uint32_t flags,
                  uint32_t wait_ms,
                  struct vp_payment *out_payment,
                  struct vp_error *out_error);

/*
 * What is known here of a payment; sends nothing and does not wait. VP_ERR_NO_SUCH_PAYMENT: no record.
 *
 * Also from a callback.
 */
int32_t vp_known_payment(struct vp_client *client,
                         const char *reference,
                         struct vp_payment *out_payment,
                         struct vp_error *out_error);

/*
 * The servers' log of a payment, read now, oldest first as they give it; `each` hears of every entry. For the office's
 * questions; no ride needs it. `wait_ms` must be above 0.
 *
 * Not from a callback. At most `wait_ms` + `request_ms`.
 */
int32_t vp_get_events(struct vp_client *client,
                      const char *reference,
                      vp_event_fn each,
                      void *user,
                      uint32_t wait_ms,
                      struct vp_error *out_error);

/*
 * Finishes everything unfinished: after vp_client_open, at the end of a shift, in idle time. `each` (may be NULL) hears
 * at the end how every payment stands that was open. VP_OK: nothing is left to do here. VP_PENDING: something is; a
 * payment with VP_OWED_DECISION waits for a human and not for the library. Never sends a payment request: nobody gets a
 * bill hours later.
 *
 * Not from a callback. At most `wait_ms` + `request_ms`, and the syncs of the journal.
 */
int32_t vp_settle(struct vp_client *client,
                  uint32_t wait_ms,
                  vp_payment_fn each,
                  void *user,
                  struct vp_error *out_error);

/*
 * Lists the payments of the journal as they are known here, oldest first; sends nothing. `filter` NULL: all. Runs over a
 * copy: what changes meanwhile is not seen.
 *
 * Also from a callback. Reads the journal, which takes as long as it takes.
 */
int32_t vp_list_payments(struct vp_client *client,
                         const struct vp_filter *filter,
                         vp_list_fn each,
                         void *user,
                         struct vp_error *out_error);

/* ---- The office ---- */

/*
 * Carries out what a human decided about a payment with VP_OWED_DECISION: `decision` is VP_DECIDE_. VP_OK: done and
 * proven. VP_PENDING or VP_ERR_OUTCOME_UNKNOWN: on disk, and being done. VP_ERR_WRONG_STATE: nothing waits for a
 * decision.
 *
 * With `wait_ms` 0 it is recorded and the network not touched. Not from a callback. At most `wait_ms` + `request_ms`,
 * and the syncs of the journal.
 */
int32_t vp_decide(struct vp_client *client,
                  const char *reference,
                  int32_t decision,
                  uint32_t wait_ms,
                  struct vp_payment *out_payment,
                  struct vp_error *out_error);

/*
 * Gives up on money that cannot be had: the keys are revoked, the office has settled it by hand. The payment is closed
 * with VP_OWED_LOST, amount and reason; nothing is sent, and nothing of it is ever sent again. `reason`: 1 to 100
 * characters, for the office; no phone number. VP_ERR_WRONG_STATE: nothing is owed. VP_ERR_NOT_PERMITTED: it was
 * handed over. VP_ERR_BUSY: a request is in flight.
 *
 * Not from a callback. Does not wait; takes the syncs of the journal.
 */
int32_t vp_write_off(struct vp_client *client,
                     const char *reference,
                     const char *reason,
                     struct vp_payment *out_payment,
                     struct vp_error *out_error);

/*
 * Hands every open payment over to another meter: a meter dies, a car is sold. Each is frozen here, durably, before
 * `each` gets its text; from then on this meter lists it with VP_OWED_ELSEWHERE and never touches it. Call it again if
 * the texts were lost; but one meter only may import them. VP_ERR_BUSY: a request is in flight; call again.
 *
 * The texts hold no phone number and no key; a payment request whose arrival is not known is not sent by the other
 * meter, only looked for. Not from a callback. Does not wait; takes the syncs of the journal.
 */
int32_t vp_export_payments(struct vp_client *client,
                           vp_record_fn each,
                           void *user,
                           struct vp_error *out_error);

/*
 * Takes a payment over that another meter of the same sales unit exported; vp_settle goes on with it.
 * VP_ERR_REFERENCE_IN_USE: this journal has the reference already. VP_ERR_INVALID_ARGUMENT: not an exported payment.
 * VP_ERR_NOT_PERMITTED: it belongs to another sales unit, or to another `base_url`.
 *
 * Not from a callback. Does not wait; takes the syncs of the journal.
 */
int32_t vp_import_payment(struct vp_client *client,
                          const char *record,
                          struct vp_error *out_error);

/*
 * What the syncs of the journal have cost so far.
 *
 * Also from a callback. Does not wait.
 */
int32_t vp_storage_cost(struct vp_client *client, struct vp_storage *out_storage, struct vp_error *out_error);

/* ---- Webhooks: the receiver, without a client, and the meter ---- */

/*
 * Whether a request is a webhook, signed with `secret` for this method, target, host and body, and what it says. For the
 * back office that receives: needs no client, no journal and no network. `out_event` is filled only with VP_OK, and
 * emptied otherwise.
 *
 * VP_ERR_NOT_GENUINE: no signature or a wrong one, a header of the signature twice, a body above VP_WEBHOOK_BODY_MAX: drop
 * it, answer 401. VP_ERR_NOT_FRESH: drop it. VP_ERR_NOT_AN_EVENT: genuine, but of another kind or broken: drop it, and
 * answer 200, or it comes again for a week and holds up what is behind it. With VP_OK answer 200 within 10 s.
 *
 * Also from a callback. Does not wait.
 */
int32_t vp_webhook_verify(const struct vp_webhook *webhook,
                          struct vp_webhook_event *out_event,
                          struct vp_error *out_error);

/*
 * Something happened to a payment, say the servers or a broker: the payment is read now, and the read moves it on. Of the
 * event nothing is believed, so a forged, late or repeated one does no harm, and many of them make few reads. Only
 * `reference` is needed; `name` may be NULL, or as in vp_webhook_event or as it is registered; `msn` may be NULL.
 *
 * VP_OK: read, or nothing new can be read. VP_PENDING: a read is due, and a vp_poll or vp_worker_run that waits in another
 * thread does it at once, else the next call with time. VP_ERR_NO_SUCH_PAYMENT, VP_ERR_NOT_PERMITTED,
 * VP_ERR_INVALID_ARGUMENT: not for this client; drop it.
 *
 * With `wait_ms` 0 the network is not touched. Not from a callback. At most `wait_ms` + `request_ms`, and the syncs of
 * the journal.
 */
int32_t vp_apply_webhook(struct vp_client *client,
                         const char *reference,
                         const char *name,
                         const char *msn,
                         uint32_t wait_ms,
                         struct vp_payment *out_payment,
                         struct vp_error *out_error);

/*
 * What became of the events so far.
 *
 * Also from a callback. Does not wait.
 */
int32_t vp_webhook_count(struct vp_client *client,
                         struct vp_webhook_counts *out_counts,
                         struct vp_error *out_error);

/*
 * Registers a receiver of webhooks. **For the office**: the servers take 25 registrations for each event of a sales unit,
 * and one is enough for a fleet, so a car never registers. `url`: https, reachable from anywhere (http on this machine for
 * a simulator). `events`: names, separated by spaces, "AUTHORIZED CAPTURED" or as they are registered; NULL: all eight.
 *
 * `out_id` and `out_secret` have `id_size` and `secret_size` bytes, at least VP_WEBHOOK_ID_SIZE and
 * VP_WEBHOOK_SECRET_SIZE. The secret is shown this once: keep it where the receiver finds it, and nowhere else.
 * VP_ERR_OUTCOME_UNKNOWN: there may be a registration whose secret nobody knows; list, delete it, register anew. `wait_ms`
 * must be above 0; nothing is recorded.
 *
 * Not from a callback. At most `wait_ms` + `request_ms`.
 */
int32_t vp_register_webhook(struct vp_client *client,
                            const char *url,
                            const char *events,
                            uint32_t wait_ms,
                            char *out_id,
                            uint32_t id_size,
                            char *out_secret,
                            uint32_t secret_size,
                            struct vp_error *out_error);

/*
 * The registrations of this sales unit, read now; `each` hears of every one. `wait_ms` must be above 0.
 *
 * Not from a callback. At most `wait_ms` + `request_ms`.
 */
int32_t vp_list_webhooks(struct vp_client *client,
                         vp_webhook_fn each,
                         void *user,
                         uint32_t wait_ms,
                         struct vp_error *out_error);

/*
 * Ends a registration. VP_ERR_REFUSED: there is none of this id. `wait_ms` must be above 0; after
 * VP_ERR_OUTCOME_UNKNOWN call again.
 *
 * Not from a callback. At most `wait_ms` + `request_ms`.
 */
int32_t vp_delete_webhook(struct vp_client *client,
                          const char *id,
                          uint32_t wait_ms,
                          struct vp_error *out_error);

/* ---- Text and numbers, without a client ---- */

/*
 * Makes an MSISDN (country code and number, 9 to 15 digits: "4791234567") of what a driver types; `market` as in
 * vp_config. For the display: vp_create_push_payment does it by itself. `out_msisdn` needs up to 16 bytes.
 * VP_ERR_INVALID_ARGUMENT: cannot be a mobile number; `message` says why and holds no digit of it.
 *
 * `out_needed` (may be NULL) gets the size that the text needs with its NUL, also with VP_ERR_BUFFER_TOO_SMALL. Also
 * from a callback. Does not wait.
 */
int32_t vp_normalize_phone(const char *typed,
                           const char *market,
                           char *out_msisdn,
                           uint32_t out_size,
                           uint32_t *out_needed,
                           struct vp_error *out_error);

/*
 * Splits an amount with VAT into the amount without VAT and the VAT, minor units, so that the two make exactly `gross`;
 * a half is rounded up. `vat_rate`: hundredths of a per cent, 0 to 10000.
 *
 * Also from a callback. Does not wait.
 */
int32_t vp_split_gross(int64_t gross,
                       int32_t vat_rate,
                       int64_t *out_excluding,
                       int64_t *out_vat,
                       struct vp_error *out_error);

/*
 * The reference for the next attempt at the same ride: "trip-0001", "trip-0001-2", "trip-0001-3", ... A last part of -1
 * to -98 without a leading zero is counted up, so pad short trip numbers ("car7-0017", not "car7-17"). `out` needs up to
 * 65 bytes.
 *
 * `out_needed` (may be NULL) gets the size that the text needs with its NUL, also with VP_ERR_BUFFER_TOO_SMALL. Also
 * from a callback. Does not wait.
 */
int32_t vp_next_reference(const char *previous,
                          char *out,
                          uint32_t out_size,
                          uint32_t *out_needed,
                          struct vp_error *out_error);

/*
 * What the driver reads: one or two short sentences, UTF-8, at most 80 characters and 96 bytes, so a buffer of 97 is
 * always enough. `language`: "nb", "da", "fi", "sv" or "en", also as a locale ("nb_NO.UTF-8"); anything else is English.
 * Never says "failed" of what is not proven, and holds no digits.
 *
 * `out_needed` (may be NULL) gets the size that the text needs with its NUL, also with VP_ERR_BUFFER_TOO_SMALL. Also
 * from a callback. Does not wait.
 */
int32_t vp_driver_text(const struct vp_payment *payment,
                       const char *language,
                       char *out_text,
                       uint32_t out_size,
                       uint32_t *out_needed,
                       struct vp_error *out_error);

/*
 * The name of a code: "VP_ERR_NETWORK"; "VP_UNKNOWN" for a number that is no code of this version. Static; never NULL.
 * From anywhere.
 */
const char *vp_status_name(int32_t code);

/* ---- Setting up, for those who cannot use the INIT macros ---- */

/*
 * Sets up a vp_config: `size` is sizeof(vp_config), and no byte more is written. As VP_CONFIG_INIT.
 * `header_version` becomes the library's own, so a program that may meet a library of another version uses
 * VP_CONFIG_INIT, which has that of its header.
 *
 * NULL is fine. From anywhere.
 */
void vp_config_init(struct vp_config *config, uint32_t size);

/*
 * Sets up a vp_hooks: `size` is sizeof(vp_hooks), and no byte more is written. As VP_HOOKS_INIT.
 * `payment_size` becomes the library's own, so a program that may meet a library of another version uses VP_HOOKS_INIT,
 * or sets it itself.
 *
 * NULL is fine. From anywhere.
 */
void vp_hooks_init(struct vp_hooks *hooks,
                   uint32_t size);

/*
 * Sets up a vp_push_payment: `size` is sizeof(vp_push_payment), and no byte more is written. As VP_PUSH_PAYMENT_INIT.
 *
 * NULL is fine. From anywhere.
 */
void vp_push_payment_init(struct vp_push_payment *request,
                          uint32_t size);

/*
 * Sets up a vp_ride: `size` is sizeof(vp_ride), and no byte more is written. As VP_RIDE_INIT.
 *
 * NULL is fine. From anywhere.
 */
void vp_ride_init(struct vp_ride *ride, uint32_t size);

/*
 * Sets up a vp_receipt: `size` is sizeof(vp_receipt), and no byte more is written. As VP_RECEIPT_INIT.
 * `line_size` becomes the library's own, so a program that may meet a library of another version uses VP_RECEIPT_INIT,
 * or sets it itself.
 *
 * NULL is fine. From anywhere.
 */
void vp_receipt_init(struct vp_receipt *receipt,
                     uint32_t size);

/*
 * Sets up a vp_order_line: `size` is sizeof(vp_order_line), and no byte more is written. As VP_ORDER_LINE_INIT.
 *
 * NULL is fine. From anywhere.
 */
void vp_order_line_init(struct vp_order_line *line, uint32_t size);

/*
 * Sets up a vp_filter: `size` is sizeof(vp_filter), and no byte more is written. As VP_FILTER_INIT.
 *
 * NULL is fine. From anywhere.
 */
void vp_filter_init(struct vp_filter *filter, uint32_t size);

/*
 * Sets up a vp_payment: `size` is sizeof(vp_payment), and no byte more is written. As VP_PAYMENT_INIT.
 *
 * NULL is fine. From anywhere.
 */
void vp_payment_init(struct vp_payment *payment, uint32_t size);

/*
 * Sets up a vp_event: `size` is sizeof(vp_event), and no byte more is written. As VP_EVENT_INIT.
 *
 * NULL is fine. From anywhere.
 */
void vp_event_init(struct vp_event *event, uint32_t size);

/*
 * Sets up a vp_error: `size` is sizeof(vp_error), and no byte more is written. As VP_ERROR_INIT.
 *
 * NULL is fine. From anywhere.
 */
void vp_error_init(struct vp_error *error, uint32_t size);

/*
 * Sets up a vp_storage: `size` is sizeof(vp_storage), and no byte more is written. As VP_STORAGE_INIT.
 *
 * NULL is fine. From anywhere.
 */
void vp_storage_init(struct vp_storage *storage, uint32_t size);

/*
 * Sets up a vp_webhook: `size` is sizeof(vp_webhook), and no byte more is written. As VP_WEBHOOK_INIT.
 *
 * NULL is fine. From anywhere.
 */
void vp_webhook_init(struct vp_webhook *webhook, uint32_t size);

/*
 * Sets up a vp_webhook_event: `size` is sizeof(vp_webhook_event), and no byte more is written. As VP_WEBHOOK_EVENT_INIT.
 *
 * NULL is fine. From anywhere.
 */
void vp_webhook_event_init(struct vp_webhook_event *event,
                           uint32_t size);

/*
 * Sets up a vp_webhook_counts: `size` is sizeof(vp_webhook_counts), and no byte more is written. As VP_WEBHOOK_COUNTS_INIT.
 *
 * NULL is fine. From anywhere.
 */
void vp_webhook_counts_init(struct vp_webhook_counts *counts,
                            uint32_t size);

#ifdef __cplusplus
}  /* extern "C" */
#endif  /* __cplusplus */

#endif  /* VPMETER_H */
