/* For tests/abi/store_power.rs, which loads this at run time. */
#ifndef CUT_BLOCK_H
#define CUT_BLOCK_H

#include "block_store.h"

typedef void (*told_fn)(void *context, uint32_t at, const void *bytes, uint32_t count);

/* Opens the store in `block` and tells of every write. The result is the `user` of the block_store hooks. */
void *cut_open(uint8_t *block, uint32_t size, told_fn told, void *context);
void cut_close(void *user);

#endif
