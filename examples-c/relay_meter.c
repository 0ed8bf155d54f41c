/* A ride in a car that nobody can call: relay_meter FARE PHONE REFERENCE
 *
 * The office's relay (fleet_relay.c) hands each event of this car's payments on over MQTT. An event is a hint and nothing
 * more: the library reads the payment and believes the servers alone. So the meter reads the moment something happens, and
 * else seldom: every 30 s, in case a hint was lost; every 2 s while broker or relay are silent, and without BROKER_HOST.
 *
 * REFERENCE begins with the car's name and "-", which is how the relay finds the car. To take from here for a firmware:
 * on_message, next_read_ms and wait_for_passenger. The line to the broker has
 * a thread of its own (broker_line.c); all of vpmeter is called on one. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mosquitto.h>

#include <vpmeter.h>

#include "broker_line.h"

#define TOPIC "vpmeter/v1/"
enum { ROOM = 8, EVENT_GAP_MS = 500 /* 120 reads a minute are the servers' limit for a payment */ };

/* What the broker has said and the meter has not read yet. */
struct hint {
    char reference[65], name[33];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct hint waiting[ROOM];
    int count, connected, relay_up;
    unsigned long taken, ignored; /* events; messages that are none */
    char topic[128];              /* of this car: "vpmeter/v1/taxi7/" */
} inbox = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- The broker's side: on the thread of the line ---- */

/* 1 if the text is from `least` to `most` letters, digits and the extra one. */
static int is_word(const char *text, size_t size, size_t least, size_t most, char extra)
{
    size_t i;
    for (i = 0; i < size; i++)
        if (!((text[i] >= 'A' && text[i] <= 'Z') || (text[i] >= 'a' && text[i] <= 'z')
              || (text[i] >= '0' && text[i] <= '9') || text[i] == extra))
            return 0;
    return size >= least && size <= most;
}

/* Takes whatever comes. What is not an event's name on a topic of this car is counted and dropped, and so is what finds no
 * room: the next read tells all that it could have told. */
static void on_message(struct mosquitto *broker, void *user, const struct mosquitto_message *m)
{
    size_t prefix = strlen(inbox.topic), size = m->payloadlen > 0 ? (size_t)m->payloadlen : 0;
    const char *reference = m->topic + prefix, *text = m->payload;
    int i;
    (void)broker, (void)user;
    pthread_mutex_lock(&inbox.lock);
    if (strcmp(m->topic, "vpmeter/relay") == 0)
        inbox.relay_up = size == 2 && memcmp(text, "up", 2) == 0;
    else if (strncmp(m->topic, inbox.topic, prefix) != 0 || !is_word(reference, strlen(reference), 8, 64, '-')
             || (size > 0 && !is_word(text, size, 1, 32, '_')))
        inbox.ignored++;
    else if (size > 0) { /* an empty one: the broker has forgotten the last one, for the ride is over */
        for (i = 0; i < inbox.count && strcmp(inbox.waiting[i].reference, reference) != 0;)
            i++;
        if (i < ROOM) {
            inbox.count = i == inbox.count ? i + 1 : inbox.count;
            strcpy(inbox.waiting[i].reference, reference);
            memcpy(inbox.waiting[i].name, text, size);
            inbox.waiting[i].name[size] = '\0';
            inbox.taken++;
        } else
            inbox.ignored++;
    }
    pthread_cond_signal(&inbox.changed);
    pthread_mutex_unlock(&inbox.lock);
}

static void on_connect(struct mosquitto *broker, void *user, int code)
{
    char own[130];
    (void)user;
    if (code == 0) {
        sprintf(own, "%s+", inbox.topic);
        mosquitto_subscribe(broker, NULL, own, 1);
        mosquitto_subscribe(broker, NULL, "vpmeter/relay", 1);
    }
    pthread_mutex_lock(&inbox.lock);
    inbox.connected = code == 0;
    pthread_mutex_unlock(&inbox.lock);
}

static void on_disconnect(struct mosquitto *broker, void *user, int code)
{
    (void)broker, (void)user, (void)code;
    pthread_mutex_lock(&inbox.lock);
    inbox.connected = 0;
    pthread_cond_signal(&inbox.changed);
    pthread_mutex_unlock(&inbox.lock);
}

/* A session that the broker keeps: what comes while the car has no network waits there. NULL: no broker; it is not needed. */
static struct mosquitto *connect_broker(const char *car)
{
    const char *host = getenv("BROKER_HOST"), *port = getenv("BROKER_PORT");
    struct mosquitto *broker = NULL;
    sprintf(inbox.topic, TOPIC "%.60s/", car);
    if (host == NULL)
        return NULL;
    mosquitto_lib_init();
    broker = mosquitto_new(car, false, NULL);
    if (broker == NULL
        || mosquitto_tls_set(broker, getenv("BROKER_CA"), NULL, getenv("BROKER_CERT"), getenv("BROKER_KEY"), NULL) != 0) {
        fprintf(stderr, "the settings of the broker cannot be used\n");
        return NULL;
    }
    mosquitto_connect_callback_set(broker, on_connect);
    mosquitto_disconnect_callback_set(broker, on_disconnect);
    mosquitto_message_callback_set(broker, on_message);
    /* 20 s: at most 40 until a dead line is noticed; the slow reads go on meanwhile. */
    broker_line_start(broker, host, port != NULL ? atoi(port) : 8883, 20, 60);
    return broker;
}

/* ---- The meter's side ---- */

static uint32_t setting_ms(const char *variable, uint32_t otherwise)
{
    const char *text = getenv(variable);
    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

/* 1 and the oldest hint; 0 when none came until `until`. Here a firmware repaints and reads its keys. */
static int wait_for_hint(int64_t until, struct hint *hint)
{
    int got;
    pthread_mutex_lock(&inbox.lock);
    while (inbox.count == 0 && now_ms() < until) {
        struct timespec slice;
        clock_gettime(CLOCK_MONOTONIC, &slice);
        slice.tv_nsec += 200000000;
        slice.tv_sec += slice.tv_nsec / 1000000000;
        slice.tv_nsec %= 1000000000;
        if (pthread_cond_timedwait(&inbox.changed, &inbox.lock, &slice) == 0)
            break; /* also when the line has gone: the plan is another one now */
    }
    got = inbox.count > 0;
    if (got) {
        *hint = inbox.waiting[0];
        memmove(&inbox.waiting[0], &inbox.waiting[1], (size_t)(--inbox.count) * sizeof *inbox.waiting);
    }
    pthread_mutex_unlock(&inbox.lock);
    return got;
}

/* How long after the last read the next one is due, hint or not. */
static int64_t next_read_ms(const vp_payment *p)
{
    int heard;
    pthread_mutex_lock(&inbox.lock);
    heard = inbox.connected && inbox.relay_up;
    pthread_mutex_unlock(&inbox.lock);
    if (heard && p->state == VP_STATE_CREATED)
        return setting_ms("METER_SLOW_MS", 30000);
    return setting_ms("METER_FAST_MS", 2000);
}

static void wait_for_passenger(vp_client *client, const char *reference, vp_payment *p, vp_error *e)
{
    int32_t code = VP_OK;
    int64_t last = now_ms();
    struct hint hint;
    while (p->next_step == VP_NEXT_POLL && (code >= 0 || code <= VP_ERR_NETWORK)) {
        if (wait_for_hint(last + next_read_ms(p), &hint)) {
            vp_payment read = VP_PAYMENT_INIT; /* of this ride, or of an earlier one that the office has refunded */
            int32_t rc = vp_apply_webhook(client, hint.reference, hint.name, NULL, 10000, &read, e);
            printf("event %s of %s: %s\n", hint.name, hint.reference, vp_status_name(rc));
            fflush(stdout);
            if (strcmp(hint.reference, reference) == 0 && (rc >= 0 || rc <= VP_ERR_NETWORK) && read.state != 0)
                *p = read, code = rc, last = now_ms(); /* a hint that makes no sense changes nothing */
            if (p->next_step == VP_NEXT_POLL) {
                const struct timespec gap = { 0, EVENT_GAP_MS * 1000000L };
                nanosleep(&gap, NULL); /* whatever the broker floods us with */
            }
        } else if (now_ms() >= last + next_read_ms(p)) {
            code = vp_poll(client, reference, 1, p, e); /* a read if one is due */
            last = now_ms();
        }
    }
}

int main(int argc, char **argv)
{
    vp_config config = VP_CONFIG_INIT;
    vp_push_payment request = VP_PUSH_PAYMENT_INIT;
    vp_payment payment = VP_PAYMENT_INIT;
    vp_error error = VP_ERROR_INIT;
    vp_client *client = NULL;
    struct mosquitto *broker;
    pthread_condattr_t monotonic;
    char *end = NULL, text[97] = "";

    if (argc != 4 || (request.amount = strtoll(argv[1], &end, 10)) <= 0 || *end != '\0')
        return fprintf(stderr, "usage: %s FARE PHONE REFERENCE; FARE in minor units\n", argv[0]), 2;
    config.base_url = getenv("VPMETER_URL");
    config.ca_file = getenv("VPMETER_CA_FILE");
    config.client_id = getenv("VPMETER_CLIENT_ID");
    config.client_secret = getenv("VPMETER_CLIENT_SECRET");
    config.subscription_key = getenv("VPMETER_SUBSCRIPTION_KEY");
    config.msn = getenv("VPMETER_MSN");
    config.journal_dir = getenv("VPMETER_JOURNAL_DIR");
    config.device = getenv("VPMETER_DEVICE"); /* the car's name: also that of its certificate, and of its topics */
    config.market = "NO";
    if (vp_client_open(&config, &client, &error) != VP_OK)
        return fprintf(stderr, "%s: %s %s\n", vp_status_name(error.code), error.field, error.message), 2;
    vp_settle(client, 10000, NULL, NULL, NULL); /* first what the last run left open */
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&inbox.changed, &monotonic);
    broker = connect_broker(config.device);

    request.on_approval = VP_THEN_CAPTURE;
    request.currency = "NOK";
    request.reference = argv[3];
    request.phone = argv[2];
    request.description = "Taxi";
    vp_create_push_payment(client, &request, 5000, &payment, &error);
    printf("asked: %s\n", vp_status_name(error.code));
    fflush(stdout);
    wait_for_passenger(client, request.reference, &payment, &error);
    printf("decided: state %d after %u requests\n", (int)payment.state, (unsigned)payment.requests);
    fflush(stdout);
    if (payment.next_step == VP_NEXT_CAPTURE) /* on disk first; what is not proven in 30 s is settled after the next start */
        vp_capture(client, request.reference, request.amount, VP_CAPTURE_FINAL, 30000, &payment, &error);
    vp_driver_text(&payment, "en", text, sizeof text, NULL, NULL);
    printf("%s\n%u requests, %lld bytes out, %lld in; %lu events, %lu messages ignored\n", text, (unsigned)payment.requests,
           (long long)payment.bytes_sent, (long long)payment.bytes_received, inbox.taken, inbox.ignored);
    if (broker != NULL) {
        broker_line_stop(0);
        mosquitto_destroy(broker);
        mosquitto_lib_cleanup();
    }
    vp_client_close(client);
    return payment.verdict == VP_VERDICT_PAID_LEAVE || payment.verdict == VP_VERDICT_TAKE_OTHER_PAYMENT ? 0 : 1;
}
