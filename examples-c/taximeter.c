/* A taxi meter in text mode, on the step functions of vpmeter: taximeter --help
 *
 * Fare and phone number are typed, at a terminal or through a pipe; c cancels while the passenger decides. To take from
 * here for a firmware: take_payment and advance (the ride), on_tick (keys and display while a call waits), vp_settle in
 * main (start and idle time). */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <vpmeter.h>

#define MONEY "%7" PRId64 ".%02" PRId64
enum { VAT_RATE = 1200 /* 12 % */, NO_KEY = 0, CTRL_C = 3 };

/* A trip. Its name is the reference of its first payment request; a further request has a reference of its own. */
struct trip {
    char name[64], reference[65], number[24];
    vp_order_line line; /* one line, the fare; a meter with tolls has more */
    vp_receipt receipt;
};

struct meter {
    vp_client *client;
    const char *language;
    time_t began, shown;         /* when the ride's payment began, 0: no ride; the second that is on the display */
    int key;                     /* pressed while a call waited, not acted on yet */
    int offered;                 /* the key that acts on the call that waits: c ends it, g gives the payment up */
    int leaving;                 /* CTRL_C: what is recorded is finished after the next start */
    const char *before, *behind; /* a line, to take the status line off a terminal; a status line */
};

/* ---- Keys and display ---- */

/* Single keys or whole lines. What was typed too early is dropped, so that a double press answers nothing. */
static void single_keys(int on)
{
    struct termios mode;
    if (tcgetattr(STDIN_FILENO, &mode) == 0) { /* a terminal */
        mode.c_lflag = on ? mode.c_lflag & ~(tcflag_t)(ICANON | ECHO | ISIG) : mode.c_lflag | ICANON | ECHO | ISIG;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &mode);
    }
}

/* A key of the ride, if there is one. Others are dropped at a terminal, and left for the next question in a script. */
static int get_key(void)
{
    struct pollfd in = { STDIN_FILENO, POLLIN, 0 };
    int key = '\n';
    while (key == '\n' && poll(&in, 1, 0) > 0)
        key = getchar();
    if (key == 'c' || key == 'g' || key == 'l' || key == CTRL_C)
        return key;
    if (key != '\n' && !isatty(STDIN_FILENO))
        ungetc(key, stdin);
    return NO_KEY;
}

/* Reads a line; 0 at the end of the input. */
static int ask(const char *question, char *answer, int size)
{
    printf("%s", question);
    fflush(stdout);
    if (fgets(answer, size, stdin) == NULL)
        return 0;
    answer[strcspn(answer, "\r\n")] = '\0';
    return 1;
}

static void say(const struct meter *m, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%s", m->before);
    vprintf(format, arguments);
    printf("\n");
    fflush(stdout);
    va_end(arguments);
}

static const char *driver_text(const struct meter *m, const vp_payment *p)
{
    static char text[97];
    return vp_driver_text(p, m->language, text, sizeof text, NULL, NULL) == VP_OK ? text : "";
}

/* "approved, owed: capture. Approved and secured. The passenger may leave." */
static const char *describe(const struct meter *m, const vp_payment *p)
{
    static const char *const states[] = { "-", "recorded", "asked", "approved", "declined", "expired", "cancelled",
                                          "not created", "unknown" };
    static const char *const debts[] = { "capture", "release", "receipt", "refund", "decision", "answer", "elsewhere",
                                         "lost", "receipt refused" };
    static char text[256];
    unsigned i;
    strcpy(text, states[p->state >= VP_STATE_RECORDED && p->state <= VP_STATE_UNKNOWN ? p->state : 0]);
    for (i = 0; i < sizeof debts / sizeof *debts; i++)
        if (p->owed & (1u << i)) /* VP_OWED_ */
            strcat(strcat(text, strchr(text, ':') == NULL ? ", owed: " : " + "), debts[i]);
    return strcat(strcat(text, ". "), driver_text(m, p));
}

static int32_t print_payment(void *m, const vp_payment *p)
{
    say(m, "  %s" MONEY " %s  %s", p->reference, p->amount / 100, p->amount % 100, p->currency, describe(m, p));
    return 0;
}

static void list_open(struct meter *m)
{
    vp_filter open = VP_FILTER_INIT;
    open.which = VP_LIST_OPEN;
    vp_list_payments(m->client, &open, print_payment, m, NULL);
}

/* ---- Hooks: called by the library, on this thread ---- */

static void on_payment(void *meter, const vp_payment *p)
{
    struct meter *m = meter;
    if (m->began == 0)
        print_payment(m, p); /* of an earlier ride */
    else
        say(m, "  > %s", describe(m, p));
}

/* Comes at least once a second while a call waits. A passenger who sees nothing after a while must open the app. */
static int32_t on_tick(void *meter, const char *reference, uint32_t waited_ms)
{
    struct meter *m = meter;
    vp_payment p = VP_PAYMENT_INIT;
    time_t now = time(NULL);
    int key = reference[0] != '\0' ? get_key() : NO_KEY; /* settling: what is typed answers the next question */
    (void)waited_ms;
    if (key == 'l')
        list_open(m);
    else if (key != NO_KEY)
        m->key = key;
    if (now != m->shown && vp_known_payment(m->client, reference, &p, NULL) == VP_OK) {
        m->shown = now;
        if (p.message == VP_MSG_WAITING && now - m->began >= 15)
            p.message = VP_MSG_WAITING_OPEN_APP;
        printf("%s%4ld s  %s%s%s", m->before, (long)(now - m->began), describe(m, &p),
               m->offered == 'c' ? " [c: cancel]" : m->offered == 'g' ? " [g: give up]" : "", m->behind);
        fflush(stdout);
    }
    m->leaving = m->key == CTRL_C;
    if (m->leaving || (m->key == 'c' && m->offered == 'c'))
        return VP_TICK_STOP_WAITING;
    return m->key == 'g' && m->offered == 'g' ? VP_TICK_GIVE_UP : VP_TICK_GO_ON;
}

/* ---- The ride ---- */

static void print_receipt(const struct meter *m, const struct trip *t, const vp_payment *p)
{
    time_t now = time(NULL);
    char date[32] = "";
    strftime(date, sizeof date, "%Y-%m-%d %H:%M", localtime(&now));
    say(m, "\n  Receipt %-11s%16s", t->number, date);
    say(m, "  %-25s" MONEY, t->line.name, t->line.total_excluding_vat / 100, t->line.total_excluding_vat % 100);
    say(m, "  VAT %2d %%                 " MONEY, VAT_RATE / 100, t->line.vat / 100, t->line.vat % 100);
    say(m, "  Total %-19s" MONEY, p->currency, t->line.total / 100, t->line.total % 100);
    say(m, "  Vipps MobilePay %s%s\n", p->reference, p->owed & VP_OWED_RECEIPT ? "; in the app later" : "");
}

/* One step: the request first, then what the driver's key asks for, or else what `next_step` says. */
static int32_t advance(struct meter *m, struct trip *t, const vp_push_payment *request, vp_payment *p, vp_error *e)
{
    int32_t code;
    m->offered = NO_KEY;
    if (p->state == 0)
        return vp_create_push_payment(m->client, request, 5000, p, e);
    if (p->next_step == VP_NEXT_CAPTURE) {
        if (m->key == 'c' || m->key == 'g')
            say(m, "The passenger was faster and has approved. Take no cash; the fare is captured.");
        vp_capture(m->client, t->reference, t->line.total, VP_CAPTURE_FINAL, 0, p, e); /* on disk: may leave now */
        vp_post_receipt(m->client, t->reference, &t->receipt, 3000, p, e); /* a slow one is posted later */
        return vp_capture(m->client, t->reference, t->line.total, VP_CAPTURE_FINAL, 30000, p, e);
    }
    if (p->next_step == VP_NEXT_POLL && m->key != 'c') {
        m->offered = 'c';
        return vp_poll(m->client, t->reference, 60000, p, e);
    }
    if (p->next_step == VP_NEXT_SETTLE) { /* a cancel came back undecided */
        say(m, "Not known yet whether it came through. g gives the request up for good: then cash may be taken.");
        m->offered = 'g';
    } else
        say(m, "Cancelling. Take no cash yet.");
    code = vp_cancel(m->client, t->reference, VP_CANCEL_IF_NOT_APPROVED, 5000, p, e);
    m->key = code == VP_ERR_ALREADY_APPROVED ? 'c' : NO_KEY;
    return code;
}

/* Goes on until the driver knows what to do. */
static void take_payment(struct meter *m, struct trip *t, const char *phone)
{
    vp_push_payment request = VP_PUSH_PAYMENT_INIT;
    vp_payment p = VP_PAYMENT_INIT;
    vp_error e = VP_ERROR_INIT;
    int32_t code;
    request.on_approval = VP_THEN_CAPTURE; /* the fare is final */
    request.amount = t->line.total;
    request.currency = "NOK";
    request.reference = t->reference;
    request.trip = t->name;
    request.phone = phone;
    request.description = t->line.name;
    m->began = time(NULL), m->key = NO_KEY;
    single_keys(1);
    do {
        code = advance(m, t, &request, &p, &e);
        if (code < 0)
            say(m, "  (%s%s%s: %s)", vp_status_name(code), e.field[0] ? ", " : "", e.field, e.message);
        /* Network and unknown outcomes pass; for mistakes, configuration and storage nobody need wait. */
    } while (p.verdict == VP_VERDICT_WAIT && (code >= 0 || (code <= VP_ERR_NETWORK && code > VP_ERR_STORAGE))
             && !m->leaving);
    if (p.state == VP_STATE_RECORDED) /* never sent, and never will be */
        vp_cancel(m->client, t->reference, VP_CANCEL_IF_NOT_APPROVED, 0, &p, &e);
    single_keys(0);
    if (p.verdict == VP_VERDICT_PAID_LEAVE)
        print_receipt(m, t, &p);
    if (p.verdict == VP_VERDICT_PAID_LEAVE || p.verdict == VP_VERDICT_SECURED_LEAVE) {
        say(m, "PASSENGER MAY LEAVE: yes. %s", driver_text(m, &p));
        t->name[0] = '\0'; /* over */
    } else
        say(m, "PASSENGER MAY LEAVE: no. %s", p.verdict == 0 ? "Nothing was sent." : driver_text(m, &p));
}

/* "249", "249,5" and "249.50", in integers all the way; -1: not an amount. */
static int64_t parse_fare(const char *s)
{
    const char *point = strpbrk(s, ",.");
    size_t decimals = point != NULL ? strlen(point + 1) : 0;
    int64_t minor = 0;
    if (decimals > 2 || strlen(s) > 10)
        return -1;
    for (; *s != '\0'; s++)
        if (*s >= '0' && *s <= '9')
            minor = 10 * minor + (*s - '0');
        else if (s != point)
            return -1;
    for (; decimals < 2; decimals++)
        minor *= 10;
    return minor;
}

/* A new trip. The time and a counter make its name, so that neither a lost file nor a wrong clock alone repeats one; if
 * both go wrong, VP_ERR_REFERENCE_IN_USE says so. The counter is the length of a file that grows by a byte each trip; a
 * real meter has a trip counter that cannot be reset. */
static void begin_trip(struct trip *t, int64_t fare, const char *counter)
{
    time_t now = time(NULL);
    FILE *f = fopen(counter, "a");
    char date[16];
    sprintf(t->number, "%06ld", f != NULL && fputc('.', f) != EOF ? ftell(f) : 0);
    if (f != NULL)
        fclose(f);
    strftime(date, sizeof date, "%Y%m%d%H%M%S", gmtime(&now));
    sprintf(t->name, "taxi-1-%s-%s", date, t->number);
    strcpy(t->reference, t->name);
    t->line.total = fare;
    vp_split_gross(fare, VAT_RATE, &t->line.total_excluding_vat, &t->line.vat, NULL);
}

static struct meter meter = { NULL, NULL, 0, 0, NO_KEY, 0, 0, "", "\n" };
static vp_config config = VP_CONFIG_INIT;

/* The defaults are the simulator's. Keys come from the environment alone: arguments can be read by everybody. */
static const struct {
    const char *option, *variable, *otherwise, **value;
} settings[] = {
    { "--url", "VPMETER_URL", "https://127.0.0.1:4010", &config.base_url },
    { "--ca-file", "VPMETER_CA_FILE", NULL, &config.ca_file },
    { "--journal", "VPMETER_JOURNAL_DIR", "taximeter-journal", &config.journal_dir },
    { "--language", "VPMETER_LANGUAGE", "en", &meter.language },
    { "", "VPMETER_MSN", "123456", &config.msn },
    { "", "VPMETER_CLIENT_ID", "sim-client-id", &config.client_id },
    { "", "VPMETER_CLIENT_SECRET", "sim-client-secret", &config.client_secret },
    { "", "VPMETER_SUBSCRIPTION_KEY", "sim-subscription-key", &config.subscription_key },
};
enum { SETTINGS = sizeof settings / sizeof *settings };

/* Reads environment and arguments; 0: not understood. */
static int read_settings(char **argument)
{
    unsigned i;
    for (i = 0; i < SETTINGS; i++)
        *settings[i].value = getenv(settings[i].variable) ? getenv(settings[i].variable) : settings[i].otherwise;
    for (argument++; *argument != NULL; argument += 2) {
        for (i = 0; i < SETTINGS && strcmp(*argument, settings[i].option) != 0;)
            i++;
        if (i == SETTINGS || argument[1] == NULL)
            return 0;
        *settings[i].value = argument[1];
    }
    return 1;
}

int main(int argc, char **argv)
{
    struct trip t = { "", "", "", VP_ORDER_LINE_INIT, VP_RECEIPT_INIT };
    vp_hooks hooks = VP_HOOKS_INIT;
    vp_error e = VP_ERROR_INIT;
    char counter[256], answer[80] = "";

    if (!read_settings(argv))
        return printf("usage: taximeter [--url URL] [--ca-file PEM] [--journal DIR] [--language nb|da|fi|sv|en]\n"
                      "or VPMETER_URL, _CA_FILE, _JOURNAL_DIR, _LANGUAGE in the environment, and besides\n"
                      "VPMETER_MSN, _CLIENT_ID, _CLIENT_SECRET, _SUBSCRIPTION_KEY. Defaults: the simulator's.\n"),
               argc != 2 || strcmp(argv[1], "--help") != 0;
    hooks.user = &meter, hooks.on_payment = on_payment, hooks.on_tick = on_tick;
    config.hooks = &hooks, config.market = "NO", config.device = "taxi-1", config.system_name = "taximeter.c";
    if (vp_client_open(&config, &meter.client, &e) != VP_OK)
        return fprintf(stderr, "%s, %s: %s\n", vp_status_name(e.code), e.field, e.message), 1;
    setvbuf(stdin, NULL, _IONBF, 0); /* so that poll() sees all that is there */
    if (isatty(STDOUT_FILENO))
        meter.before = "\r\033[K", meter.behind = "";
    t.line.id = "ride", t.line.name = "Taxi ride", t.line.vat_rate = VAT_RATE;
    t.receipt.lines = &t.line, t.receipt.line_count = 1, t.receipt.receipt_number = t.number;
    snprintf(counter, sizeof counter, "%s.trips", config.journal_dir);

    while (!meter.leaving) {
        meter.began = 0;
        if (vp_settle(meter.client, 5000, NULL, NULL, NULL) != VP_OK) /* at the start, and in idle time */
            list_open(&meter);
        else if (answer[0] == 'l')
            printf("Nothing is unfinished.\n");
        if (!ask("\nFare (a: same trip again, l: list, q: quit): ", answer, sizeof answer) || strcmp(answer, "q") == 0)
            break;
        if (strcmp(answer, "a") == 0 && t.name[0] != '\0') /* the same trip with another number */
            vp_next_reference(t.reference, t.reference, sizeof t.reference, NULL, NULL);
        else if (parse_fare(answer) > 0)
            begin_trip(&t, parse_fare(answer), counter);
        else
            continue; /* l, or no amount */
        if (ask("Phone number: ", answer, sizeof answer) && answer[0] != '\0')
            take_payment(&meter, &t, answer);
    }
    vp_client_close(meter.client);
    return 0;
}
