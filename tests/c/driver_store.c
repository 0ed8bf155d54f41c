/* A journal in a block of memory: the store of examples-c, in a mapped file, and all that a store can do wrong. */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver_bench.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* What the store does wrong from now on, and how many good calls of the kind come before. */
static char wrong[24];
static int64_t after;
static vp_store_name_fn kept_each;

void store_behave(struct line *line)
{
    pthread_mutex_lock(&lock);
    snprintf(wrong, sizeof wrong, "%s", line_text(line, "does", ""));
    after = line_number(line, "after", 0);
    pthread_mutex_unlock(&lock);
}

/* Whether it does this wrong thing now. */
static int does(const char *what)
{
    int yes;
    pthread_mutex_lock(&lock);
    yes = strcmp(wrong, what) == 0 && after-- <= 0;
    pthread_mutex_unlock(&lock);
    return yes;
}

static void write_memory(struct block_store *store, size_t at, const void *bytes, size_t count)
{
    memcpy(store->block + at, bytes, count);
}

static int32_t store_put(void *user, int32_t shelf, const char *name, const void *bytes, uint32_t size)
{
    struct place *place = user;
    hook_entered("store");
    if (does("put_forgets"))
        return VP_STORE_OK;
    if (does("put_full"))
        return VP_STORE_FULL;
    if (does("put_fails"))
        return VP_STORE_FAILED;
    if (does("put_strange"))
        return 77;
    if (does("put_half"))
        return block_store_put(&place->store, shelf, name, bytes, size / 2);
    if (does("put_keeps_and_fails")) {
        block_store_put(&place->store, shelf, name, bytes, size);
        return VP_STORE_FAILED;
    }
    if (does("put_other_name"))
        return block_store_put(&place->store, shelf, "somebody-else", bytes, size);
    if (does("each_late") && kept_each != NULL)
        kept_each(NULL, "late-name-0001");
    return block_store_put(&place->store, shelf, name, bytes, size);
}

static int32_t store_get(void *user, int32_t shelf, const char *name, void *buffer, uint32_t size)
{
    struct place *place = user;
    int32_t length = block_store_get(&place->store, shelf, name, buffer, size);
    hook_entered("store");
    if (length < 0)
        return length;
    if (does("get_nothing"))
        return VP_STORE_NOTHING;
    if (does("get_damaged"))
        return VP_STORE_DAMAGED;
    if (does("get_negative"))
        return -12345;
    if (does("get_long"))
        return INT32_MAX;
    if (does("get_past"))
        return (int32_t)size + 1;
    if (does("get_short"))
        return length - 1;
    if (does("get_empty"))
        return 0;
    if (does("get_garbled"))
        ((char *)buffer)[length / 2] ^= 1;
    if (does("get_foreign"))
        return (int32_t)snprintf(buffer, size, "[journal of another meter]");
    if (does("get_newer"))
        return (int32_t)snprintf(buffer, size, "vpmeter-journal 3 what may come\n");
    return length;
}

static int32_t store_remove(void *user, int32_t shelf, const char *name)
{
    struct place *place = user;
    hook_entered("store");
    if (does("remove_lies"))
        return VP_STORE_OK;
    if (does("remove_fails"))
        return VP_STORE_FAILED;
    return block_store_remove(&place->store, shelf, name);
}

static int32_t store_each(void *user, int32_t shelf, vp_store_name_fn each, void *context)
{
    struct place *place = user;
    char longest[400];
    hook_entered("store");
    kept_each = each;
    if (does("each_fails"))
        return VP_STORE_FAILED;
    if (does("each_strange"))
        return 4711;
    if (does("each_null"))
        each(context, NULL);
    if (does("each_bad"))
        each(context, "../../etc/passwd");
    if (does("each_not_utf8"))
        each(context, "caf\xe9-0001");
    if (does("each_long")) {
        memset(longest, 'x', sizeof longest);
        longest[sizeof longest - 1] = '\0';
        each(context, longest);
    }
    if (does("each_ghost"))
        each(context, "ghost-0001");
    if (does("each_without_end")) {
        while (each(context, "trip-0001") == 0)
            ;
    }
    if (does("each_twice"))
        block_store_each(&place->store, shelf, each, context);
    return block_store_each(&place->store, shelf, each, context);
}

/* store=c memory=PATH: the four hooks; half: one is missing. */
void store_fill(vp_hooks *hooks, struct line *line, struct place *place)
{
    const char *which = line_text(line, "store", "");
    const char *path = line_text(line, "memory", "");
    int file;
    if (which[0] == '\0')
        return;
    if (place->store.block == NULL) {
        file = open(path, O_RDWR | O_CREAT, 0600);
        if (file < 0 || ftruncate(file, BLOCK_STORE_SIZE) != 0)
            bench_broken("memory cannot be opened", path);
        place->store.block = mmap(NULL, BLOCK_STORE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (place->store.block == MAP_FAILED)
            bench_broken("memory cannot be mapped", path);
    }
    place->store.size = (size_t)line_number(line, "memory_size", BLOCK_STORE_SIZE);
    place->store.write = write_memory;
    block_store_open(&place->store);
    hooks->store_put = store_put;
    hooks->store_get = store_get;
    hooks->store_remove = strcmp(which, "half") == 0 ? NULL : store_remove;
    hooks->store_each = store_each;
}

void store_close(struct place *place)
{
    if (place->store.block != NULL)
        munmap(place->store.block, BLOCK_STORE_SIZE);
}
