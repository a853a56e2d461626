//! Incidents → commands: which remedy policy proposes, with what guard, in which mode.
