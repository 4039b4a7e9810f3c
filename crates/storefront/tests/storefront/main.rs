//! Every page, as a browser gets it, on a world in memory.

mod browser;
mod fakes;

mod account;
mod assets;
mod buying;
mod codings;
mod errors;
mod pages;
mod pictures;
