/* The transport hook in the hands of a test: sockets, and what a bad hook would do. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <string.h>

#include "driver_bench.h"
#include "socket_transport.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char does[24];
static int left;
static vp_answer *last;

/* `transport does=body_null times=1` */
void transport_behave(struct line *line)
{
    pthread_mutex_lock(&lock);
    snprintf(does, sizeof does, "%s", line_text(line, "does", ""));
    left = (int)line_number(line, "times", 1);
    pthread_mutex_unlock(&lock);
}

/* What this exchange does wrong; "" for nothing. Tokens are left alone. */
static void take_fault(char *fault, size_t size, const vp_request *request)
{
    pthread_mutex_lock(&lock);
    fault[0] = '\0';
    if (left > 0 && strstr(request->path, "accesstoken") == NULL) {
        left--;
        snprintf(fault, size, "%s", does);
    }
    pthread_mutex_unlock(&lock);
}

static void tell_codes(const char *fault, int32_t first, int32_t second)
{
    struct answer told;
    answer_begin(&told, "event");
    answer_text(&told, "kind", "transport");
    answer_text(&told, "does", fault);
    answer_text(&told, "first", vp_status_name(first));
    answer_text(&told, "second", vp_status_name(second));
    answer_send(&told);
}

static void *from_another_thread(void *answer)
{
    static int32_t code;
    code = vp_answer_status(answer, 200);
    return &code;
}

/* The call that a bad hook makes before the exchange or behind it. */
static int32_t misuse(const char *fault, const vp_request *request, vp_answer *answer)
{
    static const char nul[] = "Date: x\0y";
    static const char big[300 * 1024];
    pthread_t thread;
    void *code = NULL;
    (void)request;
    if (strcmp(fault, "status_zero") == 0)
        return vp_answer_status(answer, 0);
    if (strcmp(fault, "status_600") == 0)
        return vp_answer_status(answer, 600);
    if (strcmp(fault, "status_negative") == 0)
        return vp_answer_status(answer, INT32_MIN);
    if (strcmp(fault, "status_twice") == 0)
        return vp_answer_status(answer, 200);
    if (strcmp(fault, "body_negative") == 0)
        return vp_answer_body(answer, "{}", -1);
    if (strcmp(fault, "body_null") == 0)
        return vp_answer_body(answer, NULL, 2);
    if (strcmp(fault, "body_huge") == 0)
        return vp_answer_body(answer, big, (int64_t)sizeof big);
    if (strcmp(fault, "body_absurd") == 0)
        return vp_answer_body(answer, "{}", INT64_MAX);
    if (strcmp(fault, "header_nul") == 0)
        return vp_answer_header(answer, nul, (int64_t)sizeof nul - 1);
    if (strcmp(fault, "header_negative") == 0)
        return vp_answer_header(answer, "Date: x", INT64_MIN);
    if (strcmp(fault, "header_null") == 0)
        return vp_answer_header(answer, NULL, 7);
    if (strcmp(fault, "header_huge") == 0)
        return vp_answer_header(answer, big, 20000);
    if (strcmp(fault, "handle_null") == 0)
        return vp_answer_status(NULL, 200);
    if (strcmp(fault, "handle_foreign") == 0)
        return vp_answer_status((vp_answer *)(void *)&lock, 200);
    if (strcmp(fault, "traffic_negative") == 0)
        return vp_answer_traffic(answer, -1, 0);
    if (strcmp(fault, "cause_unknown") == 0)
        return vp_answer_cause(answer, 4711, NULL);
    if (strcmp(fault, "late") == 0)
        return vp_answer_status(last, 200);
    if (strcmp(fault, "other_thread") == 0 && pthread_create(&thread, NULL, from_another_thread, answer) == 0) {
        pthread_join(thread, &code);
        return *(int32_t *)code;
    }
    return VP_OK;
}

static int32_t bad_end(const char *fault, int32_t said)
{
    if (strcmp(fault, "returns_17") == 0)
        return 17;
    if (strcmp(fault, "returns_min") == 0)
        return INT32_MIN;
    if (strcmp(fault, "denies") == 0)
        return VP_TRANSPORT_NOT_SENT;
    if (strcmp(fault, "says_lost") == 0)
        return VP_TRANSPORT_LOST;
    return said;
}

static int32_t transport(void *user, int32_t what, const vp_request *request, vp_answer *answer)
{
    char fault[24];
    int32_t first = VP_OK;
    int32_t second = VP_OK;
    int32_t said;
    take_fault(fault, sizeof fault, request);
    hook_entered("transport");
    if (strcmp(fault, "no_answer") == 0)
        return VP_TRANSPORT_DONE;
    if (strcmp(fault, "claims_not_sent") == 0)
        return VP_TRANSPORT_NOT_SENT;
    if (strncmp(fault, "first_", 6) == 0) {
        first = misuse(fault + 6, request, answer);
        tell_codes(fault, first, second);
    }
    said = sockets_waiting(user, what, request, answer);
    if (fault[0] != '\0' && strncmp(fault, "first_", 6) != 0) {
        first = misuse(fault, request, answer);
        second = vp_answer_go_on(answer);
        tell_codes(fault, first, second);
    }
    last = answer;
    return bad_end(fault, said);
}

/* A hook that never comes to an end by itself. */
static int32_t endless(void *user, int32_t what, const vp_request *request, vp_answer *answer)
{
    (void)user;
    (void)request;
    (void)answer;
    return what == VP_TRANSPORT_TEAR ? VP_TRANSPORT_LOST : VP_TRANSPORT_IN_PROGRESS;
}

/* `transport=c` waits, `transport=pieces` does not. */
void transport_fill(vp_hooks *hooks, struct line *line)
{
    const char *which = line_text(line, "transport", "");
    if (strcmp(which, "c") == 0)
        hooks->transport = transport;
    else if (strcmp(which, "pieces") == 0)
        hooks->transport = sockets_in_pieces;
    else if (strcmp(which, "endless") == 0)
        hooks->transport = endless;
}

/* The handle of an exchange that is over. */
int32_t transport_late(void)
{
    return vp_answer_status(last, 200);
}
