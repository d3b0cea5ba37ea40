/** The settings that hold for one pool, from the places that can say them. */
import type { Config, DatabaseEntry } from '../config/config.ts';
import { query } from '../wire/write.ts';
import type { PoolPolicy } from './parts.ts';

/** User before database before global, as in PgBouncer; min_pool_size and server_lifetime: database before global. */
export function poolPolicy(entry: DatabaseEntry, userName: string, { settings, users }: Config): PoolPolicy {
  const user = users.get(userName);
  const check = settings.server_check_query;
  return {
    poolSize: user?.pool_size ?? entry.pool_size ?? settings.default_pool_size,
    minPoolSize: entry.min_pool_size ?? settings.min_pool_size,
    reserveSize: user?.reserve_pool_size ?? entry.reserve_pool_size ?? settings.reserve_pool_size,
    reserveTimeoutMs: settings.reserve_pool_timeout,
    lifetimeMs: entry.server_lifetime ?? settings.server_lifetime,
    idleTimeoutMs: settings.server_idle_timeout,
    checkDelayMs: settings.server_check_delay,
    ...(check === '' ? {} : { checkQuery: query(check === '<empty>' ? '' : check) }),
    loginRetryMs: settings.server_login_retry,
    roundRobin: settings.server_round_robin,
    pipelineWidth: entry.pipeline_width ?? settings.pipeline_width,
    pipelineDepth: entry.pipeline_depth ?? settings.pipeline_depth,
  };
}

/** Lines that name their user: their pools have `min_pool_size` connections also before anybody has come. */
export function keptOpen(config: Config): readonly DatabaseEntry[] {
  return [...config.databases.values()].filter(
    (entry) =>
      entry.user !== undefined &&
      entry.hosts.length > 0 &&
      entry.reads === undefined &&
      poolPolicy(entry, entry.user, config).minPoolSize > 0,
  );
}
