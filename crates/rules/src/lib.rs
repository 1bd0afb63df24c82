//! Decisions on plain values: ids, the OpenAPI's requests, refusals and signatures, which streams a task wants, where
//! they stand in a mixed picture, who speaks, where the server connects to on a tenant's word, where media lies in
//! time, and why some is missing. No I/O, no clock, no async; the build and `./do lint` see to that.

pub mod admission;
pub mod arrivals;
pub mod calendar;
pub mod error;
pub mod file_name;
#[doc(hidden)]
pub mod fuzzing;
pub mod ids;
pub mod layout;
pub mod ledger;
pub mod outbound;
pub mod request;
pub mod select;
pub mod sign;
pub mod speaker;
pub mod sync;
pub mod time;
