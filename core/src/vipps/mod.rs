//! The servers' language: paths, headers, bodies and answers of the Vipps MobilePay APIs. A change of a server rule
//! touches this room, or one pure room beside it.

pub mod epayment;
pub mod order_management;
pub mod problem;
pub mod registration;
pub mod time;
pub mod token;
pub mod webhook;
