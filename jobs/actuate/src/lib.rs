//! Commands → the cluster → results: careful execution of signed orders.
