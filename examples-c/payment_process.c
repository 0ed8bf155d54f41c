/* The payments of a meter as a process of their own: lines in, lines out. own_process.c is the meter's side.
 *
 *   in    RIDE <fare> <reference> <phone>    take a ride, or go on with it: the same reference is the same ride
 *         GIVE_UP                            while one is under way: the driver takes other payment
 *   out   READY <version> <build id>
 *         SHOW <reference> <verdict> <captured> <text for the driver>     at every change
 *         END <reference> <verdict> <captured> <code>                     the ride is over, or can go no further now
 *
 * Ends with its input. What it knows of the meter is what these lines say. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vpmeter.h>

static const char *verdict(const vp_payment *payment)
{
    switch (payment->verdict) {
    case VP_VERDICT_PAID_LEAVE: return "PAID_LEAVE";
    case VP_VERDICT_SECURED_LEAVE: return "SECURED_LEAVE";
    case VP_VERDICT_TAKE_OTHER_PAYMENT: return "TAKE_OTHER_PAYMENT";
    case VP_VERDICT_TAKE_OTHER_RELEASE_OWED: return "TAKE_OTHER_RELEASE_OWED";
    case VP_VERDICT_ASK_OFFICE: return "ASK_OFFICE";
    default: return "WAIT";
    }
}

static void on_payment(void *user, const vp_payment *payment)
{
    char text[97] = "";

    (void)user;
    (void)vp_driver_text(payment, "en", text, sizeof text, NULL, NULL);
    printf("SHOW %s %s %" PRId64 " %s\n", payment->reference, verdict(payment), payment->captured, text);
}

/* The meter is gone: stop here; what is recorded stays recorded, and the next start goes on with it. */
static int32_t on_tick(void *user, const char *reference, uint32_t waited_ms)
{
    struct pollfd input = { STDIN_FILENO, POLLIN, 0 };
    char line[64];

    (void)user, (void)reference, (void)waited_ms;
    if (poll(&input, 1, 0) < 1)
        return VP_TICK_GO_ON;
    if (!fgets(line, sizeof line, stdin))
        return VP_TICK_STOP_WAITING;
    return strcmp(line, "GIVE_UP\n") == 0 ? VP_TICK_GIVE_UP : VP_TICK_GO_ON;
}

static void take_ride(vp_client *client, int64_t fare, const char *reference, const char *phone)
{
    vp_push_payment request = VP_PUSH_PAYMENT_INIT;
    vp_ride ride = VP_RIDE_INIT;
    vp_payment payment = VP_PAYMENT_INIT;
    vp_error error = VP_ERROR_INIT;

    request.on_approval = VP_THEN_CAPTURE;
    request.amount = fare;
    request.currency = "NOK";
    request.reference = reference;
    request.phone = phone;
    ride.payment = &request;
    (void)vp_run_ride(client, &ride, 660000, &payment, &error);
    printf("END %s %s %" PRId64 " %s\n", reference, verdict(&payment), payment.captured, vp_status_name(error.code));
}

int main(void)
{
    vp_config config = VP_CONFIG_INIT;
    vp_hooks hooks = VP_HOOKS_INIT;
    vp_error error = VP_ERROR_INIT;
    vp_client *client = NULL;
    char line[256], reference[65], phone[33];
    int64_t fare;

    /* No line waits in a buffer: poll() sees what there is to read, the meter what there is to show. */
    setvbuf(stdin, NULL, _IONBF, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    hooks.on_payment = on_payment;
    hooks.on_tick = on_tick;
    config.hooks = &hooks;
    config.base_url = getenv("VPMETER_URL");
    config.ca_file = getenv("VPMETER_CA_FILE");
    config.client_id = getenv("VPMETER_CLIENT_ID");
    config.client_secret = getenv("VPMETER_CLIENT_SECRET");
    config.subscription_key = getenv("VPMETER_SUBSCRIPTION_KEY");
    config.msn = getenv("VPMETER_MSN");
    config.journal_dir = getenv("VPMETER_JOURNAL_DIR");
    config.market = "NO";
    config.device = "car-1";
    if (vp_client_open(&config, &client, &error) != VP_OK)
        return fprintf(stderr, "%s: %s %s\n", vp_status_name(error.code), error.field, error.message), 2;
    printf("READY %s %s\n", vp_version(), vp_build_id());
    (void)vp_settle(client, 10000, NULL, NULL, NULL); /* what the last run left open */
    while (fgets(line, sizeof line, stdin))
        if (sscanf(line, "RIDE %" SCNd64 " %64s %32[^\n]", &fare, reference, phone) == 3)
            take_ride(client, fare, reference, phone);
    return vp_client_close(client) == VP_OK ? 0 : 1;
}
