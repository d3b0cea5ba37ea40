/** What tests import to have real Postgres servers: primaries, streaming replicas, and statements run on them directly. */
export { query, withClient } from './postgres-query.ts';
export { promote, startReplica, waitForReplay } from './postgres-replica.ts';
export { type Postgres, type PostgresOptions, startPostgres } from './postgres-server.ts';
