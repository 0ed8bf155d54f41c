/* The header alone, in the strictest modes of every language that it promises. */
#include "vpmeter.h"
#include "vpmeter.h"

int main(void)
{
    vp_config config = VP_CONFIG_INIT;
    vp_hooks hooks = VP_HOOKS_INIT;
    vp_push_payment request = VP_PUSH_PAYMENT_INIT;
    vp_ride ride = VP_RIDE_INIT;
    vp_receipt receipt = VP_RECEIPT_INIT;
    vp_order_line line = VP_ORDER_LINE_INIT;
    vp_filter filter = VP_FILTER_INIT;
    vp_payment payment = VP_PAYMENT_INIT;
    vp_event event = VP_EVENT_INIT;
    vp_error error = VP_ERROR_INIT;
    uint32_t flags = VP_NTH(2) | VP_CAPTURE_FINAL;
    config.hooks = &hooks;
    receipt.lines = &line;
    request.receipt = &receipt;
    ride.payment = &request;
    return config.struct_size > 0 && ride.struct_size > 0 && filter.which == VP_LIST_ALL && payment.state == 0 &&
                   event.success == 0 && error.code == VP_OK && flags == 0x20001u &&
                   VPMETER_VERSION_NUMBER >= VPMETER_VERSION_MAJOR * 10000 && 3 -VP_ERR_NULL_POINTER == 5
               ? 0
               : 1;
}
