/* The store of examples-c/block_store.c, with every write told, so that a test can cut the power between any two bytes. */
#include <stdlib.h>
#include <string.h>

#include "cut_block.h"

struct cut {
    struct block_store store; /* first: a pointer to this is the `user` of the hooks */
    told_fn told;
};

static void write_and_tell(struct block_store *store, size_t at, const void *bytes, size_t count)
{
    memcpy(store->block + at, bytes, count);
    ((struct cut *)store)->told(store->user, (uint32_t)at, bytes, (uint32_t)count);
}

void *cut_open(uint8_t *block, uint32_t size, told_fn told, void *context)
{
    struct cut *cut = calloc(1, sizeof *cut);
    if (cut == NULL)
        return NULL;
    cut->told = told;
    cut->store.block = block;
    cut->store.size = size;
    cut->store.write = write_and_tell;
    cut->store.user = context;
    block_store_open(&cut->store);
    return cut;
}

void cut_close(void *user)
{
    free(user);
}
