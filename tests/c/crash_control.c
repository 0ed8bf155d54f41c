/* The simulator's control port. */
#define _POSIX_C_SOURCE 200809L
#include "crash_control.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char *address;
static int wire = -1;
static char answer[65536];

static int connect_wire(void)
{
    const char *colon = strrchr(address, ':');
    struct sockaddr_in to;
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)(colon == NULL ? 0 : atoi(colon + 1)));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    wire = socket(AF_INET, SOCK_STREAM, 0);
    return wire >= 0 && connect(wire, (struct sockaddr *)&to, sizeof to) == 0;
}

static long content_length(const char *head)
{
    const char *field = strstr(head, "ontent-length: ");
    if (field == NULL)
        field = strstr(head, "ontent-Length: ");
    return field == NULL ? -1 : strtol(field + 15, NULL, 10);
}

void control_at(const char *url)
{
    address = url;
}

char *ask(const char *method, const char *path, const char *body)
{
    char text[512];
    size_t length = 0;
    char *end = NULL;
    long rest = 1;
    int count = snprintf(text, sizeof text,
                         "%s /_sim/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                         "Content-Length: %u\r\n\r\n%s",
                         method, path, (unsigned)strlen(body), body);
    if (wire < 0 && !connect_wire())
        broken("no connection to the control port", address);
    if (send(wire, text, (size_t)count, MSG_NOSIGNAL) != count)
        broken("the control port does not listen", path);
    while (end == NULL || rest > 0) {
        ssize_t got = recv(wire, answer + length, sizeof answer - 1 - length, 0);
        if (got <= 0)
            broken("the control port does not answer", path);
        length += (size_t)got;
        answer[length] = '\0';
        if (end == NULL && (end = strstr(answer, "\r\n\r\n")) != NULL)
            end += 4;
        if (end != NULL)
            rest = content_length(answer) - (long)(length - (size_t)(end - answer));
    }
    return end;
}

int64_t number_after(const char *text, const char *name)
{
    const char *field = strstr(text, name);
    if (field == NULL)
        broken("the simulator's answer has no", name);
    return strtoll(field + strlen(name), NULL, 10);
}

int64_t number_of_rule(int rule, const char *name)
{
    /* A rule has its members in the order of the alphabet: "fired" stands before "id", and that before "seen". */
    const char *rules, *here, *next;
    char id[32];
    snprintf(id, sizeof id, "\"id\":%d,", rule);
    rules = ask("GET", "faults", "");
    here = strstr(rules, id);
    if (here == NULL)
        return 0;
    if (strcmp(name, "\"seen\":") == 0)
        return number_after(here, name);
    while ((next = strstr(rules + 1, name)) != NULL && next < here)
        rules = next;
    return number_after(rules, name);
}
