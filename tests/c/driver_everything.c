#include "driver_bench.h"

static void tell_nothing(void *user, const char *reference, const char *record)
{
    (void)user;
    (void)reference;
    (void)record;
}

static int32_t tell_webhook(void *user, const char *id, const char *url, const char *events)
{
    (void)user;
    (void)id;
    (void)url;
    (void)events;
    return 0;
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
    vp_storage storage = VP_STORAGE_INIT;
    vp_webhook webhook = VP_WEBHOOK_INIT;
    vp_webhook_event heard = VP_WEBHOOK_EVENT_INIT;
    vp_webhook_counts counts = VP_WEBHOOK_COUNTS_INIT;
    const char *const no_headers[] = {NULL};
    vp_client *other = NULL;
    const char *ref = "trip-0001";
    char text[100], secret[VP_WEBHOOK_SECRET_SIZE];
    int64_t excluding, vat;
    int none = 1;
#define TRY(name, call) answer_text(&answer, name, vp_status_name(call))
    ride.payment = &request;
    paid.message = VP_MSG_PAID;
    webhook.method = "POST";
    webhook.target = "/hook";
    webhook.headers = no_headers;
    webhook.secret = "secret";
    answer_begin(&answer, "event");
    answer_text(&answer, "kind", "inside");
    answer_text(&answer, "where", where);
    TRY("vp_client_open", vp_client_open(&config, &other, &error));
    TRY("vp_client_close", vp_client_close(client));
    TRY("vp_worker_run", vp_worker_run(client, 10, &error));
    TRY("vp_set_credentials", vp_set_credentials(client, "id", "secret", "key", &error));
    TRY("vp_create_push_payment", vp_create_push_payment(client, &request, 10, &payment, &error));
    TRY("vp_poll", vp_poll(client, ref, 10, &payment, &error));
    TRY("vp_post_receipt", vp_post_receipt(client, ref, &receipt, 10, &payment, &error));
    TRY("vp_capture", vp_capture(client, ref, 100, 0, 10, &payment, &error));
    TRY("vp_run_ride", vp_run_ride(client, &ride, 10, &payment, &error));
    TRY("vp_cancel", vp_cancel(client, ref, VP_CANCEL_GIVE_UP, 10, &payment, &error));
    TRY("vp_refund", vp_refund(client, ref, 100, 0, 10, &payment, &error));
    TRY("vp_get_events", vp_get_events(client, ref, tell_event, &none, 10, &error));
    TRY("vp_settle", vp_settle(client, 10, NULL, NULL, &error));
    TRY("vp_decide", vp_decide(client, ref, VP_DECIDE_GIVE_UP, 10, &payment, &error));
    TRY("vp_write_off", vp_write_off(client, ref, "reason", &payment, &error));
    TRY("vp_export_payments", vp_export_payments(client, tell_nothing, NULL, &error));
    TRY("vp_import_payment", vp_import_payment(client, "{}", &error));
    TRY("vp_storage_cost", vp_storage_cost(client, &storage, &error));
    TRY("vp_apply_webhook", vp_apply_webhook(client, ref, "AUTHORIZED", NULL, 10, &payment, &error));
    TRY("vp_register_webhook",
        vp_register_webhook(client, "https://h.no/", NULL, 10, text, 64, secret, sizeof secret, &error));
    TRY("vp_list_webhooks", vp_list_webhooks(client, tell_webhook, NULL, 10, &error));
    TRY("vp_delete_webhook", vp_delete_webhook(client, "id", 10, &error));
    TRY("vp_webhook_count", vp_webhook_count(client, &counts, &error));
    TRY("vp_webhook_verify", vp_webhook_verify(&webhook, &heard, &error));
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
