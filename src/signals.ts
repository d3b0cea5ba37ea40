/** Signals, with PgBouncer's meaning: HUP reload, TERM and INT wait and end, QUIT ends now, USR1 pauses, USR2 resumes. */
import type { ShutdownMode } from './admin/view.ts';
import type { Log } from './log.ts';

export interface Signalled {
  readonly log: Log;
  readonly shuttingDown: boolean;
  reload(): Promise<void>;
  shutdown(mode: ShutdownMode): void;
  pauseAll(): void;
  resumeAll(): void;
}

const ENDING = [
  ['SIGTERM', 'wait_for_clients'],
  ['SIGINT', 'wait_for_servers'],
  ['SIGQUIT', 'immediate'],
] as const satisfies readonly (readonly [NodeJS.Signals, ShutdownMode])[];

export function onSignals(worker: Signalled): void {
  const { log } = worker;
  process.on('SIGHUP', () => {
    log.log('got SIGHUP, re-reading config');
    worker.reload().catch((error: unknown) => log.error(`RELOAD failed: ${error instanceof Error ? error.message : error}`));
  });
  for (const [signal, mode] of ENDING) {
    process.on(signal, () => {
      log.log(`got ${signal}, shutting down`);
      worker.shutdown(mode);
    });
  }
  process.on('SIGUSR1', () => {
    log.log('got SIGUSR1, pausing all activity');
    worker.pauseAll();
  });
  process.on('SIGUSR2', () => {
    if (worker.shuttingDown) return log.log('got SIGUSR2 while shutting down, ignoring');
    log.log('got SIGUSR2, continuing from PAUSE');
    worker.resumeAll();
  });
}
