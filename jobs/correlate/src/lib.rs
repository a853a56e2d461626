//! Anomalies → incidents: what belongs together, since when, how grave, and what may be its cause.
