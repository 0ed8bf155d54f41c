/* Webhooks: what came, what was heard of, and what became of it. */
#include <stdio.h>
#include <string.h>

#include "driver_call.h"

#define HEADERS 20

int32_t do_verify(struct call *call)
{
    struct line *line = call->line;
    const char *headers[2 * HEADERS + 1];
    vp_webhook webhook = VP_WEBHOOK_INIT;
    union {
        vp_webhook_event event;
        unsigned char bytes[sizeof(vp_webhook_event) + GUARD_BYTES];
    } out;
    vp_webhook_event *event = &out.event;
    int64_t size = line_number(line, "event_size", (int64_t)sizeof(vp_webhook_event));
    int32_t rc;
    int i;
    memset(&out, GUARD, sizeof out);
    memset(&out, 'x', sizeof(vp_webhook_event));
    event->struct_size = (uint32_t)size;
    webhook.struct_size = (uint32_t)line_number(line, "webhook_size", (int64_t)sizeof webhook);
    webhook.method = line_text(line, "method", "POST");
    webhook.target = line_text(line, "target", "/hook");
    webhook.host = line_text(line, "host", NULL);
    webhook.body = line_text(line, "body", "");
    webhook.body_size = (uint32_t)line_number(
        line, "body_size", webhook.body == NULL ? 0 : (int64_t)strlen((const char *)webhook.body));
    webhook.secret = line_text(line, "secret", "secret");
    webhook.now_ms = line_number(line, "now", 0);
    webhook.fresh_ms = (uint32_t)line_number(line, "fresh", 0);
    webhook.reserved = (uint32_t)line_number(line, "reserved", 0);
    for (i = 0; i < HEADERS; i++) {
        char name[8], value[8];
        snprintf(name, sizeof name, "h%d", i);
        snprintf(value, sizeof value, "v%d", i);
        if (!line_has(line, name))
            break;
        headers[2 * i] = line_text(line, name, NULL);
        headers[2 * i + 1] = line_text(line, value, "");
    }
    headers[2 * i] = NULL;
    webhook.headers = line_is(line, "headers", "none") ? NULL : headers;
    rc = vp_webhook_verify(line_is(line, "webhook", "none") ? NULL : &webhook,
                           line_is(line, "event", "none") ? NULL : event, call->out_error);
    check_guard(out.bytes, sizeof(vp_webhook_event), "vp_webhook_event");
    if (size >= (int64_t)sizeof(vp_webhook_event) && !line_is(line, "event", "none")) {
        answer_text(&call->answer, "ref", event->reference);
        answer_text(&call->answer, "name", event->name);
        answer_text(&call->answer, "msn", event->msn);
        answer_text(&call->answer, "currency", event->currency);
        answer_text(&call->answer, "psp", event->psp_reference);
        answer_text(&call->answer, "key", event->idempotency_key);
        answer_number(&call->answer, "amount", event->amount);
        answer_number(&call->answer, "success", event->success);
        answer_number(&call->answer, "timestamp", event->timestamp);
        answer_number(&call->answer, "signed_at", event->signed_at);
    }
    return rc;
}

int32_t do_apply(struct call *call)
{
    return vp_apply_webhook(call->client, call->reference, line_text(call->line, "name", NULL),
                            line_text(call->line, "msn", NULL), call->wait_ms, call->out_payment, call->out_error);
}

int32_t do_counts(struct call *call)
{
    vp_webhook_counts counts = VP_WEBHOOK_COUNTS_INIT;
    int32_t rc;
    counts.struct_size = (uint32_t)line_number(call->line, "counts_size", (int64_t)sizeof counts);
    rc = vp_webhook_count(call->client, line_is(call->line, "counts", "none") ? NULL : &counts, call->out_error);
    answer_number(&call->answer, "applied", counts.applied);
    answer_number(&call->answer, "known", counts.known);
    answer_number(&call->answer, "unknown", counts.unknown);
    answer_number(&call->answer, "reads", counts.reads);
    return rc;
}

int32_t do_register(struct call *call)
{
    struct line *line = call->line;
    union {
        char text[VP_WEBHOOK_SECRET_SIZE];
        unsigned char bytes[VP_WEBHOOK_SECRET_SIZE + GUARD_BYTES];
    } id, secret;
    uint32_t id_size = (uint32_t)line_number(line, "id_size", VP_WEBHOOK_ID_SIZE);
    uint32_t secret_size = (uint32_t)line_number(line, "secret_size", VP_WEBHOOK_SECRET_SIZE);
    int32_t rc;
    memset(&id, GUARD, sizeof id);
    memset(&secret, GUARD, sizeof secret);
    id.text[0] = secret.text[0] = '\0';
    rc = vp_register_webhook(call->client, line_text(line, "url", NULL), line_text(line, "events", NULL), call->wait_ms,
                             line_is(line, "id", "none") ? NULL : id.text, id_size,
                             line_is(line, "secret", "none") ? NULL : secret.text, secret_size, call->out_error);
    check_guard(id.bytes, id_size > 0 ? id_size : 1, "out_id");
    check_guard(secret.bytes, secret_size > 0 ? secret_size : 1, "out_secret");
    answer_text(&call->answer, "id", id.text);
    answer_text(&call->answer, "secret", secret.text);
    return rc;
}

static int32_t tell_webhook(void *user, const char *id, const char *url, const char *events)
{
    struct answer answer;
    (void)user;
    answer_begin(&answer, "event");
    answer_text(&answer, "kind", "webhook");
    answer_text(&answer, "id", id);
    answer_text(&answer, "url", url);
    answer_text(&answer, "events", events);
    answer_send(&answer);
    return 0;
}

int32_t do_webhooks(struct call *call)
{
    return vp_list_webhooks(call->client, line_is(call->line, "each", "none") ? NULL : tell_webhook, NULL,
                            call->wait_ms, call->out_error);
}

int32_t do_delete(struct call *call)
{
    return vp_delete_webhook(call->client, line_text(call->line, "id", NULL), call->wait_ms, call->out_error);
}
