//! The outside world, out: the SQLite file.
