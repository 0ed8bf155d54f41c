/* A meter with a main loop that never stops painting: main_loop FARE PHONE [REFERENCE]
 *
 * Three threads, each with one kind of waiting:
 *
 *   the loop    paints, reads keys and kicks the watchdog, 50 times a second; asks the library only what is known, which
 *               touches no network and syncs nothing
 *   the clerk   makes the calls that record something, with wait_ms 0: each syncs the journal and touches no network
 *   the worker  vp_worker_run: does what is recorded, over the network
 *
 * A meter whose storage syncs in a few milliseconds can do without the clerk and make its calls in the loop. When a call
 * of the clerk has returned VP_OK or VP_PENDING, what it asked for is on disk, and vp_known_payment shows it.
 *
 * Keys: c cancels, g gives the payment up, q ends the program. Exits 0 only if the ride is paid. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vpmeter.h>

enum { FRAME_MS = 20 };
enum order { NOTHING, CREATE, CAPTURE, CANCEL, GIVE_UP };

static vp_client *client;
static vp_push_payment request = VP_PUSH_PAYMENT_INIT;

/* What the threads say to each other; the lock is never held over anything slow. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    enum order order; /* for the clerk */
    int is_busy;      /* the clerk has one in hand */
    int ends;
    int threads; /* that still run */
    int32_t code;
    char message[160];
} desk = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NOTHING, 0, 0, 0, VP_OK, "" };

/* ---- The clerk ---- */

static int32_t record(enum order order, vp_error *error)
{
    vp_payment p = VP_PAYMENT_INIT;
    switch (order) {
    case CREATE:
        return vp_create_push_payment(client, &request, 0, &p, error);
    case CAPTURE:
        return vp_capture(client, request.reference, request.amount, VP_CAPTURE_FINAL, 0, &p, error);
    case CANCEL:
        return vp_cancel(client, request.reference, VP_CANCEL_IF_NOT_APPROVED, 0, &p, error);
    case GIVE_UP:
        return vp_cancel(client, request.reference, VP_CANCEL_GIVE_UP, 0, &p, error);
    default:
        return VP_OK;
    }
}

static void *clerk(void *nothing)
{
    pthread_mutex_lock(&desk.lock);
    while (!desk.ends) {
        enum order order = desk.order;
        if (order == NOTHING) {
            pthread_cond_wait(&desk.wake, &desk.lock);
            continue;
        }
        desk.order = NOTHING;
        desk.is_busy = 1;
        pthread_mutex_unlock(&desk.lock);
        {
            vp_error error = VP_ERROR_INIT;
            int32_t code = record(order, &error);
            pthread_mutex_lock(&desk.lock);
            desk.code = code;
            memcpy(desk.message, error.message, sizeof desk.message);
        }
        desk.is_busy = 0;
    }
    desk.threads--;
    pthread_mutex_unlock(&desk.lock);
    return nothing;
}

/* ---- The worker ---- */

static void *worker(void *nothing)
{
    int ends = 0;
    while (!ends) {
        vp_worker_run(client, 1000, NULL);
        pthread_mutex_lock(&desk.lock);
        ends = desk.ends;
        pthread_mutex_unlock(&desk.lock);
    }
    pthread_mutex_lock(&desk.lock);
    desk.threads--;
    pthread_mutex_unlock(&desk.lock);
    return nothing;
}

/* ---- The loop ---- */

/* 0: the clerk is busy; ask again in the next frame. */
static int give_order(enum order order)
{
    int taken = 0;
    pthread_mutex_lock(&desk.lock);
    if (desk.order == NOTHING && !desk.is_busy) {
        desk.order = order;
        pthread_cond_signal(&desk.wake);
        taken = 1;
    }
    pthread_mutex_unlock(&desk.lock);
    return taken;
}

/* The code of the clerk's last call. */
static int32_t last_code(char *message)
{
    int32_t code;
    pthread_mutex_lock(&desk.lock);
    code = desk.code;
    memcpy(message, desk.message, sizeof desk.message);
    pthread_mutex_unlock(&desk.lock);
    return code;
}

static int end_threads(void)
{
    int left;
    pthread_mutex_lock(&desk.lock);
    desk.ends = 1;
    pthread_cond_signal(&desk.wake);
    left = desk.threads;
    pthread_mutex_unlock(&desk.lock);
    if (left > 0)
        vp_interrupt(client, NULL); /* the worker; what it tears is settled after the next start */
    return left;
}

static int64_t read_clock(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
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
static void paint(const vp_payment *p, long frame)
{
    static char shown[97];
    char text[97] = "";
    if (vp_driver_text(p, "en", text, sizeof text, NULL, NULL) == VP_OK && strcmp(text, shown) != 0) {
        printf("frame %5ld: %s\n", frame, text);
        fflush(stdout);
        strcpy(shown, text);
    }
}

/* Paints until the ride is decided and the threads have ended. Gives the payment. */
static vp_payment loop(void)
{
    static const vp_payment nothing = VP_PAYMENT_INIT;
    vp_payment p = nothing;
    enum order wanted = CREATE;
    int64_t longest = 0, longest_work = 0;
    long frame;
    int over = 0, left = 1;
    for (frame = 0; left > 0; frame++) {
        int64_t began = read_clock(CLOCK_MONOTONIC), work = read_clock(CLOCK_THREAD_CPUTIME_ID), spent;
        struct timespec rest = { 0, 0 };
        char message[sizeof desk.message];
        int key;

        kick_watchdog();
        key = read_key();
        if (key == 'c')
            wanted = CANCEL;
        if (key == 'g')
            wanted = GIVE_UP;
        if (wanted == NOTHING && p.next_step == VP_NEXT_CAPTURE)
            wanted = CAPTURE;
        if (wanted != NOTHING && !over && give_order(wanted))
            wanted = NOTHING;
        if (vp_known_payment(client, request.reference, &p, NULL) != VP_OK && last_code(message) < 0) {
            printf("%s: %s\n", vp_status_name(last_code(message)), message); /* nothing was recorded */
            over = 1;
        }
        paint(&p, frame);
        /* Paid, dead or given up; a slow release or receipt is the worker's in the next ride, or after the next start. */
        over |= key == 'q' || p.next_step == VP_NEXT_DONE
            || p.verdict == VP_VERDICT_TAKE_OTHER_PAYMENT || p.verdict == VP_VERDICT_TAKE_OTHER_RELEASE_OWED;
        if (over)
            left = end_threads();

        spent = read_clock(CLOCK_THREAD_CPUTIME_ID) - work;
        longest_work = spent > longest_work ? spent : longest_work;
        spent = read_clock(CLOCK_MONOTONIC) - began;
        longest = spent > longest ? spent : longest;
        rest.tv_nsec = (long)(FRAME_MS * 1000 - spent) * 1000;
        if (rest.tv_nsec > 0)
            nanosleep(&rest, NULL);
    }
    printf("%ld frames, the longest %ld us, of that %ld us of work at most\n", frame, (long)longest,
           (long)longest_work);
    fflush(stdout);
    return p;
}

int main(int argc, char **argv)
{
    vp_config config = VP_CONFIG_INIT;
    vp_payment p;
    vp_error error = VP_ERROR_INIT;
    pthread_t threads[2];
    char *end = NULL, reference[32];

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
    sprintf(reference, "loop-%lld", (long long)time(NULL));
    request.reference = argc > 3 ? argv[3] : reference;
    request.on_approval = VP_THEN_CAPTURE;
    request.currency = "NOK";
    request.phone = argv[2];
    request.description = "Taxi";

    desk.threads = 2;
    if (pthread_create(&threads[0], NULL, clerk, NULL) != 0 || pthread_create(&threads[1], NULL, worker, NULL) != 0)
        return fprintf(stderr, "no threads\n"), 2;
    printf("the client is open\n");
    fflush(stdout);
    p = loop();
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    vp_client_close(client);
    return p.verdict == VP_VERDICT_PAID_LEAVE ? 0 : 1;
}
