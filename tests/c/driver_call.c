#include "driver_call.h"

#include <string.h>

#include "driver_time.h"

struct place bench_places[BENCH_CLIENTS];

static int here;

void call_begin(struct call *call, struct worker *worker, struct line *line)
{
    const char *client = line_text(line, "client", "");
    int64_t place = line_number(line, "c", 0);
    memset(call, 0, sizeof *call);
    if (place < 0 || place >= BENCH_CLIENTS)
        bench_broken("c is out of range", line->command);
    call->line = line;
    call->worker = worker;
    call->place = &bench_places[place];
    call->client = call->place->client;
    if (client == NULL)
        call->client = NULL;
    else if (strcmp(client, "stale") == 0)
        call->client = call->place->closed;
    else if (strcmp(client, "foreign") == 0)
        call->client = (vp_client *)(void *)&here;
    call->reference = line_text(line, "ref", "trip-0001");
    call->wait_ms = (uint32_t)line_number(line, "wait", 60000);

    memset(call->out.bytes, GUARD, sizeof call->out.bytes);
    memset(call->why.bytes, GUARD, sizeof call->why.bytes);
    call->payment_size = (size_t)line_number(line, "payment_size", (int64_t)sizeof(vp_payment));
    call->error_size = (size_t)line_number(line, "error_size", (int64_t)sizeof(vp_error));
    vp_payment_init(&call->out.payment, (uint32_t)sizeof(vp_payment));
    vp_error_init(&call->why.error, (uint32_t)sizeof(vp_error));
    call->out.payment.struct_size = (uint32_t)call->payment_size;
    call->why.error.struct_size = (uint32_t)call->error_size;
    call->out_payment = line_is(line, "payment", "none") ? NULL : &call->out.payment;
    call->out_error = line_is(line, "error", "none") ? NULL : &call->why.error;

    worker->client = call->client;
    worker->ticks = 0;
    worker->longest_gap = 0;
    worker->began = worker->last_tick = real_monotonic_ms(NULL);
    answer_begin(&call->answer, "result");
    answer_text(&call->answer, "command", line->command);
    answer_number(&call->answer, "thread", worker->number);
}

void check_guard(const unsigned char *bytes, size_t size, const char *what)
{
    size_t i;
    for (i = size; i < size + GUARD_BYTES; i++) {
        if (bytes[i] != GUARD)
            bench_broken("the library wrote behind the end of", what);
    }
}

void call_end(struct call *call, int32_t rc)
{
    const vp_payment *payment = &call->out.payment;
    const vp_error *error = &call->why.error;
    int64_t now = real_monotonic_ms(NULL);
    if (now - call->worker->last_tick > call->worker->longest_gap)
        call->worker->longest_gap = now - call->worker->last_tick;
    check_guard(call->out.bytes, sizeof(vp_payment), "out_payment");
    check_guard(call->why.bytes, sizeof(vp_error), "out_error");
    answer_text(&call->answer, "rc", vp_status_name(rc));
    answer_number(&call->answer, "ms", now - call->worker->began);
    answer_number(&call->answer, "ticks", call->worker->ticks);
    answer_number(&call->answer, "gap", call->worker->longest_gap);
    if (call->out_error != NULL && error->struct_size == sizeof(vp_error)) {
        if (error->code != rc)
            bench_broken("vp_error.code is not what was returned", call->line->command);
        answer_text(&call->answer, "cause", name_of_cause(error->cause));
        answer_number(&call->answer, "http", error->http_status);
        answer_number(&call->answer, "vipps", error->vipps_code);
        answer_number(&call->answer, "retry", error->retry);
        answer_number(&call->answer, "who", error->who);
        answer_text(&call->answer, "field", error->field);
        answer_text(&call->answer, "message", error->message);
        answer_text(&call->answer, "trace", error->trace_id);
    }
    if (call->out_payment != NULL && payment->struct_size == sizeof(vp_payment) && payment->state != 0)
        answer_payment(&call->answer, payment);
    answer_send(&call->answer);
}
