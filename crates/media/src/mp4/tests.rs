//! Tests of the whole module on a file in memory. (Real media and real file systems: `tests/mp4_real`.)

mod disk;
mod fixture;
mod hostile;
mod kills;
mod mixed;
mod recorded;
mod replacing;
mod steps;
mod tail;
