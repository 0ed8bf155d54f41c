/* What the parts of the driver share: the clients, the threads, the behaviour of the callbacks. */
#ifndef DRIVER_BENCH_H
#define DRIVER_BENCH_H

#include <pthread.h>
#include <stdint.h>

#include "block_store.h"
#include "driver_line.h"
#include "vpmeter.h"

#define BENCH_CLIENTS 72
#define BENCH_THREADS 8

/* One client; its address is the `user` of its callbacks. */
struct place {
    vp_client *client;
    vp_client *closed; /* the handle that it had before */
    struct block_store store;
};

/* One thread of the driver; number 0 reads the lines. */
struct worker {
    int number;
    int started;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct line job;
    int has_job;
    int ends;
    /* The call that runs now. */
    int64_t began;
    int64_t last_tick;
    int64_t longest_gap;
    int ticks;
    int inside;
    const char *hook; /* the callback that it is in */
    vp_client *client;
};

extern struct place bench_places[BENCH_CLIENTS];
extern struct worker bench_workers[BENCH_THREADS];

struct worker *this_worker(void);
void worker_set(struct worker *worker);

/* How the callbacks behave from now on: `tick answer=stop from=2`, `inside hook=payment`, `die hook=payment state=3`. */
void hooks_tick(struct line *line);
void hooks_inside(struct line *line);
void hooks_die(struct line *line);
/* Fills in the callbacks that `hooks=` names, and the clock. */
void hooks_fill(vp_hooks *hooks, struct line *line, struct place *place);
/* In callback `hook`: does what the test has asked for. */
void hook_entered(const char *hook);
/* The journal in a block of memory that `store=` asks for, and what it does wrong: `store does=put_full after=2`. */
void store_fill(vp_hooks *hooks, struct line *line, struct place *place);
void store_behave(struct line *line);
void store_close(struct place *place);
/* The transport that `transport=` asks for, what it does wrong from now on, and an answer after its time. */
void transport_fill(vp_hooks *hooks, struct line *line);
void transport_behave(struct line *line);
int32_t transport_late(void);
/* The back office that `tokens=1` asks for, and what it does: `token does=stale life=60`. */
void token_fill(vp_hooks *hooks, struct line *line);
void token_behave(struct line *line);
/* Tells of a payment: in the hook, in a list, in a settle. */
void tell_payment(void *user, const vp_payment *payment);
int32_t tell_listed(void *user, const vp_payment *payment);
int32_t tell_event(void *user, const vp_event *event);

/* Every function of the library once, from where we are. */
void call_everything(vp_client *client, const char *where);

const char *name_of_state(int32_t state);
const char *name_of_verdict(int32_t verdict);
const char *name_of_next(int32_t next);
const char *name_of_message(int32_t message);
const char *name_of_cause(int32_t cause);
void answer_owed(struct answer *answer, uint32_t owed);
void answer_payment(struct answer *answer, const vp_payment *payment);

/* One line of the test. */
void carry_out(struct worker *worker, struct line *line);

#endif
