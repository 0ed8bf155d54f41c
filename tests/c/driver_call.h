/* One call of the library on behalf of a line: its arguments, its out-structs with guards behind them, its result. */
#ifndef DRIVER_CALL_H
#define DRIVER_CALL_H

#include "driver_bench.h"

/* Bytes behind an out-struct, which the library must leave alone. */
#define GUARD 0x5a
#define GUARD_BYTES 64

struct call {
    struct line *line;
    struct worker *worker;
    struct place *place;
    vp_client *client;
    const char *reference;
    uint32_t wait_ms;
    union {
        vp_payment payment;
        unsigned char bytes[sizeof(vp_payment) + GUARD_BYTES];
    } out;
    union {
        vp_error error;
        unsigned char bytes[sizeof(vp_error) + GUARD_BYTES];
    } why;
    vp_payment *out_payment;
    vp_error *out_error;
    size_t payment_size;
    size_t error_size;
    struct answer answer;
};

void call_begin(struct call *call, struct worker *worker, struct line *line);
void call_end(struct call *call, int32_t rc);
/* Breaks the bench if anything was written behind the first `size` bytes. */
void check_guard(const unsigned char *bytes, size_t size, const char *what);

typedef int32_t command_fn(struct call *call);
/* driver_texts.c */
command_fn do_phone, do_next, do_text, do_split, do_version;
/* driver_office.c */
command_fn do_decide, do_write_off, do_export, do_import, do_storage, do_keys;
/* driver_webhook.c */
command_fn do_verify, do_apply, do_counts, do_register, do_webhooks, do_delete;

#endif
