//! Jobs against a real `redis-server`. Nothing here measures time: tests wait for conditions.

mod jobs;
mod leases;
mod private_redis;
mod support;
mod workers;
