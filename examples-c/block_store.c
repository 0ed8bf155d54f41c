/* Records in a block of battery-backed RAM.
 *
 * The block is a row of cells of 64 bytes. A record lies in cells that follow each other: a head, then its bytes.
 *
 *   put     finds room beside the old version, writes the bytes, then the head without its mark, and last of all the
 *           mark: eight bytes that make it a record. Only then the old version is struck out, mark first, and zeroed.
 *   start   of two versions of a record the newer one counts, and the older one is struck out: the power failed between
 *           the mark and the striking out.
 *
 * So at any moment, also between two bytes of the mark, there is one whole version of each record, or two. Head and bytes
 * have a checksum each: a head that is wrong is no record, bytes that are wrong under a good head are a damaged one, and
 * whoever asks for it is told so. The mark is not UTF-8, so nothing within a record looks like one.
 *
 * A block that is full gives up the oldest payments that are done, and nothing else. */
#include "block_store.h"

#include <string.h>

#define CELL 64u
#define NAME_SIZE 68u /* 64 characters, a NUL, and up to a multiple of four */

static const uint8_t mark[8] = { 0xFF, 'v', 'p', 0xFE, 'R', 'E', 'C', 0xFF };

struct head {
    uint8_t mark[8];
    uint32_t checksum; /* of the rest of the head */
    uint32_t version;  /* grows with every put */
    uint32_t size;     /* of the bytes that follow */
    uint32_t checksum_of_bytes;
    int32_t shelf;
    char name[NAME_SIZE];
};

static uint32_t crc32(const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    uint32_t crc = 0xFFFFFFFFu;
    int bit;
    while (count-- > 0) {
        crc ^= *at++;
        for (bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

static uint32_t checksum_of_head(const struct head *head)
{
    const size_t skip = offsetof(struct head, version);
    return crc32((const uint8_t *)head + skip, sizeof *head - skip);
}

static size_t room_for(size_t bytes)
{
    return (sizeof(struct head) + bytes + CELL - 1) / CELL * CELL;
}

/* Whether a record begins here. */
static int read_head(const struct block_store *store, size_t at, struct head *head)
{
    if (store->size - at < sizeof *head || memcmp(store->block + at, mark, sizeof mark) != 0)
        return 0;
    memcpy(head, store->block + at, sizeof *head);
    return head->checksum == checksum_of_head(head) && head->size <= store->size - at - sizeof *head;
}

/* Walks over the records: begin with `*at` 0; `*next` is where to go on. */
static int next_record(const struct block_store *store, size_t *at, size_t *next, struct head *head)
{
    for (; *at < store->size; *at += CELL) {
        if (read_head(store, *at, head)) {
            *next = *at + room_for(head->size);
            return 1;
        }
    }
    return 0;
}

static int find(const struct block_store *store, int32_t shelf, const char *name, size_t *found, struct head *head)
{
    size_t at = 0, next;
    for (; next_record(store, &at, &next, head); at = next) {
        if (head->shelf == shelf && strcmp(head->name, name) == 0) {
            *found = at;
            return 1;
        }
    }
    return 0;
}

/* The mark goes first: from then on it is no record. */
static void strike_out(struct block_store *store, size_t at, size_t room)
{
    static const uint8_t zeros[CELL];
    size_t done;
    store->write(store, at, zeros, sizeof mark);
    for (done = 0; done < room; done += CELL)
        store->write(store, at + done, zeros, CELL);
}

/* Room between the records. What is done is kept at the end of the block, so that it does not break up the rest. */
static int find_room(const struct block_store *store, int32_t shelf, size_t room, size_t *found)
{
    size_t at = 0, next = 0, begin = 0;
    struct head head;
    int fits = 0;
    for (;;) {
        size_t end = next_record(store, &at, &next, &head) ? at : store->size;
        if (end - begin >= room) {
            fits = 1;
            *found = shelf == VP_SHELF_CLOSED ? end - room : begin;
            if (shelf != VP_SHELF_CLOSED)
                return 1;
        }
        if (end == store->size)
            return fits;
        at = begin = next;
    }
}

/* Gives up the oldest payment that is done, but not `but`, and none that still has an open record. */
static int give_up_oldest(struct block_store *store, const char *but)
{
    size_t at = 0, next, oldest = 0, room = 0, ignored;
    uint32_t version = 0;
    struct head head, open;
    for (; next_record(store, &at, &next, &head); at = next) {
        if (head.shelf == VP_SHELF_CLOSED && (room == 0 || head.version < version) &&
            strcmp(head.name, but) != 0 && !find(store, VP_SHELF_OPEN, head.name, &ignored, &open)) {
            oldest = at;
            room = next - at;
            version = head.version;
        }
    }
    if (room > 0)
        strike_out(store, oldest, room);
    return room > 0;
}

void block_store_open(struct block_store *store)
{
    size_t at = 0, next, other, other_next;
    struct head head, second;
    store->newest = 0;
    for (; next_record(store, &at, &next, &head); at = next) {
        if (head.version > store->newest)
            store->newest = head.version;
        for (other = next; next_record(store, &other, &other_next, &second); other = other_next) {
            if (second.shelf != head.shelf || strcmp(second.name, head.name) != 0)
                continue;
            if (second.version > head.version)
                strike_out(store, at, next - at);
            else
                strike_out(store, other, other_next - other);
            break;
        }
    }
}

int32_t block_store_put(void *user, int32_t shelf, const char *name, const void *bytes, uint32_t size)
{
    struct block_store *store = user;
    size_t at, old;
    struct head head, old_head;
    int replaces;
    if (strlen(name) >= NAME_SIZE || store->newest == UINT32_MAX)
        return VP_STORE_FAILED;
    if (size > store->size)
        return VP_STORE_FULL;
    while (!find_room(store, shelf, room_for(size), &at)) {
        if (!give_up_oldest(store, name))
            return VP_STORE_FULL;
    }
    replaces = find(store, shelf, name, &old, &old_head);
    memset(&head, 0, sizeof head);
    strcpy(head.name, name);
    head.shelf = shelf;
    head.size = size;
    head.version = ++store->newest;
    head.checksum_of_bytes = crc32(bytes, size);
    head.checksum = checksum_of_head(&head);
    store->write(store, at + sizeof head, bytes, size);
    store->write(store, at + sizeof mark, (const uint8_t *)&head + sizeof mark, sizeof head - sizeof mark);
    store->write(store, at, mark, sizeof mark);
    if (replaces)
        strike_out(store, old, room_for(old_head.size));
    return VP_STORE_OK;
}

int32_t block_store_get(void *user, int32_t shelf, const char *name, void *buffer, uint32_t size)
{
    const struct block_store *store = user;
    const uint8_t *bytes;
    size_t at;
    struct head head;
    if (!find(store, shelf, name, &at, &head))
        return VP_STORE_NOTHING;
    bytes = store->block + at + sizeof head;
    if (crc32(bytes, head.size) != head.checksum_of_bytes)
        return VP_STORE_DAMAGED;
    if (head.size > size)
        return VP_STORE_FAILED;
    memcpy(buffer, bytes, head.size);
    return (int32_t)head.size;
}

int32_t block_store_remove(void *user, int32_t shelf, const char *name)
{
    struct block_store *store = user;
    size_t at;
    struct head head;
    if (!find(store, shelf, name, &at, &head))
        return VP_STORE_NOTHING;
    strike_out(store, at, room_for(head.size));
    return VP_STORE_OK;
}

int32_t block_store_each(void *user, int32_t shelf, vp_store_name_fn each, void *context)
{
    const struct block_store *store = user;
    size_t at = 0, next;
    struct head head;
    for (; next_record(store, &at, &next, &head); at = next) {
        if (head.shelf == shelf && each(context, head.name) != 0)
            break;
    }
    return VP_STORE_OK;
}
