/* A meter whose payments run in a process of their own: own_process PROGRAM FARE PHONE REFERENCE
 *
 * PROGRAM is payment_process.c, compiled. Nothing of vpmeter is in this program: it neither includes nor links it. What
 * the two share is two pipes with the lines that payment_process.c describes; what comes in is read into a buffer of fixed
 * size, and a line that is none of those is dropped. When the other process dies it is started anew and told the same
 * ride, which by its reference is the same payment: the passenger is charged once. Exits 0 only if the ride is paid. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAINT_MS = 20, STARTS = 5 };

struct payments {
    pid_t pid; /* 0: none runs */
    int to, from;
    char line[256];
    size_t length;
};

static int start(struct payments *payments, const char *program)
{
    int to[2], from[2];

    if (pipe(to) != 0)
        return -1;
    if (pipe(from) != 0)
        return close(to[0]), close(to[1]), -1;
    payments->pid = fork();
    if (payments->pid == 0) {
        if (dup2(to[0], STDIN_FILENO) < 0 || dup2(from[1], STDOUT_FILENO) < 0)
            _exit(127);
        close(to[0]), close(to[1]), close(from[0]), close(from[1]);
        execl(program, program, (char *)NULL);
        _exit(127);
    }
    close(to[0]), close(from[1]);
    payments->to = to[1], payments->from = from[0], payments->length = 0;
    if (payments->pid < 0)
        payments->pid = 0, close(to[1]), close(from[0]);
    return payments->pid > 0 ? 0 : -1;
}

static void end(struct payments *payments)
{
    close(payments->to), close(payments->from);
    while (waitpid(payments->pid, NULL, 0) < 0)
        ;
    payments->pid = 0;
}

/* One line of the other process. 1: the ride is paid, 0: it is over and not paid, -1: it goes on. */
static int hear(const struct payments *payments, const char *reference)
{
    char word[8], whose[65], verdict[32], text[128] = "";
    long long captured = 0;

    if (sscanf(payments->line, "%7s %64s %31s %lld %127[^\n]", word, whose, verdict, &captured, text) < 4 ||
        strcmp(whose, reference) != 0)
        return -1;
    if (strcmp(word, "SHOW") == 0)
        printf("%s: %s\n", verdict, text);
    if (strcmp(word, "END") == 0) {
        printf("%s, captured %lld (%s)\n", verdict, captured, text);
        return strcmp(verdict, "PAID_LEAVE") == 0;
    }
    return -1;
}

/* Takes what has come. As hear(); -2: the other process has ended. */
static int take(struct payments *payments, const char *reference)
{
    char bytes[256];
    ssize_t count = read(payments->from, bytes, sizeof bytes), i;
    int over = -1;

    for (i = 0; i < count && over < 0; i++) {
        /* What is longer than the buffer is no line of ours: its middle is lost. */
        if (payments->length + 1 < sizeof payments->line)
            payments->line[payments->length++] = bytes[i];
        if (bytes[i] != '\n')
            continue;
        payments->line[payments->length] = '\0';
        payments->length = 0;
        over = hear(payments, reference);
    }
    return count > 0 ? over : -2;
}

int main(int argc, char **argv)
{
    struct payments payments = { 0, -1, -1, "", 0 };
    char ride[256];
    int length, starts = 0, over = -1;

    if (argc < 5)
        return fprintf(stderr, "usage: %s PROGRAM FARE PHONE REFERENCE\n", argv[0]), 2;
    length = snprintf(ride, sizeof ride, "RIDE %s %s %s\n", argv[2], argv[4], argv[3]);
    if (length < 0 || (size_t)length >= sizeof ride)
        return fprintf(stderr, "too long\n"), 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    while (over < 0) {
        struct pollfd input = { 0, POLLIN, 0 };

        if (payments.pid == 0) {
            if (starts++ == STARTS || start(&payments, argv[1]) != 0)
                return fprintf(stderr, "payments do not run; the fare is safe, call the office\n"), 1;
            printf("payments are process %ld\n", (long)payments.pid);
            if (write(payments.to, ride, (size_t)length) != length) /* less than a pipe holds: whole or not at all */
                perror("payments");
        }
        input.fd = payments.from;
        if (poll(&input, 1, PAINT_MS) > 0 && (over = take(&payments, argv[4])) == -2)
            end(&payments);
        /* Here the meter paints, counts, reads its keys: never later than PAINT_MS, whatever the other process does. */
    }
    end(&payments);
    return over == 1 ? 0 : 1;
}
