/* What the office does. */
#include <string.h>

#include "driver_call.h"

int32_t do_decide(struct call *call)
{
    const char *what = line_text(call->line, "what", "capture");
    int32_t decision = strcmp(what, "capture") == 0   ? VP_DECIDE_CAPTURE
                       : strcmp(what, "give_up") == 0 ? VP_DECIDE_GIVE_UP
                                                      : 0;
    return vp_decide(call->client, call->reference, decision, call->wait_ms, call->out_payment, call->out_error);
}

int32_t do_write_off(struct call *call)
{
    return vp_write_off(call->client, call->reference, line_text(call->line, "reason", "settled by hand"),
                        call->out_payment, call->out_error);
}

static void tell_record(void *user, const char *reference, const char *record)
{
    struct answer answer;
    (void)user;
    answer_begin(&answer, "event");
    answer_text(&answer, "kind", "record");
    answer_text(&answer, "ref", reference);
    answer_text(&answer, "record", record);
    answer_send(&answer);
}

int32_t do_export(struct call *call)
{
    return vp_export_payments(call->client, line_is(call->line, "each", "none") ? NULL : tell_record, NULL,
                              call->out_error);
}

int32_t do_import(struct call *call)
{
    return vp_import_payment(call->client, line_text(call->line, "record", NULL), call->out_error);
}

int32_t do_keys(struct call *call)
{
    struct line *line = call->line;
    return vp_set_credentials(call->client, line_text(line, "client_id", "sim-client-id"),
                              line_text(line, "client_secret", "sim-client-secret"),
                              line_text(line, "subscription_key", "sim-subscription-key"), call->out_error);
}

int32_t do_storage(struct call *call)
{
    vp_storage storage = VP_STORAGE_INIT;
    int32_t rc;
    storage.struct_size = (uint32_t)line_number(call->line, "storage_size", (int64_t)sizeof storage);
    rc = vp_storage_cost(call->client, line_is(call->line, "storage", "none") ? NULL : &storage,
                         call->out_error);
    answer_number(&call->answer, "file_syncs", storage.file_syncs);
    answer_number(&call->answer, "directory_syncs", storage.directory_syncs);
    answer_number(&call->answer, "longest_sync_ms", storage.longest_sync_ms);
    return rc;
}
