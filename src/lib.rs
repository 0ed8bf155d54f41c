//! The C face of vpmeter: everything that `vpmeter.h` declares, in its order. What it means is said there; what it does is
//! done in `vpmeter-core`.
//!
//! All unsafe code of the library is in this crate, and nearly all of that in [`pointers`].

#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
// C's names.
#![allow(non_camel_case_types)]
// What a C caller must keep to is said in the header, which is made of these docs; "Safety" headings would be copied into it.
#![allow(clippy::missing_safety_doc)]
// A C function has its out-parameters too.
#![allow(clippy::too_many_arguments)]

mod boundary;
mod pins;
mod pointers;
mod table;

// Empty lines keep rustfmt from sorting: this is the order of the header.
mod error;

mod payment;

mod receipt;

mod store;

mod token;

mod transport;

mod hooks;

mod client;

mod keys;

mod network;

mod ride;

mod around;

mod office;

mod webhook;

mod text;

mod init;

#[cfg(test)]
mod tests;

pub use error::vp_error;
pub use hooks::vp_hooks;
pub use payment::{vp_event, vp_event_fn, vp_list_fn, vp_payment, vp_payment_fn};
pub use receipt::{vp_order_line, vp_receipt};
pub use store::vp_store_name_fn;

pub use transport::{vp_answer, vp_request, vp_transport_fn};
pub use transport::{
    vp_answer_body, vp_answer_cause, vp_answer_go_on, vp_answer_header, vp_answer_status,
    vp_answer_traffic,
};

pub use client::{vp_build_id, vp_version, vp_version_number};
pub use client::{vp_client, vp_config};
pub use client::{vp_client_close, vp_client_open, vp_interrupt, vp_worker_run};

pub use keys::vp_set_credentials;

pub use ride::{vp_capture, vp_create_push_payment, vp_poll, vp_post_receipt, vp_run_ride};
pub use ride::{vp_push_payment, vp_ride};

pub use around::vp_filter;
pub use around::{
    vp_cancel, vp_get_events, vp_known_payment, vp_list_payments, vp_refund, vp_settle,
};

pub use office::{vp_decide, vp_export_payments, vp_import_payment, vp_storage_cost, vp_write_off};
pub use office::{vp_record_fn, vp_storage};

pub use webhook::{vp_apply_webhook, vp_webhook_count, vp_webhook_verify};
pub use webhook::{vp_delete_webhook, vp_list_webhooks, vp_register_webhook};
pub use webhook::{vp_webhook, vp_webhook_counts, vp_webhook_event, vp_webhook_fn};

pub use text::{
    vp_driver_text, vp_next_reference, vp_normalize_phone, vp_split_gross, vp_status_name,
};

pub use init::{vp_config_init, vp_error_init, vp_event_init, vp_filter_init, vp_hooks_init};
pub use init::{
    vp_order_line_init, vp_payment_init, vp_push_payment_init, vp_receipt_init, vp_ride_init,
    vp_storage_init, vp_webhook_counts_init, vp_webhook_event_init, vp_webhook_init,
};
