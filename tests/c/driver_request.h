/* Payment requests and receipts out of the fields of a line. */
#ifndef DRIVER_REQUEST_H
#define DRIVER_REQUEST_H

#include "driver_line.h"
#include "vpmeter.h"

#define REQUEST_LINES 70

struct receipt {
    vp_receipt receipt;
    vp_order_line lines[REQUEST_LINES];
    char ids[REQUEST_LINES][12];
    const vp_receipt *given; /* NULL if the line has none, or `receipt=none` */
};

struct request {
    vp_push_payment request;
    struct receipt receipt;
    const vp_push_payment *given;
};

/* `lines=2 l0.total=... l1.total=... tip=... pos_id=...` */
void receipt_read(struct receipt *receipt, struct line *line);
/* `ref= amount= phone= ...`, and with `lines=` a receipt. */
void request_read(struct request *request, struct line *line);

#endif
