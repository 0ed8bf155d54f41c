/* A meter that keeps its records in battery-backed RAM: own_store MEMORY ride FARE PHONE REFERENCE
 *                                                        own_store MEMORY settle
 *
 * MEMORY is a file of 64 KiB, mapped, which stands for the RAM: what is in it when the program is killed is what the
 * next start finds. `ride` takes a payment; kill it in the middle, then `settle` finishes what it left. The keys of the
 * sales unit are in the environment, as for minimal.c. Exits 0 if the ride is paid, or nothing is left open. */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "block_store.h"

static void write_memory(struct block_store *store, size_t at, const void *bytes, size_t count)
{
    memcpy(store->block + at, bytes, count);
    /* Real RAM behind a cache: clean the cache lines here. A mapped file: what is written outlives the process, and
     * msync would make it outlive the machine. */
    __sync_synchronize();
}

static int power_up(struct block_store *store, const char *path)
{
    int file = open(path, O_RDWR | O_CREAT, 0600);
    void *memory = MAP_FAILED;
    if (file >= 0 && ftruncate(file, BLOCK_STORE_SIZE) == 0)
        memory = mmap(NULL, BLOCK_STORE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file >= 0)
        close(file);
    if (memory == MAP_FAILED)
        return 0;
    store->block = memory;
    store->size = BLOCK_STORE_SIZE;
    store->write = write_memory;
    block_store_open(store);
    return 1;
}

static void on_settled(void *user, const vp_payment *payment)
{
    char text[97] = "";
    (void)user;
    vp_driver_text(payment, "en", text, sizeof text, NULL, NULL);
    printf("%s: %s\n", payment->reference, text);
}

static int ride(vp_client *client, char **argument)
{
    vp_push_payment request = VP_PUSH_PAYMENT_INIT;
    vp_ride whole = VP_RIDE_INIT;
    vp_payment payment = VP_PAYMENT_INIT;
    vp_error error = VP_ERROR_INIT;
    request.on_approval = VP_THEN_CAPTURE;
    request.amount = strtoll(argument[0], NULL, 10);
    request.currency = "NOK";
    request.phone = argument[1];
    request.reference = argument[2];
    request.description = "Taxi";
    whole.payment = &request;
    if (vp_run_ride(client, &whole, 660000, &payment, &error) != VP_OK)
        printf("%s: %s %s\n", vp_status_name(error.code), error.field, error.message);
    on_settled(NULL, &payment);
    return payment.verdict == VP_VERDICT_PAID_LEAVE;
}

int main(int argc, char **argv)
{
    struct block_store store = { NULL, 0, 0, NULL, NULL };
    vp_config config = VP_CONFIG_INIT;
    vp_hooks hooks = VP_HOOKS_INIT;
    vp_error error = VP_ERROR_INIT;
    vp_client *client = NULL;
    int good;

    if (!(argc == 6 && strcmp(argv[2], "ride") == 0) && !(argc == 3 && strcmp(argv[2], "settle") == 0))
        return fprintf(stderr, "usage: %s MEMORY ride FARE PHONE REFERENCE\n       %s MEMORY settle\n", argv[0], argv[0]), 2;
    if (!power_up(&store, argv[1]))
        return perror(argv[1]), 2;
    hooks.user = &store;
    hooks.store_put = block_store_put;
    hooks.store_get = block_store_get;
    hooks.store_remove = block_store_remove;
    hooks.store_each = block_store_each;
    config.hooks = &hooks;
    config.base_url = getenv("VPMETER_URL");
    config.ca_file = getenv("VPMETER_CA_FILE");
    config.client_id = getenv("VPMETER_CLIENT_ID");
    config.client_secret = getenv("VPMETER_CLIENT_SECRET");
    config.subscription_key = getenv("VPMETER_SUBSCRIPTION_KEY");
    config.msn = getenv("VPMETER_MSN");
    config.market = "NO";
    config.device = "car-1";
    if (vp_client_open(&config, &client, &error) != VP_OK)
        return fprintf(stderr, "%s: %s %s\n", vp_status_name(error.code), error.field, error.message), 2;

    good = vp_settle(client, 30000, on_settled, NULL, &error) == VP_OK;
    if (argc == 6)
        good = ride(client, argv + 3);
    vp_client_close(client);
    return good ? 0 : 1;
}
