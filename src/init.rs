//! Setting up: what the INIT macros do, for those who cannot use them.

use crate::around::vp_filter;
use crate::client::{vp_config, VP_HEADER_VERSION};
use crate::error::vp_error;
use crate::hooks::vp_hooks;
use crate::office::vp_storage;
use crate::payment::{vp_event, vp_payment};
use crate::pointers;
use crate::receipt::{vp_order_line, vp_receipt};
use crate::ride::{vp_push_payment, vp_ride};
use crate::webhook::{vp_webhook, vp_webhook_counts, vp_webhook_event};

const PAYMENT: u32 = size_of::<vp_payment>() as u32;
const LINE: u32 = size_of::<vp_order_line>() as u32;

/// Sets up a vp_config: `size` is sizeof(vp_config), and no byte more is written. As VP_CONFIG_INIT.
/// `header_version` becomes the library's own, so a program that may meet a library of another version uses
/// VP_CONFIG_INIT, which has that of its header.
///
/// NULL is fine. From anywhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_config_init(config: *mut vp_config, size: u32) {
    // SAFETY: the header asks for NULL or `size` bytes that may be written.
    unsafe { pointers::init(config, size, |c| c.header_version = VP_HEADER_VERSION) }
}

/// Sets up a vp_hooks: `size` is sizeof(vp_hooks), and no byte more is written. As VP_HOOKS_INIT.
/// `payment_size` becomes the library's own, so a program that may meet a library of another version uses VP_HOOKS_INIT,
/// or sets it itself.
///
/// NULL is fine. From anywhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_hooks_init(hooks: *mut vp_hooks, size: u32) {
    // SAFETY: the header asks for NULL or `size` bytes that may be written.
    unsafe { pointers::init(hooks, size, |h| h.payment_size = PAYMENT) }
}

/// Sets up a vp_push_payment: `size` is sizeof(vp_push_payment), and no byte more is written. As VP_PUSH_PAYMENT_INIT.
///
/// NULL is fine. From anywhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_push_payment_init(request: *mut vp_push_payment, size: u32) {
    // SAFETY: the header asks for NULL or `size` bytes that may be written.
    unsafe { pointers::init(request, size, |_| {}) }
}

/// Sets up a vp_ride: `size` is sizeof(vp_ride), and no byte more is written. As VP_RIDE_INIT.
///
/// NULL is fine. From anywhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_ride_init(ride: *mut vp_ride, size: u32) {
    // SAFETY: the header asks for NULL or `size` bytes that may be written.
    unsafe { pointers::init(ride, size, |_| {}) }
}

/// Sets up a vp_receipt: `size` is sizeof(vp_receipt), and no byte more is written. As VP_RECEIPT_INIT.
/// `line_size` becomes the library's own, so a program that may meet a library of another version uses VP_RECEIPT_INIT,
/// or sets it itself.
///
/// NULL is fine. From anywhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_receipt_init(receipt: *mut vp_receipt, size: u32) {
    // SAFETY: the header asks for NULL or `size` bytes that may be written.
    unsafe { pointers::init(receipt, size, |r| r.line_size = LINE) }
}

/// Sets up a vp_order_line: `size` is sizeof(vp_order_line), and no byte more is written. As VP_ORDER_LINE_INIT.
///
/// NULL is fine. From anywhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_order_line_init(line: *mut vp_order_line, size: u32) {
    // SAFETY: the header asks for NULL or `size` bytes that may be written.
    unsafe { pointers::init(line, size, |_| {}) }
}

/// Sets up a vp_filter: `size` is sizeof(vp_filter), and no byte more is written. As VP_FILTER_INIT.
///
/// NULL is fine. From anywhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_filter_init(filter: *mut vp_filter, size: u32) {
    // SAFETY: the header asks for NULL or `size` bytes that may be written.
    unsafe { pointers::init(filter, size, |_| {}) }
}

/// Sets up a vp_payment: `size` is sizeof(vp_payment), and no byte more is written. As VP_PAYMENT_INIT.
///
/// NULL is fine. From anywhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_payment_init(payment: *mut vp_payment, size: u32) {
    // SAFETY: the header asks for NULL or `size` bytes that may be written.
    unsafe { pointers::init(payment, size, |_| {}) }
}

/// Sets up a vp_event: `size` is sizeof(vp_event), and no byte more is written. As VP_EVENT_INIT.
///
/// NULL is fine. From anywhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_event_init(event: *mut vp_event, size: u32) {
    // SAFETY: the header asks for NULL or `size` bytes that may be written.
    unsafe { pointers::init(event, size, |_| {}) }
}

/// Sets up a vp_error: `size` is sizeof(vp_error), and no byte more is written. As VP_ERROR_INIT.
///
/// NULL is fine. From anywhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_error_init(error: *mut vp_error, size: u32) {
    // SAFETY: the header asks for NULL or `size` bytes that may be written.
    unsafe { pointers::init(error, size, |_| {}) }
}

/// Sets up a vp_storage: `size` is sizeof(vp_storage), and no byte more is written. As VP_STORAGE_INIT.
///
/// NULL is fine. From anywhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_storage_init(storage: *mut vp_storage, size: u32) {
    // SAFETY: the header asks for NULL or `size` bytes that may be written.
    unsafe { pointers::init(storage, size, |_| {}) }
}

/// Sets up a vp_webhook: `size` is sizeof(vp_webhook), and no byte more is written. As VP_WEBHOOK_INIT.
///
/// NULL is fine. From anywhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_webhook_init(webhook: *mut vp_webhook, size: u32) {
    // SAFETY: the header asks for NULL or `size` bytes that may be written.
    unsafe { pointers::init(webhook, size, |_| {}) }
}

/// Sets up a vp_webhook_event: `size` is sizeof(vp_webhook_event), and no byte more is written. As VP_WEBHOOK_EVENT_INIT.
///
/// NULL is fine. From anywhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_webhook_event_init(event: *mut vp_webhook_event, size: u32) {
    // SAFETY: the header asks for NULL or `size` bytes that may be written.
    unsafe { pointers::init(event, size, |_| {}) }
}

/// Sets up a vp_webhook_counts: `size` is sizeof(vp_webhook_counts), and no byte more is written. As VP_WEBHOOK_COUNTS_INIT.
///
/// NULL is fine. From anywhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_webhook_counts_init(counts: *mut vp_webhook_counts, size: u32) {
    // SAFETY: the header asks for NULL or `size` bytes that may be written.
    unsafe { pointers::init(counts, size, |_| {}) }
}
