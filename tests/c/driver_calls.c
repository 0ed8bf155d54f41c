/* The commands: one call of the library each, with every argument in the hands of the test. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_call.h"
#include "driver_request.h"
#include "driver_time.h"

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
    config.gateway = (int32_t)line_number(line, "gateway", 0);
    config.gateway_header_name = line_text(line, "gateway_header_name", NULL);
    config.gateway_header_value = line_text(line, "gateway_header_value", NULL);
    config.client_cert_file = line_text(line, "client_cert_file", NULL);
    config.client_key_file = line_text(line, "client_key_file", NULL);
    config.source_address = line_text(line, "source_address", NULL);
    config.interface_name = line_text(line, "interface_name", NULL);
    config.addresses = line_text(line, "addresses", NULL);
    config.proxy_url = line_text(line, "proxy_url", NULL);
    config.proxy_user = line_text(line, "proxy_user", NULL);
    config.proxy_password = line_text(line, "proxy_password", NULL);
    config.keep_idle_ms = (uint32_t)line_number(line, "keep_idle", 0);
    config.reserved = (uint32_t)line_number(line, "reserved", 0);
    if (control != NULL)
        moved_time_start(control);
    moved_time_coarse(line_number(line, "coarse", 0));
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
    filter.guaranteed_before = line_number(line, "guaranteed_before", 0);
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
    else if (strcmp(what, "store") == 0)
        store_behave(call->line);
    else if (strcmp(what, "transport") == 0)
        transport_behave(call->line);
    else if (strcmp(what, "token") == 0)
        token_behave(call->line);
    else if (strcmp(what, "inside") == 0)
        hooks_inside(call->line);
    else
        hooks_die(call->line);
    call->out_error = NULL;
    return VP_OK;
}

static int32_t do_late(struct call *call)
{
    call->out_error = NULL;
    return transport_late();
}

/* What the compiler says of the structs. */
static int32_t do_sizes(struct call *call)
{
    answer_number(&call->answer, "vp_payment", (int64_t)sizeof(vp_payment));
    answer_number(&call->answer, "vp_error", (int64_t)sizeof(vp_error));
    answer_number(&call->answer, "vp_push_payment", (int64_t)sizeof(vp_push_payment));
    answer_number(&call->answer, "vp_ride", (int64_t)sizeof(vp_ride));
    answer_number(&call->answer, "vp_filter", (int64_t)sizeof(vp_filter));
    answer_number(&call->answer, "vp_receipt", (int64_t)sizeof(vp_receipt));
    answer_number(&call->answer, "vp_order_line", (int64_t)sizeof(vp_order_line));
    answer_number(&call->answer, "vp_config", (int64_t)sizeof(vp_config));
    answer_number(&call->answer, "vp_hooks", (int64_t)sizeof(vp_hooks));
    answer_number(&call->answer, "vp_storage", (int64_t)sizeof(vp_storage));
    answer_number(&call->answer, "vp_webhook", (int64_t)sizeof(vp_webhook));
    answer_number(&call->answer, "vp_webhook_event", (int64_t)sizeof(vp_webhook_event));
    answer_number(&call->answer, "vp_webhook_counts", (int64_t)sizeof(vp_webhook_counts));
    call->out_error = NULL;
    return VP_OK;
}

/* How many files this process has open. */
static int32_t do_files(struct call *call)
{
    DIR *all = opendir("/proc/self/fd");
    int64_t count = 0;
    if (all == NULL)
        bench_broken("cannot count open files", "/proc/self/fd");
    while (readdir(all) != NULL)
        count++;
    closedir(all);
    answer_number(&call->answer, "open", count);
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
    {"inside", do_bench},  {"die", do_bench},           {"store", do_bench},     {"token", do_bench},
    {"decide", do_decide}, {"write_off", do_write_off}, {"transport", do_bench}, {"late", do_late},
    {"files", do_files},   {"sizes", do_sizes},
    {"keys", do_keys}, {"export", do_export}, {"import", do_import},       {"storage", do_storage},
    {"verify", do_verify}, {"apply", do_apply},         {"counts", do_counts},
    {"register", do_register}, {"webhooks", do_webhooks}, {"delete", do_delete},
};

void carry_out(struct worker *worker, struct line *line)
{
    struct call call;
    size_t i;
    for (i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, line->command) == 0) {
            int32_t rc;
            const char *unused;
            call_begin(&call, worker, line);
            rc = commands[i].run(&call);
            unused = line_unused(line);
            if (unused != NULL)
                bench_broken("nobody asked for the field", unused);
            call_end(&call, rc);
            return;
        }
    }
    bench_broken("no such command", line->command);
}
