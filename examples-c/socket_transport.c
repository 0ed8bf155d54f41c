#define _DEFAULT_SOURCE
#include "socket_transport.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST (400 * 1024) /* of an answer, head and body */
#define SLICE_MS 100

struct exchange {
    int fd;
    int connected;
    int64_t began;
    char *out;
    size_t out_size, out_done; /* from the first byte on it may have left */
    char *in;
    size_t in_size, in_room;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* How the kernel is to end this connection. The kernel goes on repeating the bytes of a closed socket, so that a request
 * which left into a dead zone would be carried out minutes after it was given up. With `reset` it drops them and says so
 * to the server, at close and, set before connecting, when this process is killed. */
static void when_closed(int fd, int reset)
{
    struct linger linger;
    linger.l_onoff = reset;
    linger.l_linger = 0;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static void end(struct exchange *x, int32_t said)
{
    if (x->fd >= 0) {
        if (said == VP_TRANSPORT_LOST) { /* now, also if a forked child has a copy of the descriptor */
            struct sockaddr nobody;
            memset(&nobody, 0, sizeof nobody);
            nobody.sa_family = AF_UNSPEC;
            connect(x->fd, &nobody, sizeof nobody);
        } else {
            when_closed(x->fd, 0);
        }
        close(x->fd);
    }
    free(x->out);
    free(x->in);
    free(x);
}

static int32_t not_sent(vp_answer *answer, int32_t cause, const char *detail)
{
    vp_answer_cause(answer, cause, detail);
    return VP_TRANSPORT_NOT_SENT;
}

static int32_t lost(vp_answer *answer, int32_t cause, const char *detail)
{
    vp_answer_cause(answer, cause, detail);
    return VP_TRANSPORT_LOST;
}

/* Head and body in one piece. */
static int write_request(struct exchange *x, const vp_request *request)
{
    size_t room = 512 + strlen(request->host) + strlen(request->path) + request->body_size;
    size_t at;
    int i;
    for (i = 0; request->headers[i] != NULL; i++)
        room += strlen(request->headers[i]) + 2;
    x->out = malloc(room);
    if (x->out == NULL)
        return 0;
    at = (size_t)sprintf(x->out, "%s %s HTTP/1.1\r\nHost: %s:%u\r\nConnection: close\r\nContent-Length: %u\r\n",
                         request->method, request->path, request->host, (unsigned)request->port,
                         (unsigned)request->body_size);
    for (i = 0; request->headers[i] != NULL; i++)
        at += (size_t)sprintf(x->out + at, "%s\r\n", request->headers[i]);
    at += (size_t)sprintf(x->out + at, "\r\n");
    if (request->body_size > 0)
        memcpy(x->out + at, request->body, request->body_size);
    x->out_size = at + request->body_size;
    return 1;
}

static int open_socket(struct exchange *x, const vp_request *request)
{
    struct addrinfo hints, *found = NULL;
    char port[8];
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    snprintf(port, sizeof port, "%u", (unsigned)request->port);
    if (getaddrinfo(strcmp(request->host, "localhost") == 0 ? "127.0.0.1" : request->host, port, &hints, &found) != 0)
        return 0;
    x->fd = socket(found->ai_family, SOCK_STREAM, 0);
    if (x->fd >= 0) {
        fcntl(x->fd, F_SETFD, FD_CLOEXEC);
        fcntl(x->fd, F_SETFL, O_NONBLOCK);
        when_closed(x->fd, 1);
        /* The kernel repeats nothing for longer, even if nobody closes: killed, and a forked child lives on. */
        setsockopt(x->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &request->limit_ms, sizeof request->limit_ms);
        if (connect(x->fd, found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS) {
            close(x->fd);
            x->fd = -1;
        }
    }
    freeaddrinfo(found);
    return x->fd >= 0;
}

static char *field(const struct exchange *x, const char *body, const char *name)
{
    char *line = x->in;
    size_t length = strlen(name);
    while ((line = strchr(line, '\n')) != NULL && ++line < body) {
        size_t i = 0;
        while (i < length && (line[i] | 0x20) == name[i])
            i++;
        if (i == length)
            return line + length;
    }
    return NULL;
}

/* 1: whole; 0: more is to come; -1: never will be. `closed`: nothing more comes. */
static int is_whole(const struct exchange *x, int closed, const char **body)
{
    const char *end_of_head = x->in == NULL ? NULL : strstr(x->in, "\r\n\r\n");
    const char *length;
    size_t have;
    if (end_of_head == NULL)
        return closed ? -1 : 0;
    *body = end_of_head + 4;
    have = x->in_size - (size_t)(*body - x->in);
    length = field(x, *body, "content-length:");
    if (length == NULL)
        return closed;
    if (have >= strtoul(length, NULL, 10))
        return 1;
    return closed ? -1 : 0;
}

static int32_t give(const struct exchange *x, const char *body, vp_answer *answer)
{
    const char *line = x->in;
    int status = 0;
    if (sscanf(x->in, "HTTP/1.1 %d", &status) != 1)
        return lost(answer, VP_CAUSE_BAD_ANSWER, "not HTTP");
    vp_answer_status(answer, status);
    while (line < body) {
        const char *next = strchr(line, '\n') + 1;
        vp_answer_header(answer, line, next - line);
        line = next;
    }
    vp_answer_body(answer, body, (int64_t)(x->in_size - (size_t)(body - x->in)));
    return VP_TRANSPORT_DONE;
}

static int ready(int fd, short events, int wait_ms)
{
    struct pollfd p;
    p.fd = fd;
    p.events = events;
    p.revents = 0;
    return poll(&p, 1, wait_ms) > 0;
}

/* What can be done without waiting. */
static int32_t step(struct exchange *x, const vp_request *request, vp_answer *answer)
{
    if (!x->connected) {
        int error = 0;
        socklen_t size = sizeof error;
        if (!ready(x->fd, POLLOUT, 0))
            return now_ms() - x->began < request->connect_ms ? VP_TRANSPORT_IN_PROGRESS
                                                             : not_sent(answer, VP_CAUSE_CONNECT, "no connection");
        if (getsockopt(x->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
            return not_sent(answer, VP_CAUSE_CONNECT, strerror(error));
        x->connected = 1;
    }
    while (x->out_done < x->out_size) {
        ssize_t n = send(x->fd, x->out + x->out_done, x->out_size - x->out_done, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return VP_TRANSPORT_IN_PROGRESS;
        if (n <= 0)
            return x->out_done == 0 ? not_sent(answer, VP_CAUSE_CONNECT, strerror(errno))
                                    : lost(answer, VP_CAUSE_CONNECTION_LOST, strerror(errno));
        x->out_done += (size_t)n;
        vp_answer_traffic(answer, n, 0);
    }
    for (;;) {
        const char *body = NULL;
        ssize_t n;
        int whole;
        if (x->in_room - x->in_size < 4096) {
            char *larger = x->in_size > MOST ? NULL : realloc(x->in, x->in_room + 16384);
            if (larger == NULL)
                return lost(answer, VP_CAUSE_BAD_ANSWER, "too long");
            x->in = larger;
            x->in_room += 16384;
        }
        n = recv(x->fd, x->in + x->in_size, x->in_room - x->in_size - 1, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return VP_TRANSPORT_IN_PROGRESS;
        if (n < 0)
            return lost(answer, VP_CAUSE_CONNECTION_LOST, strerror(errno));
        x->in_size += (size_t)n;
        x->in[x->in_size] = '\0';
        vp_answer_traffic(answer, 0, n);
        whole = is_whole(x, n == 0, &body);
        if (whole > 0)
            return give(x, body, answer);
        if (whole < 0)
            return lost(answer, VP_CAUSE_CONNECTION_LOST, "cut short");
    }
}

static struct exchange *begin(const vp_request *request)
{
    struct exchange *x = calloc(1, sizeof *x);
    if (x == NULL)
        return NULL;
    x->fd = -1;
    x->began = now_ms();
    if (request->secure || !write_request(x, request) || !open_socket(x, request)) {
        end(x, VP_TRANSPORT_NOT_SENT);
        return NULL;
    }
    return x;
}

int32_t sockets_in_pieces(void *user, int32_t what, const vp_request *request, vp_answer *answer)
{
    struct exchange *x;
    int32_t said;
    (void)user;
    if (what == VP_TRANSPORT_BEGIN) {
        *request->state = begin(request);
        if (*request->state == NULL)
            return not_sent(answer, VP_CAUSE_CONNECT, "no socket");
    }
    x = *request->state;
    if (what == VP_TRANSPORT_TEAR)
        said = x->out_done == 0 ? VP_TRANSPORT_NOT_SENT : VP_TRANSPORT_LOST;
    else
        said = step(x, request, answer);
    if (said != VP_TRANSPORT_IN_PROGRESS)
        end(x, said);
    return said;
}

int32_t sockets_waiting(void *user, int32_t what, const vp_request *request, vp_answer *answer)
{
    struct exchange *x = begin(request);
    int32_t said;
    (void)user;
    (void)what;
    if (x == NULL)
        return not_sent(answer, VP_CAUSE_CONNECT, "no socket");
    while ((said = step(x, request, answer)) == VP_TRANSPORT_IN_PROGRESS) {
        if (vp_answer_go_on(answer) != VP_OK) {
            said = x->out_done == 0 ? VP_TRANSPORT_NOT_SENT : VP_TRANSPORT_LOST;
            break;
        }
        ready(x->fd, x->connected && x->out_done == x->out_size ? POLLIN : POLLOUT, SLICE_MS);
    }
    end(x, said);
    return said;
}
