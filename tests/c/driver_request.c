#include "driver_request.h"

#include <stdio.h>
#include <string.h>

/* Requests are read by one thread at a time only for as long as a name lives: one for each thread. */
static __thread char field[32];

/* "l3.total" */
static const char *of_line(int index, const char *name)
{
    snprintf(field, sizeof field, "l%d.%s", index, name);
    return field;
}

static void read_line(vp_order_line *to, struct line *line, int index, char *id, size_t id_size)
{
    static const vp_order_line empty = VP_ORDER_LINE_INIT;
    int64_t excluding = 0;
    int64_t vat = 0;
    *to = empty;
    snprintf(id, id_size, "%d", index + 1);
    to->struct_size = (uint32_t)line_number(line, of_line(index, "size"), (int64_t)sizeof *to);
    to->vat_rate = (int32_t)line_number(line, of_line(index, "rate"), 1200);
    to->total = line_number(line, of_line(index, "total"), 0);
    vp_split_gross(to->total, to->vat_rate, &excluding, &vat, NULL);
    to->total_excluding_vat = line_number(line, of_line(index, "excluding"), excluding);
    to->vat = line_number(line, of_line(index, "vat"), vat);
    to->unit_price = line_number(line, of_line(index, "unit_price"), 0);
    to->discount = line_number(line, of_line(index, "discount"), 0);
    to->quantity_milli = line_number(line, of_line(index, "quantity"), 0);
    to->unit = (int32_t)line_number(line, of_line(index, "unit"), 0);
    to->is_return = (int32_t)line_number(line, of_line(index, "return"), 0);
    to->id = line_text(line, of_line(index, "id"), id);
    to->name = line_text(line, of_line(index, "name"), "Taxi trip");
}

void receipt_read(struct receipt *receipt, struct line *line)
{
    static const vp_receipt empty = VP_RECEIPT_INIT;
    vp_receipt *r = &receipt->receipt;
    int64_t count = line_number(line, "lines", -1);
    int i;
    receipt->given = NULL;
    if (count < 0)
        return;
    if (count > REQUEST_LINES)
        bench_broken("too many lines", "lines");
    *r = empty;
    for (i = 0; i < (int)count; i++)
        read_line(&receipt->lines[i], line, i, receipt->ids[i], sizeof receipt->ids[i]);
    r->struct_size = (uint32_t)line_number(line, "receipt_size", (int64_t)sizeof *r);
    r->line_size = (uint32_t)line_number(line, "line_size", (int64_t)sizeof(vp_order_line));
    r->tip = line_number(line, "tip", 0);
    r->line_count = (uint32_t)line_number(line, "line_count", count);
    r->reserved = (uint32_t)line_number(line, "receipt_reserved", 0);
    r->lines = line_is(line, "line_pointer", "none") ? NULL : receipt->lines;
    r->pos_id = line_text(line, "pos_id", "taxi-122");
    r->receipt_number = line_text(line, "receipt_number", "17");
    r->currency = line_text(line, "receipt_currency", NULL);
    receipt->given = r;
}

void request_read(struct request *request, struct line *line)
{
    static const vp_push_payment empty = VP_PUSH_PAYMENT_INIT;
    vp_push_payment *r = &request->request;
    const char *then = line_text(line, "then", "capture");
    *r = empty;
    r->struct_size = (uint32_t)line_number(line, "request_size", (int64_t)sizeof *r);
    r->on_approval = strcmp(then, "capture") == 0 ? VP_THEN_CAPTURE : strcmp(then, "hold") == 0 ? VP_THEN_HOLD : 0;
    r->decide_within_ms = (uint32_t)line_number(line, "decide_within", 0);
    r->customer_interaction = (int32_t)line_number(line, "interaction", VP_CUSTOMER_PRESENT);
    r->amount = line_number(line, "amount", 24900);
    r->part_of_trip = (int32_t)line_number(line, "part", 0);
    r->reserved = (uint32_t)line_number(line, "reserved", 0);
    r->currency = line_text(line, "currency", "NOK");
    r->reference = line_text(line, "ref", "trip-0001");
    r->trip = line_text(line, "trip", NULL);
    r->phone = line_text(line, "phone", "912 34 567");
    r->description = line_text(line, "description", "Taxi, Oslo");
    receipt_read(&request->receipt, line);
    r->receipt = request->receipt.given;
    request->given = line_is(line, "request", "none") ? NULL : r;
}
