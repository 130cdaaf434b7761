//! The rules: money, periods, prices, what an order costs, what becomes of a payment.

pub mod catalogue;
pub mod invoice;
pub mod money;
pub mod order;
pub mod payment;
pub mod period;
pub mod profile;
pub mod quote;
pub mod subscription;
pub mod usage;
