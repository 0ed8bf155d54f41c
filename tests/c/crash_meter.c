/* A taxi meter that is going to be killed: makes the calls of one ride, and writes what it was told to a log that
 * survives it.
 *
 *   crash_meter NAME=VALUE... -- STEP...
 *
 *   url= control= ca= journal= log= ref=   where, and which payment
 *   then=capture|hold  amount=N  receipt=N (its total; 0: none)  request_ms=N
 *   store=c            the journal in a block of memory, the file JOURNAL.memory, through the store hooks
 *   transport=c        by sockets of this program, through the transport hook, instead of the library's own
 *   drag=N             moved time takes real time too: half a second of it N milliseconds
 *   gate=N             stand still as soon as fault rule N of the simulator has fired, and wait for the SIGKILL
 *   random=N           what is random in the library follows from this number
 *   place=FILE         where it is, for whoever kills it: see crash_place.h
 *   stop=C:M:N:R       SIGKILL at that place: after C changes and M moves of time, and when rule N has seen R requests
 *
 *   ride  create  poll:MS  receipt  capture:AMOUNT:NTH:open|final|later  cancel:if|giveup|rest  refund:AMOUNT:NTH[:later]
 *   events             later: with a wait of 0, final, and vp_worker_run does it
 *   work:MS            vp_worker_run
 *   decide:capture|giveup
 *   settle:MS          vp_settle
 *   wait:MS            time passes at once, and nobody does anything
 *   decided            ends the program if nothing is left for the driver to decide
 *   known:REF          vp_known_payment
 *
 * A call that is not done yet is made again, a few times, as a driver would. Time is moved, not waited for: what the
 * library sleeps is added to the simulator's clock. */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "block_store.h"
#include "crash_control.h"
#include "crash_place.h"
#include "socket_transport.h"
#include "vpmeter.h"

/* A slice of waiting, 100 ms for the library, takes this long here: fewer requests to the control port. */
#define STRIDE_MS 500
/* Whatever happens, this process does not live longer, seconds. */
#define LIFETIME_S 120
#define PRESSES 4

static struct {
    const char *url;
    const char *control;
    const char *ca;
    const char *journal;
    const char *log;
    const char *ref;
    const char *then;
    int64_t amount;
    int64_t receipt;
    uint32_t request_ms;
    int gate;
    int drag;
    const char *transport;
    const char *store;
    const char *place;
    const char *stop;
} plan = { NULL, NULL, NULL, NULL, NULL, NULL, "capture", 24900, 0, 300, 0, 0, "", "", NULL, NULL };

static vp_client *client;
static vp_payment payment = VP_PAYMENT_INIT;
static vp_error error = VP_ERROR_INIT;
static int log_file = -1;
static int step;

void broken(const char *what, const char *detail)
{
    fprintf(stderr, "crash_meter: %s: %s\n", what, detail);
    exit(70);
}

/* ---- Time ---- */

static int64_t offset_ms;

static int64_t read_clock(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + offset_ms;
}

/* Stands still once the fault has fired. */
static void pass_gate(void)
{
    if (plan.gate == 0 || number_of_rule(plan.gate, "\"fired\":") == 0)
        return;
    for (;;)
        pause();
}

/* The requests after which the program is to be killed. */
static int counting_rule;
static int64_t wanted_requests;

static int requests_arrived(void)
{
    return number_of_rule(counting_rule, "\"seen\":") >= wanted_requests;
}

static void mark_place(void)
{
    uint64_t number[4];
    const char *text = plan.stop;
    char *end;
    int i;
    if (plan.place != NULL && !place_open(plan.place))
        broken("no memory for the place", plan.place);
    if (text == NULL)
        return;
    for (i = 0; i < 4; i++, text = end + 1) {
        number[i] = strtoull(text, &end, 10);
        if (end == text || *end != (i < 3 ? ':' : '\0'))
            broken("no place", plan.stop);
    }
    counting_rule = (int)number[2];
    wanted_requests = (int64_t)number[3];
    place_stop(number[0], number[1], requests_arrived);
}

static int64_t wall_ms(void *user)
{
    (void)user;
    pass_gate();
    return read_clock(CLOCK_REALTIME);
}

static int64_t monotonic_ms(void *user)
{
    (void)user;
    pass_gate();
    return read_clock(CLOCK_MONOTONIC);
}

static void move_time(int64_t ms)
{
    char body[64];
    snprintf(body, sizeof body, "{\"advance_ms\":%" PRId64 "}", ms);
    number_after(ask("POST", "clock", body), "\"offset_ms\":");
    offset_ms += ms;
}

static void sleep_ms(void *user, uint32_t ms)
{
    int64_t stride = ms < 100 ? (int64_t)ms : STRIDE_MS;
    (void)user;
    pass_gate();
    place_move();
    move_time(stride);
    if (plan.drag > 0 && stride == STRIDE_MS) {
        struct timespec span = { 0, 0 };
        span.tv_nsec = (long)plan.drag * 1000000;
        nanosleep(&span, NULL);
    }
}

/* ---- The log: what was told before a SIGKILL. A line that does not end in a dot was cut by it ---- */

static void say(const char *format, ...)
{
    static const char end[] = " .\n";
    char line[1024];
    va_list values;
    int count = snprintf(line, sizeof line, "at=%" PRId64 " step=%d ", read_clock(CLOCK_REALTIME), step);
    va_start(values, format);
    count += vsnprintf(line + count, sizeof line - (size_t)count - sizeof end, format, values);
    va_end(values);
    memcpy(line + count, end, sizeof end);
    count += (int)sizeof end - 1;
    if (write(log_file, line, (size_t)count) != count)
        broken("the log cannot be written", plan.log);
}

static void say_payment(const char *kind, const char *call, int32_t code, const char *ref, const vp_payment *p)
{
    say("kind=%s call=%s code=%" PRId32 " cause=%" PRId32 " ref=%s state=%" PRId32 " verdict=%" PRId32 " next=%" PRId32
        " owed=%" PRIu32 " closed=%" PRId32 " authorized=%" PRId64 " captured=%" PRId64 " cancelled=%" PRId64
        " refunded=%" PRId64,
        kind, call, code, error.cause, ref, p->state, p->verdict, p->next_step, p->owed, p->closed, p->authorized,
        p->captured, p->cancelled, p->refunded);
}

static void on_payment(void *user, const vp_payment *p)
{
    (void)user;
    say_payment("told", "on_payment", 0, p->reference, p);
}

static void on_settled(void *user, const vp_payment *p)
{
    (void)user;
    say_payment("settled", "settle", 0, p->reference, p);
}

static int32_t on_event(void *user, const vp_event *event)
{
    (void)user;
    say("kind=event call=events ref=%s amount=%" PRId64 " success=%" PRId32 " name=%s", plan.ref, event->amount,
        event->success, event->name);
    return 0;
}

/* ---- The calls ---- */

/* Battery-backed RAM: what is in the mapped file when the process is killed is what the next one finds. */
static struct block_store block;

static void write_block(struct block_store *store, size_t at, const void *bytes, size_t count)
{
    place_change();
    memcpy(store->block + at, bytes, count);
}

static void use_block(vp_hooks *hooks)
{
    char path[1024];
    int file;
    void *memory = MAP_FAILED;
    snprintf(path, sizeof path, "%s.memory", plan.journal);
    file = open(path, O_RDWR | O_CREAT, 0600);
    if (file >= 0 && ftruncate(file, BLOCK_STORE_SIZE) == 0)
        memory = mmap(NULL, BLOCK_STORE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED)
        broken("no memory for the journal", path);
    close(file);
    block.block = memory;
    block.size = BLOCK_STORE_SIZE;
    block.write = write_block;
    block_store_open(&block);
    hooks->user = &block;
    hooks->store_put = block_store_put;
    hooks->store_get = block_store_get;
    hooks->store_remove = block_store_remove;
    hooks->store_each = block_store_each;
}

static void open_client(void)
{
    vp_config config = VP_CONFIG_INIT;
    vp_hooks hooks = VP_HOOKS_INIT;
    hooks.on_payment = on_payment;
    hooks.wall_ms = wall_ms;
    hooks.monotonic_ms = monotonic_ms;
    hooks.sleep_ms = sleep_ms;
    if (strcmp(plan.store, "c") == 0)
        use_block(&hooks);
    if (strcmp(plan.transport, "c") == 0)
        hooks.transport = sockets_waiting;
    config.base_url = plan.url;
    config.client_id = "sim-client-id";
    config.client_secret = "sim-client-secret";
    config.subscription_key = "sim-subscription-key";
    config.msn = "123456";
    config.market = "NO";
    config.device = "taxi-122";
    config.journal_dir = hooks.store_put == NULL ? plan.journal : NULL;
    config.ca_file = plan.ca;
    config.request_ms = plan.request_ms;
    config.connect_ms = plan.request_ms;
    config.allow_refund = 1;
    config.hooks = &hooks;
    if (vp_client_open(&config, &client, &error) != VP_OK)
        broken("vp_client_open", error.message);
}

static vp_receipt the_receipt(vp_order_line *line)
{
    static const vp_order_line empty_line = VP_ORDER_LINE_INIT;
    vp_receipt receipt = VP_RECEIPT_INIT;
    *line = empty_line;
    line->vat_rate = 1200;
    line->total = plan.receipt;
    vp_split_gross(plan.receipt, line->vat_rate, &line->total_excluding_vat, &line->vat, NULL);
    line->id = "1";
    line->name = "Taxi trip";
    receipt.line_count = 1;
    receipt.lines = line;
    receipt.pos_id = "taxi-122";
    receipt.receipt_number = "17";
    return receipt;
}

static vp_push_payment the_request(const vp_receipt *receipt)
{
    vp_push_payment request = VP_PUSH_PAYMENT_INIT;
    request.on_approval = strcmp(plan.then, "hold") == 0 ? VP_THEN_HOLD : VP_THEN_CAPTURE;
    request.amount = plan.amount;
    request.currency = "NOK";
    request.reference = plan.ref;
    request.trip = plan.ref;
    request.phone = "912 34 567";
    request.description = "Taxi, Oslo";
    request.receipt = receipt;
    return request;
}

static int32_t call_ride(const char *name, uint32_t wait_ms)
{
    vp_order_line line;
    vp_receipt receipt = the_receipt(&line);
    vp_push_payment request = the_request(plan.receipt == 0 || strcmp(plan.then, "hold") == 0 ? NULL : &receipt);
    vp_ride ride = VP_RIDE_INIT;
    ride.payment = &request;
    if (strcmp(name, "ride") == 0)
        return vp_run_ride(client, &ride, wait_ms, &payment, &error);
    return vp_create_push_payment(client, &request, wait_ms, &payment, &error);
}

struct words {
    char text[64];
    const char *word[4];
};

static void split(struct words *words, const char *from)
{
    char *rest = NULL;
    char *word;
    int i = 0;
    memset(words, 0, sizeof *words);
    snprintf(words->text, sizeof words->text, "%s", from);
    for (word = strtok_r(words->text, ":", &rest); word != NULL && i < 4; word = strtok_r(NULL, ":", &rest))
        words->word[i++] = word;
    for (; i < 4; i++)
        words->word[i] = "";
}

static int32_t cancel_how(const char *word)
{
    return strcmp(word, "if") == 0       ? VP_CANCEL_IF_NOT_APPROVED
           : strcmp(word, "giveup") == 0 ? VP_CANCEL_GIVE_UP
                                         : VP_CANCEL_RELEASE_REST;
}

static int32_t carry_out(const struct words *w)
{
    uint32_t wait_ms = strcmp(w->word[3], "later") == 0 ? 0 : 30000;
    const char *name = w->word[0];
    int64_t amount = strtoll(w->word[1], NULL, 10);
    uint32_t nth = VP_NTH(strtoul(w->word[2], NULL, 10));
    if (strcmp(name, "ride") == 0)
        return call_ride(name, 120000);
    if (strcmp(name, "create") == 0)
        return call_ride(name, 30000);
    if (strcmp(name, "poll") == 0)
        return vp_poll(client, plan.ref, (uint32_t)amount, &payment, &error);
    if (strcmp(name, "receipt") == 0) {
        vp_order_line line;
        vp_receipt receipt = the_receipt(&line);
        return vp_post_receipt(client, plan.ref, &receipt, 5000, &payment, &error);
    }
    if (strcmp(name, "capture") == 0) {
        uint32_t flags = nth | (strcmp(w->word[3], "open") == 0 ? 0 : (uint32_t)VP_CAPTURE_FINAL);
        return vp_capture(client, plan.ref, amount, flags, wait_ms, &payment, &error);
    }
    if (strcmp(name, "cancel") == 0)
        return vp_cancel(client, plan.ref, cancel_how(w->word[1]), 30000, &payment, &error);
    if (strcmp(name, "refund") == 0)
        return vp_refund(client, plan.ref, amount, nth, wait_ms, &payment, &error);
    if (strcmp(name, "events") == 0)
        return vp_get_events(client, plan.ref, on_event, NULL, 30000, &error);
    if (strcmp(name, "work") == 0)
        return vp_worker_run(client, (uint32_t)amount, &error);
    if (strcmp(name, "decide") == 0)
        return vp_decide(client, plan.ref, strcmp(w->word[1], "giveup") == 0 ? VP_DECIDE_GIVE_UP : VP_DECIDE_CAPTURE, 30000,
                         &payment, &error);
    if (strcmp(name, "settle") == 0)
        return vp_settle(client, (uint32_t)amount, on_settled, NULL, &error);
    if (strcmp(name, "known") == 0)
        return vp_known_payment(client, w->word[1], &payment, &error);
    broken("no such step", name);
    return 0;
}

/* Come back, try again, or settle: for as long as a driver has patience. */
static int is_open(int32_t code)
{
    return code == VP_PENDING || (code <= -40 && code >= -69);
}

static void press(const char *text)
{
    struct words words;
    static const vp_payment nothing = VP_PAYMENT_INIT;
    const char *ref;
    int presses;
    int32_t code;
    split(&words, text);
    presses = strcmp(words.word[0], "settle") == 0 || strcmp(words.word[3], "later") == 0 ? 1 : PRESSES;
    ref = strcmp(words.word[0], "known") == 0 ? words.word[1] : plan.ref;
    do {
        payment = nothing;
        say("kind=begin call=%s ref=%s a=%s b=%s c=%s", words.word[0], ref, words.word[1], words.word[2],
            words.word[3]);
        code = carry_out(&words);
        say_payment("result", words.word[0], code, ref, &payment);
    } while (--presses > 0 && is_open(code));
}

static int is_decided(void)
{
    return vp_known_payment(client, plan.ref, &payment, &error) != VP_OK ||
           (payment.next_step != VP_NEXT_CAPTURE && payment.next_step != VP_NEXT_DECIDE);
}

/* A step of the ride, or one of the program's own; 0 if it is to end. */
static int take(const char *text)
{
    if (strcmp(text, "decided") == 0)
        return !is_decided();
    if (strncmp(text, "wait:", 5) == 0) {
        move_time(strtoll(text + 5, NULL, 10));
        say("kind=moved call=wait ref=%s ms=%s", plan.ref, text + 5);
    } else
        press(text);
    return 1;
}

static void read_plan(const char *text)
{
    const char *value = strchr(text, '=');
    size_t length;
    if (value == NULL)
        broken("no name=value", text);
    length = (size_t)(value++ - text);
#define IS(name) (strlen(name) == length && strncmp(text, name, length) == 0)
    if (IS("url"))
        plan.url = value;
    else if (IS("control"))
        plan.control = value;
    else if (IS("ca"))
        plan.ca = value;
    else if (IS("journal"))
        plan.journal = value;
    else if (IS("log"))
        plan.log = value;
    else if (IS("ref"))
        plan.ref = value;
    else if (IS("then"))
        plan.then = value;
    else if (IS("amount"))
        plan.amount = strtoll(value, NULL, 10);
    else if (IS("receipt"))
        plan.receipt = strtoll(value, NULL, 10);
    else if (IS("request_ms"))
        plan.request_ms = (uint32_t)strtoul(value, NULL, 10);
    else if (IS("gate"))
        plan.gate = atoi(value);
    else if (IS("store"))
        plan.store = value;
    else if (IS("transport"))
        plan.transport = value;
    else if (IS("place"))
        plan.place = value;
    else if (IS("stop"))
        plan.stop = value;
    else if (IS("random"))
        place_random(strtoull(value, NULL, 10));
    else if (IS("drag"))
        plan.drag = atoi(value);
    else
        broken("unknown setting", text);
#undef IS
}

int main(int argc, char **argv)
{
    int i = 1;
    int first;
    alarm(LIFETIME_S);
    for (; i < argc && strcmp(argv[i], "--") != 0; i++)
        read_plan(argv[i]);
    if (plan.url == NULL || plan.control == NULL || plan.journal == NULL || plan.log == NULL || plan.ref == NULL)
        broken("needed", "url, control, journal, log, ref");
    control_at(plan.control);
    mark_place();
    log_file = open(plan.log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log_file < 0)
        broken("the log cannot be opened", plan.log);
    offset_ms = number_after(ask("GET", "clock", ""), "\"offset_ms\":");
    open_client();
    if (write(log_file, "\n", 1) != 1)
        broken("the log cannot be written", plan.log);
    say("kind=opened call=open ref=%s", plan.ref);
    first = i + 1;
    for (i = first; i < argc; i++) {
        step = i - first;
        if (!take(argv[i]))
            break;
    }
    if (vp_client_close(client) != VP_OK)
        broken("vp_client_close", "is busy");
    return 0;
}
