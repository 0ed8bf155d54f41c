/* A whole ride over the firmware's own TLS stack, here libcurl: own_transport FARE PHONE [REFERENCE]
 *
 * The library asks for each request by the hook `transport`, and libcurl sends it. To take from here for a firmware:
 * `transport` and what it calls; the rest is minimal.c. What matters is the difference between "surely not sent" and
 * "lost": libcurl tells by CURLOPT_PREREQFUNCTION, the moment when the connection stands and the request is about to
 * leave. Before it nothing has left; from it on everything is in doubt. Exits 0 only if the ride is paid.
 *
 *   cc own_transport.c -lvpmeter -lcurl        libcurl 7.85 or newer */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <curl/curl.h>
#include <vpmeter.h>

/* Kept for the life of the program, so that TLS sessions are resumed. For one thread: a client that is shared by threads
 * wants one of these for each. */
struct stack {
    CURLM *multi;
    CURL *easy;
    const char *ca_file; /* NULL: the system's authorities */
};

struct exchange {
    vp_answer *answer;
    unsigned int limit_ms;
    int may_have_left;
    int refused; /* the library did not take the answer */
};

static int on_about_to_send(void *user, char *server, char *own, int server_port, int own_port)
{
    struct exchange *x = user;
    (void)server, (void)own, (void)server_port, (void)own_port;
    x->may_have_left = 1;
    return CURL_PREREQFUNC_OK;
}

/* libcurl gives a request up by closing, and the kernel goes on repeating the bytes of a closed socket: a request that left
 * into a dead zone would be carried out when the zone ends. So it repeats nothing for longer than the request may take. */
static int on_socket(void *user, curl_socket_t made, curlsocktype purpose)
{
    struct exchange *x = user;
    (void)purpose;
    setsockopt(made, IPPROTO_TCP, TCP_USER_TIMEOUT, &x->limit_ms, sizeof x->limit_ms);
    return CURL_SOCKOPT_OK;
}

static size_t on_header(char *line, size_t size, size_t count, void *user)
{
    struct exchange *x = user;
    x->refused |= vp_answer_header(x->answer, line, (int64_t)(size * count)) != VP_OK;
    return x->refused ? 0 : size * count; /* 0 ends the transfer */
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
    struct exchange *x = user;
    x->refused |= vp_answer_body(x->answer, bytes, (int64_t)(size * count)) != VP_OK;
    return x->refused ? 0 : size * count;
}

/* libcurl's header lines; NULL: no memory. */
static struct curl_slist *lines_of(const vp_request *request)
{
    struct curl_slist *lines = NULL, *longer = NULL;
    int typed = 0;
    const char *const *line;
    for (line = request->headers; *line != NULL; line++) {
        typed |= strncmp(*line, "Content-Type:", 13) == 0;
        longer = curl_slist_append(lines, *line);
        if (longer == NULL)
            break;
        lines = longer;
    }
    if (longer != NULL && !typed) /* libcurl would give a POST without body the type of a form */
        longer = curl_slist_append(lines, "Content-Type:");
    if (longer == NULL)
        curl_slist_free_all(lines);
    return longer == NULL ? NULL : lines;
}

static void set_up(CURL *easy, const vp_request *request, struct curl_slist *lines, struct exchange *x,
                   const char *ca_file)
{
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
    if (strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)request->body_size);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body_size > 0 ? request->body : "");
    } else if (strcmp(request->method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    }
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->limit_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_ms);
    if (request->secure)
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    if (ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* none from the environment */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* On a kept connection that has died libcurl sends the request again by itself, and nobody could say any more
     * whether it has left. A new connection for each, then; its TLS session is resumed. */
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, x);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_about_to_send);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, x);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
}

static int32_t cause_of(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return VP_CAUSE_NAME_LOOKUP;
    case CURLE_COULDNT_CONNECT:
        return VP_CAUSE_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return VP_CAUSE_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
        return VP_CAUSE_TLS;
    default:
        return VP_CAUSE_CONNECTION_LOST;
    }
}

/* What came of it, once libcurl is done with it. */
static int32_t conclude(CURL *easy, CURLcode code, struct exchange *x)
{
    long status = 0, head_out = 0, head_in = 0;
    curl_off_t body_out = 0, body_in = 0;
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &head_out);
    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &body_out);
    curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &head_in);
    curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &body_in);
    vp_answer_traffic(x->answer, head_out + body_out, head_in + body_in); /* without what TLS adds */
    if (code == CURLE_OK && curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK
        && vp_answer_status(x->answer, (int32_t)status) == VP_OK)
        return VP_TRANSPORT_DONE;
    vp_answer_cause(x->answer, cause_of(code), curl_easy_strerror(code));
    return x->may_have_left ? VP_TRANSPORT_LOST : VP_TRANSPORT_NOT_SENT;
}

/* Waits for libcurl in slices, so that the library's ticks and interrupts get through. */
static int32_t perform(CURLM *multi, CURL *easy, struct exchange *x)
{
    int running = 1, left = 0;
    const CURLMsg *message;
    while (running > 0) {
        if (curl_multi_perform(multi, &running) != CURLM_OK || (running > 0 && vp_answer_go_on(x->answer) != VP_OK))
            break;
        if (running > 0)
            curl_multi_poll(multi, NULL, 0, 100, NULL);
    }
    message = curl_multi_info_read(multi, &left);
    if (message != NULL && message->msg == CURLMSG_DONE)
        return conclude(easy, message->data.result, x);
    return x->may_have_left ? VP_TRANSPORT_LOST : VP_TRANSPORT_NOT_SENT; /* stopped: the library knows why */
}

/* The hook. It waits for the answer, so it is only ever called to begin. */
static int32_t transport(void *user, int32_t what, const vp_request *request, vp_answer *answer)
{
    struct stack *stack = user;
    struct exchange x = { NULL, 0, 0, 0 };
    struct curl_slist *lines = lines_of(request);
    int32_t said = VP_TRANSPORT_NOT_SENT;
    (void)what;
    x.answer = answer;
    x.limit_ms = request->limit_ms;
    curl_easy_reset(stack->easy); /* options only */
    set_up(stack->easy, request, lines, &x, stack->ca_file);
    if (lines != NULL && curl_multi_add_handle(stack->multi, stack->easy) == CURLM_OK) {
        said = perform(stack->multi, stack->easy, &x);
        curl_multi_remove_handle(stack->multi, stack->easy);
    }
    curl_easy_reset(stack->easy);
    curl_slist_free_all(lines);
    return said;
}

/* Each request, and what became of it: with VPMETER_LOG in the environment. */
static void on_log(void *user, int32_t level, const char *line)
{
    (void)user, (void)level;
    fprintf(stderr, "%s\n", line);
}

int main(int argc, char **argv)
{
    vp_config config = VP_CONFIG_INIT;
    vp_hooks hooks = VP_HOOKS_INIT;
    vp_push_payment request = VP_PUSH_PAYMENT_INIT;
    vp_ride ride = VP_RIDE_INIT;
    vp_payment payment = VP_PAYMENT_INIT;
    vp_error error = VP_ERROR_INIT;
    vp_client *client = NULL;
    struct stack stack;
    char *end = NULL, reference[32], text[97] = "";

    if (argc < 3 || (request.amount = strtoll(argv[1], &end, 10)) <= 0 || *end != '\0')
        return fprintf(stderr, "usage: %s FARE PHONE [REFERENCE]; FARE in minor units\n", argv[0]), 2;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    hooks.transport = transport;
    if (getenv("VPMETER_LOG") != NULL)
        hooks.on_log = on_log;
    stack.multi = curl_multi_init();
    stack.easy = curl_easy_init();
    stack.ca_file = getenv("VPMETER_CA_FILE");
    if (stack.multi == NULL || stack.easy == NULL)
        return fprintf(stderr, "libcurl does not start\n"), 2;
    hooks.user = &stack;
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

    sprintf(reference, "curl-%lld", (long long)time(NULL));
    request.reference = argc > 3 ? argv[3] : reference;
    request.on_approval = VP_THEN_CAPTURE;
    request.currency = "NOK";
    request.phone = argv[2];
    request.description = "Taxi";
    ride.payment = &request;
    vp_settle(client, 10000, NULL, NULL, NULL);
    vp_run_ride(client, &ride, 660000, &payment, &error);
    if (payment.verdict != VP_VERDICT_PAID_LEAVE)
        printf("%s: %s %s\n", vp_status_name(error.code), error.field, error.message);
    if (vp_driver_text(&payment, "en", text, sizeof text, NULL, NULL) == VP_OK)
        printf("%s\n", text);
    vp_client_close(client);
    curl_easy_cleanup(stack.easy);
    curl_multi_cleanup(stack.multi);
    curl_global_cleanup();
    return payment.verdict == VP_VERDICT_PAID_LEAVE ? 0 : 1;
}
