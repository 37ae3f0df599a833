//! Every decision, pure: no IO, no clock, no random.
