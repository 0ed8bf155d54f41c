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
 * @GROUPS@
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
