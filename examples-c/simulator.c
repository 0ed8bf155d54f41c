/* Starts and stops vp-simulator: see simulator.h. */
#define _POSIX_C_SOURCE 200809L
#include "simulator.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { MOST_ARGUMENTS = 32, STOP_LIMIT_MS = 10000, SLICE_MS = 5 };

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* A pipe whose ends no other child inherits: a stdin that somebody else holds open would keep the simulator running. */
static int private_pipe(int ends[2])
{
    if (pipe(ends) != 0)
        return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
}

static int spawn(pid_t *pid, const char *program, const char *const *arguments, int in, int out)
{
    const char *argv[MOST_ARGUMENTS + 5] = { program, "--port", "0", "--exit-with-parent" };
    posix_spawn_file_actions_t actions;
    size_t count = 4;
    int failed;

    while (arguments && *arguments && count < MOST_ARGUMENTS + 4)
        argv[count++] = *arguments++;
    if (arguments && *arguments)
        return E2BIG;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    failed = posix_spawnp(pid, program, &actions, NULL, (char *const *)(void *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* The first line on stdout; 0 if it is there in time. */
static int read_line(int out, char *line, size_t size, int limit_ms)
{
    const long long end = now_ms() + limit_ms;
    size_t have = 0;
    while (have + 1 < size) {
        struct pollfd wait = { out, POLLIN, 0 };
        const long long left = end - now_ms();
        ssize_t more;
        if (poll(&wait, 1, left > 0 ? (int)left : 0) < 0 && errno == EINTR)
            continue;
        if (wait.revents == 0) {
            fprintf(stderr, "the simulator was not ready after %d ms\n", limit_ms);
            return -1;
        }
        more = read(out, line + have, size - 1 - have);
        if (more <= 0) {
            fprintf(stderr, "the simulator did not start\n"); /* its own words are on stderr already */
            return -1;
        }
        have += (size_t)more;
        line[have] = '\0';
        if (line[have - 1] == '\n')
            return 0;
    }
    return -1;
}

/* A text of the ready line, {"url":"…",…}; empty where it is null. The simulator's values need no escapes. */
static int text_of(const char *line, const char *name, char *value, size_t size)
{
    char key[32];
    const char *start;
    size_t length;
    snprintf(key, sizeof key, "\"%s\":", name);
    start = strstr(line, key);
    if (!start)
        return -1;
    start += strlen(key);
    value[0] = '\0';
    if (strncmp(start, "null", 4) == 0)
        return 0;
    length = strcspn(++start, "\"\\");
    if (start[length] != '"' || length >= size)
        return -1;
    memcpy(value, start, length);
    value[length] = '\0';
    return 0;
}

int simulator_start(struct simulator *simulator, const char *program, const char *const *arguments, int limit_ms)
{
    int in[2], out[2], failed;
    char line[1024];

    if (private_pipe(in) != 0)
        return -1;
    if (private_pipe(out) != 0) {
        close(in[0]), close(in[1]);
        return -1;
    }
    failed = spawn(&simulator->pid, program, arguments, in[0], out[1]);
    close(in[0]), close(out[1]);
    simulator->stdin_fd = in[1];
    if (failed) {
        fprintf(stderr, "%s: %s\n", program, strerror(failed));
        close(in[1]), close(out[0]);
        return -1;
    }
    failed = read_line(out[0], line, sizeof line, limit_ms) != 0 ||
             text_of(line, "url", simulator->url, sizeof simulator->url) != 0 ||
             text_of(line, "control", simulator->control, sizeof simulator->control) != 0 ||
             text_of(line, "ca_file", simulator->ca_file, sizeof simulator->ca_file) != 0;
    close(out[0]); /* nothing follows the ready line */
    if (failed) {
        simulator_stop(simulator);
        return -1;
    }
    return 0;
}

int simulator_stop(struct simulator *simulator)
{
    const struct timespec slice = { 0, SLICE_MS * 1000000L };
    const long long end = now_ms() + STOP_LIMIT_MS;
    int status = 0;
    pid_t ended;

    close(simulator->stdin_fd);
    while ((ended = waitpid(simulator->pid, &status, WNOHANG)) == 0 || (ended < 0 && errno == EINTR)) {
        if (now_ms() > end)
            kill(simulator->pid, SIGKILL);
        nanosleep(&slice, NULL);
    }
    return ended == simulator->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}
