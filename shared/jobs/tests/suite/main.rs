//! Jobs against a real `redis-server`. Nothing here measures time: tests wait for conditions.

mod dead_letters;
mod encrypted;
mod jobs;
mod leases;
mod outages;
mod private_redis;
mod replicas;
mod server;
mod support;
mod workers;
