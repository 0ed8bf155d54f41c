#include "driver_bench.h"

#include <stdio.h>
#include <string.h>

#define COUNT(list) (int32_t)(sizeof(list) / sizeof((list)[0]))

static const char *pick(const char *const *names, int32_t count, int32_t number)
{
    static const char odd[] = "odd";
    return number >= 0 && number < count ? names[number] : odd;
}

const char *name_of_state(int32_t state)
{
    static const char *const names[] = {"none",    "RECORDED", "CREATED",    "AUTHORIZED", "ABORTED",
                                        "EXPIRED", "TERMINATED", "NOT_CREATED", "UNKNOWN"};
    return pick(names, COUNT(names), state);
}

const char *name_of_verdict(int32_t verdict)
{
    static const char *const names[] = {"none",          "WAIT",
                                        "PAID_LEAVE",    "SECURED_LEAVE",
                                        "TAKE_OTHER_PAYMENT", "TAKE_OTHER_RELEASE_OWED",
                                        "ASK_OFFICE"};
    return pick(names, COUNT(names), verdict);
}

const char *name_of_next(int32_t next)
{
    static const char *const names[] = {"none", "DONE", "POLL", "CAPTURE", "DECIDE", "SETTLE", "OFFICE"};
    return pick(names, COUNT(names), next);
}

const char *name_of_message(int32_t message)
{
    static const char *const names[] = {"none",
                                        "WAITING",
                                        "WAITING_OPEN_APP",
                                        "PAID",
                                        "SECURED",
                                        "DECLINED",
                                        "TIMED_OUT",
                                        "CANCELLED",
                                        "CUSTOMER_UNREACHABLE",
                                        "GIVEN_UP_RELEASE_OWED",
                                        "ASK_OFFICE",
                                        "TECHNICAL_PROBLEM",
                                        "PUSH_NOT_ALLOWED",
                                        "ALREADY_APPROVED",
                                        "NOT_SENT_YET",
                                        "UNKNOWN_STILL_CHECKING",
                                        "DECISION_OWED",
                                        "REFUNDED",
                                        "RELEASED_REST",
                                        "APPROVED",
                                        "NOT_ACCEPTED",
                                        "NO_CONTACT"};
    return pick(names, COUNT(names), message);
}

const char *name_of_cause(int32_t cause)
{
    static const char *const names[] = {"NONE",
                                        "TIMEOUT",
                                        "CONNECTION_LOST",
                                        "SERVER_ERROR",
                                        "LOCKED",
                                        "BAD_ANSWER",
                                        "INTERRUPTED",
                                        "STORAGE_AFTER_ANSWER",
                                        "NAME_LOOKUP",
                                        "CONNECT",
                                        "TLS",
                                        "RATE_LIMITED",
                                        "UNAUTHORIZED",
                                        "NOT_YET_PROVEN",
                                        "PROXY",
                                        "SOURCE_ADDRESS",
                                        "INTERFACE"};
    return pick(names, COUNT(names), cause);
}

void answer_owed(struct answer *answer, uint32_t owed)
{
    static const char *const names[] = {"CAPTURE", "RELEASE",   "RECEIPT", "REFUND",         "DECISION",
                                        "ANSWER",  "ELSEWHERE", "LOST",    "RECEIPT_REFUSED"};
    char text[200] = "";
    uint32_t bit;
    for (bit = 0; bit < 32; bit++) {
        if ((owed >> bit & 1u) == 0)
            continue;
        if (text[0] != '\0')
            strcat(text, "+");
        strcat(text, pick(names, COUNT(names), (int32_t)bit));
    }
    answer_text(answer, "owed", text);
}

void answer_payment(struct answer *answer, const vp_payment *payment)
{
    answer_text(answer, "state", name_of_state(payment->state));
    answer_text(answer, "verdict", name_of_verdict(payment->verdict));
    answer_text(answer, "next", name_of_next(payment->next_step));
    answer_owed(answer, payment->owed);
    answer_text(answer, "says", name_of_message(payment->message));
    answer_text(answer, "last", vp_status_name(payment->last_code));
    answer_number(answer, "closed", payment->closed);
    answer_number(answer, "next_ms", payment->next_ms);
    answer_number(answer, "requests", payment->requests);
    answer_number(answer, "amount", payment->amount);
    answer_number(answer, "authorized", payment->authorized);
    answer_number(answer, "captured", payment->captured);
    answer_number(answer, "cancelled", payment->cancelled);
    answer_number(answer, "refunded", payment->refunded);
    answer_number(answer, "created_at", payment->created_at);
    answer_number(answer, "expires_at", payment->expires_at);
    answer_number(answer, "guaranteed_until", payment->capture_guaranteed_until);
    answer_number(answer, "bytes_sent", payment->bytes_sent);
    answer_number(answer, "bytes_received", payment->bytes_received);
    answer_text(answer, "currency", payment->currency);
    answer_text(answer, "ref", payment->reference);
    answer_text(answer, "psp", payment->psp_reference);
    answer_text(answer, "trip", payment->trip);
    answer_text(answer, "reason", payment->reason);
}
