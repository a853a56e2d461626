//! The cluster → objects: what exists in a Kubernetes cluster, and since when.
