/*
 * Sizes and offsets, checked by the compiler, for 32 and 64 bit (also of another machine: compile with -c and
 * -ffreestanding).
 */
#include "vpmeter.h"

#include <stddef.h>

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define CHECK(condition) typedef char JOIN(check_at_line_, __LINE__)[(condition) ? 1 : -1]

#define P sizeof(void *)
#define SIZE(type, size) CHECK(sizeof(type) == (size) && sizeof(type) % 8 == 0)
#define AT(type, member, offset) CHECK(offsetof(type, member) == (offset))

CHECK(sizeof(void (*)(void)) == P);

SIZE(vp_error, 288);
AT(vp_error, struct_size, 0);
AT(vp_error, code, 4);
AT(vp_error, cause, 8);
AT(vp_error, http_status, 12);
AT(vp_error, vipps_code, 16);
AT(vp_error, retry, 20);
AT(vp_error, who, 24);
AT(vp_error, reserved, 28);
AT(vp_error, field, 32);
AT(vp_error, message, 64);
AT(vp_error, trace_id, 224);

SIZE(vp_payment, 424);
AT(vp_payment, struct_size, 0);
AT(vp_payment, state, 4);
AT(vp_payment, verdict, 8);
AT(vp_payment, next_step, 12);
AT(vp_payment, owed, 16);
AT(vp_payment, message, 20);
AT(vp_payment, last_code, 24);
AT(vp_payment, closed, 28);
AT(vp_payment, next_ms, 32);
AT(vp_payment, requests, 36);
AT(vp_payment, amount, 40);
AT(vp_payment, authorized, 48);
AT(vp_payment, captured, 56);
AT(vp_payment, cancelled, 64);
AT(vp_payment, refunded, 72);
AT(vp_payment, created_at, 80);
AT(vp_payment, expires_at, 88);
AT(vp_payment, capture_guaranteed_until, 96);
AT(vp_payment, bytes_sent, 104);
AT(vp_payment, bytes_received, 112);
AT(vp_payment, currency, 120);
AT(vp_payment, reference, 128);
AT(vp_payment, psp_reference, 200);
AT(vp_payment, trip, 264);
AT(vp_payment, reason, 328);

SIZE(vp_event, 184);
AT(vp_event, struct_size, 0);
AT(vp_event, success, 4);
AT(vp_event, amount, 8);
AT(vp_event, timestamp, 16);
AT(vp_event, name, 24);
AT(vp_event, idempotency_key, 56);
AT(vp_event, psp_reference, 120);

SIZE(vp_order_line, 64 + 2 * P);
AT(vp_order_line, struct_size, 0);
AT(vp_order_line, vat_rate, 4);
AT(vp_order_line, total, 8);
AT(vp_order_line, total_excluding_vat, 16);
AT(vp_order_line, vat, 24);
AT(vp_order_line, unit_price, 32);
AT(vp_order_line, discount, 40);
AT(vp_order_line, quantity_milli, 48);
AT(vp_order_line, unit, 56);
AT(vp_order_line, is_return, 60);
AT(vp_order_line, id, 64);
AT(vp_order_line, name, 64 + P);

SIZE(vp_receipt, 24 + 4 * P);
AT(vp_receipt, struct_size, 0);
AT(vp_receipt, line_size, 4);
AT(vp_receipt, tip, 8);
AT(vp_receipt, line_count, 16);
AT(vp_receipt, reserved, 20);
AT(vp_receipt, lines, 24);
AT(vp_receipt, pos_id, 24 + P);
AT(vp_receipt, receipt_number, 24 + 2 * P);
AT(vp_receipt, currency, 24 + 3 * P);

SIZE(vp_push_payment, 32 + 6 * P);
AT(vp_push_payment, struct_size, 0);
AT(vp_push_payment, on_approval, 4);
AT(vp_push_payment, decide_within_ms, 8);
AT(vp_push_payment, customer_interaction, 12);
AT(vp_push_payment, amount, 16);
AT(vp_push_payment, part_of_trip, 24);
AT(vp_push_payment, reserved, 28);
AT(vp_push_payment, currency, 32);
AT(vp_push_payment, reference, 32 + P);
AT(vp_push_payment, trip, 32 + 2 * P);
AT(vp_push_payment, phone, 32 + 3 * P);
AT(vp_push_payment, description, 32 + 4 * P);
AT(vp_push_payment, receipt, 32 + 5 * P);

SIZE(vp_ride, 8 + 2 * P);
AT(vp_ride, struct_size, 0);
AT(vp_ride, receipt_ms, 4);
AT(vp_ride, payment, 8);
AT(vp_ride, reserved, 8 + P);

SIZE(vp_filter, 40 + 2 * P);
AT(vp_filter, struct_size, 0);
AT(vp_filter, which, 4);
AT(vp_filter, since, 8);
AT(vp_filter, until, 16);
AT(vp_filter, guaranteed_before, 24);
AT(vp_filter, owed, 32);
AT(vp_filter, reserved, 36);
AT(vp_filter, trip, 40);
AT(vp_filter, reserved_pointer, 40 + P);

SIZE(vp_storage, 32);
AT(vp_storage, struct_size, 0);
AT(vp_storage, reserved, 4);
AT(vp_storage, file_syncs, 8);
AT(vp_storage, directory_syncs, 16);
AT(vp_storage, longest_sync_ms, 24);

SIZE(vp_webhook, 24 + 6 * P);
AT(vp_webhook, struct_size, 0);
AT(vp_webhook, body_size, 4);
AT(vp_webhook, now_ms, 8);
AT(vp_webhook, fresh_ms, 16);
AT(vp_webhook, reserved, 20);
AT(vp_webhook, method, 24);
AT(vp_webhook, target, 24 + P);
AT(vp_webhook, host, 24 + 2 * P);
AT(vp_webhook, headers, 24 + 3 * P);
AT(vp_webhook, body, 24 + 4 * P);
AT(vp_webhook, secret, 24 + 5 * P);

SIZE(vp_webhook_event, 288);
AT(vp_webhook_event, struct_size, 0);
AT(vp_webhook_event, success, 4);
AT(vp_webhook_event, amount, 8);
AT(vp_webhook_event, timestamp, 16);
AT(vp_webhook_event, signed_at, 24);
AT(vp_webhook_event, name, 32);
AT(vp_webhook_event, currency, 64);
AT(vp_webhook_event, msn, 72);
AT(vp_webhook_event, reference, 88);
AT(vp_webhook_event, psp_reference, 160);
AT(vp_webhook_event, idempotency_key, 224);

SIZE(vp_webhook_counts, 40);
AT(vp_webhook_counts, struct_size, 0);
AT(vp_webhook_counts, reserved, 4);
AT(vp_webhook_counts, applied, 8);
AT(vp_webhook_counts, known, 16);
AT(vp_webhook_counts, unknown, 24);
AT(vp_webhook_counts, reads, 32);

SIZE(vp_hooks, 8 + 14 * P);
AT(vp_hooks, struct_size, 0);
AT(vp_hooks, payment_size, 4);
AT(vp_hooks, user, 8);
AT(vp_hooks, on_payment, 8 + P);
AT(vp_hooks, on_tick, 8 + 2 * P);
AT(vp_hooks, on_log, 8 + 3 * P);
AT(vp_hooks, wall_ms, 8 + 4 * P);
AT(vp_hooks, monotonic_ms, 8 + 5 * P);
AT(vp_hooks, sleep_ms, 8 + 6 * P);
AT(vp_hooks, token, 8 + 7 * P);
AT(vp_hooks, store_put, 8 + 8 * P);
AT(vp_hooks, store_get, 8 + 9 * P);
AT(vp_hooks, store_remove, 8 + 10 * P);
AT(vp_hooks, store_each, 8 + 11 * P);
AT(vp_hooks, transport, 8 + 12 * P);
AT(vp_hooks, reserved_2, 8 + 13 * P);

SIZE(vp_request, 32 + 8 * P);
AT(vp_request, request_size, 0);
AT(vp_request, secure, 4);
AT(vp_request, port, 8);
AT(vp_request, limit_ms, 12);
AT(vp_request, connect_ms, 16);
AT(vp_request, body_size, 20);
AT(vp_request, answer_max, 24);
AT(vp_request, reserved, 28);
AT(vp_request, method, 32);
AT(vp_request, url, 32 + P);
AT(vp_request, host, 32 + 2 * P);
AT(vp_request, path, 32 + 3 * P);
AT(vp_request, headers, 32 + 4 * P);
AT(vp_request, body, 32 + 5 * P);
AT(vp_request, state, 32 + 6 * P);
AT(vp_request, reserved_pointer, 32 + 7 * P);

SIZE(vp_config, 40 + 24 * P);
AT(vp_config, struct_size, 0);
AT(vp_config, header_version, 4);
AT(vp_config, base_url, 8);
AT(vp_config, client_id, 8 + P);
AT(vp_config, client_secret, 8 + 2 * P);
AT(vp_config, subscription_key, 8 + 3 * P);
AT(vp_config, msn, 8 + 4 * P);
AT(vp_config, market, 8 + 5 * P);
AT(vp_config, device, 8 + 6 * P);
AT(vp_config, journal_dir, 8 + 7 * P);
AT(vp_config, ca_file, 8 + 8 * P);
AT(vp_config, system_name, 8 + 9 * P);
AT(vp_config, system_version, 8 + 10 * P);
AT(vp_config, plugin_name, 8 + 11 * P);
AT(vp_config, plugin_version, 8 + 12 * P);
AT(vp_config, request_ms, 8 + 13 * P);
AT(vp_config, connect_ms, 12 + 13 * P);
AT(vp_config, poll_first_ms, 16 + 13 * P);
AT(vp_config, poll_every_ms, 20 + 13 * P);
AT(vp_config, allow_refund, 24 + 13 * P);
AT(vp_config, gateway, 28 + 13 * P);
AT(vp_config, hooks, 32 + 13 * P);
AT(vp_config, gateway_header_name, 32 + 14 * P);
AT(vp_config, gateway_header_value, 32 + 15 * P);
AT(vp_config, client_cert_file, 32 + 16 * P);
AT(vp_config, client_key_file, 32 + 17 * P);
AT(vp_config, source_address, 32 + 18 * P);
AT(vp_config, interface_name, 32 + 19 * P);
AT(vp_config, addresses, 32 + 20 * P);
AT(vp_config, proxy_url, 32 + 21 * P);
AT(vp_config, proxy_user, 32 + 22 * P);
AT(vp_config, proxy_password, 32 + 23 * P);
AT(vp_config, keep_idle_ms, 32 + 24 * P);
AT(vp_config, reserved, 36 + 24 * P);

int main(void)
{
    return 0;
}
