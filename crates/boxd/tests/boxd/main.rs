//! boxd as a program: its configuration, its processes, its figures.

mod configuration;
mod figures;
mod sandbox;
mod supervision;
