/* Where a program is in what it does to the world. The system calls by which it and the library change files, and draw
 * lots, are these functions, found before those of the C library. */
#define _GNU_SOURCE
#include "crash_place.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

struct place {
    uint64_t changes;
    uint64_t moves;
};

static struct place nowhere;
static struct place *here = &nowhere;
static struct place stop;
static int (*arrived)(void);
static uint64_t drawn;

int place_open(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    void *memory = MAP_FAILED;
    if (file >= 0 && ftruncate(file, sizeof *here) == 0)
        memory = mmap(NULL, sizeof *here, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file >= 0)
        close(file);
    if (memory == MAP_FAILED)
        return 0;
    here = memory;
    return 1;
}

void place_stop(uint64_t changes, uint64_t moves, int (*have_arrived)(void))
{
    stop.changes = changes;
    stop.moves = moves;
    arrived = have_arrived;
}

void place_random(uint64_t seed)
{
    drawn = seed;
}

void place_change(void)
{
    if (arrived != NULL && here->changes == stop.changes) {
        int (*asked)(void) = arrived;
        arrived = NULL;
        if (asked())
            kill(getpid(), SIGKILL);
        fprintf(stderr, "crash_meter: it goes another way\n");
        _exit(PLACE_MISSED);
    }
    here->changes++;
    here->moves = 0;
}

void place_move(void)
{
    if (arrived != NULL && here->changes == stop.changes && here->moves >= stop.moves && arrived())
        kill(getpid(), SIGKILL);
    here->moves++;
}

ssize_t write(int file, const void *bytes, size_t count)
{
    place_change();
    return syscall(SYS_write, file, bytes, count);
}

int fsync(int file)
{
    place_change();
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file)
{
    place_change();
    return (int)syscall(SYS_fdatasync, file);
}

int rename(const char *from, const char *to)
{
    place_change();
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
    place_change();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
ssize_t getrandom(void *bytes, size_t count, unsigned int flags)
{
    uint8_t *to = bytes;
    size_t i;
    (void)flags;
    for (i = 0; i < count; i++) {
        uint64_t z = drawn += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        to[i] = (uint8_t)(z >> 56);
    }
    return (ssize_t)count;
}
