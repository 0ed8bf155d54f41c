/*
 * The INIT macros and the init functions are the same, byte by byte; a function writes no byte past the size that it is
 * given; and the versions of header and library agree.
 */
#include "vpmeter.h"

#include <stdio.h>
#include <string.h>

static int failures = 0;

static void check(int fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "wrong: %s\n", what);
        failures++;
    }
}

/*
 * Padding has any value in a variable that a macro sets up, but these structs have none: tests/c/layout.c.
 */
#define SAME(type, MACRO)                                                                        \
    do {                                                                                         \
        type by_macro = MACRO;                                                                   \
        union {                                                                                  \
            type value;                                                                          \
            unsigned char bytes[sizeof(type) + 16];                                              \
        } room;                                                                                  \
        uint32_t size;                                                                           \
        memset(&room, 0xAA, sizeof room);                                                        \
        type##_init(&room.value, sizeof(type));                                                  \
        check(memcmp(&room, &by_macro, sizeof(type)) == 0, #MACRO " is " #type "_init");         \
        check(room.bytes[sizeof(type)] == 0xAA, #type "_init stays inside");                     \
        for (size = 0; size <= sizeof room; size++) {                                            \
            uint32_t i;                                                                          \
            int fine = 1;                                                                        \
            memset(&room, 0xAA, sizeof room);                                                    \
            type##_init(&room.value, size);                                                      \
            for (i = size; i < sizeof room; i++)                                                 \
                fine = fine && room.bytes[i] == 0xAA;                                            \
            check(fine, #type "_init of every size stays inside");                               \
            if (size >= sizeof(type))                                                            \
                check(memcmp(room.bytes + 4, (const unsigned char *)&by_macro + 4, sizeof(type) - 4) == 0, \
                      #type "_init of a later size");                                            \
        }                                                                                        \
        type##_init(0, sizeof(type));                                                            \
    } while (0)

int main(void)
{
    SAME(vp_config, VP_CONFIG_INIT);
    SAME(vp_hooks, VP_HOOKS_INIT);
    SAME(vp_push_payment, VP_PUSH_PAYMENT_INIT);
    SAME(vp_ride, VP_RIDE_INIT);
    SAME(vp_receipt, VP_RECEIPT_INIT);
    SAME(vp_order_line, VP_ORDER_LINE_INIT);
    SAME(vp_filter, VP_FILTER_INIT);
    SAME(vp_payment, VP_PAYMENT_INIT);
    SAME(vp_event, VP_EVENT_INIT);
    SAME(vp_error, VP_ERROR_INIT);
    SAME(vp_storage, VP_STORAGE_INIT);
    SAME(vp_webhook, VP_WEBHOOK_INIT);
    SAME(vp_webhook_event, VP_WEBHOOK_EVENT_INIT);
    SAME(vp_webhook_counts, VP_WEBHOOK_COUNTS_INIT);

    check(strcmp(VPMETER_VERSION, vp_version()) == 0, "the versions agree");
    check(VPMETER_VERSION_NUMBER == vp_version_number(), "the version numbers agree");
    check(VPMETER_VERSION_NUMBER ==
              VPMETER_VERSION_MAJOR * 10000 + VPMETER_VERSION_MINOR * 100 + VPMETER_VERSION_PATCH,
          "the version number is made of its parts");
    check(strcmp(vp_status_name(VP_ERR_OUTCOME_UNKNOWN), "VP_ERR_OUTCOME_UNKNOWN") == 0, "codes have names");
    check(VP_NTH(2) == 0x20000u, "VP_NTH");
    return failures != 0;
}
