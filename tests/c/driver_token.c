/* The back office of the test: gives the token that the test has got, or something else. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <string.h>

#include "driver_bench.h"
#include "driver_time.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char does[24];
static char value[4096];
static uint32_t life_s = 3600;
static int64_t late_ms;

void token_behave(struct line *line)
{
    pthread_mutex_lock(&lock);
    snprintf(does, sizeof does, "%s", line_text(line, "does", ""));
    if (line_has(line, "value"))
        snprintf(value, sizeof value, "%s", line_text(line, "value", ""));
    life_s = (uint32_t)line_number(line, "life", 3600);
    late_ms = line_number(line, "late", 0);
    pthread_mutex_unlock(&lock);
}

static int is(const char *what)
{
    return strcmp(does, what) == 0;
}

static int32_t token(void *user, int32_t refused, char *buffer, uint32_t size, uint32_t *out_life_s)
{
    struct answer answer;
    int32_t code = VP_TOKEN_OK;
    (void)user;
    hook_entered("token");
    answer_begin(&answer, "event");
    answer_text(&answer, "kind", "token");
    answer_number(&answer, "refused", refused);
    answer_send(&answer);
    if (late_ms > 0)
        moved_time_advance(late_ms);
    pthread_mutex_lock(&lock);
    *out_life_s = life_s;
    snprintf(buffer, size, "%s", value);
    if (is("later"))
        code = VP_TOKEN_LATER;
    else if (is("refused"))
        code = VP_TOKEN_REFUSED;
    else if (is("strange"))
        code = 4711;
    else if (is("nothing"))
        memset(buffer, 0, size);
    else if (is("line_break"))
        snprintf(buffer, size, "abc\r\nInjected: yes");
    else if (is("space"))
        snprintf(buffer, size, "abc def");
    else if (is("letters"))
        snprintf(buffer, size, "bl\xc3\xa5tt");
    else if (is("not_utf8"))
        snprintf(buffer, size, "bl\xe5tt");
    else if (is("no_end"))
        memset(buffer, 'x', size);
    else if (is("stale") || (is("stale_first") && refused == 0))
        snprintf(buffer, size, "a-token-of-yesterday");
    pthread_mutex_unlock(&lock);
    return code;
}

void token_fill(vp_hooks *hooks, struct line *line)
{
    if (line_number(line, "tokens", 0) != 0)
        hooks->token = token;
}
