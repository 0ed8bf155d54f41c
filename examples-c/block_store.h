/* Records in one fixed block of memory that keeps its contents without power: battery-backed RAM, FRAM. The store hooks
 * of vpmeter.h, without any allocation; see block_store.c for how a power cut at any byte is survived. */
#ifndef BLOCK_STORE_H
#define BLOCK_STORE_H

#include <stddef.h>
#include <stdint.h>

#include <vpmeter.h>

#define BLOCK_STORE_SIZE 65536u /* bytes: about 15 rides in the making, or 60 that are done */

struct block_store {
    uint8_t *block; /* aligned to 8 bytes; read directly, written through `write` alone */
    size_t size;    /* of the block, a multiple of 64 */
    uint32_t newest; /* the highest version in the block */
    /* Puts bytes into the block, in order, and returns when they are there: memcpy and a barrier, or a driver's. */
    void (*write)(struct block_store *store, size_t at, const void *bytes, size_t count);
    void *user; /* for `write` */
};

/* Finds what is in the block after a start and clears away what a power cut has left. A new block is all zeros. */
void block_store_open(struct block_store *store);

/* The four hooks; `user` is a struct block_store. */
int32_t block_store_put(void *user, int32_t shelf, const char *name, const void *bytes, uint32_t size);
int32_t block_store_get(void *user, int32_t shelf, const char *name, void *buffer, uint32_t size);
int32_t block_store_remove(void *user, int32_t shelf, const char *name);
int32_t block_store_each(void *user, int32_t shelf, vp_store_name_fn each, void *context);

#endif
