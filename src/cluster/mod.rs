//! The registry of clusters, pooled clients, the reflector.
