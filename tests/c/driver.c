/* A C program around the library, in the hands of a test: reads lines from stdin, makes one call for each, and writes one
 * line of result to stdout. "@2 poll ref=trip-0001" is carried out by thread 2 while the next lines are read. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_bench.h"

struct worker bench_workers[BENCH_THREADS];

static void on_signal(int number)
{
    (void)number;
    vp_interrupt(bench_places[0].client, NULL);
}

static void *thread_main(void *argument)
{
    struct worker *worker = argument;
    worker_set(worker);
    pthread_mutex_lock(&worker->lock);
    for (;;) {
        while (!worker->has_job && !worker->ends)
            pthread_cond_wait(&worker->wake, &worker->lock);
        if (!worker->has_job)
            break;
        pthread_mutex_unlock(&worker->lock);
        carry_out(worker, &worker->job);
        line_free(&worker->job);
        pthread_mutex_lock(&worker->lock);
        worker->has_job = 0;
        pthread_cond_broadcast(&worker->wake);
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

static void hand_over(struct line *line)
{
    struct worker *worker;
    if (line->thread < 1 || line->thread >= BENCH_THREADS)
        bench_broken("no such thread", line->command);
    worker = &bench_workers[line->thread];
    if (!worker->started) {
        worker->number = line->thread;
        pthread_mutex_init(&worker->lock, NULL);
        pthread_cond_init(&worker->wake, NULL);
        worker->started = 1;
        if (pthread_create(&worker->thread, NULL, thread_main, worker) != 0)
            bench_broken("no thread", line->command);
    }
    pthread_mutex_lock(&worker->lock);
    /* Its last result may be out before it is ready again. */
    while (worker->has_job)
        pthread_cond_wait(&worker->wake, &worker->lock);
    worker->job = *line;
    worker->has_job = 1;
    pthread_cond_broadcast(&worker->wake);
    pthread_mutex_unlock(&worker->lock);
}

/* Frees everything, so that whoever counts memory finds what the library has kept. */
static void clean_up(void)
{
    int i;
    for (i = 1; i < BENCH_THREADS; i++) {
        struct worker *worker = &bench_workers[i];
        if (!worker->started)
            continue;
        pthread_mutex_lock(&worker->lock);
        worker->ends = 1;
        pthread_cond_broadcast(&worker->wake);
        pthread_mutex_unlock(&worker->lock);
        pthread_join(worker->thread, NULL);
    }
    for (i = 0; i < BENCH_CLIENTS; i++) {
        if (bench_places[i].client != NULL && vp_client_close(bench_places[i].client) != VP_OK)
            bench_broken("a client does not close", "quit");
        store_close(&bench_places[i]);
    }
}

int main(void)
{
    struct sigaction action;
    char *text = NULL;
    size_t size = 0;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGUSR1, &action, NULL);
    worker_set(&bench_workers[0]);
    while (getline(&text, &size, stdin) > 0) {
        struct line line;
        if (!line_parse(&line, text))
            continue;
        if (strcmp(line.command, "quit") == 0)
            break;
        text = NULL;
        if (line.thread > 0) {
            hand_over(&line);
        } else {
            carry_out(&bench_workers[0], &line);
            line_free(&line);
        }
        size = 0;
    }
    free(text);
    clean_up();
    return 0;
}
