/**
 * Streaming replicas (hot standbys) for tests. The package has no pg_basebackup, so a replica is made as Postgres's manual
 * says under "low-level base backup": pg_backup_start, copy the data folder, pg_backup_stop on the same connection, backup_label.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { give, newFolder } from './postgres-files.ts';
import { withClient } from './postgres-query.ts';
import { copyFolder, type Postgres, type PostgresOptions, startOnFolder } from './postgres-server.ts';

/** Folders whose content belongs to the running primary and must not be in a backup. */
const NOT_COPIED = ['pg_wal', 'pg_replslot', 'pg_dynshmem', 'pg_notify', 'pg_serial', 'pg_snapshots', 'pg_stat_tmp', 'pg_subtrans'];

/** Starts a hot standby that streams from `primary`; resolves when it accepts read-only connections. */
export async function startReplica(primary: Postgres, options: PostgresOptions = {}): Promise<Postgres> {
  const folder = newFolder();
  const dataDir = path.join(folder, 'data');
  const label = await withClient(primary, async (client) => {
    await client.query("SELECT pg_backup_start('replica', fast => true)");
    copyFolder(primary.dataDir, dataDir);
    const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)');
    return rows[0]?.labelfile ?? '';
  });
  for (const name of NOT_COPIED) {
    for (const entry of readdirSync(path.join(dataDir, name))) rmSync(path.join(dataDir, name, entry), { recursive: true });
  }
  for (const name of ['archive_status', 'summaries']) {
    mkdirSync(path.join(dataDir, 'pg_wal', name), { mode: 0o700 });
    give(path.join(dataDir, 'pg_wal', name));
  }
  for (const name of ['postmaster.pid', 'postmaster.opts']) rmSync(path.join(dataDir, name), { force: true });
  for (const [name, text] of Object.entries({ backup_label: label, 'standby.signal': '' })) {
    writeFileSync(path.join(dataDir, name), text, { mode: 0o600 });
    give(path.join(dataDir, name));
  }
  const name = options.name ?? `replica of ${primary.name}`;
  const conninfo = `host='${primary.socketDir}' port=${primary.port} user=${primary.user} application_name='${name.replaceAll("'", '')}'`;
  const password = options.password ?? primary.password;
  return startOnFolder(folder, { ...options, name, password, settings: { primary_conninfo: conninfo, ...options.settings } });
}

/** Resolves when `replica` has replayed all that `primary` has written up to now. */
export async function waitForReplay(primary: Postgres, replica: Postgres): Promise<void> {
  const lsn = await withClient(primary, async (client) => {
    const { rows } = await client.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
    return rows[0]?.lsn;
  });
  await withClient(replica, async (client) => {
    for (;;) {
      const { rows } = await client.query<{ done: boolean }>('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS done', [lsn]);
      if (rows[0]?.done) return;
      await delay(5);
    }
  });
}

/** Makes a replica a primary; resolves when it takes writes. */
export async function promote(replica: Postgres): Promise<void> {
  const done = await withClient(replica, async (client) => {
    const { rows } = await client.query<{ done: boolean }>('SELECT pg_promote(true, 30) AS done');
    return rows[0]?.done;
  });
  if (!done) throw new Error(`${replica.name} was not promoted:\n${replica.log()}`);
}
