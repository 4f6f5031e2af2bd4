//! Real records, run through the real engine, store and worker in simulated time.
//!
//! Every count is read back by SQL from rows that the worker and the store wrote, and compared with the
//! counts the folder of the records promises. The folder is `BIHUAN_DATA`, or `../shared/data`.
//!
//! On SQLite every set runs whole. With `BIHUAN_TESTS_ON=postgres` the fines and the proceedings run whole on
//! PostgreSQL, with the same counts. The violations and the requests would take minutes: of them those whose number 40
//! divides, and those with dates the wrong way round, have to come to what they come to on SQLite.

mod boston311_sla;
mod changed;
mod data;
mod eu_infringement;
mod nyc_hpd_leadpaint;
mod replay;
mod traffic_fines;
