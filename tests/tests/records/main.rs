//! Real records, run through the real engine, store and worker in simulated time.
//!
//! Every count is read back by SQL from rows that the worker and the store wrote, and compared with the
//! counts the folder of the records promises. The folder is `BIHUAN_DATA`, or `../shared/data`.

mod boston311_sla;
mod changed;
mod data;
mod eu_infringement;
mod nyc_hpd_leadpaint;
mod replay;
mod traffic_fines;
