#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "driver_bench.h"
#include "driver_time.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    int32_t tick_answer;
    int tick_from;
    int tick_print;
    char inside[16];
    char die_hook[16];
    int32_t die_state;
    int64_t die_after;
} behaviour;

static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    pthread_key_create(&key, NULL);
}

struct worker *this_worker(void)
{
    pthread_once(&key_once, make_key);
    return pthread_getspecific(key);
}

void worker_set(struct worker *worker)
{
    pthread_once(&key_once, make_key);
    pthread_setspecific(key, worker);
}

void hooks_tick(struct line *line)
{
    const char *answer = line_text(line, "answer", "go_on");
    pthread_mutex_lock(&lock);
    behaviour.tick_answer = strcmp(answer, "stop") == 0      ? VP_TICK_STOP_WAITING
                            : strcmp(answer, "give_up") == 0 ? VP_TICK_GIVE_UP
                                                             : VP_TICK_GO_ON;
    behaviour.tick_from = (int)line_number(line, "from", 1);
    behaviour.tick_print = (int)line_number(line, "print", 0);
    pthread_mutex_unlock(&lock);
}

void hooks_inside(struct line *line)
{
    pthread_mutex_lock(&lock);
    snprintf(behaviour.inside, sizeof behaviour.inside, "%s", line_text(line, "hook", ""));
    pthread_mutex_unlock(&lock);
}

void hooks_die(struct line *line)
{
    pthread_mutex_lock(&lock);
    snprintf(behaviour.die_hook, sizeof behaviour.die_hook, "%s", line_text(line, "hook", ""));
    behaviour.die_state = (int32_t)line_number(line, "state", 0);
    behaviour.die_after = line_number(line, "after", 0);
    pthread_mutex_unlock(&lock);
}

/* In callback `hook`: what the test has asked for. */
static void enter(const char *hook, int32_t state)
{
    struct worker *worker = this_worker();
    int dies;
    int calls;
    pthread_mutex_lock(&lock);
    dies = strcmp(behaviour.die_hook, hook) == 0 && (behaviour.die_state == 0 || behaviour.die_state == state) &&
           behaviour.die_after-- <= 0;
    calls = strcmp(behaviour.inside, hook) == 0 && worker != NULL && worker->inside == 0;
    if (calls)
        behaviour.inside[0] = '\0';
    pthread_mutex_unlock(&lock);
    if (dies)
        raise(SIGKILL);
    if (calls) {
        worker->inside = 1;
        call_everything(worker->client, hook);
        worker->inside = 0;
    }
}

void hook_entered(const char *hook)
{
    enter(hook, 0);
}

static void tell(const char *kind, const vp_payment *payment)
{
    struct answer answer;
    answer_begin(&answer, "event");
    answer_text(&answer, "kind", kind);
    if (payment->struct_size < sizeof(vp_payment))
        bench_broken("a callback got a smaller vp_payment than it was compiled with", kind);
    answer_payment(&answer, payment);
    answer_send(&answer);
}

void tell_payment(void *user, const vp_payment *payment)
{
    tell("settled", payment);
    (void)user;
    enter("each", payment->state);
}

int32_t tell_listed(void *user, const vp_payment *payment)
{
    int *left = user;
    tell("listed", payment);
    enter("each", payment->state);
    return --*left == 0;
}

int32_t tell_event(void *user, const vp_event *event)
{
    struct answer answer;
    int *left = user;
    answer_begin(&answer, "event");
    answer_text(&answer, "kind", "entry");
    answer_text(&answer, "name", event->name);
    answer_number(&answer, "amount", event->amount);
    answer_number(&answer, "success", event->success);
    answer_number(&answer, "timestamp", event->timestamp);
    answer_text(&answer, "key", event->idempotency_key);
    answer_text(&answer, "psp", event->psp_reference);
    answer_send(&answer);
    enter("each", 0);
    return --*left == 0;
}

static void on_payment(void *user, const vp_payment *payment)
{
    (void)user;
    tell("payment", payment);
    enter("payment", payment->state);
}

static int32_t on_tick(void *user, const char *reference, uint32_t waited_ms)
{
    struct worker *worker = this_worker();
    int32_t says;
    int print;
    int64_t now = real_monotonic_ms(NULL);
    (void)user;
    pthread_mutex_lock(&lock);
    worker->ticks++;
    if (now - worker->last_tick > worker->longest_gap)
        worker->longest_gap = now - worker->last_tick;
    worker->last_tick = now;
    says = worker->ticks >= behaviour.tick_from ? behaviour.tick_answer : VP_TICK_GO_ON;
    print = behaviour.tick_print;
    pthread_mutex_unlock(&lock);
    if (print) {
        struct answer answer;
        answer_begin(&answer, "event");
        answer_text(&answer, "kind", "tick");
        answer_text(&answer, "ref", reference);
        answer_number(&answer, "waited_ms", waited_ms);
        answer_send(&answer);
    }
    enter("tick", 0);
    return says;
}

static void on_log(void *user, int32_t level, const char *text)
{
    struct answer answer;
    (void)user;
    answer_begin(&answer, "event");
    answer_text(&answer, "kind", "log");
    answer_number(&answer, "level", level);
    answer_text(&answer, "line", text);
    answer_send(&answer);
    enter("log", 0);
}

static int64_t wall_ms(void *user)
{
    enter("wall", 0);
    return moved_wall_ms(user);
}

static int64_t monotonic_ms(void *user)
{
    enter("monotonic", 0);
    return moved_monotonic_ms(user);
}

static void sleep_ms(void *user, uint32_t ms)
{
    enter("sleep", 0);
    moved_sleep_ms(user, ms);
}

void hooks_fill(vp_hooks *hooks, struct line *line, struct place *place)
{
    const char *which = line_text(line, "hooks", "payment+tick+log");
    const char *clock = line_text(line, "clock", "moved");
    hooks->user = place;
    if (strstr(which, "payment") != NULL)
        hooks->on_payment = on_payment;
    if (strstr(which, "tick") != NULL)
        hooks->on_tick = on_tick;
    if (strstr(which, "log") != NULL)
        hooks->on_log = on_log;
    if (strcmp(clock, "moved") == 0) {
        hooks->wall_ms = wall_ms;
        hooks->monotonic_ms = monotonic_ms;
        hooks->sleep_ms = sleep_ms;
    } else if (strcmp(clock, "real") == 0) {
        hooks->wall_ms = real_wall_ms;
        hooks->monotonic_ms = real_monotonic_ms;
        hooks->sleep_ms = real_sleep_ms;
    } else if (strcmp(clock, "half") == 0) {
        hooks->wall_ms = real_wall_ms;
    }
    store_fill(hooks, line, place);
    transport_fill(hooks, line);
    token_fill(hooks, line);
}
