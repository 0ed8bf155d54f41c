/* The office's relay: takes the events of Vipps MobilePay over HTTP and hands each to its car over MQTT.
 *
 *   fleet_relay --broker broker.example --broker-ca ca.pem --broker-cert relay.pem --broker-key relay.key
 *
 * An event is answered with 200 only when the broker has acknowledged it: whatever dies in between, Vipps sends it again.
 * It becomes one message, QoS 1, on the topic of its car and payment, vpmeter/v1/CAR/REFERENCE; the payload is the event's
 * name ("AUTHORIZED") and nothing else. The message is retained, so that a car that comes back finds it, and is cleared
 * when the ride is over. The car is read from the reference (--car-pattern); what names no car goes to
 * vpmeter/dead/REFERENCE and is answered with 200 too: anything else would hold up the later events for seven days.
 *
 * Plain HTTP on 127.0.0.1: behind the fleet's own TLS proxy, which must leave path, Host and body alone, because they are
 * signed. `GET /status` has the counters. The secrets of the registrations are in FLEET_RELAY_SECRETS, separated by blanks:
 * an old and a new one while they are changed. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <microhttpd.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>

#include <vpmeter.h>

#include "broker_line.h"

/* Vipps waits 10 s for an answer, and tries soon only three times more: so a broker that restarts is waited for. */
enum { ACK_LIMIT_S = 8, SECRETS_MAX = 8, HEADERS_MAX = 64, CONNECTIONS_MAX = 512 };
/* An event is below 2 KiB. */
enum { BODY_MAX = 64 * 1024 };
/* A retained message that nobody clears (an event out of order) goes by itself. */
enum { KEPT_S = 24 * 60 * 60 };

/* A request, from its first line to its answer. */
struct request {
    struct request *next; /* in relay.waiting */
    struct MHD_Connection *connection;
    char *uri; /* as it came: it is signed */
    char *body;
    size_t size;
    unsigned status; /* of the answer; 0: not known yet */
    int sent;        /* given to the broker */
    int mid[2];      /* the messages that it has not acknowledged yet; 0: none */
    time_t deadline;
    int over, retained; /* the ride is over; the message stays for a car that comes later */
    char topic[192], name[32];
};

/* Everything that the threads of both libraries share, under one lock. */
static struct {
    pthread_mutex_t lock;
    struct mosquitto *broker;
    struct request *waiting;
    int connected;
    unsigned long published, dead, refused, not_understood, unavailable;
} relay = { .lock = PTHREAD_MUTEX_INITIALIZER };

static char *secrets[SECRETS_MAX];
static regex_t car_pattern;

static const char *port = "8080", *broker_host = "localhost", *broker_port = "8883", *broker_ca, *broker_cert, *broker_key,
                  *car_rule = "^([A-Za-z]+[0-9]+)-", *host;

static time_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* ---- To the broker; the lock is held ---- */

/* The request has its answer; its connection goes on. */
static void finish(struct request *r, unsigned status)
{
    struct request **place = &relay.waiting;
    while (*place != r)
        place = &(*place)->next;
    *place = r->next;
    r->status = status;
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        relay.unavailable++;
    else
        relay.published++;
    MHD_resume_connection(r->connection);
}

/* 1: given to the library, which repeats it until it is acknowledged. */
static int publish(const char *topic, const char *text, int retain, int *mid)
{
    mosquitto_property *kept = NULL;
    int done = mosquitto_property_add_int32(&kept, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, KEPT_S) == MOSQ_ERR_SUCCESS
               && mosquitto_publish_v5(relay.broker, mid, topic, (int)strlen(text), text, 1, retain != 0, kept)
                      == MOSQ_ERR_SUCCESS;
    mosquitto_property_free_all(&kept);
    return done;
}

/* The event; and when the ride is over, an empty message, with which the broker forgets what it has kept. */
static void send_event(struct request *r)
{
    r->sent = 1;
    if (!publish(r->topic, r->name, r->retained, &r->mid[0]) || (r->over && !publish(r->topic, "", 1, &r->mid[1])))
        finish(r, MHD_HTTP_SERVICE_UNAVAILABLE);
}

static void give_up_late_ones(int all)
{
    struct request *r, *next;
    for (r = relay.waiting; r != NULL; r = next) {
        next = r->next;
        if (all || now_s() >= r->deadline)
            finish(r, MHD_HTTP_SERVICE_UNAVAILABLE);
    }
}

/* ---- From the broker, on the thread of the line ---- */

static void on_connect(struct mosquitto *broker, void *user, int code)
{
    struct request *r, *next;
    (void)user;
    pthread_mutex_lock(&relay.lock);
    relay.connected = code == 0;
    if (code == 0)
        mosquitto_publish(broker, NULL, "vpmeter/relay", 2, "up", 1, true);
    else
        fprintf(stderr, "the broker refuses: %s\n", mosquitto_reason_string(code));
    for (r = relay.waiting; r != NULL && code == 0; r = next) {
        next = r->next;
        if (!r->sent)
            send_event(r);
    }
    pthread_mutex_unlock(&relay.lock);
}

static void on_disconnect(struct mosquitto *broker, void *user, int code)
{
    (void)broker, (void)user, (void)code;
    pthread_mutex_lock(&relay.lock);
    relay.connected = 0;
    pthread_mutex_unlock(&relay.lock);
}

/* From 128 on the broker says no: its access list is wrong. MQTT before version 5 cannot say that, and would lose events. */
static void on_acknowledged(struct mosquitto *broker, void *user, int mid, int code, const mosquitto_property *more)
{
    struct request *r;
    int i;
    (void)broker, (void)user, (void)more;
    pthread_mutex_lock(&relay.lock);
    for (r = relay.waiting; r != NULL; r = r->next)
        for (i = 0; i < 2; i++)
            if (r->mid[i] == mid && mid != 0) {
                r->mid[i] = 0;
                if (code >= 128)
                    finish(r, MHD_HTTP_SERVICE_UNAVAILABLE);
                else if (r->mid[0] == 0 && r->mid[1] == 0)
                    finish(r, MHD_HTTP_OK);
                goto found;
            }
found:
    pthread_mutex_unlock(&relay.lock);
}

/* ---- From Vipps, on the thread of libmicrohttpd ---- */

/* How the event goes on: its topic, and what becomes of the message that is kept there. */
static void address(struct request *r, const vp_webhook_event *event)
{
    const char *reference = event->reference;
    static const char *const going_on[] = { "CREATED", "AUTHORIZED" };
    regmatch_t match[2];
    size_t i;
    snprintf(r->name, sizeof r->name, "%s", event->name);
    if (regexec(&car_pattern, reference, 2, match, 0) != 0 || match[1].rm_so == match[1].rm_eo) {
        snprintf(r->topic, sizeof r->topic, "vpmeter/dead/%s", reference);
        relay.dead++;
        return;
    }
    snprintf(r->topic, sizeof r->topic, "vpmeter/v1/%.*s/%s", (int)(match[1].rm_eo - match[1].rm_so),
             reference + match[1].rm_so, reference);
    for (i = 0; i < sizeof going_on / sizeof *going_on; i++)
        r->retained |= strcmp(event->name, going_on[i]) == 0;
    r->over = !r->retained && event->success == 1;
}

struct headers {
    const char *line[2 * HEADERS_MAX + 1]; /* name, value, name, value, ..., NULL */
    size_t count;
};

static enum MHD_Result add_header(void *headers, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct headers *h = headers;
    (void)kind;
    if (h->count == 2 * HEADERS_MAX)
        return MHD_NO;
    h->line[h->count++] = name;
    h->line[h->count++] = value != NULL ? value : "";
    return MHD_YES;
}

/* With each secret in turn; the answer is that of the last one unless one fits. */
static int32_t verify(const struct request *r, vp_webhook_event *event)
{
    struct headers headers = { { NULL }, 0 };
    vp_webhook webhook = VP_WEBHOOK_INIT;
    int32_t code = VP_ERR_NOT_GENUINE;
    size_t i;
    MHD_get_connection_values(r->connection, MHD_HEADER_KIND, add_header, &headers);
    webhook.method = "POST";
    webhook.target = r->uri;
    webhook.host = host;
    webhook.headers = headers.line;
    webhook.body = r->body;
    webhook.body_size = (uint32_t)r->size;
    for (i = 0; i < SECRETS_MAX && secrets[i] != NULL && code == VP_ERR_NOT_GENUINE; i++) {
        webhook.secret = secrets[i];
        code = vp_webhook_verify(&webhook, event, NULL);
    }
    return code;
}

/* What the answer is, or 0: when the broker has acknowledged it. The lock is held. */
static unsigned judge(struct request *r)
{
    vp_webhook_event event = VP_WEBHOOK_EVENT_INIT;
    int32_t code = verify(r, &event);
    if (code == VP_OK) {
        address(r, &event);
        r->deadline = now_s() + ACK_LIMIT_S;
        return 0;
    }
    if (code == VP_ERR_NOT_AN_EVENT) { /* signed, but not understood: sending it again would not help */
        relay.not_understood++;
        return MHD_HTTP_OK;
    }
    relay.refused++;
    return MHD_HTTP_UNAUTHORIZED;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *text)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), (char *)(size_t)text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result done = response != NULL ? MHD_queue_response(connection, status, response) : MHD_NO;
    if (response != NULL)
        MHD_destroy_response(response);
    return done;
}

static enum MHD_Result tell_status(struct MHD_Connection *connection)
{
    char text[256];
    pthread_mutex_lock(&relay.lock);
    snprintf(text, sizeof text,
             "{\"broker\":%s,\"published\":%lu,\"dead\":%lu,\"refused\":%lu,\"not_understood\":%lu,\"unavailable\":%lu}\n",
             relay.connected ? "true" : "false", relay.published, relay.dead, relay.refused, relay.not_understood,
             relay.unavailable);
    pthread_mutex_unlock(&relay.lock);
    return answer(connection, MHD_HTTP_OK, text);
}

static void *on_uri(void *user, const char *uri, struct MHD_Connection *connection)
{
    struct request *r = calloc(1, sizeof *r);
    (void)user;
    if (r != NULL && (r->uri = strdup(uri)) != NULL)
        r->connection = connection;
    return r;
}

static void on_completed(void *user, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode how)
{
    struct request *r = *context;
    (void)user, (void)connection, (void)how;
    if (r != NULL) {
        free(r->body);
        free(r->uri);
        free(r);
    }
    *context = NULL;
}

/* Called with the head, with each piece of the body, at its end, and once more when `finish` has let it go on. */
static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **context)
{
    struct request *r = *context;
    unsigned status;
    (void)user, (void)version;
    if (r == NULL || r->uri == NULL)
        return MHD_NO;
    if (r->status != 0)
        return answer(connection, r->status, "");
    if (r->body == NULL) { /* the head */
        const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
        if (strcmp(method, "GET") == 0 && strcmp(url, "/status") == 0)
            return tell_status(connection);
        if (strcmp(method, "POST") != 0)
            return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "");
        if (length != NULL && strtoul(length, NULL, 10) > BODY_MAX)
            return answer(connection, MHD_HTTP_CONTENT_TOO_LARGE, "");
        return (r->body = malloc(BODY_MAX)) != NULL ? MHD_YES : MHD_NO;
    }
    if (*size > 0) { /* what is too long, in pieces without a length, is read to its end and dropped */
        if (*size <= BODY_MAX && r->size <= BODY_MAX - *size)
            memcpy(r->body + r->size, data, *size);
        r->size = r->size > BODY_MAX ? r->size : r->size + *size;
        *size = 0;
        return MHD_YES;
    }
    if (r->size > BODY_MAX)
        return answer(connection, MHD_HTTP_CONTENT_TOO_LARGE, "");
    pthread_mutex_lock(&relay.lock);
    status = judge(r);
    if (status == 0) {
        r->next = relay.waiting;
        relay.waiting = r;
        MHD_suspend_connection(connection);
        if (relay.connected)
            send_event(r);
    }
    pthread_mutex_unlock(&relay.lock);
    return status == 0 ? MHD_YES : answer(connection, status, "");
}

/* ---- Settings, start and end ---- */

static const struct {
    const char *option, **value;
} settings[] = {
    { "--port", &port },
    { "--host", &host }, /* under which the events are registered, if the proxy does not hand Host on */
    { "--broker", &broker_host },
    { "--broker-port", &broker_port },
    { "--broker-ca", &broker_ca },
    { "--broker-cert", &broker_cert },
    { "--broker-key", &broker_key },
    { "--car-pattern", &car_rule }, /* extended regular expression; its first group is the car */
};

static int read_settings(char **argument)
{
    static char words[4096];
    const char *given = getenv("FLEET_RELAY_SECRETS");
    size_t i, n = 0;
    char *word;
    for (argument++; *argument != NULL; argument += 2) {
        for (i = 0; i < sizeof settings / sizeof *settings && strcmp(*argument, settings[i].option) != 0;)
            i++;
        if (i == sizeof settings / sizeof *settings || argument[1] == NULL)
            return 0;
        *settings[i].value = argument[1];
    }
    if (given == NULL || strlen(given) >= sizeof words)
        return 0;
    for (word = strtok(strcpy(words, given), " \t\n"); word != NULL && n < SECRETS_MAX; word = strtok(NULL, " \t\n"))
        secrets[n++] = word;
    return n > 0 && broker_ca != NULL && broker_cert != NULL && broker_key != NULL
           && regcomp(&car_pattern, car_rule, REG_EXTENDED) == 0 && car_pattern.re_nsub >= 1;
}

static int connect_broker(void)
{
    mosquitto_lib_init();
    relay.broker = mosquitto_new(NULL, true, NULL);
    if (relay.broker == NULL || mosquitto_int_option(relay.broker, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5) != 0
        || mosquitto_tls_set(relay.broker, broker_ca, NULL, broker_cert, broker_key, NULL) != 0
        || mosquitto_will_set(relay.broker, "vpmeter/relay", 4, "down", 1, true) != 0)
        return 0;
    mosquitto_connect_callback_set(relay.broker, on_connect);
    mosquitto_disconnect_callback_set(relay.broker, on_disconnect);
    mosquitto_publish_v5_callback_set(relay.broker, on_acknowledged);
    return broker_line_start(relay.broker, broker_host, atoi(broker_port), 10, 2);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    const struct timespec a_second = { 1, 0 };
    const union MHD_DaemonInfo *info;
    struct MHD_Daemon *http;
    sigset_t end;
    (void)argc;
    if (!read_settings(argv))
        return fprintf(stderr, "usage: FLEET_RELAY_SECRETS=... %s [--port N] [--host NAME] [--broker NAME] [--broker-port N] "
                               "--broker-ca FILE --broker-cert FILE --broker-key FILE [--car-pattern REGEX]\n", argv[0]), 2;
    sigemptyset(&end);
    sigaddset(&end, SIGINT);
    sigaddset(&end, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &end, NULL); /* in all threads: main waits for them */
    if (!connect_broker())
        return fprintf(stderr, "the settings of the broker cannot be used\n"), 2;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons((uint16_t)atoi(port));
    http = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, NULL,
                            MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_URI_LOG_CALLBACK, on_uri, NULL,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_TIMEOUT, 10u,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_END);
    info = http != NULL ? MHD_get_daemon_info(http, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (info == NULL)
        return fprintf(stderr, "cannot listen on 127.0.0.1:%s\n", port), 2;
    printf("{\"ready\":true,\"port\":%u}\n", (unsigned)info->port);
    fflush(stdout);
    while (sigtimedwait(&end, NULL, &a_second) < 0) {
        pthread_mutex_lock(&relay.lock);
        give_up_late_ones(0);
        pthread_mutex_unlock(&relay.lock);
    }
    /* Whoever still waits gets 503, and comes again. */
    MHD_quiesce_daemon(http);
    pthread_mutex_lock(&relay.lock);
    give_up_late_ones(1);
    pthread_mutex_unlock(&relay.lock);
    MHD_stop_daemon(http);
    broker_line_stop(1);
    mosquitto_destroy(relay.broker);
    mosquitto_lib_cleanup();
    regfree(&car_pattern);
    return 0;
}
