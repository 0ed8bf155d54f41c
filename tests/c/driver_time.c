#define _POSIX_C_SOURCE 200809L
#include "driver_time.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "driver_line.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t offset_ms;
static int64_t wall_jump_ms;
static int64_t least_sleep_ms;
static int port;
static int wire = -1;

static int connect_wire(void)
{
    struct sockaddr_in to;
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    wire = socket(AF_INET, SOCK_STREAM, 0);
    return wire >= 0 && connect(wire, (struct sockaddr *)&to, sizeof to) == 0;
}

/* One request on the control port; the answer's body. The connection is kept. */
static int ask(const char *method, const char *body, char *answer, size_t size)
{
    char text[512];
    size_t length = 0;
    size_t whole = 0;
    char *end = NULL;
    int count = snprintf(text, sizeof text,
                         "%s /_sim/clock HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                         "Content-Length: %u\r\n\r\n%s",
                         method, (unsigned)strlen(body), body);
    if (wire < 0 && !connect_wire())
        return 0;
    if (send(wire, text, (size_t)count, MSG_NOSIGNAL) != count)
        return 0;
    while (end == NULL || length < whole) {
        ssize_t got = recv(wire, answer + length, size - 1 - length, 0);
        if (got <= 0)
            return 0;
        length += (size_t)got;
        answer[length] = '\0';
        if (end == NULL && (end = strstr(answer, "\r\n\r\n")) != NULL) {
            const char *field = strstr(answer, "ontent-length: ");
            if (field == NULL)
                field = strstr(answer, "ontent-Length: ");
            if (field == NULL || field > end)
                return 0;
            whole = (size_t)(end + 4 - answer) + (size_t)strtoul(field + 15, NULL, 10);
        }
    }
    memmove(answer, end + 4, strlen(end + 4) + 1);
    return 1;
}

static void ask_or_break(const char *method, const char *body, char *answer, size_t size)
{
    if (ask(method, body, answer, size))
        return;
    /* A kept connection may have gone. */
    if (wire >= 0)
        close(wire);
    wire = -1;
    if (!ask(method, body, answer, size))
        bench_broken("the simulator's clock does not answer", body);
}

void moved_time_start(const char *control)
{
    char answer[2048];
    const char *field;
    const char *colon = strrchr(control, ':');
    if (colon == NULL)
        bench_broken("control=HOST:PORT", control);
    pthread_mutex_lock(&lock);
    port = atoi(colon + 1);
    ask_or_break("GET", "", answer, sizeof answer);
    field = strstr(answer, "\"offset_ms\":");
    if (field == NULL)
        bench_broken("the simulator's clock has no offset_ms", answer);
    offset_ms = strtoll(field + 12, NULL, 10);
    pthread_mutex_unlock(&lock);
}

void moved_time_advance(int64_t ms)
{
    char body[64];
    char answer[2048];
    snprintf(body, sizeof body, "{\"advance_ms\":%" PRId64 "}", ms);
    pthread_mutex_lock(&lock);
    ask_or_break("POST", body, answer, sizeof answer);
    if (strstr(answer, "\"offset_ms\":") == NULL)
        bench_broken("the simulator's clock did not move", answer);
    offset_ms += ms;
    pthread_mutex_unlock(&lock);
}

void moved_time_coarse(int64_t ms)
{
    least_sleep_ms = ms;
}

void moved_time_jump_wall(int64_t ms)
{
    pthread_mutex_lock(&lock);
    wall_jump_ms += ms;
    pthread_mutex_unlock(&lock);
}

static int64_t read_clock(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t moved(clockid_t which, const int64_t *jump)
{
    int64_t ms;
    pthread_mutex_lock(&lock);
    ms = read_clock(which) + offset_ms + (jump == NULL ? 0 : *jump);
    pthread_mutex_unlock(&lock);
    return ms;
}

int64_t moved_wall_ms(void *user)
{
    (void)user;
    return moved(CLOCK_REALTIME, &wall_jump_ms);
}

int64_t moved_monotonic_ms(void *user)
{
    (void)user;
    return moved(CLOCK_MONOTONIC, NULL);
}

void moved_sleep_ms(void *user, uint32_t ms)
{
    (void)user;
    moved_time_advance((int64_t)ms > least_sleep_ms ? (int64_t)ms : least_sleep_ms);
}

int64_t real_wall_ms(void *user)
{
    (void)user;
    return read_clock(CLOCK_REALTIME);
}

int64_t real_monotonic_ms(void *user)
{
    (void)user;
    return read_clock(CLOCK_MONOTONIC);
}

void real_sleep_ms(void *user, uint32_t ms)
{
    struct timespec span;
    (void)user;
    span.tv_sec = (time_t)(ms / 1000);
    span.tv_nsec = (long)(ms % 1000) * 1000000;
    nanosleep(&span, NULL);
}
