/* A whole ride in one call: minimal FARE PHONE [REFERENCE]
 *
 * FARE is in minor units: 24900 is 249.00 kroner. The same REFERENCE is the same ride: start the program again with it
 * after a power cut, and it goes on where it was; the passenger is charged once. Exits 0 only if the ride is paid. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <vpmeter.h>

int main(int argc, char **argv)
{
    vp_config config = VP_CONFIG_INIT;
    vp_order_line line = VP_ORDER_LINE_INIT;
    vp_receipt receipt = VP_RECEIPT_INIT;
    vp_push_payment request = VP_PUSH_PAYMENT_INIT;
    vp_ride ride = VP_RIDE_INIT;
    vp_payment payment = VP_PAYMENT_INIT;
    vp_error error = VP_ERROR_INIT;
    vp_client *client = NULL;
    char *end = NULL, reference[32], text[97] = "";

    if (argc < 3 || (request.amount = strtoll(argv[1], &end, 10)) <= 0 || *end != '\0')
        return fprintf(stderr, "usage: %s FARE PHONE [REFERENCE]; FARE in minor units\n", argv[0]), 2;
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

    line.id = "ride", line.name = "Taxi", line.vat_rate = 1200, line.total = request.amount;
    vp_split_gross(line.total, line.vat_rate, &line.total_excluding_vat, &line.vat, NULL);
    receipt.lines = &line, receipt.line_count = 1;
    sprintf(reference, "minimal-%lld", (long long)time(NULL));
    request.reference = argc > 3 ? argv[3] : reference;
    request.on_approval = VP_THEN_CAPTURE;
    request.currency = "NOK";
    request.phone = argv[2];
    request.description = "Taxi";
    request.receipt = &receipt;
    ride.payment = &request;

    vp_settle(client, 10000, NULL, NULL, NULL); /* first what the last run left open */
    vp_run_ride(client, &ride, 660000, &payment, &error);
    if (vp_driver_text(&payment, "en", text, sizeof text, NULL, NULL) != VP_OK)
        printf("%s: %s %s\n", vp_status_name(error.code), error.field, error.message);
    printf("%s\n", text);
    vp_client_close(client);
    return payment.verdict == VP_VERDICT_PAID_LEAVE ? 0 : 1;
}
