/* Calls that need no client: texts into buffers of any size. */
#include <string.h>

#include "driver_call.h"

#define TEXT_BYTES 256

/* A text out of the library: `size` bytes of buffer, and what lies behind them is looked at. */
struct text {
    char bytes[TEXT_BYTES + GUARD_BYTES];
    uint32_t size;
    uint32_t needed;
    char *out;
};

static void text_begin(struct text *text, struct line *line)
{
    int64_t size = line_number(line, "size", TEXT_BYTES);
    if (size < 0 || size > TEXT_BYTES)
        bench_broken("size is out of range", line->command);
    memset(text->bytes, GUARD, sizeof text->bytes);
    text->size = (uint32_t)size;
    text->needed = 0;
    text->out = line_is(line, "out", "none") ? NULL : text->bytes;
}

static int32_t text_end(struct text *text, struct call *call, int32_t rc)
{
    check_guard((unsigned char *)text->bytes, text->size, call->line->command);
    answer_number(&call->answer, "needed", text->needed);
    if (text->size > 0 && (rc == VP_OK || rc == VP_ERR_BUFFER_TOO_SMALL))
        answer_text(&call->answer, "text", text->bytes);
    return rc;
}

int32_t do_phone(struct call *call)
{
    struct text text;
    text_begin(&text, call->line);
    return text_end(&text, call,
                    vp_normalize_phone(line_text(call->line, "typed", "91234567"), line_text(call->line, "market", "NO"),
                                       text.out, text.size, &text.needed, call->out_error));
}

int32_t do_next(struct call *call)
{
    struct text text;
    text_begin(&text, call->line);
    return text_end(&text, call,
                    vp_next_reference(line_text(call->line, "previous", "trip-0001"), text.out, text.size, &text.needed,
                                      call->out_error));
}

/* The driver's words for a payment as it is known here, or for any message. */
int32_t do_text(struct call *call)
{
    struct text text;
    vp_payment payment = VP_PAYMENT_INIT;
    if (line_has(call->line, "message"))
        payment.message = (int32_t)line_number(call->line, "message", 0);
    else
        vp_known_payment(call->client, call->reference, &payment, NULL);
    payment.struct_size = (uint32_t)call->payment_size;
    text_begin(&text, call->line);
    return text_end(&text, call,
                    vp_driver_text(call->out_payment == NULL ? NULL : &payment, line_text(call->line, "language", "nb"),
                                   text.out, text.size, &text.needed, call->out_error));
}

int32_t do_split(struct call *call)
{
    int64_t excluding = -1;
    int64_t vat = -1;
    int32_t rc = vp_split_gross(line_number(call->line, "gross", 0), (int32_t)line_number(call->line, "rate", 0),
                                line_is(call->line, "excluding", "none") ? NULL : &excluding,
                                line_is(call->line, "vat", "none") ? NULL : &vat, call->out_error);
    answer_number(&call->answer, "excluding", excluding);
    answer_number(&call->answer, "vat", vat);
    return rc;
}

int32_t do_version(struct call *call)
{
    answer_text(&call->answer, "version", vp_version());
    answer_number(&call->answer, "number", vp_version_number());
    answer_text(&call->answer, "header", VPMETER_VERSION);
    answer_number(&call->answer, "header_number", VPMETER_VERSION_NUMBER);
    call->out_error = NULL;
    return VP_OK;
}
