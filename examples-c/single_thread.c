/* A meter without threads that never stops painting: single_thread FARE PHONE [REFERENCE]
 *
 * One loop, 50 times a second. The library works in it for a moment each time, and never waits: its transport works in
 * pieces (socket_transport.c; a modem's own stack in a real meter), so a call that has no more time leaves the request
 * under way, and the next one carries it on. Keys: c cancels, g gives the payment up, q ends the program.
 *
 * What is left of waiting is the journal: a call that records an intent syncs it, here in the loop. How long that takes
 * is the storage's; vp_storage_cost has the longest. A meter that keeps its records in battery-backed RAM has none. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vpmeter.h>

#include "socket_transport.h"

enum { FRAME_MS = 20, WORK_MS = 1 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int read_key(void)
{
    struct pollfd in = { STDIN_FILENO, POLLIN, 0 };
    char key = 0;
    return poll(&in, 1, 0) > 0 && read(STDIN_FILENO, &key, 1) == 1 ? key : 0;
}

static void kick_watchdog(void)
{
    /* ioctl(watchdog, WDIOC_KEEPALIVE, 0) */
}

/* Draws the display; here only what has changed. */
static void paint(const vp_payment *p, int64_t frame)
{
    static char shown[97];
    char text[97] = "";
    if (vp_driver_text(p, "en", text, sizeof text, NULL, NULL) == VP_OK && strcmp(text, shown) != 0) {
        printf("frame %5ld: %s\n", (long)frame, text);
        fflush(stdout);
        strcpy(shown, text);
    }
}

int main(int argc, char **argv)
{
    vp_config config = VP_CONFIG_INIT;
    vp_hooks hooks = VP_HOOKS_INIT;
    vp_push_payment request = VP_PUSH_PAYMENT_INIT;
    vp_payment p = VP_PAYMENT_INIT;
    vp_storage storage = VP_STORAGE_INIT;
    vp_error error = VP_ERROR_INIT;
    vp_client *client = NULL;
    char *end = NULL, reference[32];
    int64_t frame, next, longest = 0;
    int key = 0;

    if (argc < 3 || (request.amount = strtoll(argv[1], &end, 10)) <= 0 || *end != '\0')
        return fprintf(stderr, "usage: %s FARE PHONE [REFERENCE]; FARE in minor units\n", argv[0]), 2;
    hooks.transport = sockets_in_pieces;
    config.hooks = &hooks;
    config.base_url = getenv("VPMETER_URL");
    config.client_id = getenv("VPMETER_CLIENT_ID");
    config.client_secret = getenv("VPMETER_CLIENT_SECRET");
    config.subscription_key = getenv("VPMETER_SUBSCRIPTION_KEY");
    config.msn = getenv("VPMETER_MSN");
    config.journal_dir = getenv("VPMETER_JOURNAL_DIR");
    config.market = "NO";
    config.device = "car-1";
    if (vp_client_open(&config, &client, &error) != VP_OK)
        return fprintf(stderr, "%s: %s %s\n", vp_status_name(error.code), error.field, error.message), 2;
    printf("the client is open\n");
    fflush(stdout);

    sprintf(reference, "single-%lld", (long long)time(NULL));
    request.reference = argc > 3 ? argv[3] : reference;
    request.on_approval = VP_THEN_CAPTURE;
    request.currency = "NOK";
    request.phone = argv[2];
    request.description = "Taxi";
    /* On disk when it returns; nothing is sent. */
    if (vp_create_push_payment(client, &request, 0, &p, &error) < 0)
        printf("%s: %s %s\n", vp_status_name(error.code), error.field, error.message), key = 'q';

    next = now_ms();
    for (frame = 0; key != 'q' && p.next_step != VP_NEXT_DONE; frame++) {
        struct timespec rest = { 0, 0 };
        int64_t began = now_ms(), spent;

        kick_watchdog();
        key = read_key();
        if (key == 'c')
            vp_cancel(client, request.reference, VP_CANCEL_IF_NOT_APPROVED, 0, &p, NULL);
        else if (key == 'g')
            vp_cancel(client, request.reference, VP_CANCEL_GIVE_UP, 0, &p, NULL);
        else if (p.next_step == VP_NEXT_CAPTURE)
            vp_capture(client, request.reference, request.amount, VP_CAPTURE_FINAL, 0, &p, NULL);
        else
            vp_worker_run(client, WORK_MS, NULL);
        vp_known_payment(client, request.reference, &p, NULL);
        paint(&p, frame);

        spent = now_ms() - began;
        if (spent > longest)
            longest = spent;
        next += FRAME_MS;
        if (next < now_ms())
            next = now_ms(); /* late: frames are left out, not caught up with */
        rest.tv_nsec = (long)(next - now_ms()) * 1000000;
        if (rest.tv_nsec > 0)
            nanosleep(&rest, NULL);
    }

    vp_storage_cost(client, &storage, NULL);
    printf("%ld frames, the longest %ld ms; the longest sync of the journal %ld ms\n", (long)frame, (long)longest,
           (long)storage.longest_sync_ms);
    vp_client_close(client); /* what is under way is torn, and settled after the next start */
    return p.verdict == VP_VERDICT_PAID_LEAVE ? 0 : 1;
}
