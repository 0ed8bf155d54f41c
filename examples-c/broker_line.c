#define _POSIX_C_SOURCE 200809L
#include "broker_line.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mqtt_protocol.h>

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    struct mosquitto *broker;
    const char *host;
    int port, keepalive_s, longest_pause_s, leaving;
} line = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int leaving(void)
{
    int is;
    pthread_mutex_lock(&line.lock);
    is = line.leaving;
    pthread_mutex_unlock(&line.lock);
    return is;
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)(now.tv_sec % 1000000) * 1000 + now.tv_nsec / 1000000;
}

/* libmosquitto's own thread (mosquitto_loop_start) gives up for good after some errors of TLS; this one never does. */
static void *keep_up(void *unused)
{
    unsigned seed = (unsigned)now_ms() ^ ((unsigned)getpid() << 16);
    long ceiling_ms = 1000;
    const char *c;
    (void)unused;
    for (c = line.host; *c != '\0'; c++)
        seed = seed * 31 + (unsigned char)*c;
    mosquitto_connect_async(line.broker, line.host, line.port, line.keepalive_s);
    while (!leaving()) {
        long began = now_ms(), pause;
        struct timespec slice = { 0, 0 };
        while (mosquitto_loop(line.broker, 500, 1) == MOSQ_ERR_SUCCESS)
            if (leaving() && !mosquitto_want_write(line.broker))
                return NULL;
        if (now_ms() - began > 60000) /* it had held */
            ceiling_ms = 1000;
        pause = (long)(rand_r(&seed) / (RAND_MAX + 1.0) * (double)ceiling_ms);
        ceiling_ms = ceiling_ms * 2 > line.longest_pause_s * 1000L ? line.longest_pause_s * 1000L : ceiling_ms * 2;
        for (; pause > 0 && !leaving(); pause -= 100) {
            slice.tv_nsec = (pause < 100 ? pause : 100) * 1000000;
            nanosleep(&slice, NULL);
        }
        if (!leaving())
            mosquitto_reconnect_async(line.broker);
    }
    return NULL;
}

int broker_line_start(struct mosquitto *broker, const char *host, int port, int keepalive_s, int longest_pause_s)
{
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, NULL); /* a line that breaks while something is written is an ordinary thing */
    line.broker = broker;
    line.host = host;
    line.port = port;
    line.keepalive_s = keepalive_s;
    line.longest_pause_s = longest_pause_s;
    mosquitto_threaded_set(broker, true);
    return pthread_create(&line.thread, NULL, keep_up, NULL) == 0;
}

void broker_line_stop(int with_will)
{
    if (with_will)
        mosquitto_disconnect_v5(line.broker, MQTT_RC_DISCONNECT_WITH_WILL_MSG, NULL);
    else
        mosquitto_disconnect(line.broker);
    pthread_mutex_lock(&line.lock);
    line.leaving = 1;
    pthread_mutex_unlock(&line.lock);
    pthread_join(line.thread, NULL);
}
