/* The commands: one call of the library each, with every argument in the hands of the test. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_bench.h"
#include "driver_request.h"
#include "driver_time.h"

struct place bench_places[BENCH_CLIENTS];

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

static int here;

static void begin(struct call *call, struct worker *worker, struct line *line)
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

static void check_guard(const unsigned char *bytes, size_t size, const char *what)
{
    size_t i;
    for (i = size; i < size + GUARD_BYTES; i++) {
        if (bytes[i] != GUARD)
            bench_broken("the library wrote behind the end of", what);
    }
}

static void end(struct call *call, int32_t rc)
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

static int32_t do_open(struct call *call)
{
    struct line *line = call->line;
    vp_config config = VP_CONFIG_INIT;
    vp_hooks hooks = VP_HOOKS_INIT;
    vp_client *client = NULL;
    const char *control = line_text(line, "control", NULL);
    int32_t rc;
    config.struct_size = (uint32_t)line_number(line, "config_size", (int64_t)sizeof config);
    config.header_version = (uint32_t)line_number(line, "header_version", VP_HEADER_VERSION);
    config.base_url = line_text(line, "base_url", NULL);
    config.client_id = line_text(line, "client_id", "sim-client-id");
    config.client_secret = line_text(line, "client_secret", "sim-client-secret");
    config.subscription_key = line_text(line, "subscription_key", "sim-subscription-key");
    config.msn = line_text(line, "msn", "123456");
    config.market = line_text(line, "market", "NO");
    config.device = line_text(line, "device", "car-7");
    config.journal_dir = line_text(line, "journal", NULL);
    config.ca_file = line_text(line, "ca_file", NULL);
    config.system_name = line_text(line, "system_name", NULL);
    config.system_version = line_text(line, "system_version", NULL);
    config.plugin_name = line_text(line, "plugin_name", NULL);
    config.plugin_version = line_text(line, "plugin_version", NULL);
    config.request_ms = (uint32_t)line_number(line, "request_ms", 0);
    config.connect_ms = (uint32_t)line_number(line, "connect_ms", 0);
    config.poll_first_ms = (uint32_t)line_number(line, "poll_first", 0);
    config.poll_every_ms = (uint32_t)line_number(line, "poll_every", 0);
    config.allow_refund = (int32_t)line_number(line, "allow_refund", 1);
    config.reserved = (uint32_t)line_number(line, "reserved", 0);
    if (control != NULL)
        moved_time_start(control);
    hooks_fill(&hooks, line, call->place);
    hooks.struct_size = (uint32_t)line_number(line, "hooks_size", (int64_t)sizeof hooks);
    hooks.payment_size = (uint32_t)line_number(line, "hooks_payment_size", (int64_t)sizeof(vp_payment));
    config.hooks = &hooks;
    rc = vp_client_open(line_is(line, "config", "none") ? NULL : &config,
                        line_is(line, "out_client", "none") ? NULL : &client, call->out_error);
    if ((rc == VP_OK) != (client != NULL))
        bench_broken("out_client is written on success only", "vp_client_open");
    if (rc == VP_OK)
        call->place->client = client;
    return rc;
}

static int32_t do_close(struct call *call)
{
    int32_t rc = vp_client_close(call->client);
    if (rc == VP_OK && call->client == call->place->client) {
        call->place->closed = call->client;
        call->place->client = NULL;
    }
    call->out_error = NULL;
    return rc;
}

static int32_t do_create(struct call *call)
{
    struct request request;
    request_read(&request, call->line);
    return vp_create_push_payment(call->client, request.given, call->wait_ms, call->out_payment, call->out_error);
}

static int32_t do_ride(struct call *call)
{
    struct request request;
    vp_ride ride = VP_RIDE_INIT;
    request_read(&request, call->line);
    ride.struct_size = (uint32_t)line_number(call->line, "ride_size", (int64_t)sizeof ride);
    ride.receipt_ms = (uint32_t)line_number(call->line, "receipt_ms", 0);
    ride.payment = request.given;
    return vp_run_ride(call->client, line_is(call->line, "ride", "none") ? NULL : &ride, call->wait_ms,
                       call->out_payment, call->out_error);
}

static int32_t do_poll(struct call *call)
{
    return vp_poll(call->client, call->reference, call->wait_ms, call->out_payment, call->out_error);
}

static int32_t do_receipt(struct call *call)
{
    struct receipt receipt;
    receipt_read(&receipt, call->line);
    return vp_post_receipt(call->client, call->reference, receipt.given, call->wait_ms, call->out_payment,
                           call->out_error);
}

static uint32_t flags_of(struct line *line)
{
    uint32_t flags = (uint32_t)line_number(line, "flags", 0);
    if (line_has(line, "nth"))
        flags |= VP_NTH(line_number(line, "nth", 1));
    if (line_number(line, "final", 0) != 0)
        flags |= VP_CAPTURE_FINAL;
    return flags;
}

static int32_t do_capture(struct call *call)
{
    return vp_capture(call->client, call->reference, line_number(call->line, "amount", 0), flags_of(call->line),
                      call->wait_ms, call->out_payment, call->out_error);
}

static int32_t do_refund(struct call *call)
{
    return vp_refund(call->client, call->reference, line_number(call->line, "amount", 0), flags_of(call->line),
                     call->wait_ms, call->out_payment, call->out_error);
}

static int32_t do_cancel(struct call *call)
{
    const char *how = line_text(call->line, "how", "if_not_approved");
    int32_t number = strcmp(how, "if_not_approved") == 0 ? VP_CANCEL_IF_NOT_APPROVED
                     : strcmp(how, "give_up") == 0       ? VP_CANCEL_GIVE_UP
                     : strcmp(how, "release_rest") == 0  ? VP_CANCEL_RELEASE_REST
                                                         : atoi(how);
    return vp_cancel(call->client, call->reference, number, call->wait_ms, call->out_payment, call->out_error);
}

static int32_t do_known(struct call *call)
{
    return vp_known_payment(call->client, call->reference, call->out_payment, call->out_error);
}

static int32_t do_settle(struct call *call)
{
    vp_payment_fn each = line_is(call->line, "each", "none") ? NULL : tell_payment;
    return vp_settle(call->client, call->wait_ms, each, NULL, call->out_error);
}

static int32_t do_list(struct call *call)
{
    struct line *line = call->line;
    vp_filter filter = VP_FILTER_INIT;
    int left = (int)line_number(line, "most", 100000);
    filter.struct_size = (uint32_t)line_number(line, "filter_size", (int64_t)sizeof filter);
    filter.which = (int32_t)line_number(line, "which", 0);
    filter.owed = (uint32_t)line_number(line, "owed", 0);
    filter.since = line_number(line, "since", 0);
    filter.until = line_number(line, "until", 0);
    filter.trip = line_text(line, "trip", NULL);
    return vp_list_payments(call->client, line_is(line, "filter", "none") ? NULL : &filter,
                            line_is(line, "each", "none") ? NULL : tell_listed, &left, call->out_error);
}

static int32_t do_events(struct call *call)
{
    int left = (int)line_number(call->line, "most", 100000);
    return vp_get_events(call->client, call->reference, line_is(call->line, "each", "none") ? NULL : tell_event, &left,
                         call->wait_ms, call->out_error);
}

static int32_t do_work(struct call *call)
{
    return vp_worker_run(call->client, call->wait_ms, call->out_error);
}

static int32_t do_interrupt(struct call *call)
{
    vp_interrupt(call->client, line_text(call->line, "ref", NULL));
    call->out_error = NULL;
    return VP_OK;
}

/* The call that runs on another thread gets a signal, whose handler interrupts client 0. */
static int32_t do_signal(struct call *call)
{
    int64_t number = line_number(call->line, "to", 1);
    if (number < 1 || number >= BENCH_THREADS)
        bench_broken("to is out of range", "signal");
    pthread_kill(bench_workers[number].thread, SIGUSR1);
    call->out_error = NULL;
    return VP_OK;
}

#define TEXT_BYTES 256

/* A text out of the library: `size` bytes of buffer, and what lies behind them is looked at. */
struct text {
    char bytes[TEXT_BYTES + GUARD_BYTES];
    uint32_t size;
    uint32_t needed;
    char *out;
};

static void text_begin(struct text *text, struct line *line)
{
    int64_t size = line_number(line, "size", TEXT_BYTES);
    if (size < 0 || size > TEXT_BYTES)
        bench_broken("size is out of range", line->command);
    memset(text->bytes, GUARD, sizeof text->bytes);
    text->size = (uint32_t)size;
    text->needed = 0;
    text->out = line_is(line, "out", "none") ? NULL : text->bytes;
}

static int32_t text_end(struct text *text, struct call *call, int32_t rc)
{
    check_guard((unsigned char *)text->bytes, text->size, call->line->command);
    answer_number(&call->answer, "needed", text->needed);
    if (text->size > 0 && (rc == VP_OK || rc == VP_ERR_BUFFER_TOO_SMALL))
        answer_text(&call->answer, "text", text->bytes);
    return rc;
}

static int32_t do_phone(struct call *call)
{
    struct text text;
    text_begin(&text, call->line);
    return text_end(&text, call,
                    vp_normalize_phone(line_text(call->line, "typed", "91234567"), line_text(call->line, "market", "NO"),
                                       text.out, text.size, &text.needed, call->out_error));
}

static int32_t do_next(struct call *call)
{
    struct text text;
    text_begin(&text, call->line);
    return text_end(&text, call,
                    vp_next_reference(line_text(call->line, "previous", "trip-0001"), text.out, text.size, &text.needed,
                                      call->out_error));
}

/* The driver's words for a payment as it is known here, or for any message. */
static int32_t do_text(struct call *call)
{
    struct text text;
    vp_payment payment = VP_PAYMENT_INIT;
    if (line_has(call->line, "message"))
        payment.message = (int32_t)line_number(call->line, "message", 0);
    else
        vp_known_payment(call->client, call->reference, &payment, NULL);
    payment.struct_size = (uint32_t)call->payment_size;
    text_begin(&text, call->line);
    return text_end(&text, call,
                    vp_driver_text(call->out_payment == NULL ? NULL : &payment, line_text(call->line, "language", "nb"),
                                   text.out, text.size, &text.needed, call->out_error));
}

static int32_t do_split(struct call *call)
{
    int64_t excluding = -1;
    int64_t vat = -1;
    int32_t rc = vp_split_gross(line_number(call->line, "gross", 0), (int32_t)line_number(call->line, "rate", 0),
                                line_is(call->line, "excluding", "none") ? NULL : &excluding,
                                line_is(call->line, "vat", "none") ? NULL : &vat, call->out_error);
    answer_number(&call->answer, "excluding", excluding);
    answer_number(&call->answer, "vat", vat);
    return rc;
}

static int32_t do_version(struct call *call)
{
    answer_text(&call->answer, "version", vp_version());
    answer_number(&call->answer, "number", vp_version_number());
    answer_text(&call->answer, "header", VPMETER_VERSION);
    answer_number(&call->answer, "header_number", VPMETER_VERSION_NUMBER);
    call->out_error = NULL;
    return VP_OK;
}

/* The bench's own: time, and how the callbacks behave. */
static int32_t do_bench(struct call *call)
{
    const char *what = call->line->command;
    if (strcmp(what, "advance") == 0)
        moved_time_advance(line_number(call->line, "ms", 0));
    else if (strcmp(what, "jump_wall") == 0)
        moved_time_jump_wall(line_number(call->line, "ms", 0));
    else if (strcmp(what, "tick") == 0)
        hooks_tick(call->line);
    else if (strcmp(what, "inside") == 0)
        hooks_inside(call->line);
    else
        hooks_die(call->line);
    call->out_error = NULL;
    return VP_OK;
}

static const struct {
    const char *name;
    int32_t (*run)(struct call *call);
} commands[] = {
    {"open", do_open},     {"close", do_close},         {"create", do_create},   {"ride", do_ride},
    {"poll", do_poll},     {"receipt", do_receipt},     {"capture", do_capture}, {"refund", do_refund},
    {"cancel", do_cancel}, {"known", do_known},         {"settle", do_settle},   {"list", do_list},
    {"events", do_events}, {"work", do_work},           {"interrupt", do_interrupt}, {"signal", do_signal},
    {"phone", do_phone},   {"next", do_next},           {"text", do_text},       {"split", do_split},
    {"version", do_version}, {"advance", do_bench},     {"jump_wall", do_bench}, {"tick", do_bench},
    {"inside", do_bench},  {"die", do_bench},
};

void carry_out(struct worker *worker, struct line *line)
{
    struct call call;
    size_t i;
    for (i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, line->command) == 0) {
            int32_t rc;
            const char *unused;
            begin(&call, worker, line);
            rc = commands[i].run(&call);
            unused = line_unused(line);
            if (unused != NULL && strcmp(unused, "ref") != 0 && strcmp(unused, "wait") != 0)
                bench_broken("nobody asked for the field", unused);
            end(&call, rc);
            return;
        }
    }
    bench_broken("no such command", line->command);
}

/* Every function of the library once, from inside a callback: which of them answer? */
void call_everything(vp_client *client, const char *where)
{
    struct answer answer;
    vp_config config = VP_CONFIG_INIT;
    vp_push_payment request = VP_PUSH_PAYMENT_INIT;
    vp_receipt receipt = VP_RECEIPT_INIT;
    vp_ride ride = VP_RIDE_INIT;
    vp_payment payment = VP_PAYMENT_INIT;
    vp_payment paid = VP_PAYMENT_INIT;
    vp_error error = VP_ERROR_INIT;
    vp_client *other = NULL;
    const char *ref = "trip-0001";
    char text[100];
    int64_t excluding, vat;
    int none = 1;
#define TRY(name, call) answer_text(&answer, name, vp_status_name(call))
    ride.payment = &request;
    paid.message = VP_MSG_PAID;
    answer_begin(&answer, "event");
    answer_text(&answer, "kind", "inside");
    answer_text(&answer, "where", where);
    TRY("vp_client_open", vp_client_open(&config, &other, &error));
    TRY("vp_client_close", vp_client_close(client));
    TRY("vp_worker_run", vp_worker_run(client, 10, &error));
    TRY("vp_create_push_payment", vp_create_push_payment(client, &request, 10, &payment, &error));
    TRY("vp_poll", vp_poll(client, ref, 10, &payment, &error));
    TRY("vp_post_receipt", vp_post_receipt(client, ref, &receipt, 10, &payment, &error));
    TRY("vp_capture", vp_capture(client, ref, 100, 0, 10, &payment, &error));
    TRY("vp_run_ride", vp_run_ride(client, &ride, 10, &payment, &error));
    TRY("vp_cancel", vp_cancel(client, ref, VP_CANCEL_GIVE_UP, 10, &payment, &error));
    TRY("vp_refund", vp_refund(client, ref, 100, 0, 10, &payment, &error));
    TRY("vp_get_events", vp_get_events(client, ref, tell_event, &none, 10, &error));
    TRY("vp_settle", vp_settle(client, 10, NULL, NULL, &error));
    TRY("vp_known_payment", vp_known_payment(client, ref, &payment, &error));
    TRY("vp_list_payments", vp_list_payments(client, NULL, tell_listed, &none, &error));
    TRY("vp_normalize_phone", vp_normalize_phone("91234567", "NO", text, sizeof text, NULL, &error));
    TRY("vp_split_gross", vp_split_gross(100, 1200, &excluding, &vat, &error));
    TRY("vp_next_reference", vp_next_reference(ref, text, sizeof text, NULL, &error));
    TRY("vp_driver_text", vp_driver_text(&paid, "nb", text, sizeof text, NULL, &error));
#undef TRY
    answer_text(&answer, "vp_version", vp_version());
    answer_send(&answer);
}
