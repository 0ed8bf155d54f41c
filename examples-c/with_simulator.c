/* A test of a meter, with its own servers: with_simulator [PROGRAM]
 *
 * Starts vp-simulator (PROGRAM, else VPMETER_SIMULATOR, else the one on the PATH), takes one ride against it, stops it and
 * leaves nothing behind. Exits 0 only if the ride is paid. simulator.h and simulator.c are there to be copied. */
#define _XOPEN_SOURCE 700
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include <vpmeter.h>

#include "simulator.h"

static int take_ride(const struct simulator *servers, const char *journal)
{
    vp_config config = VP_CONFIG_INIT;
    vp_push_payment request = VP_PUSH_PAYMENT_INIT;
    vp_ride ride = VP_RIDE_INIT;
    vp_payment payment = VP_PAYMENT_INIT;
    vp_error error = VP_ERROR_INIT;
    vp_client *client = NULL;

    config.base_url = servers->url;
    config.ca_file = servers->ca_file[0] ? servers->ca_file : NULL;
    config.client_id = "sim-client-id";
    config.client_secret = "sim-client-secret";
    config.subscription_key = "sim-subscription-key";
    config.msn = "123456";
    config.market = "NO";
    config.device = "bench-1";
    config.journal_dir = journal;
    config.poll_first_ms = 100; /* nobody has to find a telephone first */
    if (vp_client_open(&config, &client, &error) == VP_OK) {
        request.on_approval = VP_THEN_CAPTURE;
        request.reference = "bench-ride-0001";
        request.amount = 24900;
        request.currency = "NOK";
        request.phone = "912 34 567";
        ride.payment = &request;
        vp_run_ride(client, &ride, 60000, &payment, &error);
        vp_client_close(client);
    }
    if (payment.verdict != VP_VERDICT_PAID_LEAVE) {
        fprintf(stderr, "%s: %s %s\n", vp_status_name(error.code), error.field, error.message);
        return -1;
    }
    printf("%s: captured %lld of %lld\n", request.reference, (long long)payment.captured, (long long)payment.amount);
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

int main(int argc, char **argv)
{
    const char *program = argc > 1 ? argv[1] : getenv("VPMETER_SIMULATOR"), *folder = getenv("TMPDIR");
    const char *const arguments[] = { "--tls", "--passenger", "approve", NULL };
    struct simulator servers;
    char journal[4096];
    int failed;

    snprintf(journal, sizeof journal, "%s/with-simulator-XXXXXX", folder ? folder : "/tmp");
    if (!mkdtemp(journal))
        return perror(journal), 2;
    failed = simulator_start(&servers, program ? program : "vp-simulator", arguments, 20000);
    if (!failed) {
        printf("%s\n", servers.url);
        failed = take_ride(&servers, journal);
        failed |= simulator_stop(&servers);
    }
    failed |= nftw(journal, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return failed ? 1 : 0;
}
